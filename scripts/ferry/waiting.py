"""What a job waits for, told while it does: a note beside its log, read from outside, and a line in the log."""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

RATE_LIMIT = "the rate limit"
ASKED_BY_REPOSITORY = "the repository, which asked for it (Retry-After)"
ANOTHER_TRY = "another try"
ANSWERS = "repository or source to answer again"
ROOM = "room on the disk"
LATE_EFFECT = "what may come late of a request that nobody has answered"

WAITS = ".waits"
"""What the name of the note ends in; else it is that of the log."""
SHORTEST_S = 1.0
"""A shorter wait is told to nobody."""
_LOGGED_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wait:
    """For what, and until when as seconds since 1970; None: nobody knows."""

    reason: str
    until: float | None = None


_place: list[Path] = []
_waits: list[Wait] = []
_lock = threading.Lock()


@contextlib.contextmanager
def waits_told(path: Path) -> Iterator[None]:
    """Have this process, which is one job, leave its note there."""
    _place.append(path)
    try:
        yield
    finally:
        _place.clear()
        _waits.clear()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def waiting(reason: str, seconds: float | None = None) -> Iterator[None]:
    """Tell that the job waits, for so long; of several waits at the same time the longest is told."""
    if not _place or (seconds is not None and seconds < SHORTEST_S):
        yield
        return
    wait = Wait(reason, None if seconds is None else time.time() + seconds)
    if seconds is None or seconds >= _LOGGED_S:
        log.info("waiting for %s%s", reason, "" if seconds is None else f", {seconds:.0f} s")
    _tell(add=wait)
    try:
        yield
    finally:
        _tell(remove=wait)


def read_wait(path: Path) -> Wait | None:
    """Return what a job waits for by its note; None if it does not, or just writes it."""
    try:
        return Wait(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _tell(*, add: Wait | None = None, remove: Wait | None = None) -> None:
    with _lock, contextlib.suppress(OSError, IndexError, ValueError):  # a note is no reason to fail
        if add:
            _waits.append(add)
        if remove:
            _waits.remove(remove)
        if _waits:
            longest = max(_waits, key=lambda wait: wait.until or float("inf"))
            _place[0].write_text(json.dumps(asdict(longest)), encoding="utf-8")
        else:
            _place[0].unlink(missing_ok=True)
