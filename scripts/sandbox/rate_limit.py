"""The repository's rate limit: several moving windows, counted for each client."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

MOST_CLIENTS = 1000
LIMIT_HEADERS = web.RequestKey("LIMIT_HEADERS", dict)
"""Of a request: what goes out with its answer."""


@dataclass(frozen=True)
class Verdict:
    """What the limiter says about one request.

    Attributes:
        allowed: False: answer 429.
        headers: X-RateLimit-* and Retry-After, which go out with every answer, also with a good one.
        limit: the limit in words, as the body of a 429 has it.
    """

    allowed: bool
    headers: dict[str, str]
    limit: str


class RateLimiter:
    """Counts requests of each client in every window; a refused request does not count."""

    def __init__(self, limits: tuple[tuple[int, float], ...], clock: Callable[[], float]) -> None:
        self._limits = sorted(limits, key=lambda limit: limit[1])
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}  # who asked last stands last

    def check(self, client: str) -> Verdict:
        """Count one request of the client; of more than MOST_CLIENTS, who has not asked for longest is forgotten."""
        if not self._limits:
            return Verdict(allowed=True, headers={}, limit="")
        now = self._clock()
        seen = self._seen[client] = self._seen.pop(client, deque())
        if len(self._seen) > MOST_CLIENTS:
            del self._seen[next(iter(self._seen))]
        while seen and seen[0] <= now - self._limits[-1][1]:
            seen.popleft()
        for count, seconds in self._limits:
            if len(seen) >= count and self._inside(seen, now - seconds) >= count:
                oldest = seen[len(seen) - count]
                return Verdict(False, _headers(count, 0, oldest + seconds, now), _words(count, seconds))
        seen.append(now)
        count, seconds = self._limits[0]  # InvenioRDM tells of the shortest window unless another one refuses
        inside = self._inside(seen, now - seconds)
        return Verdict(
            True, _headers(count, count - inside, seen[len(seen) - inside] + seconds, now), _words(count, seconds)
        )

    @staticmethod
    def _inside(seen: deque[float], since: float) -> int:
        inside = 0
        for moment in reversed(seen):
            if moment <= since:
                break
            inside += 1
        return inside


def _headers(limit: int, remaining: int, reset: float, now: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(math.ceil(reset)),
        "Retry-After": str(max(1, math.ceil(reset - now))),
    }


def _words(count: int, seconds: float) -> str:
    units = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}
    return f"{count} per 1 {units[seconds]}" if seconds in units else f"{count} per {seconds:g} second"
