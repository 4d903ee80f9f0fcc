"""Where requests leave for the repository: each waits for its turn, is counted, and goes to nobody else.

Connections are kept open, because a new one costs a round trip or three. But when the server closes a kept one just as
a request is sent, nobody knows whether it took effect. So what must not be done twice goes out on one that has just
brought an answer, or on one of its own.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from ferry.errors import PermanentError, TransientError
from ferry.flags import TOKEN_REFUSED, RunFlags
from ferry.repository.answers import ACCEPT_ENCODING, BoundedResponse
from ferry.repository.errors import BUSY, DeniedError, requests_left, retry_after_s
from ferry.repository.origins import origin_of, redirect_target, refuse_elsewhere
from ferry.repository.rate_limit import RateLimiter, Slot
from ferry.repository.sent_body import RateLimitedRequest, SendOnce, sent_in_this_task
from ferry.repository.traffic import RequestStats

log = logging.getLogger(__name__)

USER_AGENT = "opendata-ferry/0.1"
CONNECT_TIMEOUT_S = 20.0
FRESH_S = 0.5
"""No server closes a connection that it means to keep so soon after an answer."""
KEPT_S = 4.0
"""Longer than any pause between two requests of an upload, shorter than servers wait (gunicorn: 2 s, nginx: 75 s)."""
UNTOLD_WAIT_S = 10.0
"""How long everybody waits after a 429 that does not say."""
HANDED_ON_BYTES_PER_S = 50e6
_REDIRECTS = 3

Noting = Callable[[aiohttp.ClientResponse], None]


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
        self._tells_left = False
        """Whether the repository tells how many requests it takes yet."""
        self._at_once = self._most_at_once = 0
        """Requests on kept connections: now, and the most that there were."""
        self._answered_at = 0.0
        """When the last of these ended."""

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
            if (
                context.sent > 1
                and self._rate_limiter is not None
                and (slot := self._rate_limiter.take_slot()).is_taken
            ):
                self._rate_limiter.note_end(slot)

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
            async with self._watched(self._elsewhere, method, url, options, may_repeat=False) as response:
                yield response
            return
        if may_repeat is None:
            may_repeat = method != "POST"
        for _ in range(_REDIRECTS):
            async with (
                self._turn(may_repeat=may_repeat) as (session, noting),
                self._watched(session, method, url, {**options, "auth": auth}, may_repeat=may_repeat) as response,
            ):
                noting(response)
                if response.status not in range(300, 400) or response.status == 304:
                    yield response
                    return
                url = redirect_target(method, response, origin=self._origin)
        raise PermanentError(f"{url}: redirected {_REDIRECTS} times; check repository.url")

    @contextlib.asynccontextmanager
    async def _watched(
        self, session: aiohttp.ClientSession, method: str, url: URL, options: dict[str, Any], *, may_repeat: bool
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
                    sent_in_this_task.set(body)
                    timeout = self._timeout_after(int(options["headers"]["Content-Length"]))
                    body.on_progress = on_progress
                # the headers may come a byte at a time, and the socket is never silent
                answered_s = CONNECT_TIMEOUT_S + (timeout.sock_read or 0) + self._stall_s
                if not sending:
                    within(answered_s)
                with self.traffic.noting_outcome(method, may_repeat=may_repeat) as outcome:
                    begun = time.monotonic()
                    async with session.request(method, url, timeout=timeout, **options) as response:
                        sent_in_this_task.set(None)
                        if not isinstance(body, SendOnce):
                            self.traffic.note_round_trip(time.monotonic() - begun)
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

    def _has_fresh(self) -> bool:
        """Tell whether the kept connection has just brought an answer; of several nobody knows which is taken."""
        return self._most_at_once == 1 and not self._at_once and time.monotonic() - self._answered_at < FRESH_S

    async def wait_for_turn(self) -> None:
        """Return when a request may leave that goes another way than by this session.

        Raises:
            DeniedError: the token was refused to another job of the run.
        """
        self._note_end(await self._take_turn())

    async def _take_turn(self) -> Slot:
        slot = Slot(is_taken=True, wait_s=0.0)
        if self._rate_limiter is not None:
            slot = await self._rate_limiter.wait_for_slot()
            self.traffic.waited_s += slot.wait_s
        if self._flags is not None and (reason := self._flags.get(TOKEN_REFUSED)):
            raise DeniedError(f"not asked, the run's token was refused before: {reason}")
        return slot

    def _note_end(self, slot: Slot, *, is_answered: bool = False, left: tuple[int, float] | None = None) -> None:
        self._tells_left = self._tells_left or left is not None
        if self._rate_limiter is not None and (self._tells_left or slot.goes_alone):
            self._rate_limiter.note_end(slot, is_answered=is_answered, left=left)

    @contextlib.asynccontextmanager
    async def _turn(self, *, may_repeat: bool) -> AsyncGenerator[tuple[aiohttp.ClientSession, Noting], None]:
        """Wait until a request may leave; give the session for it, and what is to be told of its answer."""
        slot, left, is_answered = await self._take_turn(), None, False

        def note(response: aiohttp.ClientResponse) -> None:
            nonlocal left, is_answered
            is_answered = True
            left = requests_left(response.headers)
            self._note(response)

        is_kept = may_repeat or self._has_fresh()
        self._at_once += is_kept
        self._most_at_once = max(self._most_at_once, self._at_once)
        try:
            yield self._kept if is_kept else self._single, note
        finally:
            self._at_once -= is_kept
            if is_kept:
                self._answered_at = time.monotonic()
            self._note_end(slot, is_answered=is_answered, left=left)

    def _note(self, response: aiohttp.ClientResponse) -> None:
        limit = response.headers.get("X-RateLimit-Limit", "")
        if limit.isdecimal():
            self.traffic.told_limit = int(limit)
        self.slow_down(response.status, response.headers)

    def slow_down(self, status: int, headers: Mapping[str, str]) -> None:
        """Heed what an answer asks for: where it says that the repository is busy, everybody waits."""
        if status not in BUSY:
            return
        self.traffic.refused += 1
        wait_s = retry_after_s(status, headers)
        if wait_s is None and status == 429:
            wait_s = UNTOLD_WAIT_S
        if wait_s and self._rate_limiter is not None:
            self._rate_limiter.pause(wait_s)
            log.warning("the repository asks to slow down (%d): all requests of the run wait %.0f s", status, wait_s)
