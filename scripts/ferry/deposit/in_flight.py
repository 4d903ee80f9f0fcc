"""How many files of a record are on their way at once: found by what requests take, up to what the repository bears.

Far away, most of the time of a small file is the round trip: the more there are on the line, the faster. Once the
repository or the line is busy, requests wait there, and more of them only wait longer. How many wait is told by how
much longer a request takes than the least that was seen: of ten that take twice as long, five. A few that wait keep
the repository busy, so there are more as long as fewer do, and fewer when more do.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator

from ferry.flags import RunFlags
from ferry.repository.traffic import RequestStats

FLAG = "uploads-in-flight"
"""What was found, for the next record of the run."""
LEAST = 4
FIRST = 8
"""So many to begin with, where the repository is near: nothing is known yet."""
WAITING = 8.0
"""So many may wait at the repository: it has something to do while answers and files are on the line."""
_EACH_S = 0.0015
"""What a request takes a repository that is fast: farther away, so many more are on the line before it is busy."""
_HELD_BYTES = 5 << 20
"""Most that is read ahead of one file."""
_MOST_HELD_BYTES = 64 << 20
"""Of all files together: a step keeps within 200 MB."""


class InFlight:
    """The files of one record on their way."""

    def __init__(self, *, most: int, traffic: RequestStats, flags: RunFlags | None) -> None:
        """Let `most` be on their way at once, and as many as `traffic` shows to be useful."""
        self._most = most
        self._traffic = traffic
        self._flags = flags
        found = flags.get(FLAG) if flags is not None else None
        first = max(FIRST, round((traffic.least_s or 0.0) / _EACH_S))
        self._known = min(most, int(found) if found and found.isdecimal() else first)
        self._limit = float(self._known)
        self._busy = 0
        self._held_bytes = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @contextlib.asynccontextmanager
    async def slot(self, size_bytes: int) -> AsyncGenerator[None, None]:
        """Wait until a file of this length may go, and keep its place until it has."""
        held = min(size_bytes, _HELD_BYTES)
        if self._waiting or not self._has_room(held):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((turn, held))
            await turn
        else:
            self._take(held)
        try:
            yield
        finally:
            if self._waiting and self._busy >= self.limit:  # else it is not this limit that others wait for
                self._adapt()
            self._busy -= 1
            self._held_bytes -= held
            while self._waiting and self._has_room(self._waiting[0][1]):
                turn, held = self._waiting.popleft()
                self._take(held)
                turn.set_result(None)

    @property
    def limit(self) -> int:
        """How many may be on their way now."""
        return int(self._limit)

    def back_off(self) -> None:
        """Send fewer: the repository has failed, or asked to slow down."""
        self._limit = max(1.0, self._limit / 2)

    def remember(self) -> None:
        """Tell the next record of the run what was found, if it is another number by a quarter or more."""
        if self._flags is not None and abs(self.limit - self._known) * 4 >= self._known:
            self._known = self.limit
            self._flags.set(FLAG, str(self.limit), replace=True)

    def _has_room(self, held_bytes: int) -> bool:
        is_within = self._held_bytes + held_bytes <= _MOST_HELD_BYTES
        return self._busy == 0 or (self._busy < self.limit and is_within)

    def _take(self, held_bytes: int) -> None:
        self._busy += 1
        self._held_bytes += held_bytes

    def _adapt(self) -> None:
        least_s, now_s = self._traffic.least_s, self._traffic.recent_s
        if least_s is None or now_s is None:
            return
        waiting = self._busy * (1 - least_s / now_s)
        too_few = WAITING - waiting
        # what changes now shows when all that are on their way have ended: until then no more go than were too many
        limit = self._limit + (too_few / WAITING if too_few > 0 else too_few / self._limit)
        self._limit = min(float(self._most), max(limit, float(min(LEAST, self._limit))))
