"""How many requests are worth having under way to a server at once, found from what the answers take."""

import math
from collections import deque
from collections.abc import Hashable

LEAST_REQUESTS = 16
"""Fewer are not worth asking for one by one."""
FIRST_REQUESTS = 32
"""To begin with. They wait for the connection and then for each other: with more, the least times are too long."""
MOST_REQUESTS = 512
"""What is asked of a server at most."""
_GAIN = 2
_ROUNDS = 4
_SHORTEST_ROUND_S = 0.010


class RequestWindow:
    """Twice as many requests as a line without a queue would hold, at the rate at which answers come.

    Were there no queue anywhere, each request would be under way for the least time that one of its kind has taken, and
    so (Little's law) the number under way would be the sum of those times over the answers of a second. Twice as many
    doubles the rate with each round trip while the line has room. Once it is full, what is added only waits: the rate
    stays, and with it the number. This is how BBR (draft-ietf-ccwg-bbr) sets the window of a connection.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._shortest_s: dict[Hashable, float] = {}
        self._rounds: deque[float] = deque(maxlen=_ROUNDS)
        self._begun_at: float | None = None
        self._busy_s = 0.0
        self.limit = FIRST_REQUESTS
        """How many requests may be under way now."""

    def answered(self, kind: Hashable, *, asked_at: float, now: float) -> None:
        """Take in an answer.

        Args:
            kind: of request; those of one kind take the same time on an empty line.
            asked_at, now: when it was sent and when the answer came, in seconds of one clock.
        """
        shortest_s = self._shortest_s[kind] = min(now - asked_at, self._shortest_s.get(kind, math.inf))
        if self._begun_at is None:
            self._begun_at = now
            return
        self._busy_s += shortest_s
        all_are_answered = asked_at > self._begun_at  # that were under way when the round began
        if all_are_answered and now - self._begun_at >= _SHORTEST_ROUND_S:
            self._rounds.append(self._busy_s / (now - self._begun_at))
            self.limit = min(MOST_REQUESTS, max(LEAST_REQUESTS, math.ceil(_GAIN * max(self._rounds))))
            self._begun_at, self._busy_s = now, 0.0
