"""The entries of all files of a record: those that it lists, and those in the indices that stand for many."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from ferry.checksums import Digests, normalise_checksum
from ferry.errors import MetadataError
from ferry.limits import Limits
from ferry.source.verified import verify
from ferry.strict_json import UnfitJsonError, kind_of, shown_value, strict_json

# A tuple: what a record says may be a list, which no set can be asked for.
INDEX_TYPES = ("index.json", "index.txt")

ReadIndex = Callable[[str], bytes]
"""Gives the bytes of an index file by its address, redirects applied."""


class Placed(NamedTuple):
    """An entry with its place in the record, for messages."""

    place: str
    entry: dict[str, Any]
    is_fetched: bool = False
    """Whether it came with an index, whatever that really was: nothing of it is shown."""

    def shown(self, value: Any) -> str:
        """Return for a message what was found in it."""
        return kind_of(value) if self.is_fetched else shown_value(value)


def listed_entries(
    record: dict[str, Any],
    *,
    origin: str,
    read_index: ReadIndex | None,
    index_files: Literal["expand", "keep"],
    limits: Limits,
) -> Iterator[Placed]:
    """Give the entry of each file of a record, in its order; see `read_source` for what becomes of index files.

    Raises:
        MetadataError: a list is not one of objects, or an index file holds no list of files.
        IntegrityError: an index file is not what the record says; both values are named.
        PermanentError, TransientError: what `read_index` raises.
    """
    listed = _objects(record.get("files"), f"{origin}: files")
    indices = _objects(record.get("_file_indices"), f"{origin}: _file_indices")
    held = [
        (_stem(index.get("key")), _held(index, origin, f"_file_indices[{number}]"))
        for number, index in enumerate(indices)
    ]
    stems_held = {stem for stem, _ in held} - {None}
    in_json = {str(entry.get("uri")) for entry in listed if entry.get("type") == "index.json"}
    for number, entry in enumerate(listed):
        if index_files == "keep" or not is_index(entry):
            yield Placed(f"files[{number}]", entry)
        elif _stem(entry.get("uri")) not in stems_held and _twin(entry) not in in_json:
            yield from _read_listed(entry, f"files[{number}]", origin, read_index, limits)
    stems_listed = {_stem(entry.get("uri")) for entry in listed if is_index(entry)}
    for stem, entries in held:
        if index_files == "expand" or stem not in stems_listed:
            yield from entries


def is_index(entry: Any) -> bool:
    """Tell whether an entry of `files` stands for the files that it lists."""
    return isinstance(entry, dict) and entry.get("type") in INDEX_TYPES


def _stem(name: Any) -> str | None:
    """Return what an index has in common with its twin: `a` of root://…/a.json, of a.txt and of the key a.json."""
    return name.rpartition("/")[2].removesuffix(".json").removesuffix(".txt") if isinstance(name, str) else None


def _held(index: dict[str, Any], origin: str, place: str) -> list[Placed]:
    # The entries of an index whose list the record holds itself.
    files, number = index.get("files"), index.get("number_files")
    if not isinstance(files, list):
        raise MetadataError(f"{origin}: {place}.files: expected a list, found {kind_of(files)}")
    if number is not None and number != len(files):
        raise MetadataError(
            f"{origin}: {place}.files: expected {shown_value(number)} files (number_files), found {len(files)}"
        )
    return _placed(files, origin, f"{place}.files")


def _read_listed(
    entry: dict[str, Any], place: str, origin: str, read_index: ReadIndex | None, limits: Limits
) -> Iterator[Placed]:
    uri = entry.get("uri")
    if not isinstance(uri, str) or read_index is None:
        raise MetadataError(f"{origin}: {place}: expected an index file that can be read, found {shown_value(uri)}")
    text, where = read_index(uri), f"{place} ({uri})"
    _expect_declared(entry, text, f"{origin}: {place}: {uri}")
    if entry["type"] == "index.txt":
        lines = [line.strip() for line in text.decode("utf-8-sig", errors="replace").splitlines() if line.strip()]
        yield from (Placed(f"{where} line {number + 1}", {"uri": line}, True) for number, line in enumerate(lines))
        return
    try:
        found = strict_json(text, limits)
    except UnfitJsonError:
        raise MetadataError(
            f"{uri}: expected the JSON of a file index, found a key twice, a number or text that cannot be kept, or "
            "more than metadata.limits allows"
        ) from None
    except ValueError:
        raise MetadataError(f"{uri}: expected the JSON of a file index, found no JSON") from None
    files = found.get("files") if isinstance(found, dict) else found
    if not isinstance(files, list):
        raise MetadataError(
            f"{uri}: expected a file index (a list, or an object with files), found {kind_of(found)} without"
        )
    yield from (each._replace(is_fetched=True) for each in _placed(files, origin, where))


def _expect_declared(entry: dict[str, Any], text: bytes, place: str) -> None:
    """Refuse an index file that is not what the record says: a list of other files would pass all checks after it."""
    checksum = normalise_checksum(entry.get("checksum"))
    digests = Digests(checksum["algorithm"] if checksum else None)
    digests.update(text)
    declared = {"size_bytes": entry.get("size"), "checksum": checksum}
    verify(declared, size_bytes=len(text), digests=digests.values(), found_at=place)


def _twin(entry: dict[str, Any]) -> str | None:
    """Return the address of the index that would say the same in JSON, and more of each file."""
    return str(entry.get("uri")).removesuffix(".txt") + ".json" if entry.get("type") == "index.txt" else None


def _objects(value: Any, place: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MetadataError(f"{place}: expected a list, found {kind_of(value)}")
    for number, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise MetadataError(f"{place}[{number}]: expected an object, found {kind_of(entry)}")
    return value


def _placed(value: Any, origin: str, place: str) -> list[Placed]:
    return [Placed(f"{place}[{number}]", entry) for number, entry in enumerate(_objects(value, f"{origin}: {place}"))]
