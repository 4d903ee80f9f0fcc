"""Stops a run that cannot get on: when most of the last records failed for a reason that is not their own.

A record that is wrong by itself (its metadata, a checksum, a file that the repository refuses) says nothing about the
next one. A repository or a source that does not answer, a token that is refused, a full disk: these fail every record.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ferry.chain import LAST_STEP
from ferry.journal import Event, events_among
from ferry.jsonl import parse_lines

SURROUNDINGS = frozenset({"TransientError", "DeniedError", "ConfigError", "DiskError"})
"""Errors that are of the surroundings: names of classes, as the journal has them."""
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """How a record ended for now; `reason` is the step and the kind of error, None unless it is the surroundings'."""

    recid: int
    reason: tuple[str, str] | None = None
    message: str = ""


def outcome_of(event: Event) -> Outcome | None:
    """Return what an end line says of its record, None if the record goes on after it."""
    error = event.get("error")
    if error is None:
        return Outcome(event["recid"]) if event["step"] == LAST_STEP else None
    if error["type"] not in SURROUNDINGS:
        return Outcome(event["recid"])
    return Outcome(event["recid"], (event["step"], error["type"]), error["message"])


def reason_to_stop(outcomes: Iterable[Outcome], *, of_last: int, failed: int) -> str | None:
    """Return why no new record should be begun, None as long as nothing speaks against it.

    Args:
        outcomes: in their order; of a record that ended more than once (it was tried again) the last counts.
        of_last, failed: so many of so many records have to have failed for the same reason.
    """
    latest: dict[int, Outcome] = {}
    for outcome in outcomes:
        latest.pop(outcome.recid, None)
        latest[outcome.recid] = outcome
    last = list(latest.values())[-of_last:]
    counts = Counter(outcome.reason for outcome in last if outcome.reason)
    for (step, kind), count in counts.most_common(1):
        if count >= failed:
            message = next(outcome.message for outcome in reversed(last) if outcome.reason == (step, kind))
            return f"{count} of the last {len(last)} records failed in {step} ({kind}); the last one: {message}"
    return None


class CircuitBreaker:
    """A thread that looks at what ends, and calls `stop(reason)` once."""

    def __init__(
        self,
        *,
        attempts_file: Path,
        of_last: int,
        failed: int,
        stop: Callable[[str], Any],
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Look at what is added to `attempts_file` from now on; `failed` 0: never."""
        self._path = attempts_file
        self._of_last, self._failed = of_last, failed
        self._stop = stop
        self._every_s = every_s
        self._place = attempts_file.stat().st_size if attempts_file.exists() else 0
        self._outcomes: list[Outcome] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breaker", daemon=True)

    def start(self) -> Self:
        """Begin to look."""
        if self._failed:
            self._thread.start()
        return self

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> str | None:
        """Read what has ended since the last time; return why the run should stop."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._place)
                lines = stream.readlines()
        except FileNotFoundError:
            return None
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # it is being written
        self._place += sum(map(len, lines))
        self._outcomes += filter(None, map(outcome_of, events_among(parse_lines(lines))))
        # a record that was tried again leaves several outcomes
        del self._outcomes[: -10 * self._of_last]
        return reason_to_stop(self._outcomes, of_last=self._of_last, failed=self._failed)

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            if reason := self.look():
                self._stop(reason)
                return
