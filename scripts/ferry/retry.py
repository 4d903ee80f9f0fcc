"""Trying again while the trouble may pass by itself, with growing pauses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ferry.errors import TransientError
from ferry.waiting import ANOTHER_TRY, waiting

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]
LONGEST_PAUSE_S = 60.0


@dataclass
class RetryPolicy:
    """How often one thing is tried, and how often that was needed so far."""

    attempts: int = 5
    sleep: Sleep = asyncio.sleep
    retries: int = 0

    async def retried[T](self, action: Callable[[], Awaitable[T]], *, attempts: int | None = None) -> T:
        """Do something that changes nothing or may be done twice, several times if need be.

        Raises:
            TransientError: the trouble has not passed.
        """
        for attempt in range(1, attempts or self.attempts):
            try:
                return await action()
            except TransientError as error:
                log.warning("%s; trying again (attempt %d)", error, attempt + 1)
                self.retries += 1
                await self.pause(attempt)
        return await action()

    async def pause(self, attempt: int) -> None:
        """Wait after the attempt of this number, from 1 on: 1, 2, 4 … 60 s."""
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** (attempt - 1))
        with waiting(ANOTHER_TRY, pause_s):
            await self.sleep(pause_s)


def retried[T](action: Callable[[], T], *, attempts: int, sleep: Callable[[float], None]) -> T:
    """Read something small, several times if need be, after pauses of 2, 4 … 60 s.

    Raises:
        TransientError: the trouble has not passed.
    """
    for attempt in range(1, attempts):
        try:
            return action()
        except TransientError as error:
            log.warning("%s; trying again (attempt %d)", error, attempt + 1)
            pause_s = min(LONGEST_PAUSE_S, 2.0**attempt)
            with waiting(ANOTHER_TRY, pause_s):
                sleep(pause_s)
    return action()
