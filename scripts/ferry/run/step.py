"""What every step of a record has around it: a log, a line in the journal when it starts and when it ends."""

import contextlib
import errno
import logging
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType

from ferry import journal
from ferry.chain import BY_NAME, CHAIN, STEPS, mark_again, step_that_makes, take_away_after, unmark
from ferry.errors import DiskError, FerryError, OnTapeError, PermanentError, disk_error
from ferry.flags import STOPPED, RunFlags
from ferry.journal import peak_memory_bytes
from ferry.jsonl import append
from ferry.receipts import ReceiptError, file_digest
from ferry.report.evidence import put_back
from ferry.report.stats_log import tell_failed
from ferry.run.disk_budget import DiskBudget
from ferry.run.hold import wait_while_held
from ferry.run.run import read_run
from ferry.run.termination import terminate_on_signal
from ferry.text.notices import show_notices
from ferry.text.safe_text import SafeFormatter, uncaught_text
from ferry.text.terminal import tell
from ferry.waiting import WAITS, waits_told

ATTEMPTS_FILE = Path("results/attempts.jsonl")
"""Every ended attempt of every record, in the order in which they ended."""


class NotBegun(SystemExit):
    """Ends a job without a word: why nothing is done has been told."""


_ERRORS_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES}

log = logging.getLogger(__name__)


@contextlib.contextmanager
def record_step(*, name: str, recid: int, log_path: Path) -> Iterator[dict[str, float]]:
    """Run one step of one record: `with record_step(...) as measured: measured.update(...)`.

    What comes after the step in the chain is not done any more once it begins: its receipts are taken away. One that it
    reads and that is not what it must be is made anew by the next run. The journal lies beside the log. Whatever the
    step raises is told in the log, in the journal and in one line on standard error, and raised on.

    Raises:
        PermanentError: a batch system begins the record again, which failed for good in this run already.
        NotBegun: so it did in an earlier run of the same bulk run, which has told it; or this run was stopped, which
            it tells itself, and begins no step any more.
    """
    with _disk_errors_told():
        yield from _recorded_step(name, recid, log_path)


def _recorded_step(name: str, recid: int, log_path: Path) -> Iterator[dict[str, float]]:
    record_dir = ATTEMPTS_FILE.parent / str(recid)
    take_away_after(name, record_dir)
    unmark(name, record_dir)
    write_log(log_path, of=f"{recid} {name}: ")
    journal_path = log_path.parent / "journal.jsonl"
    run = read_run()
    run_id = run.run_id
    if reason := RunFlags(run_id=run_id).get(STOPPED):
        log.info("not begun, the run was stopped: %s", reason)
        raise NotBegun(1)
    if reason := journal.failed_for_good(journal_path, run_id=run_id, step=name):
        raise PermanentError(f"not tried again in this run: {reason}")
    if reason := journal.hopeless(journal_path, after=run.after, step=name):
        log.info("not tried again in this bulk run: %s", reason)
        raise NotBegun(1)
    start = journal.start_event(run_id=run_id, recid=recid, step=name, attempt=journal.next_attempt(journal_path, name))
    append(journal_path, start)
    storage = DiskBudget()
    measured: dict[str, float] = {}
    error: BaseException | None = None
    try:
        with terminate_on_signal(), _disk_errors_told(), waits_told(log_path.with_suffix(WAITS)):
            wait_while_held(name, flags=RunFlags(run_id=run_id))
            _require_latest(name, recid, record_dir, journal_path)
            storage.begin(recid=recid)
            yield measured
    except BaseException as raised:
        error = raised
        if isinstance(raised, ReceiptError) and (made_by := step_that_makes(raised.kind)):
            mark_again(made_by, record_dir)
        log.error("%s of %d failed: %s", name, recid, raised, exc_info=not isinstance(raised, FerryError | SystemExit))
        raise
    finally:
        measured["cpu_s"] = round(time.process_time(), 4)  # of the whole job, also of starting it
        measured["peak_memory_bytes"] = peak_memory_bytes()
        made = {} if error is not None else digests_of(name, record_dir)
        end = journal.end_event(start, error=error, measured=measured, made=made)
        append(journal_path, end)
        append(ATTEMPTS_FILE, end)
        if error is not None:
            tell_failed(recid=recid, journal=journal_path, run_id=run_id)
        try:
            storage.end(recid=recid, failed=error is not None)
        except OSError as refused:  # a job that is gone is found by others all the same
            log.error("%s", disk_error(refused.filename, "be written", refused))


def _require_latest(name: str, recid: int, record_dir: Path, journal_path: Path) -> None:
    """Make sure that the receipts of the steps before are those that were made last.

    Raises:
        ReceiptError: an older state of the record was put back.
    """
    tried = journal.attempts(journal.read(journal_path))
    for step in CHAIN[: STEPS.index(name)]:
        for receipt in step.receipts:
            if found := put_back(record_dir, receipt, step.name, tried):
                raise ReceiptError(record_dir / f"{receipt}.json", receipt, recid=recid, found=found)


def digests_of(name: str, record_dir: Path) -> dict[str, str]:
    """Return the digests of the receipts that a step has left, as the journal keeps them."""
    paths = {receipt: record_dir / f"{receipt}.json" for receipt in BY_NAME[name].receipts}
    return {receipt: file_digest(path) for receipt, path in paths.items() if path.exists()}


@contextlib.contextmanager
def _disk_errors_told() -> Iterator[None]:
    """Tell an error of the disk, wherever it comes up, as what it is: no bug of the step, and a reason to stop."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ERRORS_OF_DISKS:
            raise
        raise _of_disk(error) from error


def _of_disk(error: OSError) -> DiskError:
    return disk_error(error.filename or "disk", "serve the step", error)


def write_log(path: Path, *, of: str = "") -> None:
    """Send the log of this process to a file, and an error that nobody caught to standard error.

    Each line of the error begins with `of`: jobs of many records write there at the same time.
    """
    sys.excepthook = partial(_tell_shortly, of)
    path.parent.mkdir(parents=True, exist_ok=True)
    log_file = _LogFile(path)
    log_file.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[log_file], level=logging.INFO, force=True)
    logging.getLogger("nrp_cmd").setLevel(logging.WARNING)  # it would write down every request and answer
    logging.captureWarnings(True)
    show_notices()


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging calls it
        """Leave it to the step to say, in one line, that the disk takes no more."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def _tell_shortly(of: str, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, OSError) and error.errno in _ERRORS_OF_DISKS:
        error = _of_disk(error)
    told = f"{type(error).__name__}: {error}" if isinstance(error, FerryError) else uncaught_text(kind, error, trace)
    if isinstance(error, OnTapeError):  # its words say what it waits for, and it is no error to a reader
        told = str(error)
    tell("".join(f"{of}{line}\n" for line in told.splitlines()), sys.stderr)
