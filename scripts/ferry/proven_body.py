"""The body of an upload: hashed in the pass that sends it, and never complete unless it is what was downloaded."""

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from ferry.errors import IntegrityError


@dataclass
class SentProof:
    """What was really sent of one file."""

    key: str
    size_bytes: int = 0
    _adler32: int = 1
    _md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    @property
    def adler32(self) -> str:
        """Adler-32 of the bytes so far, eight hexadecimal digits."""
        return f"{self._adler32:08x}"

    @property
    def md5(self) -> str:
        """MD5 of the bytes so far, hexadecimal."""
        digest: str = self._md5.hexdigest()
        return digest

    def update(self, chunk: bytes) -> None:
        """Take the next chunk into account."""
        self.size_bytes += len(chunk)
        self._adler32 = zlib.adler32(chunk, self._adler32)
        self._md5.update(chunk)


async def proven_body(
    chunks: Iterator[bytes], *, size_bytes: int, adler32: str, proof: SentProof
) -> AsyncIterator[bytes]:
    """Yield the chunks, read and hashed one ahead in a thread; the last only when all of them are right.

    A file that is not what its receipt says therefore never arrives in full, and cannot be committed.

    Raises:
        IntegrityError: size or adler32 are not those of the receipt.
    """

    def read_next() -> bytes | None:
        chunk = next(chunks, None)
        if chunk is not None:
            proof.update(chunk)
        return chunk

    def read_ahead() -> asyncio.Task[bytes | None]:
        return asyncio.create_task(asyncio.to_thread(read_next))

    ahead = read_ahead()
    try:
        held = await ahead
        ahead = read_ahead()
        while (following := await ahead) is not None:
            if proof.size_bytes > size_bytes:
                raise IntegrityError(_mismatch(proof, size_bytes, adler32))
            ahead = read_ahead()
            if held is not None:
                yield held
            held = following
    finally:
        await asyncio.wait([ahead])  # a thread may still read: the file stays open until it is done
    if (proof.size_bytes, proof.adler32) != (size_bytes, adler32):
        raise IntegrityError(_mismatch(proof, size_bytes, adler32))
    if held is not None:
        yield held


def _mismatch(proof: SentProof, size_bytes: int, adler32: str) -> str:
    return (
        f"{proof.key}: changed since it was packed: expected {size_bytes} bytes, adler32 {adler32}, "
        f"found {proof.size_bytes} bytes or more, adler32 {proof.adler32}; run the record again"
    )
