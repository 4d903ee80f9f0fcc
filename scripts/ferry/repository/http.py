"""Where requests leave for the repository: each waits for its turn, is counted, and goes to nobody else.

Connections are kept open, because a new one costs a round trip or three. But when the server closes a kept one just as
a request is sent, nobody knows whether it took effect. So what must not be done twice gets a connection of its own.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from ferry.errors import PermanentError, TransientError
from ferry.flags import TOKEN_REFUSED, RunFlags
from ferry.repository.answers import ACCEPT_ENCODING, BoundedResponse
from ferry.repository.errors import BUSY, DeniedError, retry_after_s
from ferry.repository.origins import origin_of, redirect_target, refuse_elsewhere
from ferry.repository.rate_limit import RateLimiter
from ferry.repository.traffic import RequestStats

USER_AGENT = "opendata-ferry/0.1"
CONNECT_TIMEOUT_S = 20.0
KEPT_S = 4.0
"""Longer than any pause between two requests of an upload, shorter than servers wait (gunicorn: 2 s, nginx: 75 s)."""
UNTOLD_WAIT_S = 10.0
"""How long everybody waits after a 429 that does not say."""
PIECE_BYTES = 1 << 18
"""Bodies are handed out in pieces of this length: one that is not taken within the stall limit ends the request."""
UNSENT_BYTES = 1 << 18
"""The kernel takes no more than this before the line is ready for it: on a slow line what it has taken says nothing."""
HANDED_ON_BYTES_PER_S = 50e6
_REDIRECTS = 3


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
        async for chunk in self._chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), PIECE_BYTES):
                yield view[start : start + PIECE_BYTES]
                self.on_progress(True)
        self.on_progress(False)
        self._transport = None


_sent_in_this_task: ContextVar[SendOnce | None] = ContextVar("sent_in_this_task", default=None)
"""aiohttp says only to the request which connection it goes out on."""


class RateLimitedRequest(aiohttp.ClientRequest):
    """A request whose body waits here, and not in the kernel, until the line can take it."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Send it; called by aiohttp once there is a connection."""
        if conn.transport is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connected = conn.transport.get_extra_info("socket")
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        if (body := _sent_in_this_task.get()) is not None:
            body.begin(conn.transport)
        return await super().send(conn)


