"""Files that are there whole or not at all."""

import errno
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from ferry.errors import DiskError


@contextmanager
def whole_file(path: Path, *, shared: bool = False, synced: bool = True) -> Iterator[BinaryIO]:
    """Give a stream whose content becomes `path` at the end; after an error `path` is as it was before.

    Args:
        path: of the file; its folder is made if need be.
        shared: others may write the same file at the same moment: each has a part of its own, one of them is kept.
        synced: it has to be there after a power cut too.

    Raises:
        OSError: disk full, or the folder cannot be written.
    """
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part" if shared else f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            if synced:
                os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_text_file(path: Path) -> Iterator[TextIO]:
    """Give a stream for text in UTF-8, lines as they are; else as `whole_file`. What is no character becomes `?`."""
    with whole_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="", write_through=True)
        yield text
        text.detach()


def own_lock(path: Path) -> TextIO:
    """Return a file to be locked, made if need be, that nobody else can open: who can, can hold the lock for ever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, 0o600)
    return open(descriptor, "r+", encoding="ascii")


def write_whole(path: Path, text: str | bytes, *, shared: bool = False, synced: bool = True) -> None:
    """Write a file in one step; see `whole_file`."""
    with whole_file(path, shared=shared, synced=synced) as stream:
        stream.write(text.encode() if isinstance(text, str) else text)


@contextmanager
def part_file(path: Path) -> Iterator[int]:
    """Give a descriptor of `<path>.part`, open for reading and writing; at the end it becomes `path`.

    What lies under either name is kept as it is for the caller to look at. An error leaves the part, so that the
    next run goes on with it; only when the disk refuses is it removed: then the space is needed, or (after a failed
    fsync) reading it back would not show what the disk holds.

    Raises:
        DiskError: no space left.
        OSError: the disk refuses otherwise.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(part)
    try:
        target = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            yield target
            os.fsync(target)
        finally:
            os.close(target)
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(
                f"{part}: the disk is full ({error.strerror}); free some space, or have bundles generated while "
                "they are uploaded (package.mode: stream), and run again"
            ) from error
        raise


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
