"""What was asked of the repository: how often, and how often nobody knows what came of it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

_TOLD = frozenset([*range(300, 500), 501])
"""Answers that say that nothing was done."""


@dataclass
class Outcome:
    """What is known of a request."""

    status: int | None = None
    """None as long as nothing was answered."""


@dataclass
class RequestStats:
    """What was asked of the repository, counted as it happens."""

    requests: int = 0
    refused: int = 0
    """Answers 429 and 503."""
    waited_s: float = 0.0
    """For turns; with several requests in flight this is more than passed by."""
    told_limit: int | None = None
    """Requests that the repository said it takes in one of its windows; None if it says nothing of that."""
    unknown: int = 0
    """Requests that may have changed something, or may do so yet: no answer came, or one that does not tell (5xx)."""

    least_s: float | None = None
    """From sending a request without a body to speak of to the beginning of its answer: the least that was seen."""
    recent_s: float | None = None
    """The same of the last ones, on average."""

    def note_round_trip(self, seconds: float) -> None:
        """Take down how long a request without a body to speak of took to be answered."""
        self.least_s = seconds if self.least_s is None else min(seconds, self.least_s)
        self.recent_s = seconds if self.recent_s is None else 0.7 * self.recent_s + 0.3 * seconds

    def measured(self) -> dict[str, float]:
        """Return it as the journal has it."""
        return {
            "requests": self.requests,
            "requests_refused": self.refused,
            "rate_wait_s": round(self.waited_s, 3),
        }

    @contextlib.contextmanager
    def noting_outcome(self, method: str, *, may_repeat: bool) -> Iterator[Outcome]:
        """Count the request that is sent inside, if nobody can say afterwards whether it was done, or will be.

        Not one that only reads, and no POST that may be repeated, as a commit is: done once more, and however late, it
        changes nothing. A PUT of content may be repeated at once, but does harm later.
        """
        outcome = Outcome()
        is_told = False
        try:
            yield outcome
            is_told = outcome.status in _TOLD or outcome.status in range(200, 300)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            is_told = True  # nothing was sent
            raise
        except BaseException:
            is_told = outcome.status in _TOLD
            raise
        finally:
            if method not in ("GET", "HEAD") and not (method == "POST" and may_repeat) and not is_told:
                self.unknown += 1
