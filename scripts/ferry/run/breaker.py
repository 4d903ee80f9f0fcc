"""Holds a run back that cannot get on, and stops it when that does not pass.

That is when most of the last records failed for a reason that is not their own.

A record that is wrong by itself (its metadata, a checksum, a file that the repository refuses) says nothing about the
next one. A repository or a source that does not answer, a token that is refused, a full disk: these fail every record.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ferry.chain import LAST_STEP
from ferry.errors import TransientError
from ferry.flags import RunFlags
from ferry.journal import Event, events_among
from ferry.jsonl import parse_lines
from ferry.run.hold import Hold, hold_back, let_go_on
from ferry.run.outage import Absence, read_absence
from ferry.text.formatting import format_seconds
from ferry.waiting import REPOSITORY, wait_text

SURROUNDINGS = frozenset({"TransientError", "DeniedError", "ConfigError", "DiskError"})
"""Errors that are of the surroundings: names of classes, as the journal has them."""
LOOK_EVERY_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 600.0
TRIALS = 2
"""So many records try whether it has passed, and fail if it has not."""


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


@dataclass(frozen=True)
class Trouble:
    """Why most of the last records failed."""

    step: str
    kind: str
    text: str


def trouble_among(outcomes: Iterable[Outcome], *, of_last: int, failed: int) -> Trouble | None:
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
            text = f"{count} of the last {len(last)} records failed in {step} ({kind}); the last one: {message}"
            return Trouble(step, kind, text)
    return None


@dataclass
class _Held:
    """Trouble that may pass: since when, until when nobody tries, and who has tried in vain since then."""

    trouble: Trouble
    since: float
    until: float
    pause_s: float
    tried: set[int] | None = None
    """None: it is still the pause."""


class CircuitBreaker:
    """A thread that looks at what ends.

    Trouble that may pass holds the step back in which it is. After a pause a few records try: if one gets through, all
    go on; if none does, the next pause is longer. A repository that is away is waited for by its jobs themselves. What
    does not pass, or not in time, ends the run: `stop`, once.
    """

    def __init__(
        self,
        *,
        attempts_file: Path,
        of_last: int,
        failed: int,
        give_up_after_s: float,
        flags: RunFlags,
        stop: Callable[[str], Any],
        say: Callable[[str], Any],
        every_s: float = LOOK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Look at what is added to `attempts_file` from now on.

        Args:
            attempts_file: ended attempts of the run.
            of_last, failed: see `trouble_among`; `failed` 0: never.
            give_up_after_s: how long trouble may last that may pass; 0: not at all.
            flags: of the run: they hold its jobs back.
            stop: ends the run, for the reason given.
            say: tells on the terminal what is done.
            every_s: between two looks.
            clock, wall_clock: for tests.
        """
        self._path = attempts_file
        self._of_last, self._failed = of_last, failed
        self._give_up_after_s = give_up_after_s
        self._flags, self._stop, self._say = flags, stop, say
        self._every_s, self._clock, self._wall_clock = every_s, clock, wall_clock
        self._place = attempts_file.stat().st_size if attempts_file.exists() else 0
        self._outcomes: list[Outcome] = []
        self._held: _Held | None = None
        self._away: Absence | None = None
        self._number = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breaker", daemon=True)

    def start(self) -> Self:
        """Begin to look."""
        if self._failed or self._give_up_after_s:
            self._thread.start()
        return self

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> bool:
        """Read what has ended since the last time, and act on it; tell whether the run is to end."""
        if self._look_for_absence():
            return True
        if not self._failed:
            return False
        events = list(events_among(parse_lines(self._new_lines())))
        if self._held:
            return self._go_on_holding(
                self._held, [event for event in events if event["step"] == self._held.trouble.step]
            )
        self._outcomes += filter(None, map(outcome_of, events))
        # a record that was tried again leaves several outcomes
        del self._outcomes[: -10 * self._of_last]
        trouble = trouble_among(self._outcomes, of_last=self._of_last, failed=self._failed)
        if trouble is None:
            return False
        if trouble.kind != TransientError.__name__ or not self._give_up_after_s:
            self._stop(trouble.text)
            return True
        now = self._clock()
        self._held = _Held(trouble, since=now, until=now + FIRST_PAUSE_S, pause_s=FIRST_PAUSE_S)
        self._hold_back(self._held, trials=0)
        self._say(f"{trouble.step} waits, a few records try again in {FIRST_PAUSE_S:.0f} s: {trouble.text}")
        return False

    def _look_for_absence(self) -> bool:
        """Tell of a repository that goes away or comes back; tell whether it is away for too long."""
        now = self._wall_clock()
        found = read_absence(self._flags, now=now)
        is_away = found is not None and found.back is None
        if found and is_away and now - found.since >= self._give_up_after_s:
            self._stop(f"for {format_seconds(now - found.since)} the repository did not answer: {found.why}")
            return True
        if found and is_away and self._away is None:
            self._away = found
            until = wait_text(REPOSITORY, found.since + self._give_up_after_s)
            self._say(f"jobs wait for {until} at most: {found.why}")
        elif self._away and not is_away:
            self._say(f"the repository answers again, {format_seconds(now - self._away.since)} later")
            self._away = None
        return False

    def _go_on_holding(self, held: _Held, ended: Sequence[Event]) -> bool:
        now = self._clock()
        if any(event.get("error") is None for event in ended):
            let_go_on(flags=self._flags)
            self._say(f"{held.trouble.step} goes on, {format_seconds(now - held.since)} later")
            self._held, self._outcomes = None, []
        elif now - held.since > self._give_up_after_s:
            self._stop(f"for {format_seconds(now - held.since)} nothing got through; {held.trouble.text}")
            return True
        elif now >= held.until:  # the pause is over, or those that try were killed or are giants
            held.tried, held.until = set(), now + LONGEST_PAUSE_S
            self._hold_back(held, trials=TRIALS)
        elif held.tried is not None:
            held.tried |= {event["recid"] for event in ended}
            if len(held.tried) >= TRIALS:
                held.tried, held.pause_s = None, min(LONGEST_PAUSE_S, 2 * held.pause_s)
                held.until = now + held.pause_s
                self._hold_back(held, trials=0)
        return False

    def _hold_back(self, held: _Held, *, trials: int) -> None:
        self._number += 1
        hold_back(Hold(held.trouble.step, self._number, trials), flags=self._flags)

    def _new_lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._place)
                lines = stream.readlines()
        except FileNotFoundError:
            return []
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # it is being written
        self._place += sum(map(len, lines))
        return lines

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            if self.look():
                return
