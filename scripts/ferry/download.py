"""Fetching the files of one record: whole and proven, or not there."""

import logging
import queue
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferry.durable_files import DiskError, FinalNames, ProvenPart, disk_error
from ferry.errors import FerryError, IntegrityError, PermanentError
from ferry.fetch_file import FileFetcher, StoppedError, Traffic, part_path
from ferry.source_access import CHUNK_BYTES, SourceReader, open_source, redirected, refuse_unreadable
from ferry.transfer_progress import TransferProgress
from ferry.verified_files import Proof, SourceFile, VerifiedFiles, judge, prove, receipt_entry

log = logging.getLogger(__name__)

# What all files together may have under way in memory; a lone file may have eight pieces of it.
BUFFER_BYTES = 48 << 20
MOST_PIECES_IN_FLIGHT = 8
# After this many files have failed, the rest of the record is not asked for: it would fail too, or does not matter.
MOST_FAILED_FILES = 10
IDLE_S = 0.5


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


@dataclass(frozen=True)
class _Outcome:
    file: SourceFile
    there: Proof | None = None
    newly_proven: bool = False
    arrived: ProvenPart | None = None
    error: FerryError | None = None


class Download:
    """The download of one record into `files_dir`; what is there and right is not fetched again.

    Threads fetch, one file each; the thread that called `run` gives the files their final names, many at a time.
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
    ) -> None:
        """Take the receipt `source`; `state_path` remembers between runs what was proven.

        `open_url` and `pause` are for tests: the client, and what waits between two attempts.
        """
        self._source = source
        self._files: list[SourceFile] = source["files"]
        self._keys = frozenset(file["key"] for file in self._files)
        self._files_dir = files_dir
        self._settings = settings
        self._verified = VerifiedFiles(state_path)
        self._stopped = threading.Event()
        self._traffic = Traffic()
        self._threads = max(1, min(settings.parallel_files, len(self._files)))
        self._fetcher = FileFetcher(
            open_url=open_url or (lambda url: open_source(url, stall_s=settings.stall_s)),
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
        self._make_folders()
        names = FinalNames(files_dir=self._files_dir, verified=self._verified)
        there: dict[str, Proof] = {}
        errors: dict[str, FerryError] = {}
        progress = self._progress()
        try:
            with closing(self._outcomes(when_idle=names.flush)) as outcomes:
                for outcome in outcomes:
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
        self, outcome: _Outcome | None, names: FinalNames, there: dict[str, Proof], errors: dict[str, FerryError]
    ) -> None:
        if outcome is None or isinstance(outcome.error, StoppedError):
            return
        key = outcome.file["key"]
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

    def _make_folders(self) -> None:
        for folder in sorted({(self._files_dir / key).parent for key in self._keys} | {self._files_dir}):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise disk_error(folder, "be made", error) from error

    def _outcomes(self, *, when_idle: Callable[[], None]) -> Generator[_Outcome | None]:
        # What became of each file that was begun, as it happens; None now and then while nothing does. The largest
        # begin first, so that none of them is left for the end.
        waiting: queue.SimpleQueue[SourceFile] = queue.SimpleQueue()
        for file in sorted(self._files, key=lambda file: -(file["size_bytes"] or 0)):
            waiting.put(file)
        outcomes: queue.SimpleQueue[_Outcome | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                while not self._stopped.is_set():
                    outcomes.put(self._bring(waiting.get_nowait()))
            except queue.Empty:
                return
            finally:
                outcomes.put(None)

        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            workers = [pool.submit(work) for _ in range(self._threads)]
            try:
                working = self._threads
                while working:
                    try:
                        outcome = outcomes.get(timeout=IDLE_S)
                    except queue.Empty:
                        when_idle()
                        yield None
                        continue
                    if outcome is None:
                        working -= 1
                    yield outcome
                for worker in workers:
                    worker.result()
            finally:
                self._stopped.set()

    def _bring(self, file: SourceFile) -> _Outcome:
        path = self._files_dir / file["key"]
        try:
            known = self._verified.find(file, path)
            if known is not None and _is_right(file, known, path):
                return _Outcome(file, there=known)
            if path.exists():
                found = prove(file, path)
                if _is_right(file, found, path):
                    return _Outcome(file, there=found, newly_proven=True)
                path.unlink()
            part = part_path(path, key=file["key"], keys=self._keys)
            url = redirected(file["uri"], self._settings.redirects)
            return _Outcome(file, arrived=self._fetcher.fetch(file, url, part))
        except FerryError as error:
            return _Outcome(file, error=error)
        except OSError as error:
            return _Outcome(file, error=disk_error(path, "be read or written", error))

    def _entry(self, file: SourceFile, proof: Proof) -> dict[str, Any]:
        verified = judge(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=file["uri"])
        return receipt_entry(file, proof, verified)

    def _failure(self, errors: Mapping[str, FerryError], *, done: int) -> FerryError:
        # In the record's order, so the same trouble gives the same message; what will not pass by itself first.
        ordered = [errors[file["key"]] for file in self._files if file["key"] in errors]
        chosen = next((error for error in ordered if isinstance(error, PermanentError)), ordered[0])
        untried = len(self._files) - done - len(ordered)
        also = f"; {len(ordered) - 1} more files of the record failed" if len(ordered) > 1 else ""
        also += f"; {untried} were not tried any more" if untried else ""
        return type(chosen)(f"{chosen}{also}")


def _is_right(file: SourceFile, proof: Proof, path: Path) -> bool:
    try:
        judge(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=str(path))
    except IntegrityError as error:
        log.warning("%s; fetched anew", error)
        return False
    return True
