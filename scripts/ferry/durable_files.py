"""Final names: a file gets one only after its bytes were proven and forced to the disk."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ferry.errors import PermanentError
from ferry.verified_files import Proof, VerifiedFiles

# From this many files on, one order to the whole file system is quicker than one per file: on ext4 0.01 ms instead of
# 0.35 ms a file.
SYNC_TOGETHER = 32
BATCH_FILES = 512
BATCH_BYTES = 64 << 20


class DiskError(PermanentError):
    """The local disk refused; no other file will fare better."""


def disk_error(path: Path, doing: str, error: OSError) -> DiskError:
    """Say what the disk refused."""
    hint = "make room and run again" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "see to the disk and run again"
    return DiskError(f"{path}: expected to {doing}, found {error.strerror or error}; {hint}")


@dataclass(frozen=True)
class ProvenPart:
    """A file that is complete and right under its temporary name."""

    key: str
    part: Path
    size_bytes: int
    digests: dict[str, str]
    synced: bool
    """Whether its bytes were forced to the disk already."""


class FinalNames:
    """Gives proven files their final names, many at a time."""

    def __init__(self, *, files_dir: Path, verified: VerifiedFiles) -> None:
        """Name files below `files_dir` and remember them in `verified`."""
        self._files_dir = files_dir
        self._verified = verified
        self._waiting: list[ProvenPart] = []
        self.proofs: dict[str, Proof] = {}
        """By key, what is proven about the files that have their names."""

    def add(self, proven: ProvenPart) -> None:
        """Take a file; it has its name after the next `flush`, which comes by itself when there is enough to do.

        Raises:
            DiskError: as `flush`.
        """
        self._waiting.append(proven)
        if len(self._waiting) >= BATCH_FILES or sum(p.size_bytes for p in self._waiting if not p.synced) >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Force the waiting files to the disk and give them their names.

        Raises:
            DiskError: the disk did not take them; no name was given to a file that is not on the disk.
        """
        waiting, self._waiting = self._waiting, []
        unsynced = [proven.part for proven in waiting if not proven.synced]
        sync_files(unsynced, below=self._files_dir)
        proofs = {}
        for proven in waiting:
            path = self._files_dir / proven.key
            try:
                proven.part.replace(path)
                modified = path.stat().st_mtime_ns
            except OSError as error:
                raise disk_error(path, "get its final name", error) from error
            proofs[proven.key] = Proof(proven.key, proven.size_bytes, modified, proven.digests)
        sync_folders({(self._files_dir / proven.key).parent for proven in waiting})
        self._verified.add(list(proofs.values()))
        self.proofs.update(proofs)


def sync_files(paths: list[Path], *, below: Path) -> None:
    """Force the bytes of files to the disk; `below` is a folder on the same file system.

    Raises:
        DiskError: the disk says that some did not get there.
    """
    together = _syncfs() if len(paths) >= SYNC_TOGETHER else None
    if together is None:
        for path in paths:
            _fsync(path, os.O_RDONLY)
        return
    descriptor = os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if together(descriptor) != 0:
            code = ctypes.get_errno()
            raise disk_error(below, "reach the disk", OSError(code, os.strerror(code)))
    finally:
        os.close(descriptor)


def sync_folders(folders: Iterable[Path]) -> None:
    """Force names to the disk.

    Raises:
        DiskError: the disk says that they did not get there.
    """
    for folder in folders:
        _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _fsync(path: Path, flags: int) -> None:
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise disk_error(path, "reach the disk", error) from error


def _syncfs() -> Callable[[int], int] | None:
    # Linux only; elsewhere files are synced one by one.
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
