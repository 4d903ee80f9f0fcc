"""What goes up as what: loose files or bundles; decided from the receipt of the download alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from ferry.bundle.split import BrowsableLimits, split, split_browsable
from ferry.errors import ConfigError, PermanentError

MOST_FILES_PER_RECORD = 100
"""Of InvenioRDM; the attachments take some of these places."""


@dataclass(frozen=True)
class PackageSettings:
    """When files are bundled, and what the repository takes; sizes in bytes, None: no limit."""

    max_files: int = 20
    """A record with more files than this is bundled; at most 98."""
    patterns: tuple[str, ...] = ()
    """Shell patterns: one file whose key matches (`*.log`, `raw/*`) is enough to bundle its record."""
    max_bundle_bytes: int | None = 10**10
    """Above this a bundle is split, by whole files. 10^10: a plain InvenioRDM; 50 * 10^9: Zenodo."""
    max_upload_bytes: int | None = 10**10
    """The largest single file that the repository takes."""
    max_record_bytes: int | None = None
    """The most that the repository takes for one record (10^10 on a plain InvenioRDM)."""
    mode: Literal["file", "stream"] = "file"
    """file: bundles are written below data/; stream: they are generated while they are uploaded."""
    empty_files: Literal["loose", "bundle"] = "loose"
    """bundle: a record with a file without a byte goes up as a zip, as the repository takes no empty file."""
    attachments: frozenset[str] = frozenset()
    """What goes up beside the files: source, manifest, ro-crate."""
    browsable: BrowsableLimits | None = None
    """Bundles that the repository opens, within these limits; None: it need not."""

    def __post_init__(self) -> None:
        if not 1 <= self.max_files <= self.most_uploads:
            raise ConfigError(
                f"package.max_files: expected 1 to {self.most_uploads} (a record takes {MOST_FILES_PER_RECORD} files, "
                f"its attachments among them), found {self.max_files}"
            )
        for name in ("max_bundle_bytes", "max_upload_bytes", "max_record_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"package.{name}: expected a number of bytes above 0 or null, found {value}")
        if self.mode not in ("file", "stream"):
            raise ConfigError(f"package.mode: expected file or stream, found {self.mode!r}")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the settings that the part `package` of the configuration gives."""
        return cls(
            max_files=config["max_files"],
            patterns=tuple(config["patterns"]),
            max_bundle_bytes=config["max_bundle_bytes"],
            max_upload_bytes=config["max_upload_bytes"],
            max_record_bytes=config["max_record_bytes"],
            mode=config["mode"],
            empty_files=config["empty_files"],
            attachments=frozenset(config["attachments"]),
            browsable=BrowsableLimits(**config["browsable_limits"]) if config["browsable"] else None,
        )

    @property
    def most_uploads(self) -> int:
        """A record may have so many files beside its attachments; for two there is always a place."""
        return MOST_FILES_PER_RECORD - max(2, len(self.attachments))

    @property
    def bundle_limit_bytes(self) -> int | None:
        """No bundle may be larger: the smaller of the limits for a bundle and for an upload."""
        limits = [limit for limit in (self.max_bundle_bytes, self.max_upload_bytes) if limit is not None]
        return min(limits, default=None)


@dataclass(frozen=True, slots=True)
class Member:
    """A file as the download's receipt describes it."""

    key: str
    size_bytes: int
    adler32: int
    crc32: int


@dataclass(frozen=True)
class PlannedUpload:
    """One file of the repository's record: a loose file, or a bundle with its members in order."""

    key: str
    kind: Literal["file", "bundle"]
    members: tuple[Member, ...]
    """The file itself, or what the bundle holds, sorted by key."""


@dataclass(frozen=True)
class PackagePlan:
    """All uploads of a record, sorted by key."""

    recid: int
    uploads: tuple[PlannedUpload, ...]
    browsable: BrowsableLimits | None = None
    """What the bundles are within; None: the repository need not open them, or cannot."""
    note: str = ""
    """What it cannot open, and why; empty if it opens all bundles, or need not."""


