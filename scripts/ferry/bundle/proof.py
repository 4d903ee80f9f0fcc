"""Proof that what was handed out is what was packed, however it was cut into parts and however often a part was read.

A part's Adler-32 is kept; when the parts cover a stretch, their values are combined and compared. A part that is read
again (its upload failed) replaces its earlier value. Parts that overlap otherwise cannot be combined: then the
stretch is read once more in full.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isal import isal_zlib

from ferry.combined_checksums import combine_adler32
from ferry.errors import IntegrityError


class ChangedError(IntegrityError):
    """Bytes changed since they were packed."""

    def __init__(self, message: str, *, where: str, offset: int) -> None:
        """`where`: upload and member; `offset`: where in the upload they begin."""
        super().__init__(message)
        self.where, self.offset = where, offset


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes that are checked together: a file, or of a bundle a header, a member or the end."""

    name: str
    offset: int
    length: int
    adler32: int


@dataclass(slots=True)
class Cursor:
    """One reading from somewhere onwards, piece after piece: its part of the stretch that it is in."""

    index: int = -1
    began: int = 0
    length: int = 0
    adler32: int = 1


class ReadProof:
    """What was handed out of each stretch; several readings may go on at once."""

    def __init__(self, key: str, stretches: Sequence[Stretch], reread: Callable[[int], int]) -> None:
        """`reread` returns the Adler-32 of the stretch of this index, read anew."""
        self._key = key
        self._stretches = stretches
        self._reread = reread
        self._parts: dict[int, dict[int, tuple[int, int]]] = {}
        self._covered: dict[int, int] = {}
        self._lock = threading.Lock()

    def take(self, cursor: Cursor, index: int, start: int, data: bytes) -> None:
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
    def _joined(parts: dict[int, tuple[int, int]], stretch: Stretch) -> int | None:
        """Return the Adler-32 of the parts together, or None where they do not fit end to end."""
        position, adler32 = 0, 1
        for began in sorted(parts):
            length, part = parts[began]
            if began != position:
                return None
            adler32 = combine_adler32(adler32, part, length)
            position += length
        return adler32 if position == stretch.length else None

    def _compare(self, stretch: Stretch, found: int) -> None:
        if found != stretch.adler32:
            where = self._key if stretch.name == self._key else f"{self._key}: {stretch.name}"
            raise ChangedError(
                f"{where}: expected adler32 {stretch.adler32:08x}, found {found:08x}: its bytes changed since it was "
                "packed; delete the record's package receipt (and, if that does not help, its download receipt and "
                "data/<recid>/verified.jsonl) and run again",
                where=where,
                offset=stretch.offset,
            )
