"""The record as the portal gave it, and its files in one form: the receipt `source`."""

import logging
import os
from collections.abc import Callable, Sequence
from itertools import islice
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Literal

from ferry.checksums import normalise_checksum
from ferry.documents import read_document
from ferry.errors import MetadataError
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.source.file_filter import FileFilter, choose_files
from ferry.source.file_lists import Placed, ReadIndex, is_index, listed_entries
from ferry.source.keys import file_keys
from ferry.source.origin import Origin, require_origin
from ferry.strict_json import UnfitJsonError, kind_of, shown_value, strict_json
from ferry.text.formatting import truncate
from ferry.upload_names import RO_CRATE_KEY, manifest_key, source_key

log = logging.getLogger(__name__)

# No file is that large; sums of larger ones do not fit a table's column of 64 bits, and then no record has tables.
LARGEST_FILE_BYTES = 10**15
SCHEMES = ("root", "roots", "xroot", "xroots", "http", "https", "file")
_ON_TAPE = {"ondemand", "offline", "tape"}

FetchRecord = Callable[[int], tuple[str, dict[str, Any]]]
"""Gives the record's address and its JSON as the portal's API answers."""


def read_source(
    *,
    recid: int,
    metadata_path: Path | None = None,
    fetch_record: FetchRecord | None = None,
    read_index: ReadIndex | None = None,
    index_files: Literal["expand", "keep"] = "expand",
    limits: Limits = DEFAULT_LIMITS,
    origin: Origin = "cern-opendata",
    folders: Sequence[str] = (),
    chosen_by: FileFilter | None = None,
) -> dict[str, Any]:
    """Return the receipt `source` of a record, read from `metadata_path` if that exists, else from the portal.

    Both shapes are read: the portal's API (`{"id": …, "metadata": {…}}`) and the bare metadata. Index files
    (`_file_indices`, or entries of the type `index.json` / `index.txt`) stand for the files that they list: with
    `index_files="expand"` these take their place (`read_index` is asked where the record does not hold the list
    itself), with `"keep"` the index files are taken as ordinary files. Sizes are in bytes. A record of one's own
    (`origin`) has a file, and lists no files: what it is of lies on the disk. `metadata_path` may be a link into
    `folders` (source.allow.folders). `chosen_by` says which files go on (source.files); None: all.

    Raises:
        MetadataError: not JSON, not an object, another recid inside, or a file entry that is not what it must be.
        IntegrityError: an index file is not what the record says of it.
        PermanentError, TransientError: what `fetch_record` and `read_index` raise.
    """
    local = metadata_path is not None and os.path.lexists(metadata_path)
    if local and metadata_path is not None:
        named, place = name_of_file(metadata_path), str(metadata_path)
        document = _load(metadata_path, limits, folders)
    elif fetch_record is not None and origin != "own":
        named, document = fetch_record(recid)
        place = named
    elif origin == "own":
        raise MetadataError(
            f"record {recid}: expected {recid}.json in metadata.dir, as metadata.origin is own, found no file; write "
            "one, or take the record out of the list"
        )
    else:
        raise MetadataError(f"record {recid}: expected {metadata_path}, found no file, and no portal is configured")
    require_origin(document, origin, place=place)
    if origin == "own":
        return {"recid": recid, "origin": named, "record": document, "files": []}
    record = bare_record(document, recid=recid, origin=place)
    read = read_index if local or read_index is None else _from_elsewhere(read_index, place)
    listed = listed_entries(record, origin=place, read_index=read, index_files=index_files, limits=limits)
    entries = list(islice(listed, limits.files + 1))
    if len(entries) > limits.files:
        raise MetadataError(f"{place}: files: {limits.exceeded('files', 'more')}")
    files = _normalised(entries, record, place, recid=recid, local_files_allowed=local)
    _compare_with_distribution(record, files, recid)
    receipt = {"recid": recid, "origin": named, "record": record, "files": files}
    if chosen_by is None or not files:
        return receipt
    indices = {str(each.entry.get("uri")) for each in entries if is_index(each.entry)}
    return choose_files(receipt, chosen_by, indices=indices, place=place)


def name_of_file(metadata_path: Path) -> str:
    """Return what a receipt `source` names as the record's origin where that was a file."""
    return f"metadata/{metadata_path.name}"


def _from_elsewhere(read_index: ReadIndex, origin: str) -> ReadIndex:
    """Return a reader that opens no file of this machine: its first line would stand in a message."""

    def read(uri: str) -> bytes:
        if uri.startswith("file:"):
            raise MetadataError(f"{origin}: expected an index file that is not on this machine, found {uri!r}")
        return read_index(uri)

    return read


def parse_record(text: bytes, origin: str, limits: Limits | None = None) -> dict[str, Any]:
    """Return the JSON object in `text`; `limits`: of a record, None if it is none.

    Raises:
        MetadataError: it is no JSON, no object, holds text that is not Unicode, what no receipt could hold, or more
            than a record may.
    """
    if limits and len(text) > limits.record_bytes:
        raise MetadataError(f"{origin}: {limits.exceeded('record_bytes', 'more')}")
    try:
        document = strict_json(text, limits)
    except UnfitJsonError as error:
        raise MetadataError(f"{origin}: {error}") from error
    except ValueError as error:
        # what was found may be any file: it is told where it stops being JSON, not what stands there
        found = f"none in line {error.lineno}, column {error.colno}" if isinstance(error, JSONDecodeError) else "none"
        raise MetadataError(f"{origin}: expected JSON, found {found}; correct or fetch it again") from None
    if not isinstance(document, dict):
        raise MetadataError(f"{origin}: expected a JSON object, found {kind_of(document)}")
    return document


