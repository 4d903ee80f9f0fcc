"""Which file on the disk is which of a record, and what its bytes must be: by the record, and by manifests there."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ferry.errors import IntegrityError, PermanentError
from ferry.source.keys import path_of, relative_keys
from ferry.source.local_files import LocalFile, LocalSettings, files_below, named, same_form
from ferry.source.origin import origin_of, wants_no_files
from ferry.source.record import own_names
from ferry.source.statements import SortedOut, read_statements, sort_out
from ferry.source.verified import SourceFile
from ferry.text.formatting import plural

Choice = tuple[SourceFile, LocalFile]
"""What a file must be, and the file that lies on the disk."""


def choose_local_files(source: Mapping[str, Any], settings: LocalSettings) -> list[Choice]:
    """Return what lies in `<data_root>/<recid>`, each with what it must be.

    A file of the record is found by its key, else by its name and as many of its folders as tell it from others. Where
    the record lists no files, all that is there counts, with its path below `<data_root>/<recid>` as key. Manifests
    beside the files say what the bytes must be, besides what the record says. One's own document may say that there are
    to be no files.

    Raises:
        PermanentError: there is no such folder, nothing is in it, or nothing says what a file must be.
        IntegrityError: a file is missing, one too many, or not to be taken.
    """
    folder = settings.data_root / str(source["recid"])
    if wants_no_files(source["record"]):
        _require_empty(source["recid"], folder, settings)
        return []
    there = files_below(source["recid"], settings)
    found = _listed(source["files"], there) if source["files"] else {}
    sorted_out = sort_out(there, folder=str(folder), listed={file.path for file in found.values()})
    if source["files"]:
        _require_listed(source["files"], found, sorted_out, folder)
    else:
        found = _unlisted(sorted_out, recid=source["recid"])
    if not found:
        raise _nothing_there(source["record"], sorted_out, folder)
    stated = read_statements(sorted_out)
    files = source["files"] or [_entry(*each) for each in zip(found, sorted_out.data, found.values(), strict=True)]
    chosen = [(_with_stated(file, stated.get(found[file["key"]].path, ())), found[file["key"]]) for file in files]
    unproven = {there.path for file, there in chosen if file["checksum"] is None}
    unstated = [name for name, file in sorted_out.data.items() if file.path in unproven]
    if unstated and not settings.allow_unverified:
        raise _not_stated(unstated, sorted_out, folder)
    return chosen


def with_local_files(source: Mapping[str, Any], settings: LocalSettings) -> Mapping[str, Any]:
    """Return the receipt `source` of a record with the files that lie on the disk, where it does not prove its own.

    Raises:
        FerryError: as `choose_local_files` does.
    """
    if source["files"] and all(file["checksum"] for file in source["files"]):
        return source
    chosen = choose_local_files(source, settings)
    return {**source, "files": [{**file, "size_bytes": there.size_bytes, "online": True} for file, there in chosen]}


def _require_empty(recid: int, folder: Path, settings: LocalSettings) -> None:
    there = files_below(recid, settings) if folder.is_dir() else {}
    if there:
        raise IntegrityError(
            f'{folder}: expected no files, as the document of the record says "files": {{"enabled": false}}, found '
            f"{plural(len(there), 'file')}: {named(there)}; take that out of the document, or the files away"
        )


def _nothing_there(record: Mapping[str, Any], sorted_out: SortedOut, folder: Path) -> PermanentError:
    beside = f" but {sorted_out.kind_beside} ({named(sorted_out.beside)})" if sorted_out.beside else ""
    remedy = (
        'write "files": {"enabled": false} beside "metadata" in its document'
        if origin_of(record) == "own"
        else "carry it in a run without source.data_root"
    )
    return PermanentError(
        f"{folder}: expected the record's files, as it lists none, found none{beside}; bring them, or, where it is to "
        f"have none, {remedy}"
    )


def _unlisted(sorted_out: SortedOut, *, recid: int) -> dict[str, LocalFile]:
    keys = relative_keys(list(sorted_out.data), reserved=own_names(recid))
    return dict(zip(keys, sorted_out.data.values(), strict=True))


def _entry(key: str, name: str, file: LocalFile) -> SourceFile:
    entry = {"key": key, "uri": file.path.absolute().as_uri(), "size_bytes": None, "checksum": None}
    return entry if key == name else {**entry, "original_name": quote(os.fsencode(name))}


def _with_stated(file: SourceFile, stated: Sequence[Mapping[str, str]]) -> SourceFile:
    return {**file, "checksum": file["checksum"] or stated[0], "stated": list(stated)} if stated else file


def _not_stated(unstated: list[str], sorted_out: SortedOut, folder: Path) -> PermanentError:
    not_read = f" ({sorted_out.not_read})" if sorted_out.not_read else ""
    allow = "or set source.allow_unverified to carry such files, marked as unverified"
    if not sorted_out.manifests:
        return PermanentError(
            f"{folder}: expected a statement of what its files are, as the record has no checksum of them, found "
            f"{plural(len(unstated), 'file')} and no manifest beside them{not_read}; write one (`sha256sum` of all "
            f"files into SHA256SUMS there), {allow}"
        )
    return PermanentError(
        f"{folder}: expected a line for each file in {', '.join(sorted(sorted_out.manifests)[:3])}, found "
        f"{plural(len(unstated), 'file')} without one: {named(unstated, among=sorted_out.data)}{not_read}; write the "
        f"manifest anew, leave them out by source.ignore, {allow}"
    )


def _listed(files: Sequence[SourceFile], there: Mapping[str, LocalFile]) -> dict[str, LocalFile]:
    """Return what is there of the files of a record, by their keys."""
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path in there:
        by_name[same_form(path.rpartition("/")[2])].append(path)
    left = dict(there)
    found: dict[str, LocalFile] = {}
    # what is called exactly so is taken first: another one may differ from it in its Unicode form only
    for file in sorted(files, key=lambda file: file["key"] not in there):
        place = _find(file, by_name, left)
        if place is not None:
            found[file["key"]] = left.pop(place)
    return found


def _require_listed(
    files: Sequence[SourceFile], found: Mapping[str, LocalFile], sorted_out: SortedOut, folder: Path
) -> None:
    taken = {file.path for file in found.values()}
    missing = [file["key"] for file in files if file["key"] not in found]
    left = [name for name, file in sorted_out.data.items() if file.path not in taken]
    if missing or left:
        raise IntegrityError(
            f"{folder}: expected the files that the record lists, found {len(missing)} missing"
            f"{_in_brackets(missing, left)} and {len(left)} that it does not list{_in_brackets(left, missing)}"
        )


def _find(file: SourceFile, by_name: Mapping[str, list[str]], left: Mapping[str, LocalFile]) -> str | None:
    key: str = file["key"]
    if key in left:
        return key
    wanted = path_of(file["uri"]).strip("/")
    alike = [path for path in by_name.get(same_form(wanted.rpartition("/")[2]), []) if path in left]
    depths = [(_common_tail(same_form(path), same_form(wanted)), _common_tail(path, wanted)) for path in alike]
    best = [path for path, depth in zip(alike, depths, strict=True) if depth == max(depths)]
    return best[0] if len(best) == 1 else None


def _common_tail(path: str, wanted: str) -> int:
    one, other, depth = path.split("/"), wanted.split("/"), 0
    while depth < min(len(one), len(other)) and one[-1 - depth] == other[-1 - depth]:
        depth += 1
    return depth


def _in_brackets(names: Iterable[str], beside: Iterable[str]) -> str:
    listed = list(names)
    return f" ({named(listed, among=beside)})" if listed else ""
