"""Ending when told to (SIGTERM: a walltime, scancel, a shutdown; SIGINT: Ctrl-C): what is said before, in seconds."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

LIMIT_S = 5.0
"""What hangs for longer is not waited for; a killed step is found by its missing end line."""
_BY_WHOM = {
    signal.SIGTERM: "by the walltime, an administrator or the end of the run",
    signal.SIGINT: "by Ctrl-C or the like",
}


class Terminated(SystemExit):
    """Somebody told this process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self._signal = signal.Signals(number)

    def __str__(self) -> str:
        return f"told to stop ({self._signal.name}), {_BY_WHOM[self._signal]}; run again"


@contextlib.contextmanager
def terminate_on_signal() -> Iterator[None]:
    """Raise `Terminated` in the body at the signal, and end the process some seconds later if the body does not."""

    def end(number: int, _frame: object) -> None:
        last_way_out = threading.Timer(LIMIT_S, os._exit, [128 + number])
        last_way_out.daemon = True
        last_way_out.start()
        for each in _BY_WHOM:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    before = {number: signal.signal(number, end) for number in _BY_WHOM}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is end:
                signal.signal(number, handler)


def take_signals_to_end(handler: Callable[[int, FrameType | None], object], *numbers: signal.Signals) -> None:
    """Take SIGTERM and Ctrl-C, or those named, but for one that is ignored, as in the background of a shell."""
    for number in numbers or _BY_WHOM:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def end_steps() -> None:
    """Tell the steps that run below this process to stop: Pythons of its own session that have no children there.

    Whatever stands between (a shell) waits for them. What has a session of its own goes on, like the sandbox, or ends
    with the step that started it.
    """
    session = os.getsid(0)
    waiting = _children(os.getpid(), session)
    while waiting:
        pid = waiting.pop()
        children = _children(pid, session)
        waiting += children
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].rpartition(b"/")[2]
            if not children and name.startswith(b"python"):
                os.kill(pid, signal.SIGTERM)


def _children(pid: int, session: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [child for child in map(int, path.read_text(encoding="ascii").split()) if _is_of(child, session)]
    return found


def _is_of(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session
    except OSError:
        return False
