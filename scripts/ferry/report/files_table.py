"""One row per source file: what the source, the local disk and the repository say about it, and whether they agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ferry.checksums import HEX_DIGITS
from ferry.report.evidence import Evidence
from ferry.report.proof import read_back

type _Item = Mapping[str, Any]

_UNDECLARED: _Item = {"uri": None, "size_bytes": None, "checksum": None}


@dataclass(frozen=True)
class _Trail:
    """What each receipt says about one file; `packed` is the file as it was packaged, `upload` what carries it."""

    source: _Item
    local: _Item | None
    upload: _Item | None
    packed: _Item | None
    held: _Item | None


def file_rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield a row of `FILES_SCHEMA` for each file that the source receipt lists, in its order.

    Where it lists none, the files are those that were found on the disk (source.data_root).
    """
    local = _by_key(evidence, "download", "files")
    remote = _by_key(evidence, "upload", "files")
    uploads = _by_key(evidence, "package", "uploads")
    members = {member["key"]: (upload, member) for upload in uploads.values() for member in upload["members"]}
    listed = evidence.receipts.get("source", {}).get("files", [])
    read = read_back(evidence.receipts, "files")
    for source in listed or [{"key": key, **_UNDECLARED} for key in local]:
        key = source["key"]
        loose = uploads.get(key)
        upload, packed = members.get(key, (loose, loose))
        held = remote.get(upload["key"]) if upload else None
        row = _row(evidence.recid, _Trail(source, local.get(key), upload, packed, held))
        yield {**row, "confirmed_by": ("read_back" if key in read else "repository") if held else None}


def _stated(local: _Item | None) -> _Item:
    """Return what a manifest on the disk said of a file, the strongest; nothing where there was none."""
    return next(iter((local or {}).get("stated", ())), {})


def _row(recid: int, trail: _Trail) -> dict[str, Any]:
    source, local, upload, held = trail.source, trail.local, trail.upload, trail.held
    checksum = source["checksum"] or _stated(local)
    bundle = upload["key"] if upload and upload["kind"] == "bundle" else None
    problem = _problem(trail)
    md5 = held["md5"] if held else None
    return {
        "recid": recid,
        "key": source["key"],
        "size_bytes": local["size_bytes"] if local else source["size_bytes"],
        "adler32": local["adler32"] if local else None,
        "md5": (held or {}).get("member_md5s", {}).get(source["key"]) if bundle else md5,
        "bundle": bundle,
        "member": source["key"] if bundle else None,
        "uploaded_key": upload["key"] if upload else None,
        "verified": problem is None,
        "verified_by": local["verified"] if local else None,
        "problem": problem,
        "uri": source["uri"],
        "declared_size_bytes": source["size_bytes"],
        "declared_algorithm": checksum.get("algorithm"),
        "declared_checksum": checksum.get("value"),
        "crc32": local["crc32"] if local else None,
        "bundle_md5": md5 if bundle else None,
    }


def _problem(trail: _Trail) -> str | None:
    """Say why source = local = repository does not hold for a file; None if it does.

    A few fixed sentences, so that files can be counted by them.
    """
    source, local = trail.source, trail.local
    if local is None:
        return "not downloaded"
    checksum = source["checksum"] or {}
    declared_adler32 = checksum["value"] if checksum.get("algorithm") == "adler32" else local["adler32"]
    checks = (
        (local["verified"] in HEX_DIGITS, "the source declares no checksum that could be checked"),
        (source["size_bytes"] in (None, local["size_bytes"]), "the local size is not the declared one"),
        (declared_adler32 == local["adler32"], "the local adler32 is not the declared one"),
        (trail.packed is not None, "not packaged"),
        (_identity(trail.packed) in (None, _identity(local)), "packaged with other bytes than downloaded"),
        (trail.held is not None, "not uploaded"),
        (_identity(trail.held) in (None, _identity(trail.upload)), "uploaded with other bytes than packaged"),
    )
    return next((problem for holds, problem in checks if not holds), None)


def _identity(item: _Item | None) -> tuple[int, str] | None:
    return (item["size_bytes"], item["adler32"]) if item else None


def _by_key(evidence: Evidence, receipt: str, items: str) -> dict[str, _Item]:
    return {item["key"]: item for item in evidence.receipts.get(receipt, {}).get(items, [])}
