"""Waits in a job for a repository that is away as a whole, and then does the same once more.

A record whose upload fails for a reason that may pass fails by itself as long as the repository answers anything else.
Where it answers nothing, no record is at fault, and none fails: whoever finds it so notes it for the run, and waits.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace

from ferry.errors import TransientError
from ferry.flags import AWAY, STOPPED, RunFlags
from ferry.retry import Sleep
from ferry.waiting import REPOSITORY, waiting

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
LOOK_EVERY_S = 5.0
"""Between two looks whether another job has had an answer."""
FORGOTTEN_S = 900.0
"""After so long a note counts no more: whoever waits writes it anew, far more often."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Absence:
    """When the repository of a run was away: since when, when that was seen last, and since when it is back.

    In seconds since 1970: jobs on other nodes have other monotonic clocks.
    """

    since: float
    seen: float
    why: str
    back: float | None = None
    earlier: tuple[tuple[float, float], ...] = ()
    """Absences of the same run before it: since when, and when it was back."""


def read_absences(flags: RunFlags) -> Absence | None:
    """Return the last absence in a run, with those before it; None if there was none."""
    try:
        found = json.loads(flags.get(AWAY) or "")
        return Absence(**{**found, "earlier": tuple((float(since), float(back)) for since, back in found["earlier"])})
    except (ValueError, TypeError, KeyError):
        return None


def absent_s(last: Absence | None, *, until: float) -> float:
    """Return for how long a repository was away before a time, in seconds."""
    spans = [*last.earlier, (last.since, last.back if last.back is not None else until)] if last else []
    return sum(max(0.0, min(back, until) - since) for since, back in spans)


def read_absence(flags: RunFlags, *, now: float) -> Absence | None:
    """Return the last one, None if there was none, or nobody has seen to it for long."""
    found = read_absences(flags)
    return found if found and now - (found.back or found.seen) < FORGOTTEN_S else None


@dataclass(frozen=True)
class Outages:
    """How a job gets over the time that a repository is away."""

    answers: Callable[[], Awaitable[bool]]
    """Asks the repository something that concerns no record."""
    flags: RunFlags
    """Of the run, by which its jobs tell each other."""
    give_up_after_s: float
    """How long one absence may last; 0: nothing is waited for."""
    sleep: Sleep = asyncio.sleep
    clock: Callable[[], float] = time.time

    async def outlast[Result](self, act: Callable[[], Awaitable[Result]]) -> Result:
        """Do something that may be done twice; where it fails for an absence, do it again after that.

        Raises:
            TransientError: of `act`: the repository was there all the time, or is away for too long.
        """
        while True:
            began = self.clock()
            try:
                return await act()
            except TransientError as error:
                if not self.give_up_after_s:
                    raise
                log.warning("%s; looking whether the repository answers at all", error)
                if await self.answers():
                    self._note_back()
                    if not self._was_away_since(began):
                        raise
                elif not await self._comes_back(str(error)):
                    raise

    async def _comes_back(self, why: str) -> bool:
        """Wait until the repository answers; tell whether it did in time."""
        until = self._note_away(why).since + self.give_up_after_s
        pause_s = FIRST_PAUSE_S
        while (left_s := until - self.clock()) > 0 and self.flags.get(STOPPED) is None:
            with waiting(REPOSITORY, left_s):
                is_back = await self._seen_back_within(min(pause_s, left_s))
            if is_back or await self.answers():
                self._note_back()
                return True
            until = self._note_away(why).since + self.give_up_after_s
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        return False

    async def _seen_back_within(self, seconds: float) -> bool:
        """Wait so long, or until another job has had an answer; tell whether one has."""
        end = self.clock() + seconds
        while (left_s := end - self.clock()) > 0:
            await self.sleep(min(LOOK_EVERY_S, left_s))
            known = read_absence(self.flags, now=self.clock())
            if known is not None and known.back is not None:
                return True
        return False

    def _was_away_since(self, began: float) -> bool:
        known = read_absence(self.flags, now=self.clock())
        return known is not None and (known.back is None or known.back > began)

    def _note_away(self, why: str) -> Absence:
        now = self.clock()
        known = read_absence(self.flags, now=now)
        if known and known.back is None:
            absence = replace(known, seen=now)
        else:
            last = read_absences(self.flags)
            earlier = (*last.earlier, (last.since, last.back or last.seen)) if last else ()
            absence = Absence(now, now, why, earlier=earlier)
        self._note(absence)
        return absence

    def _note_back(self) -> None:
        known = read_absence(self.flags, now=self.clock())
        if known is not None and known.back is None:
            self._note(replace(known, back=self.clock()))

    def _note(self, absence: Absence) -> None:
        self.flags.set(AWAY, json.dumps(asdict(absence)), replace=True)
