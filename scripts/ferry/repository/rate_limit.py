"""How fast requests may leave, counted over all processes, of one machine or of many, that talk to a repository.

The counts are a file: a ring of the moments at which the last requests were let go. For "at most N in W seconds" it is
enough to look at the N-th last moment, so a request costs a lock, a few reads of 8 bytes and two writes, whatever the
limits are. The lock ends with its process, however that ends. Moments are those of the machine's monotonic clock:
nobody can set it, and a file of an earlier boot is begun anew. Nodes that share a folder share no such clock; they ask
the file system that they share what time it is, so that it does not matter whose clock goes wrong.

Where the repository's own limit is lower than the configured one, or others use it up too, its answers say so
(X-RateLimit-Remaining). With several requests on their way nobody knows which of them an answer has counted. For
certain it has those that were answered before its own was let go: so many more may leave, and no more. When none is on
its way, the least that was told is what is left. When that is nothing, one request goes alone after the window's end,
and the others wait for what its answer tells. Where that tells nothing of a limit, as of a repository that does so only
when it refuses, none is known any more.
"""

import asyncio
import fcntl
import os
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ferry.journal import read_clocks
from ferry.waiting import ASKED_BY_REPOSITORY, RATE_LIMIT, USED_UP, waiting

MOST_REQUESTS = 20_000
"""The largest N of a limit."""
LONGEST_PAUSE_S = 3660.0
_AHEAD_S = 5.0
"""A moment further away is not taken yet: whoever is killed while waiting would waste it."""
_SLACK_S = 1.0
"""Windows are taken longer by this: requests do not all take the same time to arrive."""
_PROBE_S = 10.0
"""How long the others wait for the answer to the one that goes alone."""
_LOOK_S = 0.1
"""Between two looks whether answers have come that tell what is left."""
_SAME_S = 2.5
"""Ends of windows are told in whole seconds: two that differ by no more than this are of the same one."""
_HEADER = struct.Struct("=8s40sQdQQQd")
"""Magic, boot id or whose clock it is, and the fields of `_Counts`."""
_MOMENT = struct.Struct("=d")
_MAGIC = b"rate 2\n\0"
_ANY = 2**63


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
    ended: int = 0
    """How many requests had ended when it was taken."""
    goes_alone: bool = False
    """Whether the others wait for what its answer tells."""


class _Counts(NamedTuple):
    let_go: int = 0
    """Requests so far."""
    paused_until: float = 0.0
    """Moment until which nobody may ask."""
    ended: int = 0
    """Of the requests, those that were answered or given up."""
    allowed: int = _ANY
    """So many may be let go in all, before the repository's window ends."""
    least: int = _ANY
    """Least that an answer of this window has left."""
    window_until: float = 0.0
    """When it does."""


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

    async def wait_for_slot(self) -> Slot:
        """Return when a request may leave; `wait_s` of what is returned: the seconds that this took."""
        waited_s = 0.0
        while True:
            slot = self.take_slot()
            if slot.wait_s > 0:
                with waiting(slot.reason, slot.wait_s):
                    await self._sleep(slot.wait_s)
                waited_s += slot.wait_s
            # while this one waited for its slot, another may have been told to make everybody wait
            if slot.is_taken:
                if slot.wait_s == 0 or self.pause_left_s() == 0:
                    return replace(slot, wait_s=waited_s)
                self.note_end(slot)

    def take_slot(self) -> Slot:
        """Take the next free moment, unless it is far away."""
        with self._locked() as counts:
            now, count = self._clock(), counts.let_go
            moment, reason = max(now, counts.paused_until), ASKED_BY_REPOSITORY
            for limit in self._limits:
                if count >= limit.requests:
                    free = self._moment(count - limit.requests) + limit.window_s + _SLACK_S
                    if free > moment:
                        moment, reason = free, RATE_LIMIT
            if goes_alone := count >= counts.allowed:
                if counts.ended < count and now < counts.window_until:
                    return Slot(is_taken=False, wait_s=min(_LOOK_S, counts.window_until - now), reason=USED_UP)
                if counts.window_until > moment:
                    moment, reason = counts.window_until, USED_UP
            if moment - now > _AHEAD_S:
                return Slot(is_taken=False, wait_s=min(moment - now - _AHEAD_S / 2, LONGEST_PAUSE_S), reason=reason)
            # the moment first: torn between the two writes, it counts for a request that is older than all limits
            os.pwrite(self._file, _MOMENT.pack(moment), self._place(count))
            let_go = counts._replace(let_go=count + 1)
            if goes_alone:
                let_go = let_go._replace(ended=count, allowed=count + 1, least=_ANY, window_until=moment + _PROBE_S)
            self._write(let_go)
            wait_s = max(0.0, moment - now)
            return Slot(is_taken=True, wait_s=wait_s, reason=reason, ended=let_go.ended, goes_alone=goes_alone)

    def note_end(self, slot: Slot, *, is_answered: bool = False, left: tuple[int, float] | None = None) -> None:
        """Take down that a request has ended, and what its answer has left: so many requests in so many seconds."""
        with self._locked() as counts:
            ended = min(counts.ended + 1, counts.let_go)
            allowed, least, until = counts.allowed, counts.least, counts.window_until
            if left is not None:
                remaining, window_s = left
                told_until, told = self._clock() + min(window_s, LONGEST_PAUSE_S), slot.ended + 1 + remaining
                is_same = allowed < _ANY and abs(told_until - until) < _SAME_S
                allowed, least = (max(told, allowed), min(remaining, least)) if is_same else (told, remaining)
                until = told_until
            elif is_answered and slot.goes_alone and allowed == slot.ended + 1:  # and nothing was told since
                allowed = least = _ANY
            if ended == counts.let_go and least < _ANY:
                allowed = ended + least
            self._write(counts._replace(ended=ended, allowed=allowed, least=least, window_until=until))

    def pause(self, seconds: float) -> None:
        """Let nobody ask for so long, an hour at most."""
        with self._locked() as counts:
            until = max(counts.paused_until, self._clock() + min(seconds, LONGEST_PAUSE_S))
            self._write(counts._replace(paused_until=until))

    def pause_left_s(self) -> float:
        """Return for how long nobody may ask any more."""
        with self._locked() as counts:
            return max(0.0, counts.paused_until - self._clock())

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _time_of_file_system(self) -> float:
        os.utime(self._file)
        return os.fstat(self._file).st_mtime

    @contextmanager
    def _locked(self) -> Iterator[_Counts]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield self._read()
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _read(self) -> _Counts:
        header = os.pread(self._file, _HEADER.size, 0)
        if len(header) == _HEADER.size:
            magic, boot, *fields = _HEADER.unpack(header)
            counts, latest = _Counts(*fields), self._clock() + LONGEST_PAUSE_S
            is_ours = magic == _MAGIC and boot.rstrip(b"\0") == self._boot
            if is_ours and counts.paused_until <= latest and counts.window_until <= latest:
                return counts
        os.ftruncate(self._file, 0)
        os.ftruncate(self._file, self._place(MOST_REQUESTS - 1) + _MOMENT.size)
        return _Counts()

    def _write(self, counts: _Counts) -> None:
        os.pwrite(self._file, _HEADER.pack(_MAGIC, self._boot, *counts), 0)

    def _moment(self, number: int) -> float:
        moment: float = _MOMENT.unpack(os.pread(self._file, _MOMENT.size, self._place(number)))[0]
        return min(moment, self._clock() + _AHEAD_S)

    @staticmethod
    def _place(number: int) -> int:
        return _HEADER.size + number % MOST_REQUESTS * _MOMENT.size
