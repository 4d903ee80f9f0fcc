"""Reading the downloaded files: the right length or an error, never fewer bytes than asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferry.bundle.plan import Member
from ferry.errors import IntegrityError

AGAIN = "run again, then all files of the record are read anew, and fetched where they are wrong"
"""A step that finds bytes wrong does that by itself, once: this is told where they were wrong after that, too."""


class BytesError(IntegrityError):
    """What lies on disk is gone, or is not what its receipt says; the source may have it as it was."""


@contextmanager
def open_source(member: Member, *, files_dir: Path) -> Iterator[int]:
    """Open the member's file for reading and give its descriptor.

    Raises:
        BytesError: the file is missing or has not the length that the receipt of the download gives.
    """
    path = f"{files_dir}/{member.key}"
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BytesError(f"{path}: expected {member.size_bytes} bytes, found no file; {AGAIN}") from error
    try:
        found = os.fstat(source).st_size
        if found != member.size_bytes:
            raise BytesError(f"{path}: expected {member.size_bytes} bytes, found {found}; {AGAIN}")
        yield source
    finally:
        os.close(source)


def check_source(member: Member, *, files_dir: Path) -> None:
    """See that the member's file is there and has its length, without opening it.

    Raises:
        BytesError: it is missing or has another length.
    """
    path = f"{files_dir}/{member.key}"
    try:
        found = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BytesError(f"{path}: expected {member.size_bytes} bytes, found no file; {AGAIN}") from error
    if found != member.size_bytes:
        raise BytesError(f"{path}: expected {member.size_bytes} bytes, found {found}; {AGAIN}")


def read_exactly(source: int, buffer: memoryview, *, offset: int, name: str) -> None:
    """Fill the whole buffer from the offset on.

    Raises:
        BytesError: the file ends before, so it was cut since it was opened.
    """
    done = 0
    while done < len(buffer):
        count = os.preadv(source, [buffer[done:]], offset + done)
        if count == 0:
            raise BytesError(
                f"{name}: expected {len(buffer)} bytes at {offset}, found {done}: the file was cut; {AGAIN}"
            )
        done += count


def read_piece(source: int, length: int, *, offset: int, name: str) -> bytes:
    """Return so many bytes from the offset on, not copied where the system gives them at once.

    Raises:
        BytesError: the file ends before, so it was cut since it was opened.
    """
    piece = os.pread(source, length, offset)
    if len(piece) == length:
        return piece
    rest = bytearray(length - len(piece))
    read_exactly(source, memoryview(rest), offset=offset + len(piece), name=name)
    return piece + rest


def write_exactly(target: int, data: memoryview | bytes | bytearray, *, offset: int) -> None:
    """Write all the bytes at the offset."""
    view = memoryview(data)
    done = 0
    while done < len(view):
        done += os.pwritev(target, [view[done:]], offset + done)


def check_crc32(member: Member, found: int) -> None:
    """Compare what was read with what was downloaded.

    Raises:
        BytesError: names the member and both values.
    """
    if found != member.crc32:
        raise BytesError(
            f"{member.key}: expected crc32 {member.crc32:08x}, found {found:08x}: its bytes changed since the "
            f"download; {AGAIN}"
        )
