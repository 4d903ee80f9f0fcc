"""Receipts of one record held against each other: each must fit those that it was made of."""

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

from ferry.chain import CHAIN, LAST_STEP
from ferry.receipts import digest
from ferry.report.proof import MADE_OF, proof_of, published_or_adopted
from ferry.upload_names import RO_CRATE_KEY, manifest_key, source_key

type _Receipts = Mapping[str, Mapping[str, Any]]

_MOST_NAMED = 3


def misfits(receipts: _Receipts, *, there: Set[str]) -> dict[str, str]:
    """Return what was found in place of receipts that fit, by their names.

    Args:
        receipts: that could be read.
        there: names of all that are there, also of those that could not be read.
    """
    found = {}
    for step in CHAIN:
        # the last step needs the receipt of publishing only where records are published
        users = [later for later in CHAIN if step.name in later.needs and later.name != LAST_STEP]
        is_used = any(name in there for later in users for name in later.receipts)
        is_used |= step.receipt in there  # one step leaves them together
        for name in step.receipts:
            if name not in there and is_used:
                found[name] = "no file, though what was made of it is there"
    for name, (needed, compare) in _COMPARED.items():
        if {name, *needed} <= receipts.keys() and (problem := compare(receipts)):
            found[name] = problem
    return found


def _mapping(receipts: _Receipts) -> str | None:
    is_same = receipts["mapping"].get("source_sha256") == digest(receipts["source"])
    return None if is_same else "one that was made of another receipt source"


def _download(receipts: _Receipts) -> str | None:
    local = {file["key"]: file for file in receipts["download"]["files"]}
    wrong = [file["key"] for file in receipts["source"]["files"] if not _is_declared(file, local.get(file["key"]))]
    return _other_files(wrong, "source")


def _is_declared(source: Mapping[str, Any], local: Mapping[str, Any] | None) -> bool:
    if local is None or source["size_bytes"] not in (None, local["size_bytes"]):
        return False
    checksum = source["checksum"] or {}
    return checksum.get("algorithm") != "adler32" or bool(checksum["value"] == local["adler32"])


def _package(receipts: _Receipts) -> str | None:
    names = ("size_bytes", "adler32", "crc32")
    local = {file["key"]: file for file in receipts["download"]["files"]}
    packed: dict[str, Mapping[str, Any]] = {}
    for upload in receipts["package"]["uploads"]:
        if upload["kind"] != "attachment":
            packed |= {file["key"]: file for file in upload["members"] or [upload]}
    wrong = local.keys() ^ packed.keys()
    wrong |= {key for key, file in packed.items() if key in local and not _is_same(local[key], file, names)}
    return _other_files(wrong, "download")


def _upload(receipts: _Receipts) -> str | None:
    upload = receipts["upload"]
    if "skipped" in upload:
        return None
    held = {file["key"]: file for file in upload["files"]}
    packed = {file["key"]: file for file in receipts["package"]["uploads"]}
    made_later = {manifest_key(upload["recid"]), RO_CRATE_KEY, source_key(upload["recid"])}
    wrong = packed.keys() ^ (held.keys() - (made_later - packed.keys()))
    wrong |= {key for key, file in packed.items() if key in held and not _is_same(held[key], file)}
    if wrong:
        return _other_files(wrong, "package")
    given = {**receipts["record"], "files": {"enabled": bool(held)}}
    return None if upload.get("metadata_sha256") == digest(given) else "one of other metadata than those in record.json"


def _of_same_record(name: str) -> Callable[[_Receipts], str | None]:
    def compare(receipts: _Receipts) -> str | None:
        ours, uploaded = ([each[key] for key in ("repository", "record_id")] for each in _pair(receipts))
        return None if ours == uploaded else f"one of {ours[1]} in {ours[0]}, which is not what was uploaded"

    def _pair(receipts: _Receipts) -> Iterable[Mapping[str, Any]]:
        return receipts[name], receipts["upload"]

    return compare


def _proof(receipts: _Receipts) -> str | None:
    if is_further_than_receipts(receipts):
        return None  # publishing has begun again, which takes the proof away next
    made, told = _and_read_back(proof_of(receipts)), _and_read_back(receipts["proof"])
    # an audit notes what it has read back before the proof tells of it
    is_made = made[0] == told[0] and all(keys <= noted for keys, noted in zip(told[1], made[1], strict=True))
    return None if is_made else "one that the other receipts of the record do not make"


def _and_read_back(proof: Mapping[str, Any]) -> tuple[dict[str, Any], list[set[str]]]:
    """Return a proof but for what was read back, and the keys of files and of uploads that were."""
    items = {name: [{**each, "confirmed_by": None} for each in proof[name]] for name in ("files", "uploads")}
    read = [{each["key"] for each in proof[name] if each["confirmed_by"] == "read_back"} for name in items]
    return {**proof, **items}, read


_COMPARED: Mapping[str, tuple[tuple[str, ...], Callable[[_Receipts], str | None]]] = {
    "mapping": (("source",), _mapping),
    "download": (("source",), _download),
    "package": (("download",), _package),
    "upload": (("package", "record"), _upload),
    "published": (("upload",), _of_same_record("published")),
    "stats": (("upload",), _of_same_record("stats")),
    "proof": (MADE_OF, _proof),
}
"""Receipt -> those that it is held against, and what says what is wrong with it."""


def is_further_than_receipts(receipts: _Receipts) -> bool:
    """Tell whether the proof is of a record that went on from a draft, and the receipt which says so is not there."""
    return published_or_adopted(receipts) is None and receipts["proof"]["state"] in ("published", "in_review")


def _is_same(
    one: Mapping[str, Any], other: Mapping[str, Any], names: Iterable[str] = ("size_bytes", "adler32")
) -> bool:
    return all(one[name] == other[name] for name in names if name in other)


def _other_files(keys: Iterable[str], made_of: str) -> str | None:
    listed = sorted(keys)
    if not listed:
        return None
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return f"one that differs from the receipt {made_of} in {', '.join(listed[:_MOST_NAMED])}{more}"
