"""A limit on how many bytes leave in a second, over all files of a record."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable


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
