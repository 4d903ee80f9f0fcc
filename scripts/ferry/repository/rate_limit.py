"""How fast requests may leave, counted over all processes, of one machine or of many, that talk to a repository.

The counts are a file: a ring of the moments at which the last requests were let go. For "at most N in W seconds" it is
enough to look at the N-th last moment, so a request costs a lock, a few reads of 8 bytes and two writes, whatever the
limits are. The lock ends with its process, however that ends. Moments are those of the machine's monotonic clock:
nobody can set it, and a file of an earlier boot is begun anew. Nodes that share a folder share no such clock; they ask
the file system that they share what time it is, so that it does not matter whose clock goes wrong.
"""

import asyncio
import fcntl
import os
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ferry.journal import read_clocks
from ferry.waiting import ASKED_BY_REPOSITORY, RATE_LIMIT, waiting

MOST_REQUESTS = 20_000
"""The largest N of a limit."""
LONGEST_PAUSE_S = 3660.0
_AHEAD_S = 5.0
"""A moment further away is not taken yet: whoever is killed while waiting would waste it."""
_SLACK_S = 1.0
"""Windows are taken longer by this: requests do not all take the same time to arrive."""
_HEADER = struct.Struct("=8s40sQd")
"""Magic, boot id or whose clock it is, requests let go so far, moment until which nobody may ask."""
_MOMENT = struct.Struct("=d")
_MAGIC = b"rate 1\n\0"


@dataclass(frozen=True)
class Limit:
    """At most so many requests in any window of this length."""

    requests: int
    window_s: float


@dataclass(frozen=True)
class Slot:
    """What a request is told: go after `wait_s` if the slot is taken, else ask again then."""

    is_taken: bool
    wait_s: float
    reason: str = RATE_LIMIT


class RateLimiter:
    """The rate limit of one repository. Processes that name the same file share it."""

    def __init__(
        self,
        *,
        path: Path,
        limits: Sequence[Limit],
        across_nodes: bool = False,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Share the counts that lie in the file, which is made if need be; `clock` and `sleep` are for tests."""
        if any(limit.requests > MOST_REQUESTS for limit in limits):
            raise ValueError(f"expected limits of at most {MOST_REQUESTS} requests, found {limits}")
        self._limits = tuple(limits)
        self._clock = clock or (self._time_of_file_system if across_nodes else time.monotonic)
        self._sleep = sleep
        self._boot = b"file system" if across_nodes else read_clocks().boot_id.encode()[:40]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    async def wait_for_slot(self) -> float:
        """Return when a request may leave; the seconds that this took."""
        waited_s = 0.0
        while True:
            slot = self.take_slot()
            if slot.wait_s > 0:
                with waiting(slot.reason, slot.wait_s):
                    await self._sleep(slot.wait_s)
                waited_s += slot.wait_s
            # while this one waited for its slot, another may have been told to make everybody wait
            if slot.is_taken and (slot.wait_s == 0 or self.pause_left_s() == 0):
                return waited_s

    def take_slot(self) -> Slot:
        """Take the next free moment, unless it is far away."""
        with self._locked() as (count, paused_until):
            now = self._clock()
            moment, reason = max(now, paused_until), ASKED_BY_REPOSITORY
            for limit in self._limits:
                if count >= limit.requests:
                    free = self._moment(count - limit.requests) + limit.window_s + _SLACK_S
                    if free > moment:
                        moment, reason = free, RATE_LIMIT
            if moment - now > _AHEAD_S:
                return Slot(is_taken=False, wait_s=min(moment - now - _AHEAD_S / 2, LONGEST_PAUSE_S), reason=reason)
            # the moment first: torn between the two writes, it counts for a request that is older than all limits
            os.pwrite(self._file, _MOMENT.pack(moment), self._place(count))
            self._write(count + 1, paused_until)
            return Slot(is_taken=True, wait_s=max(0.0, moment - now), reason=reason)

    def pause(self, seconds: float) -> None:
        """Let nobody ask for so long, an hour at most."""
        with self._locked() as (count, paused_until):
            self._write(count, max(paused_until, self._clock() + min(seconds, LONGEST_PAUSE_S)))

    def pause_left_s(self) -> float:
        """Return for how long nobody may ask any more."""
        with self._locked() as (_, paused_until):
            return max(0.0, paused_until - self._clock())

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _time_of_file_system(self) -> float:
        os.utime(self._file)
        return os.fstat(self._file).st_mtime

    @contextmanager
    def _locked(self) -> Iterator[tuple[int, float]]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield self._read()
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _read(self) -> tuple[int, float]:
        header = os.pread(self._file, _HEADER.size, 0)
        if len(header) == _HEADER.size:
            magic, boot, count, paused_until = _HEADER.unpack(header)
            if magic == _MAGIC and boot.rstrip(b"\0") == self._boot and paused_until <= self._clock() + LONGEST_PAUSE_S:
                return count, paused_until
        os.ftruncate(self._file, 0)
        os.ftruncate(self._file, self._place(MOST_REQUESTS - 1) + _MOMENT.size)
        return 0, 0.0

    def _write(self, count: int, paused_until: float) -> None:
        os.pwrite(self._file, _HEADER.pack(_MAGIC, self._boot, count, paused_until), 0)

    def _moment(self, number: int) -> float:
        moment: float = _MOMENT.unpack(os.pread(self._file, _MOMENT.size, self._place(number)))[0]
        return min(moment, self._clock() + _AHEAD_S)

    @staticmethod
    def _place(number: int) -> int:
        return _HEADER.size + number % MOST_REQUESTS * _MOMENT.size
