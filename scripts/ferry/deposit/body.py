"""The body of an upload: hashed in the pass that sends it, never complete unless it is what was downloaded, and sent no
faster than is allowed.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from isal import isal_zlib

from ferry.bundle.member_files import BytesError
from ferry.bundle.proof import MemberDigests

WHOLE_BYTES = 1 << 20
"""What is no longer is read in one go."""
CHUNKS_AHEAD = 4
"""Reading and hashing on the one side, the line on the other: neither waits for the other's every chunk."""


@dataclass
class SentProof:
    """What was really sent of one file."""

    key: str
    members: MemberDigests | None = None
    """For a bundle whose members' MD5 are wanted."""
    size_bytes: int = 0
    _adler32: int = 1
    _crc32: int = 0
    _md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    @property
    def adler32(self) -> str:
        """Adler-32 of the bytes so far, eight hexadecimal digits."""
        return f"{self._adler32:08x}"

    @property
    def checksums(self) -> Mapping[str, str]:
        """Adler-32 and CRC-32 of the bytes so far, eight hexadecimal digits each."""
        return {"adler32": self.adler32, "crc32": f"{self._crc32:08x}"}

    @property
    def md5(self) -> str:
        """MD5 of the bytes so far, hexadecimal."""
        digest: str = self._md5.hexdigest()
        return digest

    @property
    def member_md5s(self) -> Mapping[str, str]:
        """Key -> MD5 of each member of a bundle, once all of it was sent."""
        return {} if self.members is None else self.members.values()

    def update(self, chunk: bytes) -> None:
        """Take the next chunk into account."""
        self.size_bytes += len(chunk)
        self._adler32 = isal_zlib.adler32(chunk, self._adler32)
        self._crc32 = isal_zlib.crc32(chunk, self._crc32)
        self._md5.update(chunk)
        if self.members is not None:
            self.members.update(chunk)

    def is_of(self, upload: Mapping[str, Any]) -> bool:
        """Tell whether the bytes so far are all of an upload, by its entry of the receipt `package`."""
        found = {"size_bytes": self.size_bytes, **self.checksums}
        return all(upload[name] == value for name, value in found.items() if name in upload)


async def proven_body(chunks: Iterator[bytes], *, upload: Mapping[str, Any], proof: SentProof) -> AsyncIterator[bytes]:
    """Yield the chunks, read and hashed a few ahead in a thread; the last only when all of them are right.

    A file that is not what its receipt says therefore never arrives in full, and cannot be committed.

    Args:
        chunks: what is read.
        upload: the entry of the receipt `package`.
        proof: takes the chunks into account.

    Raises:
        BytesError: size or checksums are not those of the receipt.
    """
    size_bytes = upload["size_bytes"]

    def read_next() -> bytes | None:
        chunk = next(chunks, None)
        if chunk is not None:
            proof.update(chunk)
        return chunk

    if size_bytes <= WHOLE_BYTES:
        read = await asyncio.to_thread(_read_all, chunks, size_bytes, proof)
        if not proof.is_of(upload):
            raise BytesError(_mismatch(proof, upload))
        for piece in read:
            yield piece
        return
    loop = asyncio.get_running_loop()
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read")  # one thread: chunks come in their order
    ahead = deque(loop.run_in_executor(reader, read_next) for _ in range(CHUNKS_AHEAD))
    held: bytes | None = None
    try:
        while (chunk := await ahead.popleft()) is not None:
            if proof.size_bytes > size_bytes:
                raise BytesError(_mismatch(proof, upload))
            ahead.append(loop.run_in_executor(reader, read_next))
            if held is not None:
                yield held
            held = chunk
    finally:
        await asyncio.gather(*ahead, return_exceptions=True)  # the file stays open until the thread is done with it
        reader.shutdown(wait=False)
    if not proof.is_of(upload):
        raise BytesError(_mismatch(proof, upload))
    if held is not None:
        yield held


def _read_all(chunks: Iterator[bytes], size_bytes: int, proof: SentProof) -> list[bytes]:
    read = []
    for chunk in chunks:
        proof.update(chunk)
        read.append(chunk)
        if proof.size_bytes > size_bytes:
            break
    return read


def _mismatch(proof: SentProof, upload: Mapping[str, Any]) -> str:
    checksums = {name: upload[name] for name in ("adler32", "crc32") if name in upload}
    expected = ", ".join(f"{name} {value}" for name, value in checksums.items())
    found = ", ".join(f"{name} {proof.checksums[name]}" for name in checksums)
    return (
        f"{proof.key}: changed since it was packed: expected {upload['size_bytes']} bytes, {expected}, "
        f"found {proof.size_bytes} bytes or more, {found}; run the record again"
    )


class Bandwidth:
    """Lets bytes go at a steady rate; without a limit, at once."""

    def __init__(
        self,
        bytes_per_s: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0

    async def limited(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the chunks, each when the ones before have had their time."""
        async for chunk in chunks:
            if self._bytes_per_s is not None:
                now = self._clock()
                start = max(now, self._free_at)
                self._free_at = start + len(chunk) / self._bytes_per_s
                if start > now:
                    await self._sleep(start - now)
            yield chunk
