"""Trying again while the trouble may pass by itself, with growing pauses."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ferry.errors import TransientError
from ferry.waiting import ANOTHER_TRY, waiting

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]
LONGEST_PAUSE_S = 60.0
_MOST_COUNTED = 1000


def _pause_s(attempt: int) -> float:
    """Return the pause after the attempt of this number, from 1 on: 1, 2, 4 … 60 s."""
    return min(LONGEST_PAUSE_S, 2.0 ** min(attempt - 1, 10))


def _pauses_s(attempt: int, attempts: int) -> float:
    """Return how long all pauses are that may come, the one after this attempt first."""
    return sum(map(_pause_s, range(attempt, min(attempts, attempt + _MOST_COUNTED))))


@dataclass
class RetryPolicy:
    """How often one thing is tried, and how often that was needed so far."""

    attempts: int = 5
    sleep: Sleep = asyncio.sleep
    retries: int = 0
    most_s: float | None = None
    """After so long whoever asks gives up by himself, if he does."""
    waits_for: str = ANOTHER_TRY

    async def retried[T](self, action: Callable[[], Awaitable[T]], *, attempts: int | None = None) -> T:
        """Do something that changes nothing or may be done twice, several times if need be.

        Raises:
            TransientError: the trouble has not passed.
        """
        gives_up = time.monotonic() + (self.most_s or math.inf)
        for attempt in range(1, attempts or self.attempts):
            try:
                return await action()
            except TransientError as error:
                log.warning("%s; trying again (attempt %d)", error, attempt + 1)
                self.retries += 1
                most_s = min(_pauses_s(attempt, attempts or self.attempts), gives_up - time.monotonic())
                await self.pause(attempt, most_s=most_s, why=str(error))
        return await action()

    async def pause(self, attempt: int, *, most_s: float | None = None, why: str = "") -> None:
        """Wait after the attempt of this number; `most_s` and `why` are told, as of any wait."""
        pause_s = _pause_s(attempt)
        with waiting(self.waits_for, pause_s, most_s=most_s, why=why):
            await self.sleep(pause_s)


def retried[T](
    action: Callable[[], T],
    *,
    attempts: int,
    sleep: Callable[[float], None],
    waits_for: str = ANOTHER_TRY,
    longest_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Read something small, several times if need be, after pauses of 2, 4 … 60 s.

    Args:
        action: what to do.
        attempts: most of them.
        sleep, clock: for tests.
        waits_for: as the pauses are told.
        longest_s: after so long no other attempt begins.

    Raises:
        TransientError: the trouble has not passed.
    """
    end = clock() + longest_s
    for attempt in range(1, attempts):
        try:
            return action()
        except TransientError as error:
            pause_s, left_s = _pause_s(attempt + 1), end - clock()
            if pause_s > left_s:
                raise
            log.warning("%s; trying again (attempt %d)", error, attempt + 1)
            most_s = min(left_s, _pauses_s(attempt + 1, attempts + 1))
            with waiting(waits_for, pause_s, most_s=most_s, why=str(error)):
                sleep(pause_s)
    return action()
