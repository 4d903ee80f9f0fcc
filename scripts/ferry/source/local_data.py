"""Data that lie on disk already: nothing is fetched, everything is checked, and it goes on through the same chain."""

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ferry.errors import FerryError, IntegrityError, disk_error, with_others
from ferry.source.fetch import names_of, part_path
from ferry.source.local_files import LocalFile, LocalSettings
from ferry.source.local_match import Choice, choose_local_files
from ferry.source.verified import Proof, VerifiedFiles, hash_file, receipt_entry, verify

# Hashing keeps a core busy at 1-2 GB/s; a disk is rarely quicker.
THREADS = 4
_COPIED_BYTES = 1 << 20


def take_local_files(
    *, source: Mapping[str, Any], settings: LocalSettings, files_dir: Path, state_path: Path
) -> dict[str, Any]:
    """Bring what lies in `<data_root>/<recid>` to `files_dir` and return the receipt `download`.

    Size and checksum of each file are compared where the record, or a manifest beside the files, names them.

    A file comes by a hard link: that copies nothing, the original may be deleted or replaced without harm, and
    nothing in the chain writes into a file that has its final name. Where no link can be made (another file system, a
    file of somebody else's) it is copied, and the copy is what is checked.

    Raises:
        PermanentError: there is no such folder, nothing says what a file must be, or the disk refused.
        IntegrityError: a file is missing, one too many, not to be taken, or not what is said of it.
    """
    chosen = choose_local_files(source, settings)
    verified = VerifiedFiles(state_path)
    names = names_of([file["key"] for file, _ in chosen])

    def take(choice: Choice) -> Proof | FerryError:
        file, there = choice
        target = files_dir / file["key"]
        try:
            _bring(there, target, Path(part_path(str(target), key=file["key"], names=names)))
            proof = verified.find(file, target) or hash_file(file, target)
            verify(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=str(there.path))
        except IntegrityError as error:
            target.unlink(missing_ok=True)
            return error
        except OSError as error:
            return disk_error(there.path, f"come to {target}", error)
        return proof

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        outcomes = list(pool.map(take, chosen))
    proofs = [outcome for outcome in outcomes if isinstance(outcome, Proof)]
    verified.add_new(proofs)
    errors = [outcome for outcome in outcomes if isinstance(outcome, FerryError)]
    if errors:
        raise with_others(errors[0], failed=len(errors) - 1)
    entries = [
        receipt_entry(
            file, proof, verify(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=str(there.path))
        )
        for (file, there), proof in zip(chosen, proofs, strict=True)
    ]
    return {"recid": source["recid"], "files": entries}


def _bring(file: LocalFile, target: Path, part: Path) -> None:
    if _is_there(file, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    with file.opened() as descriptor:
        try:
            os.link(file.real, part, follow_symlinks=False)
        except OSError:
            _copy(descriptor, file, part)
        else:
            if not file.is_same(part.lstat()):  # its name was given to another one after it was opened
                part.unlink()
                raise file.replaced()
    part.replace(target)
    part.unlink(missing_ok=True)  # renaming a link onto another link of the same file leaves both


def _is_there(file: LocalFile, target: Path) -> bool:
    try:
        ours = target.stat()
    except OSError:
        return False
    return file.is_same(ours) or (ours.st_size, ours.st_mtime_ns) == (file.size_bytes, file.mtime_ns)


def _copy(descriptor: int, file: LocalFile, part: Path) -> None:
    try:
        with open(descriptor, "rb", closefd=False) as source, part.open("xb") as stream:
            shutil.copyfileobj(source, stream, _COPIED_BYTES)
            stream.flush()
            os.fsync(stream.fileno())
        os.utime(part, ns=(file.mtime_ns, file.mtime_ns))
    except OSError:
        part.unlink(missing_ok=True)  # a full disk is no place for half a file
        raise