class HttpSession:
    """The HTTP sessions of one job. Use it as an asynchronous context manager."""

    def __init__(
        self,
        *,
        origin: URL,
        verify_tls: bool,
        stall_s: float,
        request_class: type[aiohttp.ClientRequest] = RateLimitedRequest,
        response_class: type[BoundedResponse] = BoundedResponse,
        rate_limiter: RateLimiter | None = None,
        flags: RunFlags | None = None,
    ) -> None:
        """Prepare to talk to one origin; with `rate_limiter` and `flags`, together with the other jobs of the run.

        Args:
            origin: of the repository: scheme, host, port.
            verify_tls: whether its certificate is checked. Those of other hosts always are.
            stall_s: seconds without a byte, sent or received, after which a request is given up, and seconds within
                which an answer that has begun has to end. There is no limit on how long a body is sent.
            request_class, response_class: of aiohttp's sessions.
            rate_limiter, flags: shared with other jobs.
        """
        self.traffic = RequestStats()
        self._origin = origin
        self._verify_tls = verify_tls
        self._stall_s = stall_s
        self._rate_limiter = rate_limiter
        self._flags = flags
        self._classes = {"request_class": request_class, "response_class": response_class}
        # total=None: a large file takes as long as it takes
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=stall_s)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        kept = aiohttp.TCPConnector(ssl=self._verify_tls, limit=0, keepalive_timeout=KEPT_S)
        single = aiohttp.TCPConnector(ssl=self._verify_tls, limit=0, force_close=True)
        elsewhere = aiohttp.TCPConnector(limit=0, force_close=True)
        self._kept = await self._open(kept, counted=True)
        self._single = await self._open(single, counted=True)
        self._elsewhere = await self._open(elsewhere, counted=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _open(self, connector: aiohttp.BaseConnector, *, counted: bool) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPT_ENCODING},
            auto_decompress=False,
            trace_configs=[self._counting()] if counted else [],
            **self._classes,  # type: ignore[arg-type]
        )
        return await self._stack.enter_async_context(session)

    def _counting(self) -> aiohttp.TraceConfig:
        # here and not in `request`: aiohttp asks again by itself when a kept connection turns out to be closed
        async def count(_session: object, context: Any, _params: object) -> None:
            self.traffic.requests += 1
            context.sent = getattr(context, "sent", 0) + 1
            if context.sent > 1 and self._rate_limiter is not None:
                self._rate_limiter.take_slot()

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(count)  # called with three arguments
        return trace

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        *,
        auth: Any = None,
        may_repeat: bool | None = None,
        is_part: bool = False,
        **options: Any,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send one request when it is its turn, and pass on the answer.

        Args:
            method, url: of the request.
            auth: adds the token; left out for another origin.
            may_repeat: whether the request does no harm when it is done twice; by default, whether the method says so.
            is_part: whether it brings a part of a file, which may lie elsewhere.
            options: as for aiohttp.

        Raises:
            DeniedError: the token was refused to another job of the run.
            PermanentError: an address elsewhere, or a redirect to one.
        """
        options["allow_redirects"] = False
        if origin_of(url) != self._origin:
            refuse_elsewhere(method, url, origin=self._origin, is_part=is_part)
            async with self._watched(self._elsewhere, method, url, options) as response:
                yield response
            return
        if may_repeat is None:
            may_repeat = method != "POST"
        session = self._kept if may_repeat else self._single
        for _ in range(_REDIRECTS):
            await self._wait_for_turn()
            async with self._watched(session, method, url, {**options, "auth": auth}) as response:
                self._note(response)
                if response.status not in range(300, 400) or response.status == 304:
                    yield response
                    return
                url = redirect_target(method, response, origin=self._origin)
        raise PermanentError(f"{url}: redirected {_REDIRECTS} times; check repository.url")

    @contextlib.asynccontextmanager
    async def _watched(
        self, session: aiohttp.ClientSession, method: str, url: URL, options: dict[str, Any]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send a request; give up when its body is not taken. aiohttp's own limits begin when the body is sent."""
        loop = asyncio.get_running_loop()
        body, timeout = options.get("data"), self._timeout
        sending = isinstance(body, SendOnce)
        try:
            async with asyncio.timeout(None) as limit:

                def within(seconds: float) -> None:
                    limit.reschedule(loop.time() + seconds)

                def on_progress(more: bool) -> None:
                    nonlocal sending
                    sending = more
                    within(self._stall_s if more else answered_s)

                if isinstance(body, SendOnce):
                    _sent_in_this_task.set(body)
                    timeout = self._timeout_after(int(options["headers"]["Content-Length"]))
                    body.on_progress = on_progress
                # the headers may come a byte at a time, and the socket is never silent
                answered_s = CONNECT_TIMEOUT_S + (timeout.sock_read or 0) + self._stall_s
                if not sending:
                    within(answered_s)
                with self.traffic.noting_outcome(method, may_repeat=session is self._kept) as outcome:
                    async with session.request(method, url, timeout=timeout, **options) as response:
                        _sent_in_this_task.set(None)
                        sending = False
                        within(self._stall_s)
                        outcome.status = response.status
                        try:
                            yield response
                        finally:
                            if isinstance(body, SendOnce):
                                body.stop()
        except aiohttp.ConnectionTimeoutError as error:
            raise TransientError(f"{method} {url.path}: no connection within {CONNECT_TIMEOUT_S:g} s") from error
        except aiohttp.SocketTimeoutError as error:
            raise TransientError(f"{method} {url.path}: nothing came back for {timeout.sock_read:g} s") from error
        except TimeoutError as error:
            if sending:
                raise TransientError(f"{method} {url.path}: not a byte went on for {self._stall_s:g} s") from error
            raise TransientError(
                f"{method} {url.path}: an answer began, and had not ended {self._stall_s:g} s later"
            ) from error

    def _timeout_after(self, size_bytes: int) -> aiohttp.ClientTimeout:
        """A proxy may take a body at once and hand it on before anybody answers."""
        sock_read = self._stall_s + size_bytes / HANDED_ON_BYTES_PER_S
        return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=sock_read)

    async def _wait_for_turn(self) -> None:
        if self._rate_limiter is not None:
            self.traffic.waited_s += await self._rate_limiter.wait_for_slot()
        if self._flags is not None and (reason := self._flags.get(TOKEN_REFUSED)):
            raise DeniedError(f"not asked, the run's token was refused before: {reason}")

    def _note(self, response: aiohttp.ClientResponse) -> None:
        limit = response.headers.get("X-RateLimit-Limit", "")
        if limit.isdecimal():
            self.traffic.told_limit = int(limit)
        if response.status not in BUSY:
            return
        self.traffic.refused += 1
        wait_s = retry_after_s(response.status, response.headers)
        if wait_s is None and response.status == 429:
            wait_s = UNTOLD_WAIT_S
        if wait_s and self._rate_limiter is not None:
            self._rate_limiter.pause(wait_s)
