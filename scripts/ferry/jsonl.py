"""Files of JSON lines: several processes add to one at the same time, and any of them may be killed while it does."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from ferry.text.safe_text import redact_bytes

_BLOCK_BYTES = 1 << 16


def append(path: Path, *rows: Mapping[str, Any]) -> None:
    """Add a line for each row by one write, safe beside other writers of the same file.

    A line that a crash has torn off is closed first, so that it takes no other line with it. If the disk takes
    only part of what is added, that part is cut off again.

    Raises:
        OSError: it could not be written; the file is as it was before.
    """
    lines = redact_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: the single write has to do
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        size_bytes = os.fstat(descriptor).st_size
        torn = size_bytes > 0 and os.pread(descriptor, 1, size_bytes - 1) != b"\n"
        data = b"\n" + lines if torn else lines
        try:
            while data:  # one write but where the disk is nearly full
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, size_bytes)
            raise
    finally:
        os.close(descriptor)


def read_lines(path: Path, *, holding: bytes = b"") -> Iterator[dict[str, Any]]:
    """Give the objects of a file in order, or of those lines alone that hold some bytes; no file is no line."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        yield from parse_lines(line for line in stream if holding in line)


def parse_lines(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Give the objects of lines in order; what is torn, or no object, is left out."""
    for line in lines:
        with contextlib.suppress(ValueError):
            row = orjson.loads(line)
            if isinstance(row, dict):
                yield row


def cut_torn_end(path: Path) -> int:
    """Cut off what a crash of the machine has left after the last whole line; return the number of bytes cut.

    Called when a run begins, while nobody writes.
    """
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as stream:
        size_bytes = end = stream.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - _BLOCK_BYTES)
            stream.seek(begin)
            newline = stream.read(end - begin).rfind(b"\n")
            if newline >= 0:
                end = begin + newline + 1
                break
            end = begin
        stream.truncate(end)
        return size_bytes - end
    return 0
