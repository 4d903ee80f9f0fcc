"""Which file on the disk is which of a record, and what its bytes must be: by the record, or by manifests beside it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.errors import IntegrityError, PermanentError
from ferry.formatting import plural
from ferry.source.keys import path_of, relative_keys
from ferry.source.local_files import LocalFile, LocalSettings, files_below, named, same_form
from ferry.source.record import own_names
from ferry.source.statements import Stated, read_statements
from ferry.source.verified import SourceFile

Choice = tuple[SourceFile, LocalFile]
"""What a file must be, and the file that lies on the disk."""


def choose_local_files(source: Mapping[str, Any], settings: LocalSettings) -> list[Choice]:
    """Return what lies in `<data_root>/<recid>`, each with what it must be.

    A file of the record is found by its key, else by its name and as many of its folders as tell it from others. Where
    the record lists no files, all that is there counts, with its path below `<data_root>/<recid>` as key, and manifests
    beside it say what the bytes must be.

    Raises:
        PermanentError: there is no such folder, or nothing says what a file must be.
        IntegrityError: a file is missing, one too many, or not to be taken.
    """
    folder = settings.data_root / str(source["recid"])
    there = files_below(source["recid"], settings)
    if source["files"]:
        return _listed(source["files"], there, folder)
    stated = read_statements(there, folder=str(folder))
    unstated = [name for name in stated.files if name not in stated.checksums]
    if unstated and not settings.allow_unverified:
        raise _not_stated(unstated, stated, folder)
    keys = relative_keys(list(stated.files), reserved=own_names(source["recid"]))
    return [
        (_as_stated(key, file, stated.checksums.get(name, ())), file)
        for key, (name, file) in zip(keys, stated.files.items(), strict=True)
    ]


def with_local_files(source: Mapping[str, Any], settings: LocalSettings) -> Mapping[str, Any]:
    """Return the receipt `source` of a record with the files that lie on the disk, where it lists none.

    Raises:
        FerryError: as `choose_local_files` does.
    """
    if source["files"]:
        return source
    chosen = choose_local_files(source, settings)
    return {**source, "files": [{**file, "size_bytes": there.size_bytes, "online": True} for file, there in chosen]}


def _as_stated(key: str, file: LocalFile, checksums: Sequence[Mapping[str, str]]) -> SourceFile:
    first = checksums[0] if checksums else None
    entry = {"key": key, "uri": file.path.absolute().as_uri(), "size_bytes": None, "checksum": first}
    return {**entry, "stated": list(checksums)} if checksums else entry


def _not_stated(unstated: list[str], stated: Stated, folder: Path) -> PermanentError:
    allow = "or set source.allow_unverified to carry such files, marked as unverified"
    if not stated.manifests:
        return PermanentError(
            f"{folder}: expected a statement of what its files are, as the record lists none, found "
            f"{plural(len(stated.files), 'file')} and no manifest beside them; write one (`sha256sum` of all files "
            f"into SHA256SUMS there), {allow}"
        )
    return PermanentError(
        f"{folder}: expected a line for each file in {', '.join(sorted(stated.manifests)[:3])}, found "
        f"{plural(len(unstated), 'file')} without one: {named(unstated, among=stated.files)}; write the manifest anew, "
        f"leave them out by source.ignore, {allow}"
    )


def _listed(files: Sequence[SourceFile], there: Mapping[str, LocalFile], folder: Path) -> list[Choice]:
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path in there:
        by_name[same_form(path.rpartition("/")[2])].append(path)
    left = dict(there)
    chosen: list[Choice] = []
    missing: list[str] = []
    # what is called exactly so is taken first: another one may differ from it in its Unicode form only
    for file in sorted(files, key=lambda file: file["key"] not in there):
        found = _find(file, by_name, left)
        if found is None:
            missing.append(file["key"])
        else:
            chosen.append((file, left.pop(found)))
    if missing or left:
        raise IntegrityError(
            f"{folder}: expected the files that the record lists, found {len(missing)} missing"
            f"{_in_brackets(missing, left)} and {len(left)} that it does not list{_in_brackets(left, missing)}"
        )
    place = {file["key"]: number for number, file in enumerate(files)}
    return sorted(chosen, key=lambda choice: place[choice[0]["key"]])


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
