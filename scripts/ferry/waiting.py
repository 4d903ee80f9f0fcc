"""What a process waits for, told while it does.

A job has a log: it tells it there, and in a note beside it that is read from outside. A run that begins has a note and
a terminal; whatever else waits has only the terminal.
"""

import contextlib
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from ferry.text.terminal import tell

RATE_LIMIT = "the rate limit"
ASKED_BY_REPOSITORY = "the repository, which asked for it (Retry-After)"
USED_UP = "the repository, which takes no more requests before (X-RateLimit-Remaining)"
ANOTHER_TRY = "another try"
ANSWERS = "repository or source to answer again"
REPOSITORY = "the repository to answer"
PORTAL = "the portal to answer"
ROOM = "room on the disk"
LATE_EFFECT = "what may come late of a request that nobody has answered"

OPEN_ENDED = frozenset({ANSWERS, REPOSITORY, PORTAL})
"""Waits of which nobody knows when they are over: what is told of them is when it is given up."""

WAITS = ".waits"
"""What the name of the note ends in; else it is that of the log."""
SHORTEST_S = 1.0
"""A shorter wait is told to nobody."""
_TOLD_S = 5.0
"""So is one shorter than this on a terminal and in a log."""
_AGAIN_S = 600.0
"""After so long a wait without a known end is told once more."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wait:
    """For what, and until when as seconds since 1970; None: nobody knows."""

    reason: str
    until: float | None = None


Say = Callable[[str], object]


def say_on_terminal(line: str) -> None:
    """Say a line to whoever looks on."""
    tell(f"ferry: {line}\n", sys.stderr)


class _Told:
    """How this process tells what it waits for."""

    def __init__(self) -> None:
        self.note: Path | None = None
        self.say: Say | None = say_on_terminal
        """None: its log does."""
        self.waits: list[Wait] = []
        self.said_until: dict[str, float] = {}
        self.lock = threading.Lock()


_told = _Told()


@contextlib.contextmanager
def waits_told(note: Path, *, say: Say | None = None) -> Iterator[None]:
    """Have this process leave its note there while it waits; `say` takes the lines that its log would."""
    note.unlink(missing_ok=True)  # of one that was killed
    before = _told.note, _told.say
    _told.note, _told.say = note, say
    try:
        yield
    finally:
        _told.note, _told.say = before
        _told.waits.clear()
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)


@contextlib.contextmanager
def waits_said(say: Say) -> Iterator[None]:
    """Have this process say on what it waits in another way than on its terminal."""
    before, _told.say = _told.say, say
    try:
        yield
    finally:
        _told.say = before


@contextlib.contextmanager
def waiting(reason: str, seconds: float | None = None, *, most_s: float | None = None, why: str = "") -> Iterator[None]:
    """Tell that this process waits, for so long; of several waits at the same time the longest is told.

    Args:
        reason: for what.
        seconds: how long; None: nobody knows.
        most_s: for how long it may do so again and again, this time included: that is what is said.
        why: what has happened.
    """
    if seconds is not None and seconds < SHORTEST_S:
        yield
        return
    noted_s = seconds if most_s is None or reason not in OPEN_ENDED else most_s
    wait = Wait(reason, None if noted_s is None else time.time() + noted_s)
    _note(add=wait)
    try:
        _say(reason, seconds, most_s=most_s, why=why)
        yield
    finally:
        _note(remove=wait)


def read_wait(path: Path) -> Wait | None:
    """Return what a process waits for by its note; None if it does not, or just writes it."""
    try:
        return Wait(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def wait_text(reason: str, until: float | None) -> str:
    """Return for what somebody waits, and until when by the clock on the wall."""
    return reason if until is None else f"{reason} until {datetime.fromtimestamp(until).astimezone():%H:%M:%S}"


def _say(reason: str, seconds: float | None, *, most_s: float | None, why: str) -> None:
    if _told.say is None:
        if seconds is None or seconds >= _TOLD_S:
            log.info("waiting for %s%s", reason, "" if seconds is None else f", {seconds:.0f} s")
        return
    longest_s = seconds if most_s is None else most_s
    if longest_s is not None and longest_s < _TOLD_S:
        return
    now = time.time()
    with _told.lock:  # what is waited for again and again is told once
        if now < _told.said_until.get(reason, 0.0):
            return
        _told.said_until[reason] = now + (_AGAIN_S if longest_s is None else longest_s)
    until = wait_text(reason, None if longest_s is None else now + longest_s)
    _told.say(f"waiting for {until}" + (f": {why}" if why else ""))


def _note(*, add: Wait | None = None, remove: Wait | None = None) -> None:
    if _told.note is None:
        return
    with _told.lock, contextlib.suppress(OSError, ValueError):  # a note is no reason to fail
        if add:
            _told.waits.append(add)
        if remove:
            _told.waits.remove(remove)
        if _told.waits:
            longest = max(_told.waits, key=lambda wait: wait.until or float("inf"))
            _told.note.write_text(json.dumps(asdict(longest)), encoding="utf-8")
        else:
            _told.note.unlink(missing_ok=True)
