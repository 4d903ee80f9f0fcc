"""Fetching the files of one record: whole and proven, or not there."""

import logging
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ferry.errors import DiskError, FerryError, PermanentError, TransientError
from ferry.source.access import CHUNK_BYTES, SourceReader, open_source, refuse_unreadable
from ferry.source.allowed import AllowedSources, ForbiddenSourceError
from ferry.source.fetch import BrokenOffError, FileFetcher
from ferry.source.fetch_missing import MissingFilesFetcher, Outcome
from ferry.source.final_names import FinalNames, ProvenPart
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


@dataclass(frozen=True)
class DownloadSettings:
    """How to fetch."""

    redirects: Mapping[str, str] = field(default_factory=dict)
    """Prefix of a uri -> what stands in its place; the longest that fits is taken."""
    allowed: AllowedSources = field(default_factory=AllowedSources)
    """What may be read."""
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
        self._threads = max(1, min(settings.parallel_files, len(self._files)))
        self._answer_limit_s = answer_limit or answer_limit_s(settings.stall_s)
        self._fetcher = FileFetcher(
            open_url=open_url
            or partial(open_source, allowed=settings.allowed, stall_s=settings.stall_s, limit_s=self._answer_limit_s),
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
                        self._take(*outcome, names, there, errors)
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
        self, key: str, outcome: Outcome, names: FinalNames, there: dict[str, Proof], errors: dict[str, FerryError]
    ) -> None:
        match outcome:
            case BrokenOffError():
                pass
            case FerryError():
                errors[key] = outcome
                if isinstance(outcome, ForbiddenSourceError):
                    errors[key] = ForbiddenSourceError(f"record {self._source['recid']}: {key}: {outcome}")
                if isinstance(outcome, DiskError) or len(errors) >= MOST_FAILED_FILES:
                    self._stopped.set()
            case ProvenPart():
                names.add(outcome)
            case Proof():
                there[key] = outcome
                self._verified.add_new([outcome])

    def _progress(self) -> TransferProgress:
        sizes = [file["size_bytes"] for file in self._files]
        size_bytes = None if None in sizes else sum(sizes)
        return TransferProgress(
            recid=self._source["recid"], files=len(self._files), size_bytes=size_bytes, terminal=sys.stderr
        )

    def _outcomes(self, bringer: MissingFilesFetcher) -> Generator[tuple[str, Outcome] | None]:
        # What became of each file that was begun. The largest begin first, so that none of them is left for the end.
        return results_of(
            sorted(self._files, key=lambda file: -(file["size_bytes"] or 0)),
            work=bringer.bring,
            threads=self._threads,
            stopped=self._stopped,
            is_stuck=lambda: self._traffic.overdue(self._answer_limit_s) is not None,
        )

    def _expect_answers(self) -> None:
        url = self._traffic.overdue(self._answer_limit_s)
        if url is not None:
            raise TransientError(
                f"{url}: expected bytes or an error from the client, found neither in {self._answer_limit_s:.0f} s; "
                "run again"
            )

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
