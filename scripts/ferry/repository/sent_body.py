"""The body of a request: it goes out once, piece by piece, and waits here until the line can take it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import aiohttp

from ferry.errors import TransientError

PIECE_BYTES = 1 << 18
"""Bodies are handed out in pieces of this length: one that is not taken within the stall limit ends the request."""
UNSENT_BYTES = 1 << 18
"""The kernel takes no more than this before the line is ready for it: on a slow line what it has taken says nothing."""
MOST_UNSENT_BYTES = 1 << 22
UNSENT_S = 0.05
"""Once the line is known, as much as it sends in so long: a fast one need not wait until this process has its turn."""
THEIR_BYTES = 8 << 20
"""What the kernel of the other side may take before anybody reads it there (Linux: 6 MiB): it tells no line's rate."""


class SendOnce:
    """A request body that cannot be sent a second time: aiohttp would repeat a lost PUT, and nobody would know."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._started = False
        self.on_progress: Callable[[bool], None] = lambda _: None
        """Called with True when a piece has been taken, with False when nothing is left to be taken."""
        self._transport: asyncio.Transport | None = None

    def begin(self, transport: asyncio.Transport | None) -> None:
        """Take down the connection that it goes out on."""
        self._transport = transport

    def stop(self) -> None:
        """After an answer: what is left of it is not sent. A connection closed the usual way would first send it."""
        if self._transport is not None:
            self._transport.abort()

    def __aiter__(self) -> AsyncIterator[memoryview]:
        if self._started:
            raise TransientError("the connection was lost while the body was sent; the file is sent anew")
        self._started = True
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[memoryview]:
        begun, taken, unsent = time.monotonic(), 0, UNSENT_BYTES
        async for chunk in self._chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), PIECE_BYTES):
                piece = view[start : start + PIECE_BYTES]
                yield piece
                self.on_progress(True)
                taken += len(piece)
                if unsent == MOST_UNSENT_BYTES:
                    continue
                gone = taken - unsent - PIECE_BYTES - THEIR_BYTES  # for certain: the rest may wait in a kernel
                fitting = int(gone / (time.monotonic() - begun + 1e-6) * UNSENT_S)
                if fitting >= 2 * unsent:
                    unsent = min(fitting, MOST_UNSENT_BYTES)
                    _take_ahead(self._transport, unsent)
        self.on_progress(False)
        self._transport = None


sent_in_this_task: ContextVar[SendOnce | None] = ContextVar("sent_in_this_task", default=None)
"""aiohttp says only to the request which connection it goes out on."""


class RateLimitedRequest(aiohttp.ClientRequest):
    """A request whose body waits here, and not in the kernel, until the line can take it."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Send it; called by aiohttp once there is a connection."""
        _take_ahead(conn.transport, UNSENT_BYTES)
        if (body := sent_in_this_task.get()) is not None:
            body.begin(conn.transport)
        return await super().send(conn)


def _take_ahead(transport: asyncio.Transport | None, size_bytes: int) -> None:
    """Have the kernel take no more than so much ahead of what it sends."""
    if transport is not None and not transport.is_closing() and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size_bytes)
