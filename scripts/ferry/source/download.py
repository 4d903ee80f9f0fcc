"""Fetching the files of one record: whole and proven, or not there."""

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ferry.errors import DiskError, FerryError, PermanentError, TransientError, with_others
from ferry.source.access import BlockingReader, SourceReader, open_source, refuse_unreadable
from ferry.source.allowed import AllowedSources, ForbiddenSourceError
from ferry.source.fetch import BrokenOffError, FileFetcher
from ferry.source.fetch_missing import MissingFilesFetcher
from ferry.source.final_names import FinalNames, ProvenPart
from ferry.source.http import HttpFile
from ferry.source.line import MOST_BYTES, Line
from ferry.source.progress import TransferProgress, TransferStats
from ferry.source.tasks import Task, Tasks
from ferry.source.verified import Proof, SourceFile, VerifiedFiles, receipt_entry, verify
from ferry.source.window import RequestWindow
from ferry.source.xrootd import answer_limit_s

log = logging.getLogger(__name__)

# How often what has arrived is taken, many files at a time, in seconds; and for how long nothing has when it is idle.
TAKEN_EVERY_S = 0.05
IDLE_S = 0.5
# After this many files have failed, the rest of the record is not asked for: it would fail too, or does not matter.
MOST_FAILED_FILES = 10


@dataclass(frozen=True)
class DownloadSettings:
    """How to fetch."""

    redirects: Mapping[str, str] = field(default_factory=dict)
    """Prefix of a uri -> what stands in its place; the longest that fits is taken."""
    allowed: AllowedSources = field(default_factory=AllowedSources)
    """What may be read."""
    parallel_files: int = 512
    attempts: int = 4
    stall_s: int = 60
    allow_unverified: bool = False


@dataclass(frozen=True)
class Downloaded:
    """The receipt `download`, and what it took."""

    receipt: dict[str, Any]
    measured: dict[str, int]


