"""Fetching the files of one record: whole and proven, or not there."""

import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ferry.errors import DiskError, FerryError, PermanentError
from ferry.source.access import CHUNK_BYTES, SourceReader, open_source, refuse_unreadable
from ferry.source.fetch import BrokenOffError, FileFetcher, Outcome
from ferry.source.fetch_helper import FetchHelper, HelperSettings
from ferry.source.fetch_missing import MissingFilesFetcher
from ferry.source.final_names import FinalNames
from ferry.source.progress import TransferProgress, TransferStats
from ferry.source.threads import results_of
from ferry.source.verified import Proof, SourceFile, VerifiedFiles, receipt_entry, verify
from ferry.source.xrootd import answer_limit_s

log = logging.getLogger(__name__)

# What all files together may have under way in memory; a lone file may have four pieces of it.
BUFFER_BYTES = 16 << 20
MOST_PIECES_IN_FLIGHT = 4
# After this many files have failed, the rest of the record is not asked for: it would fail too, or does not matter.
MOST_FAILED_FILES = 10
# Of so many files of at most this size, a second process fetches half: it takes 0.2 s to start.
HELPED_FROM_FILES = 2000
SMALL_BYTES = 256 << 10

Worker = Callable[[Iterator[SourceFile]], Iterable[Outcome]]


@dataclass(frozen=True)
class DownloadSettings:
    """How to fetch."""

    redirects: Mapping[str, str] = field(default_factory=dict)
    """Prefix of a uri -> what stands in its place; the longest that fits is taken."""
    parallel_files: int = 16
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

    Threads fetch, one file each, half of them in a second process where there are many small ones; the thread that
    called `run` gives the files their final names, many at a time.
    """

    def __init__(
        self,
        *,
        source: Mapping[str, Any],
        files_dir: Path,
        state_path: Path,
        settings: DownloadSettings,
        open_url: Callable[[str], SourceReader] | None = None,
        pause: Callable[[float], object] | None = None,
        answer_limit: float | None = None,
    ) -> None:
        """Take the receipt `source`; `state_path` remembers between runs what was proven.

        `open_url`, `pause` and `answer_limit` are for tests: the client, what waits between two attempts, and after
        how many seconds a client without an answer is given up.
        """
        self._source = source
        self._files: list[SourceFile] = source["files"]
        self._files_dir = files_dir
        self._settings = settings
        self._verified = VerifiedFiles(state_path)
        self._stopped = threading.Event()
        self._traffic = TransferStats()
        small = sum(file["size_bytes"] is not None and file["size_bytes"] <= SMALL_BYTES for file in self._files)
        self._is_helped = open_url is None and settings.parallel_files > 1 and small >= HELPED_FROM_FILES
        share = -(-settings.parallel_files // 2) if self._is_helped else settings.parallel_files
        self._threads = max(1, min(share, len(self._files)))
        self._answer_limit_s = answer_limit or answer_limit_s(settings.stall_s)
        self._fetcher = FileFetcher(
            open_url=open_url or partial(open_source, stall_s=settings.stall_s, limit_s=self._answer_limit_s),
            attempts=settings.attempts,
            in_flight=min(MOST_PIECES_IN_FLIGHT, max(1, BUFFER_BYTES // CHUNK_BYTES // self._threads)),
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
        )
        names = FinalNames(files_dir=self._files_dir, verified=self._verified)
        there: dict[str, Proof] = {}
        errors: dict[str, FerryError] = {}
        progress = self._progress()
        try:
            with closing(self._outcomes(bringer)) as outcomes:
                for outcome in outcomes:
                    if outcome is None:
                        self._expect_answers()
                        names.flush()
                    else:
                        self._take(outcome, names, there, errors)
                    progress.tell(
                        files_done=len(names.proofs) + len(there),
                        bytes_moved=self._traffic.bytes_moved,
                        bytes_there=sum(proof.size_bytes for proof in there.values()) if progress.is_due() else 0,
                    )
            names.flush()
        finally:
            progress.end()
        proofs = {**there, **names.proofs}
        if errors:
            raise self._failure(errors, done=len(proofs))
        receipt = {"recid": self._source["recid"], "files": [self._entry(f, proofs[f["key"]]) for f in self._files]}
        measured = {
            "bytes_moved": self._traffic.bytes_moved,
            "files_moved": len(names.proofs),
            "retries": self._traffic.retries,
        }
        return Downloaded(receipt=receipt, measured=measured)

    def _take(
        self, outcome: Outcome, names: FinalNames, there: dict[str, Proof], errors: dict[str, FerryError]
    ) -> None:
        if isinstance(outcome.error, BrokenOffError):
            return
        key = outcome.key
        if outcome.error is not None:
            errors[key] = outcome.error
            if isinstance(outcome.error, DiskError) or len(errors) >= MOST_FAILED_FILES:
                self._stopped.set()
        elif outcome.arrived is not None:
            names.add(outcome.arrived)
        elif outcome.there is not None:
            there[key] = outcome.there
            if outcome.newly_proven:
                self._verified.add([outcome.there])

    def _progress(self) -> TransferProgress:
        sizes = [file["size_bytes"] for file in self._files]
        size_bytes = None if None in sizes else sum(sizes)
        return TransferProgress(
            recid=self._source["recid"], files=len(self._files), size_bytes=size_bytes, terminal=sys.stderr
        )

    def _outcomes(self, bringer: MissingFilesFetcher) -> Generator[Outcome | None]:
        # What became of each file that was begun. The largest begin first, so that none of them is left for the end.
        workers: list[Worker] = [partial(map, bringer.bring)] * self._threads
        with ExitStack() as stack:
            if self._is_helped:
                helper = FetchHelper(self._helper_settings(), traffic=self._traffic, stopped=self._stopped)
                workers.append(partial(bringer.bring_by, stack.enter_context(helper)))
            yield from results_of(
                sorted(self._files, key=lambda file: -(file["size_bytes"] or 0)),
                workers=workers,
                stopped=self._stopped,
                is_stuck=lambda: self._traffic.overdue(self._answer_limit_s) is not None,
            )

    def _helper_settings(self) -> HelperSettings:
        return HelperSettings(
            threads=self._settings.parallel_files - self._threads,
            in_flight=1,
            attempts=self._settings.attempts,
            stall_s=self._settings.stall_s,
            limit_s=self._answer_limit_s,
        )

    def _expect_answers(self) -> None:
        url = self._traffic.overdue(self._answer_limit_s)
        if url is not None:
            raise self._traffic.silence(url, self._answer_limit_s)

    def _entry(self, file: SourceFile, proof: Proof) -> dict[str, Any]:
        verified = verify(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=file["uri"])
        return receipt_entry(file, proof, verified)

    def _failure(self, errors: Mapping[str, FerryError], *, done: int) -> FerryError:
        # In the record's order, so the same trouble gives the same message; what will not pass by itself first.
        ordered = [errors[file["key"]] for file in self._files if file["key"] in errors]
        chosen = next((error for error in ordered if isinstance(error, PermanentError)), ordered[0])
        untried = len(self._files) - done - len(ordered)
        also = f"; {len(ordered) - 1} more files of the record failed" if len(ordered) > 1 else ""
        also += f"; {untried} were not tried any more" if untried else ""
        return type(chosen)(f"{chosen}{also}")
