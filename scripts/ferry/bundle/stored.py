"""Members that lie in a bundle as they are: found right and left alone, or copied from their files.

Each file is read once, in pieces of 1 MiB, and its CRC-32 is computed from the very bytes that are written.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from ferry.bundle.layout import PackedMember
from ferry.bundle.member_files import check_crc32, open_source, read_exactly, write_exactly

GROUP_BYTES = 1 << 20
"""Small members are read, checked and written together up to this many bytes, larger ones in pieces of it."""

_local = threading.local()


@dataclass(frozen=True)
class Work:
    """What was done; bytes read are those of the files and those of a bundle that was found."""

    bytes_read: int = 0
    bytes_written: int = 0
    members_written: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
            self.members_written + other.members_written,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A member and where it belongs."""

    packed: PackedMember
    offset: int
    """Of the local header."""

    @property
    def length(self) -> int:
        """Bytes of header and member together."""
        return len(self.packed.header) + self.packed.packed_bytes

    @property
    def end(self) -> int:
        """Where the next member starts."""
        return self.offset + self.length


def rewrite_wrong(places: Sequence[Place], *, target: int, found_bytes: int, files_dir: Path) -> Work:
    """Write those of these adjacent members that do not yet lie right in `target`.

    Args:
        places: one member of any length, or several that take no more than GROUP_BYTES together.
        target: descriptor of the bundle.
        found_bytes: how much of it was there before; nothing beyond is looked at.
        files_dir: where the members' files lie.

    Raises:
        IntegrityError: a file is not what its receipt says; of a group nothing is written then.
    """
    if len(places) == 1 and places[0].length > GROUP_BYTES:
        return _bring_large_right(places[0], target=target, found_bytes=found_bytes, files_dir=files_dir)
    start, length = places[0].offset, sum(place.length for place in places)
    buffer = _buffer()[:length]
    wrong, bytes_read = list(places), 0
    if found_bytes > start:
        bytes_read = min(length, found_bytes - start)
        read_exactly(target, buffer[:bytes_read], offset=start, name="bundle")
        wrong = [place for place in places if place.end > found_bytes or not _lies_in(buffer, place, start)]
        if not wrong:
            return Work(bytes_read)
    for place in wrong:
        at = place.offset - start
        body = at + len(place.packed.header)
        buffer[at:body] = place.packed.header
        member = place.packed.member
        data = buffer[body : body + member.size_bytes]
        with open_source(member, files_dir=files_dir) as source:
            read_exactly(source, data, offset=0, name=member.key)
        check_crc32(member, isal_zlib.crc32(data))
    for first, last in _runs(wrong):
        span = buffer[first.offset - start : last.end - start]
        write_exactly(target, span, offset=first.offset)
    written = sum(place.length for place in wrong)
    return Work(bytes_read + sum(place.packed.member.size_bytes for place in wrong), written, len(wrong))


def _lies_in(buffer: memoryview, place: Place, start: int) -> bool:
    at = place.offset - start
    body = at + len(place.packed.header)
    if buffer[at:body] != place.packed.header:
        return False
    return isal_zlib.crc32(buffer[body : at + place.length]) == place.packed.member.crc32


def _runs(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    """Join adjacent places, so that what is written together takes one call."""
    runs: list[tuple[Place, Place]] = []
    for place in places:
        if runs and runs[-1][1].end == place.offset:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _bring_large_right(place: Place, *, target: int, found_bytes: int, files_dir: Path) -> Work:
    member, body = place.packed.member, place.offset + len(place.packed.header)
    buffer, bytes_read = _buffer(), 0
    if found_bytes >= place.end:
        head = buffer[: len(place.packed.header)]
        read_exactly(target, head, offset=place.offset, name="bundle")
        bytes_read = len(head)
        if head == place.packed.header:
            crc32 = 0
            for offset in range(0, member.size_bytes, GROUP_BYTES):
                piece = buffer[: min(GROUP_BYTES, member.size_bytes - offset)]
                read_exactly(target, piece, offset=body + offset, name="bundle")
                crc32 = isal_zlib.crc32(piece, crc32)
            bytes_read += member.size_bytes
            if crc32 == member.crc32:
                return Work(bytes_read)
    write_exactly(target, place.packed.header, offset=place.offset)
    crc32 = 0
    with open_source(member, files_dir=files_dir) as source:
        for offset in range(0, member.size_bytes, GROUP_BYTES):
            piece = buffer[: min(GROUP_BYTES, member.size_bytes - offset)]
            read_exactly(source, piece, offset=offset, name=member.key)
            crc32 = isal_zlib.crc32(piece, crc32)
            write_exactly(target, piece, offset=body + offset)
    check_crc32(member, crc32)
    return Work(bytes_read + member.size_bytes, place.length, 1)


def _buffer() -> memoryview:
    """Return this thread's own buffer; a new one for each group would cost more than reading into it."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(bytearray(GROUP_BYTES))
    buffer: memoryview = _local.buffer
    return buffer
