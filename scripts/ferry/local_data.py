"""Data that lie on disk already: nothing is fetched, everything is checked, and it goes on through the same chain."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ferry.errors import IntegrityError, PermanentError
from ferry.file_keys import relative_keys
from ferry.verified_files import SourceFile, judge, prove, receipt_entry


def take_local_files(*, source: Mapping[str, Any], data_root: Path, files_dir: Path) -> dict[str, Any]:
    """Bring what lies in `<data_root>/<recid>` to `files_dir` and return the receipt `download`.

    A file of the record is found by its key, or by its name if only one has it; its size and checksum are compared
    where the record names them. Where the record lists no files, all that is there counts, by its path. Files come by
    a hard link, which costs nothing and cannot change the original (nothing here writes into a file that has its
    name); across file systems they are copied.

    Raises:
        PermanentError: there is no such folder.
        IntegrityError: a file is missing, one too many, or not what the record says.
    """
    folder = data_root / str(source["recid"])
    if not folder.is_dir():
        raise PermanentError(f"{folder}: expected a folder with the record's files, found none; see source.data_root")
    there = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files: list[SourceFile] = source["files"]
    chosen = _match(files, there, folder) if files else _everything(there)
    entries = []
    for file, path in chosen:
        proof = prove(file, path)
        verified = judge(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=str(path))
        _bring(path, files_dir / file["key"])
        entries.append(receipt_entry(file, proof, verified))
    return {"recid": source["recid"], "files": entries}


def _everything(there: Mapping[str, Path]) -> list[tuple[SourceFile, Path]]:
    keys = relative_keys(list(there))
    return [
        ({"key": key, "size_bytes": None, "checksum": None}, path)
        for key, path in zip(keys, there.values(), strict=True)
    ]


def _match(files: Iterable[SourceFile], there: Mapping[str, Path], folder: Path) -> list[tuple[SourceFile, Path]]:
    left = dict(there)
    chosen, missing = [], []
    for file in files:
        found = _find(file["key"], left)
        if found is None:
            missing.append(file["key"])
        else:
            chosen.append((file, left.pop(found)))
    if missing or left:
        raise IntegrityError(
            f"{folder}: expected the files that the record lists, found {len(missing)} missing"
            f"{_some(missing)} and {len(left)} that it does not list{_some(left)}"
        )
    return chosen


def _find(key: str, there: Mapping[str, Path]) -> str | None:
    if key in there:
        return key
    alike = [path for path in there if path.endswith("/" + key)]
    alike = alike or [path for path in there if path.rpartition("/")[2] == key.rpartition("/")[2]]
    return alike[0] if len(alike) == 1 else None


def _some(names: Iterable[str]) -> str:
    first = sorted(names)[:5]
    return f" ({', '.join(first)})" if first else ""


def _bring(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.link(path, part)
    except OSError:
        shutil.copy2(path, part)
    part.replace(target)
    part.unlink(missing_ok=True)  # renaming a link onto another link of the same file leaves both
