"""MD5 of each member of a bundle, computed as the bundle's bytes go by: no file is read once more for it."""

import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from ferry.bundle.receipt import layout_of
from ferry.bundle.zip_format import DEFLATED
from ferry.errors import IntegrityError

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
