"""A bundle read in order as it comes over the line: header, member, header, member, never all of it at once.

Its members have their lengths before their bytes, as bundle/zip_format.py writes them; an archive that has them behind
is none of ours. Nothing is believed of a header but how many bytes to read: what these have to be is stated elsewhere,
or, where nobody states it, by the CRC-32 that the bundle itself has of them.
"""

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from isal import isal_zlib

from ferry.bundle.zip_format import DEFLATED, STORED
from ferry.errors import IntegrityError, TransientError

CHUNK_BYTES = 1 << 20
_LOCAL = struct.Struct("<4s5H3L2H")
_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED, _LENGTH_BEHIND = 0x1, 0x8
_MAX32 = 0xFFFFFFFF
_RAW = -15


@dataclass(frozen=True)
class Header:
    """What stands before the bytes of a member."""

    offset: int
    """Of the header itself."""
    name: str
    method: int
    crc32: int
    packed_bytes: int
    size_bytes: int


class ZipStream:
    """The bytes of a bundle from some header on."""

    def __init__(self, key: str, chunks: Iterator[bytes], *, position: int, size_bytes: int) -> None:
        """Read from chunks, the first byte of which is at `position` of the bundle of this length."""
        self._key = key
        self._chunks = chunks
        self._size_bytes = size_bytes
        self._rest = memoryview(b"")
        self.position = position

    def next_header(self) -> Header | None:
        """Read the next header; None where the members end.

        Raises:
            IntegrityError: what stands there is neither a header as we write them nor the end.
            TransientError: the line broke.
        """
        offset = self.position
        fixed = _LOCAL.unpack(self._exactly(_LOCAL.size))
        signature, _, flags, method, _, _, crc32, packed_bytes, size_bytes, name_bytes, extra_bytes = fixed
        if signature != _SIGNATURE:
            if signature in (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06"):
                return None
            raise self._odd(offset, "the header of a member")
        if flags & (_ENCRYPTED | _LENGTH_BEHIND) or method not in (STORED, DEFLATED):
            raise self._odd(offset, "a member as this product packs them")
        try:
            name = self._exactly(name_bytes).decode()
        except UnicodeDecodeError:
            raise self._odd(offset, "a name in UTF-8") from None
        extra = self._exactly(extra_bytes)
        if _MAX32 in (packed_bytes, size_bytes) and extra[:4] == struct.pack("<2H", 1, 16):
            size_bytes, packed_bytes = struct.unpack_from("<2Q", extra, 4)
        if packed_bytes > self._size_bytes - self.position or (method == STORED and packed_bytes != size_bytes):
            raise self._odd(offset, "lengths that fit into the bundle")
        return Header(offset, name, method, crc32, packed_bytes, size_bytes)

    def skip(self, header: Header) -> None:
        """Go to what is behind the bytes of a member."""
        for _ in self._pieces(header.packed_bytes):
            pass

    def rest(self) -> Generator[memoryview]:
        """Give all that is behind the members.

        Raises:
            TransientError: the line broke.
        """
        yield from self._pieces(self._size_bytes - self.position)

    def content(self, header: Header) -> Generator[bytes | memoryview]:
        """Give the bytes of a member unpacked, no more than it says that it has.

        Raises:
            IntegrityError: they cannot be unpacked, or are more or fewer.
            TransientError: the line broke.
        """
        if header.method == STORED:
            yield from self._pieces(header.packed_bytes)
            return
        unpacker, found = isal_zlib.decompressobj(wbits=_RAW), 0
        try:
            for packed in self._pieces(header.packed_bytes):
                for piece in _unpacked(unpacker, packed):
                    found += len(piece)
                    if found > header.size_bytes:
                        raise IntegrityError(
                            f"{self._key}, {header.name!r}: expected {header.size_bytes} bytes, found more"
                        )
                    yield piece
            is_whole = unpacker.eof and not unpacker.unused_data
        except isal_zlib.IsalError:  # type: ignore[misc]  # a class; its stub says an instance
            is_whole = False
        if not is_whole or found != header.size_bytes:
            raise IntegrityError(
                f"{self._key}, {header.name!r}: expected what unpacks to {header.size_bytes} bytes, found what "
                f"does not (good for {found})"
            )

    def _pieces(self, length: int) -> Generator[memoryview]:
        while length:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    raise TransientError(f"{self._key}: expected {self._size_bytes} bytes, found {self.position}")
            piece, self._rest = self._rest[:length], self._rest[length:]
            self.position += len(piece)
            if self.position > self._size_bytes:
                raise IntegrityError(f"{self._key}: expected {self._size_bytes} bytes, as it is listed, found more")
            length -= len(piece)
            yield piece

    def _exactly(self, length: int) -> bytes:
        return b"".join(self._pieces(length))

    def _odd(self, offset: int, expected: str) -> IntegrityError:
        return IntegrityError(f"{self._key}: expected {expected} at byte {offset}, found something else")


def _unpacked(unpacker: Any, packed: bytes | memoryview) -> Generator[bytes]:
    """Give what packed bytes are unpacked to, in pieces that memory can bear."""
    left: bytes | memoryview = packed
    while not unpacker.eof:
        piece = unpacker.decompress(left, CHUNK_BYTES)
        if piece:
            yield piece
        left = unpacker.unconsumed_tail
        if not left and len(piece) < CHUNK_BYTES:
            return
