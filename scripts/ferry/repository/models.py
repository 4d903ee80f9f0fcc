"""What the repository tells of records and files, in this package's words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from ferry.errors import PermanentError
from ferry.text.formatting import truncate

MD5_PREFIX = "md5:"
_MD5 = re.compile(r"[0-9a-f]{32}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Part:
    """Where one part of a multipart file goes."""

    number: int
    """From 1 on."""
    url: URL


@dataclass(frozen=True)
class RemoteFile:
    """One entry of a record's file list, as the repository tells it."""

    key: str
    status: str
    size_bytes: int | None
    md5: str | None
    """Lower-case hexadecimal; None while the repository has not computed it."""
    content_url: URL | None
    commit_url: URL | None
    self_url: URL
    created: str | None = None
    """Tells an entry from an earlier one of the same key."""
    part_bytes: int | None = None
    """Length of each part but the last, of a file that is sent in parts; else None."""
    parts: tuple[Part, ...] = ()
    container_url: URL | None = None
    """Below it single members of an archive are given, where the repository does that."""

    @property
    def is_complete(self) -> bool:
        """Whether the repository calls the file complete (which proves nothing yet)."""
        return self.status == "completed"


@dataclass(frozen=True)
class RemoteRecord:
    """A draft or a published record, as the repository tells it."""

    id: str
    page_url: str
    is_published: bool
    document: Mapping[str, Any]
    """Everything else it says: metadata, access, parent, pids …"""
    errors: Sequence[Mapping[str, Any]]
    """What it objects to in the metadata; a draft is made all the same."""
    etag: str | None
    self_url: URL
    files_url: URL
    publish_url: URL | None
    """None where it cannot be published at once: it is public, or its workflow wants a request."""
    requests_url: URL | None = None
    applicable_requests_url: URL | None = None
    """Where an NRP repository lists the requests that can be made about it."""
    has_review: bool = False
    """Whether it is tied to the review of a community, in whatever state."""
    workflow: str | None = None
    """Of an NRP repository; None there is the default one."""
    parent_id: str | None = None
    """What all versions of a record have in common. Known of what a search has found."""

    def __post_init__(self) -> None:
        """Refuse an id that could lead elsewhere in an address."""
        _refuse_odd_id(self.id)

    @property
    def version(self) -> int:
        """Which version it is, from 1 on."""
        return int((self.document.get("versions") or {}).get("index") or 1)

    @property
    def is_later_version(self) -> bool:
        """Whether an earlier version is public: a later one stays in its community."""
        return self.version > 1

    @property
    def doi(self) -> str | None:
        """Its DOI, where it has one."""
        doi = ((self.document.get("pids") or {}).get("doi") or {}).get("identifier")
        return str(doi) if doi else None

    @property
    def is_outdated(self) -> bool:
        """Whether a later version of it is public."""
        return self.is_published and (self.document.get("versions") or {}).get("is_latest") is False

    @property
    def was_published(self) -> bool:
        """Whether it is public; of a draft: whether it changes a record that is public."""
        return self.is_published or bool(self.document.get("is_published"))

    @property
    def has_files(self) -> bool:
        """Whether it is one with files."""
        return bool((self.document.get("files") or {}).get("enabled", False))

    @property
    def told_files(self) -> Mapping[str, tuple[int | None, str]] | None:
        """Key -> size and MD5 of each file of a public record; None where the answer does not tell of all of them.

        What it tells of a draft is not looked at: files that are still to be sent do not stand there.
        """
        files = self.document.get("files") or {}
        entries = files.get("entries")
        if not self.is_published or not isinstance(entries, dict) or len(entries) != files.get("count"):
            return None
        told = {}
        for key, entry in entries.items():
            md5 = md5_of(entry.get("checksum")) if isinstance(entry, dict) else None
            if md5 is None:
                return None
            told[str(key)] = (entry.get("size"), md5)
        return told

    @property
    def metadata_errors(self) -> list[Mapping[str, Any]]:
        """The objections to the metadata themselves: a draft whose files are still to come is objected to as well."""
        return [error for error in self.errors if error.get("field") != "files.enabled"]

    @property
    def identifiers(self) -> frozenset[str]:
        """The values in `metadata.identifiers`."""
        metadata = self.document.get("metadata") or {}
        return frozenset(str(entry.get("identifier")) for entry in metadata.get("identifiers") or ())

    def is_of(self, *, identifier: str, recid: int | None) -> bool:
        """Whether it carries the identifier, or the recid in `metadata.recid`, where its model has that."""
        named = (self.document.get("metadata") or {}).get("recid")
        return identifier in self.identifiers or (recid is not None and str(named) == str(recid))


@dataclass(frozen=True)
class Community:
    """A community, as the repository tells of it."""

    id: str
    slug: str
    workflow: str | None = None
    """Of an NRP repository: the workflow that the community's records have; None where none is told."""
    allowed_workflows: tuple[str, ...] = ()
    """Those that a record may have to be submitted to it; empty where none are told."""
    may_submit: bool | None = None
    """Whether the token's user may submit records to it; None where the repository does not tell."""
    lets_members_publish: bool = False
    """Whether its own people publish without a review."""

    def __post_init__(self) -> None:
        """Refuse an id that could lead elsewhere in an address."""
        _refuse_odd_id(self.id)

    @property
    def workflows(self) -> tuple[str, ...]:
        """All that a record may have to be submitted to it, its own first; empty where none are told."""
        own = (self.workflow,) if self.workflow else ()
        return tuple(dict.fromkeys([*own, *self.allowed_workflows]))


@dataclass(frozen=True)
class ReviewRequest:
    """A request to publish a draft, or to take it into a community, as the repository tells it."""

    id: str
    status: str
    """created, submitted, accepted, declined, cancelled, expired."""
    url: str
    """Its page, where a person decides."""
    type: str = "community-submission"
    actions: frozenset[str] = frozenset()
    """What the token's user may do with it."""
    last_comment: str | None = None
    """Id of what was said last."""
    community: str | None = None
    """Id of the one that decides."""

    def __post_init__(self) -> None:
        """Refuse an id that could lead elsewhere in an address."""
        _refuse_odd_id(self.id)
        _refuse_odd_id(self.last_comment or self.id)

    @property
    def is_pending(self) -> bool:
        """Whether somebody has still to decide."""
        return self.status == "submitted"


def md5_of(checksum: Any) -> str | None:
    """Return the MD5 in a checksum as the repository tells it; None while it tells none, or one of another kind."""
    md5 = str(checksum or "").removeprefix(MD5_PREFIX)
    return md5 if _MD5.fullmatch(md5) else None


def _refuse_odd_id(found: str) -> None:
    if not _ID.fullmatch(found):
        raise PermanentError(
            "the repository's answer was not understood: expected an id of letters, digits and . _ -, at most 100 of "
            f"them, found {truncate(found, 100)!r}"
        )
