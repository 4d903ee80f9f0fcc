"""Final names: a file gets one only after its bytes were proven and forced to the disk."""

import ctypes
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ferry.errors import DiskError, disk_error
from ferry.source.verified import Proof, VerifiedFiles

# From this many files on, one order to the whole file system is quicker than one per file: on ext4 0.01 ms instead of
# 0.35 ms a file.
SYNC_TOGETHER = 32
BATCH_FILES = 512
BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class ProvenPart:
    """A file that is complete and right under its temporary name."""

    proof: Proof
    part: str


class FinalNames:
    """Gives proven files their final names, many at a time."""

    def __init__(self, *, files_dir: Path, verified: VerifiedFiles) -> None:
        """Name files below `files_dir` and remember them in `verified`."""
        self._files_dir = files_dir
        self._verified = verified
        self._waiting: list[ProvenPart] = []
        self._waiting_bytes = 0
        self.proofs: dict[str, Proof] = {}
        """By key, what is proven about the files that have their names."""

    def add(self, proven: ProvenPart) -> None:
        """Take a file; it has its name after the next `flush`, which comes by itself when there is enough to do.

        Raises:
            DiskError: as `flush`.
        """
        self._waiting.append(proven)
        self._waiting_bytes += proven.proof.size_bytes
        if len(self._waiting) >= BATCH_FILES or self._waiting_bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Force the waiting files to the disk and give them their names.

        Raises:
            DiskError: the disk did not take them; no name was given to a file that is not on the disk.
        """
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        parts = [proven.part for proven in waiting]
        try:
            sync_files(parts, below=self._files_dir)
        except DiskError:
            for part in parts:  # what can be read of them now may not be what is on the disk
                with suppress(OSError):
                    os.unlink(part)
            raise
        proofs = {}
        folders: set[str] = set()
        for proven in waiting:
            path = os.path.join(self._files_dir, proven.proof.key)
            try:
                os.replace(proven.part, path)
            except OSError as error:
                raise disk_error(path, "get its final name", error) from error
            proofs[proven.proof.key] = proven.proof
            folders.add(os.path.dirname(path))
        sync_folders(folders)
        self._verified.add(list(proofs.values()))
        self.proofs.update(proofs)


def sync_files(paths: list[str], *, below: Path) -> None:
    """Force the bytes of files to the disk; `below` is a folder on the same file system.

    Raises:
        DiskError: the disk says that some did not get there.
    """
    together = _syncfs() if len(paths) >= SYNC_TOGETHER else None
    if together is None:
        for path in paths:
            _fsync(path, os.O_RDONLY)
        return
    try:
        descriptor = os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if together(descriptor) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise disk_error(below, "reach the disk", error) from error


def sync_folders(folders: Iterable[str]) -> None:
    """Force names to the disk.

    Raises:
        DiskError: the disk says that they did not get there.
    """
    for folder in folders:
        _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _fsync(path: Path | str, flags: int) -> None:
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
