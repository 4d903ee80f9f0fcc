"""What the repository has of one record, held against its proof: lost, dark (nobody here knows it) or changed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ferry.deposit.given import GivenMetadata
from ferry.mapping.diff import field_of
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError
from ferry.repository.models import RemoteRecord
from ferry.text.formatting import truncate

type Kind = Literal["lost", "dark", "changed", "unchecked"]
"""lost: the proof says there, the repository has not. dark: the repository has it, nobody here knows. changed: both
have it, otherwise. unchecked: it could not be told."""

RECORD = "record"
"""What a finding is of that concerns all of a record."""
_LONGEST_VALUE = 200


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the proof says."""

    kind: Kind
    what: str
    """`record`, `state`, `doi`, `version`, `file <key>` or `metadata <path>`."""
    expected: str = ""
    found: str = ""


async def read_live(repository: Repository, proof: Mapping[str, Any]) -> RemoteRecord | None:
    """Return the record of a proof as the repository has it, by one request if it is as it was; None if it is gone.

    Raises:
        PermanentError, TransientError: the repository does not say.
    """
    is_public = proof["state"] == "published"
    try:
        return await (repository.read_published if is_public else repository.read_draft)(proof["record_id"])
    except NotFoundError:
        if is_public:
            return None
    try:
        return await repository.read_published(proof["record_id"])  # somebody has published the draft
    except NotFoundError:
        return None


async def live_files(repository: Repository, live: RemoteRecord) -> dict[str, tuple[int | None, str | None]]:
    """Return key -> size in bytes and MD5 of each file, from the record itself where it tells of them."""
    files = live.document.get("files") or {}
    entries = files.get("entries")
    if isinstance(entries, Mapping):
        return {key: (entry.get("size"), _md5(entry.get("checksum"))) for key, entry in entries.items()}
    if not live.has_files:
        return {}
    return {file.key: (file.size_bytes, file.md5) for file in await repository.list_files(live)}


def compare(
    proof: Mapping[str, Any],
    live: RemoteRecord | None,
    files: Mapping[str, tuple[int | None, str | None]],
    *,
    document: Mapping[str, Any],
    given: GivenMetadata,
    kept: Collection[str] = (),
) -> list[Finding]:
    """Return what of a record is not as its proof says.

    Args:
        proof: of the record.
        live: as the repository has it, None if it has not.
        files: as `live_files` gives them.
        document: the target metadata, as the receipt `record` has them.
        given: what the record was given, and what the repository showed of it then.
        kept: fields that were changed by hand and left so.
    """
    if live is None:
        return [Finding("lost", RECORD, proof["record_id"], "no record of this id")]
    findings = []
    state = "published" if live.is_published else "draft"
    expected = "draft" if proof["state"] == "in_review" else proof["state"]
    if state != expected:
        findings.append(Finding("changed", "state", proof["state"], state))
    elif live.is_published:
        if live.doi != proof["doi"]:
            findings.append(Finding("changed", "doi", str(proof["doi"]), str(live.doi)))
        if proof["version"] not in (None, live.version):
            findings.append(Finding("changed", "version", str(proof["version"]), str(live.version)))
    findings += _of_files(proof, files)
    if given.is_known:
        by_hand, behind = given.sort({**document, "files": {"enabled": bool(proof["uploads"])}}, live.document)
        findings += [
            Finding("changed", f"metadata {change.path}", _value(change.after), _value(change.before))
            for change in (*by_hand, *behind)
            if field_of(change.path) not in kept
        ]
    else:
        findings.append(Finding("unchecked", "metadata", "what the record was given (given.json)", "nothing of it"))
    return findings


def _of_files(proof: Mapping[str, Any], files: Mapping[str, tuple[int | None, str | None]]) -> list[Finding]:
    findings = []
    held = {upload["key"]: (upload["size_bytes"], upload["md5"]) for upload in proof["uploads"]}
    for key in sorted(held.keys() | files.keys()):
        expected, found = held.get(key), files.get(key)
        if expected is None:
            findings.append(Finding("dark", f"file {key}", "no file of this key", _told(found)))
        elif found is None:
            findings.append(Finding("lost", f"file {key}", _told(expected), "no file of this key"))
        elif found != expected:
            findings.append(Finding("changed", f"file {key}", _told(expected), _told(found)))
    return findings


def _told(file: tuple[int | None, str | None] | None) -> str:
    size_bytes, md5 = file or (None, None)
    return f"{size_bytes} bytes, md5 {md5}"


def _md5(checksum: Any) -> str | None:
    algorithm, _, value = str(checksum).partition(":")
    return value if algorithm == "md5" else None


def _value(value: Any) -> str:
    return "nothing" if value is None else truncate(str(value), _LONGEST_VALUE)