def plan_packages(*, recid: int, files: Iterable[Mapping[str, Any]], settings: PackageSettings) -> PackagePlan:
    """Decide what goes up as what; the same files always give the same plan, in whatever order they come.

    Args:
        recid: record identifier, the stem of the bundles' names.
        files: `files` of the receipt `download`.
        settings: the limits.

    Raises:
        PermanentError: a file, the record or the number of uploads is beyond what the repository takes, or two
            files have one key; the message names them. Nothing was read or written.
    """
    members = sorted(map(_member, files), key=lambda member: member.key)
    refuse_twins(recid, [member.key for member in members])
    _refuse_giants(recid, members, settings)
    browsable, note = None, ""
    has_empty = any(member.size_bytes == 0 for member in members)
    if not is_bundled([member.key for member in members], settings, has_empty=has_empty):
        uploads = [PlannedUpload(member.key, "file", (member,)) for member in members]
    else:
        groups, browsable, note = _grouped(members, settings)
        bundle_count = sum(not _is_loose(group, settings) for group in groups)
        uploads, number = [], 0
        for group in groups:
            if _is_loose(group, settings):
                uploads.append(PlannedUpload(group[0].key, "file", tuple(group)))
            else:
                number += 1
                stem = f"{recid}_bundle" if bundle_count == 1 else f"{recid}_bundle_{number:03d}"
                uploads.append(PlannedUpload(f"{stem}.zip", "bundle", tuple(group)))
        refuse_twins(recid, [upload.key for upload in uploads])
    if len(uploads) > settings.most_uploads:
        raise PermanentError(
            f"record {recid}: {len(uploads)} uploads after bundling, expected at most {settings.most_uploads}; "
            f"package.max_bundle_bytes is {settings.bundle_limit_bytes}: the repository has to take larger files"
        )
    ordered = tuple(sorted(uploads, key=lambda upload: upload.key))
    return PackagePlan(recid=recid, uploads=ordered, browsable=browsable, note=note)


def _grouped(
    members: Sequence[Member], settings: PackageSettings
) -> tuple[list[list[Member]], BrowsableLimits | None, str]:
    """Return which members go up together, what these bundles are within, and what has to be told of that."""
    limits, most = settings.browsable, settings.most_uploads
    if limits is None:
        return split(members, settings.bundle_limit_bytes), None, ""
    groups = split_browsable(members, settings.bundle_limit_bytes, limits)
    if len(groups) > most:
        note = f"not browsable: that would take {len(groups)} uploads, expected at most {most}; larger bundles it is"
        return split(members, settings.bundle_limit_bytes), None, note
    loose = [group[0].key for group in groups if len(group) == 1]
    note = f"{len(loose)} loose, as no browsable bundle holds more: {', '.join(loose[:3])}" if loose else ""
    return groups, limits, note + (" …" if len(loose) > 3 else "")


def _member(file: Mapping[str, Any]) -> Member:
    return Member(file["key"], file["size_bytes"], int(file["adler32"], 16), int(file["crc32"], 16))


def refuse_twins(recid: int, keys: Iterable[str]) -> None:
    """Refuse two uploads, or two members of bundles, with one name: the later would take the place of the first.

    Raises:
        PermanentError: names the key.
    """
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise PermanentError(f"record {recid}: two uploads or members would be called {key!r}, expected one")
        seen.add(key)


def _refuse_giants(recid: int, members: Sequence[Member], settings: PackageSettings) -> None:
    limit = settings.max_upload_bytes
    giants = [member for member in members if limit is not None and member.size_bytes > limit]
    if giants:
        named = ", ".join(f"{member.key} ({member.size_bytes} bytes)" for member in giants[:5])
        more = f" and {len(giants) - 5} more" if len(giants) > 5 else ""
        raise PermanentError(
            f"record {recid}: larger than the repository takes ({limit} bytes a file): {named}{more}; "
            "files are never cut: raise the repository's limit and package.max_upload_bytes"
        )
    total = sum(member.size_bytes for member in members)
    if settings.max_record_bytes is not None and total > settings.max_record_bytes:
        raise PermanentError(
            f"record {recid}: {total} bytes in {len(members)} files, the repository takes "
            f"{settings.max_record_bytes} bytes a record; ask for a larger quota, then raise package.max_record_bytes"
        )


def is_bundled(keys: Sequence[str], settings: PackageSettings, *, has_empty: bool = False) -> bool:
    """Tell whether a record of files with these keys, one of them perhaps without a byte, goes up in bundles."""
    if has_empty and settings.empty_files == "bundle":
        return True
    if len(keys) < 2:
        return False
    if len(keys) > settings.max_files:
        return True
    return any(fnmatchcase(key, pattern) for key in keys for pattern in settings.patterns)


def _is_loose(group: Sequence[Member], settings: PackageSettings) -> bool:
    """Tell whether what would be a bundle is a file by itself."""
    return len(group) == 1 and (group[0].size_bytes > 0 or settings.empty_files == "loose")