class Download:
    """The download of one record into `files_dir`; what is there and right is not fetched again.

    As many are fetched at once as the line to the server is worth, by the threads of the client that asks it; the
    thread that called `run` forces them to the disk and gives them their final names, many at a time.
    """

    def __init__(
        self,
        *,
        source: Mapping[str, Any],
        files_dir: Path,
        state_path: Path,
        settings: DownloadSettings,
        open_url: Callable[[str], HttpFile] | None = None,
        pause: Callable[[float], object] | None = None,
        answer_limit: float | None = None,
    ) -> None:
        """Take the receipt `source`; `state_path` remembers between runs what was proven.

        `open_url`, `pause` and `answer_limit` are for tests: a client, what waits between two attempts, and after how
        many seconds a client without an answer is given up.
        """
        self._source = source
        self._files: list[SourceFile] = source["files"]
        self._files_dir = files_dir
        self._settings = settings
        self._verified = VerifiedFiles(state_path)
        self._stopped = threading.Event()
        self._errors: dict[str, FerryError] = {}
        self._traffic = TransferStats()
        self._tasks = Tasks()
        self._line = Line(self._tasks, RequestWindow())
        self._answer_limit_s = answer_limit or answer_limit_s(settings.stall_s)
        self._fetcher = FileFetcher(
            open_url=partial(self._open, open_url),
            attempts=settings.attempts,
            line=self._line,
            traffic=self._traffic,
            stopped=self._stopped,
            pause=pause,
        )

    def run(self) -> Downloaded:
        """Do it.

        Raises:
            PermanentError: a file is on tape, not there, may not be read, or has no checksum and must have one; or the
                disk will not take it.
            IntegrityError: a file at the source is not what the record says; both values are named.
            TransientError: not through after the allowed attempts; running again goes on from here.
        """
        refuse_unreadable(self._files, allow_unverified=self._settings.allow_unverified)
        bringer = MissingFilesFetcher(
            self._files,
            files_dir=self._files_dir,
            verified=self._verified,
            redirects=self._settings.redirects,
            fetcher=self._fetcher,
            tasks=self._tasks,
        )
        names = FinalNames(files_dir=self._files_dir, verified=self._verified)
        there: dict[str, Proof] = {}
        progress = self._progress()
        try:
            with closing(self._outcomes(bringer)) as outcomes:
                for outcome in outcomes:
                    match outcome:
                        case None:
                            self._expect_answers()
                            names.flush()
                        case ProvenPart():
                            names.add(outcome)
                        case Proof():
                            there[outcome.key] = outcome
                            self._verified.add_new([outcome])
                    progress.tell(
                        files_done=len(names.proofs) + len(there),
                        bytes_moved=self._traffic.bytes_moved,
                        bytes_there=sum(proof.size_bytes for proof in there.values()) if progress.is_due() else 0,
                    )
            names.flush()
        finally:
            progress.end()
        proofs = {**there, **names.proofs}
        if self._errors:
            raise self._failure(done=len(proofs))
        receipt = {"recid": self._source["recid"], "files": [self._entry(f, proofs[f["key"]]) for f in self._files]}
        measured = {
            "bytes_moved": self._traffic.bytes_moved,
            "files_moved": len(names.proofs),
            "retries": self._traffic.retries,
        }
        return Downloaded(receipt=receipt, measured=measured)

    def _note(self, key: str, error: FerryError) -> None:
        if isinstance(error, BrokenOffError):
            return
        if isinstance(error, ForbiddenSourceError):
            error = ForbiddenSourceError(f"record {self._source['recid']}: {key}: {error}")
        self._errors[key] = error
        if isinstance(error, DiskError) or len(self._errors) >= MOST_FAILED_FILES:
            self._stopped.set()

    def _progress(self) -> TransferProgress:
        sizes = [file["size_bytes"] for file in self._files]
        size_bytes = None if None in sizes else sum(sizes)
        return TransferProgress(
            recid=self._source["recid"], files=len(self._files), size_bytes=size_bytes, terminal=sys.stderr
        )

    async def _open(self, opens: Callable[[str], HttpFile] | None, url: str) -> SourceReader:
        if opens is not None:
            return await BlockingReader.opened(url, partial(opens, url), tasks=self._tasks)
        settings = self._settings
        return await open_source(url, allowed=settings.allowed, stall_s=settings.stall_s, line=self._line)

    def _outcomes(self, bringer: MissingFilesFetcher) -> Generator[Proof | ProvenPart | None]:
        # Each file that was there or has arrived; None now and then while there is nothing to tell. When this ends or
        # is closed no further file begins, and those that were begun have ended, unless the client answers no more.
        # The largest begin first, so that none of them is left for the end.
        files = iter(sorted(self._files, key=lambda file: -(file["size_bytes"] or 0)))
        told: deque[Proof | ProvenPart] = deque()
        line, tasks, stopped = self._line, self._tasks, self._stopped

        async def bring(file: SourceFile) -> None:
            outcome = await bringer.bring(file)
            if isinstance(outcome, FerryError):
                self._note(file["key"], outcome)
            else:
                told.append(outcome)

        def begin(working: int) -> Task | None:
            if working >= min(self._settings.parallel_files, line.window.limit) or line.unasked_bytes >= MOST_BYTES:
                return None  # while so much can be asked for, the next need not be open
            file = None if stopped.is_set() else next(files, None)
            return None if file is None else bring(file)

        tasks.start(begin)
        try:
            quiet_since = time.monotonic()
            while not tasks.ended.wait(TAKEN_EVERY_S):
                while told:
                    quiet_since = time.monotonic()
                    yield told.popleft()
                if time.monotonic() - quiet_since >= IDLE_S:
                    quiet_since = time.monotonic()
                    yield None
            tasks.check()
            yield from told
        finally:
            stopped.set()
            while not tasks.ended.wait(IDLE_S) and self._overdue() is None:
                pass

    def _overdue(self) -> str | None:
        return self._tasks.overdue(self._answer_limit_s)

    def _expect_answers(self) -> None:
        url = self._overdue()
        if url is not None:
            raise TransientError(
                f"{url}: expected bytes or an error from the client, found neither in {self._answer_limit_s:.0f} s; "
                "run again"
            )

    def _entry(self, file: SourceFile, proof: Proof) -> dict[str, Any]:
        verified = verify(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=file["uri"])
        return receipt_entry(file, proof, verified)

    def _failure(self, *, done: int) -> FerryError:
        # In the record's order, so the same trouble gives the same message; what will not pass by itself first.
        ordered = [self._errors[file["key"]] for file in self._files if file["key"] in self._errors]
        chosen = next((error for error in ordered if isinstance(error, PermanentError)), ordered[0])
        untried = len(self._files) - done - len(ordered)
        return with_others(chosen, failed=len(ordered) - 1, untried=untried)
