"""Holds jobs of one step back while what they need does not answer, and lets a few of them try whether it does."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ferry.errors import StoppedError
from ferry.flags import HELD, STOPPED, WAS_HELD, WENT_ON, RunFlags
from ferry.waiting import ANSWERS, waiting

POLL_S = 1.0


@dataclass(frozen=True)
class Hold:
    """What is held back, and how many may try; `number` tells one such time from the next."""

    step: str
    number: int
    trials: int = 0


def hold_back(hold: Hold, *, flags: RunFlags) -> None:
    """Hold the jobs of a step back that begin from now on, but for those that may try."""
    flags.set(HELD, json.dumps(asdict(hold)), replace=True)
    flags.set(WAS_HELD, hold.step)


def let_go_on(*, flags: RunFlags) -> None:
    """Hold nothing back any more."""
    flags.set(WENT_ON, "")
    flags.remove(HELD)


def wait_while_held(step: str, *, flags: RunFlags, sleep: Callable[[float], object] = time.sleep) -> None:
    """Return when a job of the step may go on.

    Raises:
        StoppedError: the run was stopped meanwhile.
    """
    while (hold := _read(flags)) and hold.step == step:
        if any(flags.take(f"{HELD}-{hold.number}-{trial}") for trial in range(hold.trials)):
            return
        if reason := flags.get(STOPPED):
            raise StoppedError(f"held back, and then the run was stopped: {reason}")
        with waiting(ANSWERS):
            sleep(POLL_S)


def _read(flags: RunFlags) -> Hold | None:
    text = flags.get(HELD)
    return Hold(**json.loads(text)) if text else None
