"""Data that lie on disk already: nothing is fetched, everything is checked, and it goes on through the same chain."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ferry.errors import FerryError, IntegrityError, PermanentError, disk_error
from ferry.source.fetch import names_of, part_path
from ferry.source.keys import path_of, relative_keys
from ferry.source.record import own_names
from ferry.source.verified import Proof, SourceFile, VerifiedFiles, hash_file, receipt_entry, verify

# Hashing keeps a core busy at 1-2 GB/s; a disk is rarely quicker.
THREADS = 4


def take_local_files(
    *, source: Mapping[str, Any], data_root: Path, files_dir: Path, state_path: Path
) -> dict[str, Any]:
    """Bring what lies in `<data_root>/<recid>` to `files_dir` and return the receipt `download`.

    A file of the record is found by its key, else by its name and as many of its folders as tell it from others; its
    size and checksum are compared where the record names them. Where the record lists no files, all that is there
    counts, with its path below `<data_root>/<recid>` as key.

    A file comes by a hard link: that copies nothing, the original may be deleted or replaced without harm, and
    nothing in the chain writes into a file that has its final name. Where no link can be made (another file system, a
    file of somebody else's) it is copied, and the copy is what is checked.

    Raises:
        PermanentError: there is no such folder, or the disk refused.
        IntegrityError: a file is missing, one too many, or not what the record says.
    """
    folder = data_root / str(source["recid"])
    if not folder.is_dir():
        raise PermanentError(f"{folder}: expected a folder with the record's files, found none; see source.data_root")
    there = _files_below(folder)
    files: list[SourceFile] = source["files"]
    chosen = _match(files, there, folder) if files else _everything(there, source["recid"])
    verified = VerifiedFiles(state_path)
    names = names_of([file["key"] for file, _ in chosen])

    def take(choice: tuple[SourceFile, Path]) -> Proof | FerryError:
        file, path = choice
        target = files_dir / file["key"]
        try:
            _bring(path, target, Path(part_path(str(target), key=file["key"], names=names)))
            proof = verified.find(file, target) or hash_file(file, target)
            verify(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=str(path))
        except IntegrityError as error:
            target.unlink(missing_ok=True)
            return error
        except OSError as error:
            return disk_error(path, f"come to {target}", error)
        return proof

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        outcomes = list(pool.map(take, chosen))
    proofs = [outcome for outcome in outcomes if isinstance(outcome, Proof)]
    verified.add_new(proofs)
    errors = [outcome for outcome in outcomes if isinstance(outcome, FerryError)]
    if errors:
        also = f"; {len(errors) - 1} more files of the record failed" if len(errors) > 1 else ""
        raise type(errors[0])(f"{errors[0]}{also}")
    entries = [
        receipt_entry(file, proof, verify(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=str(path)))
        for (file, path), proof in zip(chosen, proofs, strict=True)
    ]
    return {"recid": source["recid"], "files": entries}


def _files_below(folder: Path) -> dict[str, Path]:
    # By relative path. Links are followed, each folder once; what is neither file nor folder is not passed over.
    found: dict[str, Path] = {}
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise disk_error(Path(error.filename), "be read", error) from error

    for name, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        if os.path.realpath(name) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(name))
        folders.sort()
        for file in sorted(files):
            path = Path(name, file)
            if not path.is_file():
                raise IntegrityError(f"{path}: expected a file, found a broken link or a device; remove it")
            found[path.relative_to(folder).as_posix()] = path
    return found


def _everything(there: Mapping[str, Path], recid: int) -> list[tuple[SourceFile, Path]]:
    keys = relative_keys(list(there), reserved=own_names(recid))
    return [
        ({"key": key, "uri": path.absolute().as_uri(), "size_bytes": None, "checksum": None}, path)
        for key, path in zip(keys, there.values(), strict=True)
    ]


def _match(files: Iterable[SourceFile], there: Mapping[str, Path], folder: Path) -> list[tuple[SourceFile, Path]]:
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path in there:
        by_name[path.rpartition("/")[2]].append(path)
    left = dict(there)
    chosen: list[tuple[SourceFile, Path]] = []
    missing: list[str] = []
    for file in files:
        found = _find(file, by_name, left)
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


def _find(file: SourceFile, by_name: Mapping[str, list[str]], left: Mapping[str, Path]) -> str | None:
    key: str = file["key"]
    if key in left:
        return key
    parts = path_of(file["uri"]).strip("/").split("/")
    alike = [path for path in by_name.get(parts[-1], []) if path in left]
    depths = [_common_tail(path.split("/"), parts) for path in alike]
    best = [path for path, depth in zip(alike, depths, strict=True) if depth == max(depths)]
    return best[0] if len(best) == 1 else None


def _common_tail(one: list[str], other: list[str]) -> int:
    depth = 0
    while depth < min(len(one), len(other)) and one[-1 - depth] == other[-1 - depth]:
        depth += 1
    return depth


def _some(names: Iterable[str]) -> str:
    first = sorted(names)[:5]
    return f" ({', '.join(first)})" if first else ""


def _bring(path: Path, target: Path, part: Path) -> None:
    if _is_there(path, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    try:
        os.link(path.resolve(), part)
    except OSError:
        _copy(path, part)
    part.replace(target)
    part.unlink(missing_ok=True)  # renaming a link onto another link of the same file leaves both


def _is_there(path: Path, target: Path) -> bool:
    try:
        ours, theirs = target.stat(), path.stat()
    except OSError:
        return False
    same_file = (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)
    return same_file or (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _copy(path: Path, part: Path) -> None:
    try:
        shutil.copy2(path, part)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
    except OSError:
        part.unlink(missing_ok=True)  # a full disk is no place for half a file
        raise
