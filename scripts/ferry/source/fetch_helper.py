"""A second process that fetches files of the same record, for many small ones.

One interpreter cannot keep a fast source busy with small files: what is to be done in Python for each of them waits
for its lock. A helper takes its share of them over a socket, a batch at a time, and tells what became of each. It ends
with the process that started it, however that ends, since its end of the socket is closed then.
"""

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Self

from ferry.errors import FerryError, TransientError, disk_error
from ferry.source.access import open_source
from ferry.source.fetch import FileFetcher, Outcome
from ferry.source.progress import TransferStats
from ferry.source.threads import IDLE_S
from ferry.source.verified import SourceFile

log = logging.getLogger(__name__)

BATCH_FILES = 64
MOST_UNDER_WAY = 2 * BATCH_FILES
_GATHER_S = 0.005
"""Results of this time are told together."""
_PROGRAM = f"import sys; from {__name__} import main; main(int(sys.argv[1]))"


@dataclass(frozen=True)
class HelperSettings:
    """How a helper fetches."""

    threads: int
    in_flight: int
    attempts: int
    stall_s: int
    limit_s: float
    """After how many seconds a client without an answer is given up."""


@dataclass(frozen=True)
class Job:
    """A file of which nothing is there yet."""

    file: SourceFile
    url: str
    part: str


@dataclass
class _Told:
    fetched: list[Outcome] = field(default_factory=list)
    bytes_moved: int = 0
    retries: int = 0
    overdue: str | None = None
    logged: list[tuple[int, str]] = field(default_factory=list)


def fetch_job(fetcher: FileFetcher, job: Job) -> Outcome:
    """Fetch the file, and give back an error instead of raising it."""
    try:
        arrived = fetcher.fetch(job.file, job.url, job.part, resumes=False)
    except OSError as error:
        return Outcome(job.file["key"], error=disk_error(job.part, "be read or written", error))
    except FerryError as error:
        return Outcome(job.file["key"], error=error)
    return Outcome(job.file["key"], arrived=arrived)


class FetchHelper:
    """The helper, as the process that started it sees it; use it as a context manager."""

    def __init__(self, settings: HelperSettings, *, traffic: TransferStats, stopped: threading.Event) -> None:
        """Start it; what it moves counts in `traffic`, and nothing is waited for any more once `stopped` is set."""
        self._settings = settings
        self._traffic = traffic
        self._stopped = stopped
        self._line, theirs = Pipe()
        package_dir = Path(__file__).parents[2]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this file
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(package_dir)},
                start_new_session=True,  # a signal to the job's group is for the job to answer
            )

    def __enter__(self) -> Self:
        self._send(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()

    def fetch(self, jobs: Iterator[Job]) -> Iterator[Outcome]:
        """Give what became of each file, in any order.

        Raises:
            TransientError: the helper, or the client in it, does not answer any more.
        """
        under_way = 0
        while not self._stopped.is_set():
            while under_way < MOST_UNDER_WAY and (batch := list(islice(jobs, BATCH_FILES))):
                self._send(batch)
                under_way += len(batch)
            if not under_way:
                return
            told = self._next_told()
            under_way -= len(told.fetched)
            yield from told.fetched

    def _send(self, thing: HelperSettings | list[Job]) -> None:
        try:
            self._line.send(thing)
        except OSError as error:
            raise self._gone() from error

    def _gone(self) -> TransientError:
        return TransientError(
            f"a process that fetches ended with status {self._process.wait()}, see the log; run again"
        )

    def _next_told(self) -> _Told:
        deadline = time.monotonic() + self._settings.limit_s
        try:
            while not self._line.poll(IDLE_S):
                if self._stopped.is_set():
                    return _Told()
                if time.monotonic() > deadline:
                    raise TransientError(
                        f"a process that fetches was silent for {self._settings.limit_s:g} s; run again"
                    )
            answer: _Told = self._line.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        for level, message in answer.logged:
            log.log(level, "%s", message)
        self._traffic.moved(answer.bytes_moved)
        self._traffic.tried_again(answer.retries)
        if answer.overdue is not None:
            raise self._traffic.silence(answer.overdue, self._settings.limit_s)
        return answer


class _Keeper(logging.Handler):
    """Keeps what is logged until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.put((record.levelno, record.getMessage()))


class _Teller:
    """Tells the other process what is done, at least twice a second."""

    def __init__(self, line: Connection, settings: HelperSettings, traffic: TransferStats) -> None:
        self.done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self.keeper = _Keeper()
        self._line = line
        self._limit_s = settings.limit_s
        self._traffic = traffic
        self._bytes_told = self._retries_told = 0

    def tell(self) -> None:
        fetched: list[Outcome] = []
        try:
            fetched.append(self.done.get(timeout=IDLE_S))
            time.sleep(_GATHER_S)
        except queue.Empty:
            pass
        fetched += _all_of(self.done)
        bytes_moved, retries = self._traffic.bytes_moved, self._traffic.retries
        self._line.send(
            _Told(
                fetched=fetched,
                bytes_moved=bytes_moved - self._bytes_told,
                retries=retries - self._retries_told,
                overdue=self._traffic.overdue(self._limit_s),
                logged=_all_of(self.keeper.kept),
            )
        )
        self._bytes_told, self._retries_told = bytes_moved, retries


def _all_of[Item](waiting: queue.SimpleQueue[Item]) -> list[Item]:
    return [waiting.get_nowait() for _ in range(waiting.qsize())]


def _forever(do: Callable[[], None]) -> None:
    try:
        while True:
            do()
    except OSError:
        os._exit(0)  # nobody is there any more to be told
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        os._exit(1)  # a mistake in a thread must not leave the others waiting for it


def main(descriptor: int) -> None:
    """Be the helper until the other end is closed."""
    with contextlib.suppress(EOFError, OSError):
        _help(Connection(descriptor))
    os._exit(0)  # threads of the client may hang


def _help(line: Connection) -> None:
    settings: HelperSettings = line.recv()
    traffic = TransferStats()
    teller = _Teller(line, settings, traffic)
    logging.basicConfig(level=logging.INFO, handlers=[teller.keeper])
    fetcher = FileFetcher(
        open_url=partial(open_source, stall_s=settings.stall_s, limit_s=settings.limit_s),
        attempts=settings.attempts,
        in_flight=settings.in_flight,
        traffic=traffic,
        stopped=threading.Event(),
    )
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def work() -> None:
        teller.done.put(fetch_job(fetcher, jobs.get()))

    for do in (teller.tell, *[work] * settings.threads):
        threading.Thread(target=_forever, args=[do], daemon=True).start()
    while True:
        for job in line.recv():
            jobs.put(job)
