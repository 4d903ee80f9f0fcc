"""Runs of the workflow as a user starts them, and how they are killed."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workflow import forked_snakemake

POLL_S = 0.01
LONGEST_S = 600.0
"""Of forty records, each of which may have to wait before it is published until an index that is 12 s late shows it."""
JOB, RUN, TERM = "a job", "snakemake", "snakemake by SIGTERM"


@dataclass(frozen=True)
class Kill:
    """A kill of something, once so many requests were sent and attempts were ended since the run began."""

    whom: str
    after_events: int


@dataclass(frozen=True)
class Ended:
    """How a run ended; the status is negative for a signal, and None for a run that did not end by itself."""

    status: int | None
    told: str
    kills: int
    duration_s: float


def random_kills(chance: random.Random, *, most_events: int) -> list[Kill]:
    """Return at most three kills; the run itself is killed last."""
    whom = chance.choice([RUN, RUN, TERM, JOB, JOB])
    if whom == JOB:
        return sorted(
            (Kill(JOB, chance.randint(1, most_events)) for _ in range(chance.randint(1, 3))),
            key=lambda kill: kill.after_events,
        )
    return [Kill(whom, chance.randint(1, most_events))]


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    streams: Path,
    kills: Sequence[Kill] = (),
    events: Callable[[], int] = lambda: 0,
    chance: random.Random | None = None,
) -> Ended:
    """Run snakemake to its end or its kill; what it tells goes to `streams`."""
    begun, done = time.monotonic(), 0
    streams.write_bytes(b"")
    process = forked_snakemake.start(command, environment={**os.environ, **environment}, streams=[streams, streams])
    assert process.pid is not None
    waiting, before = list(kills), events()
    while process.exitcode is None and time.monotonic() - begun < LONGEST_S:
        if waiting and events() - before >= waiting[0].after_events:
            done += _kill(process.pid, waiting.pop(0).whom, chance or random.Random(0))
        process.join(POLL_S if waiting else 0.2)
    status = process.exitcode
    if status is None:
        process.kill()
        process.join()
    told = streams.read_text(encoding="utf-8", errors="replace")
    return Ended(status, told, done, time.monotonic() - begun)


def _kill(pid: int, whom: str, chance: random.Random) -> int:
    if whom == RUN:
        os.kill(pid, signal.SIGKILL)
        return 1
    if whom == TERM:
        os.kill(pid, signal.SIGTERM)
        return 1
    jobs = [job for server in _children(pid) for job in _children(server)]
    if not jobs:
        return 0
    with suppress(ProcessLookupError):
        os.kill(chance.choice(jobs), signal.SIGKILL)
    return 1


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def cpu_s() -> float:
    """Return what this process and its descendants have taken of a processor, as far as that is counted."""
    taken, pids = 0, [os.getpid()]
    while pids:
        pid = pids.pop()
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            taken += sum(map(int, fields[11:15]))
            pids += _children(pid)
    return taken / os.sysconf("SC_CLK_TCK")


class Events:
    """Counts what has happened so far: requests at the proxy, and ended attempts of records."""

    def __init__(self, requests: Callable[[], int], attempts: Path) -> None:
        self._requests, self._attempts = requests, attempts
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with suppress(OSError):
            return self._requests() + self._attempts.read_bytes().count(b"\n")
        return self._requests()
