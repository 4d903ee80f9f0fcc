"""Coroutines that go on as the answers come that they wait for."""

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import closing
from typing import Any

Task = Coroutine["Answer", None, None]

_keep_state_of_thread = ctypes.pythonapi.PyGILState_Ensure
"""Of Python's C interface: what Python knows of a thread that it has not started then stays when a call into Python
ends. Else it is made anew for each answer, which costs as much as to take the answer in."""


class Answer:
    """What a coroutine waits for, and somebody will say in another thread."""

    __slots__ = ("is_there", "on_arrival", "since", "task", "url", "value")

    def __init__(self, url: str | None, on_arrival: Callable[["Answer"], None] | None = None) -> None:
        """Wait for an answer of this address, if it is one's; `on_arrival` is called when it is taken in."""
        self.url = url
        self.on_arrival = on_arrival
        self.since = 0.0
        self.is_there = False
        self.value: Any = None
        self.task: Task | None = None

    def __await__(self) -> Generator["Answer", None, Any]:
        """Give what was said."""
        if not self.is_there:
            yield self
        return self.value


class Tasks:
    """Coroutines that are carried on, one at a time, by whichever thread brings an answer.

    So nobody has to be woken for an answer, which costs more than to take it in. It may be a thread of the client that
    asks: what a coroutine does between two answers must not wait for that client.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Have none."""
        self.clock = clock
        self._said: deque[tuple[Answer, Any]] = deque()
        self._known_threads = {threading.get_ident()}
        self._at_work = threading.Lock()
        self._asked: dict[Answer, None] = {}
        self._begin: Callable[[int], Task | None] = lambda _working: None
        self._working = 0
        self._error: BaseException | None = None
        self.ended = threading.Event()
        """Set when all coroutines have ended and no further one begins."""

    def start(self, begin: Callable[[int], Task | None]) -> None:
        """Begin.

        Args:
            begin: called with the number of those at work; returns the next one, or None while it is not to begin.
        """
        self._begin = begin
        nothing = Answer(None)
        self.say(nothing, None)

    def check(self) -> None:
        """Raise what a coroutine has raised; the others are left where they are then."""
        if self._error is not None:
            raise self._error

    def asks(self, answer: Answer) -> None:
        """Note that the answer is waited for from now on."""
        answer.since = self.clock()
        self._asked[answer] = None

    def say(self, answer: Answer, value: Any) -> None:
        """Give the answer, from any thread, and carry on who waits for it, unless another thread is about that."""
        thread = threading.get_ident()
        if thread not in self._known_threads:
            self._known_threads.add(thread)
            _keep_state_of_thread()
        self._asked.pop(answer, None)
        self._said.append((answer, value))
        while self._said and self._at_work.acquire(blocking=False):
            try:
                while self._said:
                    self._take_in(*self._said.popleft())
            except BaseException as error:  # noqa: BLE001 - raised by `check`
                self._error = error
                self.ended.set()
                return  # with the lock: nothing goes on after a mistake
            self._at_work.release()

    def overdue(self, limit_s: float) -> str | None:
        """Return the address that has been waited for longer than `limit_s` seconds, if there is one."""
        latest = self.clock() - limit_s
        return next((answer.url for answer in list(self._asked) if answer.url and answer.since < latest), None)

    async def in_thread[Result](self, action: Callable[[], Result], *, url: str | None = None) -> Result:
        """Do something that may take long in a thread of its own, which does not outlive the process.

        Args:
            action: what to do.
            url: the address that it asks, where it must not take longer than an answer.

        Raises:
            whatever `action` raises.
        """
        return await self._in_thread(lambda _answer: action(), url)

    async def items_in_thread[Item](self, items: Generator[Item], take: Callable[[Item], None], *, url: str) -> None:
        """Take items, one after the other, in a thread of their own.

        Args:
            items: to wait for the next of them is to wait for an answer; closed at the end.
            take: what to do with each, which may last.
            url: the address that the items come from.

        Raises:
            whatever these raise.
        """

        def take_all(answer: Answer) -> None:
            with closing(items):
                for item in items:
                    self._asked.pop(answer, None)
                    take(item)
                    self.asks(answer)

        await self._in_thread(take_all, url)

    async def _in_thread[Result](self, action: Callable[[Answer], Result], url: str | None) -> Result:
        answer = Answer(url)

        def act() -> None:
            try:
                self.say(answer, (action(answer), None))
            except BaseException as error:  # noqa: BLE001 - raised where the result is taken
                self.say(answer, (None, error))

        self.asks(answer)
        threading.Thread(target=act, daemon=True).start()
        result, error = await answer
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _take_in(self, answer: Answer, value: Any) -> None:
        answer.is_there, answer.value = True, value
        if answer.on_arrival is not None:
            answer.on_arrival(answer)
        if answer.task is not None:
            self._go_on(answer.task)
        while (task := self._begin(self._working)) is not None:
            self._working += 1
            self._go_on(task)
        if not self._working:
            self.ended.set()

    def _go_on(self, task: Task) -> None:
        try:
            task.send(None).task = task
        except StopIteration:
            self._working -= 1