def bare_record(document: dict[str, Any], *, recid: int, origin: str) -> dict[str, Any]:
    """Take the API's envelope off and check that the record is the one that was asked for.

    Raises:
        MetadataError: it names no recid, or another one.
    """
    record = document
    found = {}
    if "metadata" in document and "title" not in document:
        record = document["metadata"]
        if not isinstance(record, dict):
            raise MetadataError(f"{origin}: metadata: expected an object, found {kind_of(record)}")
        if "id" in document:
            found["id"] = document["id"]
    if "recid" in record:
        found["metadata.recid" if record is not document else "recid"] = record["recid"]
    if not found:
        raise MetadataError(f"{origin}: expected the recid {recid} in the record, found none")
    for place, value in found.items():
        if isinstance(value, bool) or not isinstance(value, str | int) or str(value).strip() != str(recid):
            raise MetadataError(
                f"{origin}: {place}: expected {recid}, found {shown_value(value)}; is it another record's file?"
            )
    return record


def read_record(
    path: Path, *, recid: int, limits: Limits = DEFAULT_LIMITS, folders: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the bare record in a file, which may be a link into `folders`.

    Raises:
        MetadataError: it cannot be read, or is no such record.
    """
    return bare_record(_load(path, limits, folders), recid=recid, origin=str(path))


def _load(path: Path, limits: Limits, folders: Sequence[str]) -> dict[str, Any]:
    try:
        text = read_document(path, within=path.parent, folders=folders, most_bytes=limits.record_bytes)
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_record(text, str(path), limits)


def _normalised(
    entries: list[Placed],
    record: dict[str, Any],
    origin: str,
    *,
    recid: int,
    local_files_allowed: bool,
) -> list[dict[str, Any]]:
    schemes = SCHEMES if local_files_allowed else SCHEMES[:-1]
    by_uri: dict[str, dict[str, Any]] = {}
    for placed in entries:
        place, entry = placed.place, placed.entry
        uri, size = entry.get("uri"), entry.get("size")
        if not isinstance(uri, str) or uri.partition("://")[0] not in schemes:
            expected = ", ".join(f"{scheme}://" for scheme in schemes)
            raise MetadataError(f"{origin}: {place}.uri: expected an address ({expected}), found {placed.shown(uri)}")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise MetadataError(f"{origin}: {place}.size: expected a number of bytes, found {placed.shown(size)}")
        if size is not None and size > LARGEST_FILE_BYTES:
            raise MetadataError(
                f"{origin}: {place}.size: expected at most {LARGEST_FILE_BYTES} bytes, found {placed.shown(size)}"
            )
        file = {
            "uri": uri,
            "size_bytes": size,
            "checksum": normalise_checksum(entry.get("checksum")),
            "online": _is_online(entry, record),
        }
        _expect_same(by_uri.setdefault(uri, file), file, placed, origin)
    # The recid that was asked for: the record's own may stand in the API's envelope only, or be text with a space.
    keys = file_keys(list(by_uri), reserved=own_names(recid))
    return [{"key": key, **file} for key, file in zip(keys, by_uri.values(), strict=True)]


def _expect_same(before: dict[str, Any], now: dict[str, Any], placed: Placed, origin: str) -> None:
    """Refuse a file that is listed twice and not in the same words."""
    listed = "the same address" if placed.is_fetched else truncate(now["uri"], 200)
    for name, said in (("size_bytes", "size"), ("checksum", "checksum"), ("online", "availability")):
        if before[name] != now[name]:
            raise MetadataError(
                f"{origin}: {placed.place}.{said}: expected {placed.shown(before[name])}, {listed} as it was listed "
                f"before, found {placed.shown(now[name])}"
            )


def own_names(recid: int) -> tuple[str, ...]:
    """Return the names that the record's own uploads have: no file of the source may take one."""
    return (source_key(recid), f"{recid}_bundle.zip", manifest_key(recid), RO_CRATE_KEY)


def _is_online(entry: dict[str, Any], record: dict[str, Any]) -> bool:
    distribution = record.get("distribution")
    declared = entry.get("availability") or record.get("availability")
    if not declared and isinstance(distribution, dict):
        declared = distribution.get("availability")
    return "".join(char for char in str(declared).lower() if char.isalpha()) not in _ON_TAPE


def _compare_with_distribution(record: dict[str, Any], files: list[dict[str, Any]], recid: int) -> None:
    # Only a warning: the list is what can be fetched, and the portal's own sums are wrong in places (80515, 1120).
    distribution = record.get("distribution")
    declared = distribution.get("number_files") if isinstance(distribution, dict) else None
    if isinstance(declared, int) and declared != len(files):
        log.warning("record %d: distribution.number_files says %d, the record lists %d", recid, declared, len(files))
