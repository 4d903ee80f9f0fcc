"""Proof that what was handed out is what was packed, however it was cut into parts and however often a part was read.

A part's Adler-32 is kept; when the parts cover a stretch, their values are combined and compared. A part that is read
again (its upload failed) replaces its earlier value. Parts that overlap otherwise cannot be combined: then the
stretch is read once more in full. The MD5 of each member is computed in the same pass.
"""

import hashlib
import threading
import zlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isal import isal_zlib

from ferry.bundle.member_files import AGAIN, BytesError
from ferry.bundle.receipt import layout_of
from ferry.bundle.zip_format import DEFLATED
from ferry.checksums import combine_adler32
from ferry.errors import IntegrityError


class ChangedError(BytesError):
    """Bytes changed since they were packed."""

    def __init__(self, message: str, *, where: str, offset: int) -> None:
        """`where`: upload and member; `offset`: where in the upload they begin."""
        super().__init__(message)
        self.where, self.offset = where, offset


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes that are checked together: a file, or of a bundle a header, a member or the end."""

    name: str
    offset: int
    length: int
    adler32: int


@dataclass(slots=True)
class ReadCursor:
    """One reading from somewhere onwards, piece after piece: its part of the stretch that it is in."""

    index: int = -1
    began: int = 0
    length: int = 0
    adler32: int = 1


class StreamCheck:
    """What was handed out of each stretch; several readings may go on at once."""

    def __init__(self, key: str, stretches: Sequence[Segment], reread: Callable[[int], int]) -> None:
        """`reread` returns the Adler-32 of the stretch of this index, read anew."""
        self._key = key
        self._stretches = stretches
        self._reread = reread
        self._parts: dict[int, dict[int, tuple[int, int]]] = {}
        self._covered: dict[int, int] = {}
        self._lock = threading.Lock()

    def take(self, cursor: ReadCursor, index: int, start: int, data: bytes) -> None:
        """Take the next bytes of a reading into account: of the stretch `index`, from its byte `start` on.

        Raises:
            ChangedError: these bytes complete the stretch, and it is not what was packed.
        """
        stretch = self._stretches[index]
        if len(data) == stretch.length:
            self._compare(stretch, isal_zlib.adler32(data))
            return
        if cursor.index != index:
            cursor.index, cursor.began, cursor.length, cursor.adler32 = index, start, 0, 1
        cursor.adler32 = isal_zlib.adler32(data, cursor.adler32)
        cursor.length += len(data)
        with self._lock:
            parts = self._parts.setdefault(index, {})
            before, _ = parts.get(cursor.began, (0, 1))
            parts[cursor.began] = (cursor.length, cursor.adler32)
            covered = self._covered.get(index, 0) + cursor.length - before
            self._covered[index] = covered
            found = self._joined(parts, stretch) if covered >= stretch.length else None
        if covered >= stretch.length:
            self._compare(stretch, self._reread(index) if found is None else found)

    @staticmethod
    def _joined(parts: dict[int, tuple[int, int]], stretch: Segment) -> int | None:
        """Return the Adler-32 of the parts together, or None where they do not fit end to end."""
        position, adler32 = 0, 1
        for began in sorted(parts):
            length, part = parts[began]
            if began != position:
                return None
            adler32 = combine_adler32(adler32, part, length)
            position += length
        return adler32 if position == stretch.length else None

    def _compare(self, stretch: Segment, found: int) -> None:
        if found != stretch.adler32:
            where = self._key if stretch.name == self._key else f"{self._key}: {stretch.name}"
            raise ChangedError(
                f"{where}: expected adler32 {stretch.adler32:08x}, found {found:08x}: its bytes changed since it was "
                f"packed; {AGAIN}",
                where=where,
                offset=stretch.offset,
            )


INFLATED_BYTES = 1 << 20  # unpacked at once; a few bytes of a text may stand for a thousand times as many


class MemberDigests:
    """Fed with a bundle from its first byte to its last."""

    def __init__(self, bundle: Mapping[str, Any]) -> None:
        """`bundle` is its entry of the receipt `package`."""
        layout = layout_of(bundle)
        self._members = layout.members
        self._starts = [
            offset + len(packed.header) for packed, offset in zip(layout.members, layout.offsets, strict=True)
        ]
        self._position = 0
        self._size_bytes = layout.size_bytes
        self._md5s = [hashlib.md5(usedforsecurity=False) for _ in layout.members]
        self._inflaters = {
            index: zlib.decompressobj(-zlib.MAX_WBITS)
            for index, packed in enumerate(layout.members)
            if packed.method == DEFLATED
        }

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the bundle into account."""
        view, first = memoryview(chunk), self._position
        self._position = last = first + len(chunk)
        index = max(0, bisect_right(self._starts, first) - 1)
        while index < len(self._starts) and self._starts[index] < last:
            start = self._starts[index]
            piece = view[max(0, start - first) : max(0, start + self._members[index].packed_bytes - first)]
            self._take(index, piece)
            index += 1

    def values(self) -> dict[str, str]:
        """Return key -> MD5 of each member, hexadecimal.

        Raises:
            IntegrityError: not all of the bundle went by.
        """
        if self._position != self._size_bytes:
            raise IntegrityError(
                f"members of a bundle: expected all of its {self._size_bytes} bytes, found {self._position}; run again"
            )
        return {packed.member.key: md5.hexdigest() for packed, md5 in zip(self._members, self._md5s, strict=True)}

    def _take(self, index: int, piece: memoryview) -> None:
        inflater = self._inflaters.get(index)
        if inflater is None:
            self._md5s[index].update(piece)
            return
        packed: bytes | memoryview = piece
        while data := inflater.decompress(packed, INFLATED_BYTES):
            self._md5s[index].update(data)
            packed = inflater.unconsumed_tail
