"""Bodies of requests on their way to the disk."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

_WRITTEN_BYTES = 4 << 20
"""What is written and hashed at once, in a thread: each change of threads waits for a processor while a client is busy.
"""


class Interrupted(Exception):  # noqa: N818 - nobody is there to be answered
    """The body ended before its announced length."""


async def pour(body: AsyncIterator[bytes], length: int | None, stream: BinaryIO, md5: Any) -> int:
    """Write the body, hashing beside the loop; return the number of bytes. Without a length nothing of it is kept."""
    size = 0
    gathered: list[bytes] = []
    waiting = 0

    def write(chunks: list[bytes]) -> None:
        for chunk in chunks:
            stream.write(chunk)
            if md5 is not None:
                md5.update(chunk)

    async for chunk in body:
        if length is None:
            continue
        gathered.append(chunk)
        waiting += len(chunk)
        size += len(chunk)
        if waiting >= _WRITTEN_BYTES:
            await asyncio.to_thread(write, gathered)
            gathered, waiting = [], 0
    write(gathered)
    return size


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
