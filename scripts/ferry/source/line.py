"""What is under way to the server: as many requests as the window allows, and bytes as memory has room for."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ferry.source.tasks import Answer, Tasks
from ferry.source.window import RequestWindow

MOST_BYTES = 48 << 20
"""Asked for and not yet taken, of all files of a record together."""


class Request(Answer):
    """An answer that is asked for as soon as there is room on the line."""

    __slots__ = ("kind", "send", "size_bytes", "state")

    WAITS, SENT, DROPPED = range(3)

    def __init__(
        self,
        kind: Hashable,
        url: str,
        send: Callable[[Callable[[Any], None]], None],
        size_bytes: int,
        on_arrival: Callable[[Answer], None],
    ) -> None:
        """Be sent by `send`, which is given what takes the answer, and bring at most so many bytes."""
        super().__init__(url, on_arrival)
        self.kind, self.send, self.size_bytes, self.state = kind, send, size_bytes, self.WAITS


class Line:
    """The requests of all files of a record, sent in the order in which they are asked.

    One budget for the record, whatever servers it names: nearly all name one, and the memory is one.
    """

    def __init__(self, tasks: Tasks, window: RequestWindow) -> None:
        """Have nothing under way."""
        self.tasks = tasks
        self.window = window
        self._waiting: deque[Request] = deque()
        self._askers: deque[Callable[[], bool]] = deque()
        self._requests = 0
        self._bytes = 0
        self._is_sending = False
        self.unasked_bytes = 0
        """Of files that are begun."""

    @contextmanager
    def expecting(self, size_bytes: int) -> Iterator[None]:
        """Count the bytes of a file that is being opened, which will be asked for then."""
        self.unasked_bytes += size_bytes
        try:
            yield
        finally:
            self.unasked_bytes -= size_bytes

    def add_asker(self, ask_one: Callable[[], bool]) -> None:
        """Let a file ask for its pieces while there is room: those of earlier files come first.

        Args:
            ask_one: asks for one more piece; returns whether there are more.
        """
        self._askers.append(ask_one)
        self._send()

    def remove_asker(self, ask_one: Callable[[], bool]) -> None:
        """Let a file ask for no more."""
        if ask_one in self._askers:
            self._askers.remove(ask_one)

    def ask(
        self, kind: Hashable, url: str, send: Callable[[Callable[[Any], None]], None], *, size_bytes: int = 0
    ) -> Request:
        """Send a request when its turn comes; its answer is got by `take`.

        Args:
            kind: as for the window.
            url: of what is asked.
            send: sends it; is given a function to be called once, in any thread, with the answer.
            size_bytes: how many bytes it may bring.
        """
        request = Request(kind, url, send, size_bytes, self._arrived)
        self._waiting.append(request)
        self._send()
        return request

    async def take(self, request: Request) -> Any:
        """Wait for the answer, and free the place of its bytes."""
        value = await request
        self._bytes -= request.size_bytes
        self._send()
        return value

    async def drop(self, *requests: Request) -> None:
        """Do without the answers; when this ends, none of the requests is under way."""
        for request in requests:
            if request.state == Request.WAITS:
                request.state = Request.DROPPED
        self._send()
        for request in requests:
            if request.state == Request.SENT:
                await self.take(request)

    def _send(self) -> None:
        if self._is_sending or not (self._waiting or self._askers):
            return
        self._is_sending = True
        self._send_waiting()
        while self._askers and not self._waiting and self._requests < self.window.limit and self._bytes < MOST_BYTES:
            if not self._askers[0]():
                self._askers.popleft()
            self._send_waiting()
        self._is_sending = False

    def _send_waiting(self) -> None:
        while self._waiting and self._requests < self.window.limit:
            request = self._waiting[0]
            if self._bytes and self._bytes + request.size_bytes > MOST_BYTES:
                return
            self._waiting.popleft()
            if request.state == Request.DROPPED:
                continue
            request.state = Request.SENT
            self._requests += 1
            self._bytes += request.size_bytes
            self.tasks.asks(request)
            request.send(partial(self.tasks.say, request))

    def _arrived(self, request: Answer) -> None:
        assert isinstance(request, Request)
        self._requests -= 1
        self.window.answered(request.kind, asked_at=request.since, now=self.tasks.clock())
        self._send()
