"""What the receipts and the journal of one record say, read without trusting any of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferry.chain import BY_NAME, CHAIN, FAILURE, LAST_STEP, UPLOAD_STEP, steps_after
from ferry.config import same_address
from ferry.errors import FerryError, StoppedError
from ferry.flags import ENDED, FLAGS_DIR, STOPPED, RunFlags
from ferry.journal import Attempt, attempts, is_alive, made_since, read
from ferry.receipts import REPOSITORY, LostReceiptError, ReceiptError, file_digest, read_receipt
from ferry.report.misfits import misfits

_NOT_REACHED = "not reached: the run ended before this step; run again"
_REFUSED = (
    "the step ended well, but Snakemake took its receipt away, as it does where an input is newer than its output: "
    "is the time of a file in the future (metadata, corrections)? give it the present one (touch) and run again; "
    "Snakemake's own words are in .snakemake/log"
)

SKIPPED = "WithoutFilesError"
"""Kind of the reason why a record is skipped that the configuration wants skipped; one not reached has none."""


ON_TAPE = "OnTapeError"
"""Kind of the reason why a record waits that is skipped until its files are staged."""
TO_STAGE = "to be staged"
"""What people read of such a record in place of its status."""
INTERRUPTED = "Interrupted"
"""Kind of the reason why a record is still to go that was at work when its run was stopped or killed."""
KILLED = "Killed"
"""Kind of the reason why a record failed whose job left no word while its run went on."""
CUT_SHORT = frozenset({"Terminated", KILLED})
"""Kinds of reasons that are none of the record's if it was the run that was ended."""


@dataclass(frozen=True)
class Evidence:
    """Receipts that can be read, by name; those that are not right, with the reason; attempts.

    A receipt is not right that is torn, edited or of another record, that does not fit those that it was made of, or
    that is lost though something was made of it. `failure` is what the last run has left of a record that failed, for
    the case that its journal is gone. `ends` tells of runs in which a job was cut short: why they were stopped, "" of
    one that came to its end. One that is not there goes on, or is gone without a word.
    """

    recid: int
    receipts: Mapping[str, Mapping[str, Any]]
    wrong: Mapping[str, ReceiptError]
    attempts: Sequence[Attempt]
    failure: Mapping[str, Any] | None = None
    ends: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """How a record stands: `status` ok, failed or skipped, and for the latter two the step and the reason."""

    status: str
    step: str | None = None
    error_type: str | None = None
    error: str | None = None


def is_left_out(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of the stats is of a record that is skipped because the configuration says so."""
    return bool(row["status"] == "skipped" and row.get("error_type") == SKIPPED)


def is_to_stage(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is of a record that waits for its files, which are on tape."""
    return bool(row["status"] == "skipped" and row.get("error_type") == ON_TAPE)


def is_interrupted(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is of a record that is still to go, and was at work when its run was stopped or killed."""
    return bool(row["status"] == "skipped" and row.get("error_type") == INTERRUPTED)


def is_unverified(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is of a record that has arrived with files of which nothing says what they must be."""
    return bool(row.get("status") == "ok" and (row.get("verified_count") or 0) < (row.get("file_count") or 0))


def is_part(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is of a record that has arrived with those of its files only that source.files chooses."""
    return bool(row.get("status") == "ok" and (row.get("left_out_count") or 0) > 0)


def is_through(row: Mapping[str, Any]) -> bool:
    """Tell whether nothing is left to do of the record: it has arrived, or is to be left out."""
    return row["status"] == "ok" or is_left_out(row)


def read_evidence(*, recid: int, record_dir: Path, journal: Path) -> Evidence:
    """Read every receipt of the record (results/<recid>) and its journal; nothing in them makes this fail."""
    receipts: dict[str, Mapping[str, Any]] = {}
    wrong: dict[str, ReceiptError] = {}
    for name in (*(name for step in CHAIN for name in (*step.receipts, *step.noted)), "review"):
        path = record_dir / f"{name}.json"
        try:
            receipts[name] = read_receipt(path, name, recid=recid)
        except LostReceiptError:
            continue
        except ReceiptError as error:
            wrong[name] = error
        except OSError as error:
            wrong[name] = ReceiptError(path, name, recid=recid, found=f"what cannot be read: {error}")
    if (elsewhere := _of_another_repository(receipts.get("upload"), record_dir.parent)) is not None:
        found = f"that of another repository, {elsewhere}"
        wrong["upload"] = ReceiptError(record_dir / "upload.json", "upload", recid=recid, found=found)
    for name, found in misfits(receipts, there={*receipts, *wrong}).items():
        wrong.setdefault(name, ReceiptError(record_dir / f"{name}.json", name, recid=recid, found=found))
    tried = [attempt for attempt in attempts(read(journal)) if attempt.recid == recid]
    for step in CHAIN:
        for name in step.receipts:
            if name in receipts and (found := put_back(record_dir, name, step.name, tried)):
                wrong.setdefault(name, ReceiptError(record_dir / f"{name}.json", name, recid=recid, found=found))
    failure = None if tried else _failure(record_dir, recid)
    return Evidence(recid, receipts, wrong, tried, failure, _ends(tried, journal.parents[1] / FLAGS_DIR.name))


def _of_another_repository(uploaded: Mapping[str, Any] | None, results_dir: Path) -> str | None:
    """Return the repository of a receipt `upload`, if it is none of the one that this folder is of."""
    try:
        name = json.loads((results_dir / REPOSITORY).read_bytes())["repository"]
        found = same_address(str(uploaded["repository"])) if uploaded else name
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no run has asked it yet, or what it was is refused when one does
    return None if found == name else str(found)


def _ends(tried: Sequence[Attempt], flags_dir: Path) -> dict[str, str]:
    """Return how the runs have ended in which a job of the record was cut short."""
    ends = {}
    for run_id in {a.run_id for a in tried if a.status == "unfinished" or a.error_type in CUT_SHORT}:
        flags = RunFlags(run_id=run_id, directory=flags_dir)
        if reason := flags.get(STOPPED):
            ends[run_id] = reason
        elif flags.get(ENDED) is not None:
            ends[run_id] = ""
    return ends


def put_back(record_dir: Path, name: str, step: str, tried: Sequence[Attempt]) -> str:
    """Return what was found in place of a receipt that its step has left last, "" if it is there.

    An older state of a record that was put back fits in itself: only the journal knows of what was made since.
    """
    at = made_since(tried, step, name, file_digest(record_dir / f"{name}.json"))
    return f"an older one: by its journal, another was made at {at}" if at else ""


def record_status(
    evidence: Evidence, steps: Sequence[str], *, run_id: str | None = None, is_over: bool = True
) -> Verdict:
    """Say whether the record went through all of `steps`, and if not, why.

    A receipt says that a step is done; the journal explains what is missing. So an attempt that left no end but its
    receipt was killed after its work was done. Stats that nobody asked for are missed by nobody. An attempt that failed
    counts whatever lies there; of several in one run the one that will fail again. One that was cut short because its
    run was says nothing of the record: it is still to go.

    Args:
        evidence: of the record.
        steps: it has to go through.
        run_id: of the run that goes on, or is just ending. What ended well in it and left no receipt, Snakemake has
            refused.
        is_over: that run is; else attempts without an end may still be at work in it.
    """
    last = {attempt.step: attempt for attempt in evidence.attempts if attempt.step in steps}
    cut = {step: _interruption(attempt, evidence.ends, run_id) for step, attempt in last.items()}

    def went_wrong(attempt: Attempt) -> bool:
        if attempt.status == "unfinished":
            at_work = not is_over and attempt.run_id == run_id and is_alive(attempt.host, attempt.pid)
            return not at_work and BY_NAME[attempt.step].receipt not in evidence.receipts
        is_done = bool(cut[attempt.step]) and BY_NAME[attempt.step].receipt in evidence.receipts
        return attempt.status == "failed" and not is_done

    bad = list(filter(went_wrong, last.values()))
    if bad:
        last_run = max(bad, key=evidence.attempts.index).run_id
        of_last_run = [attempt for attempt in bad if attempt.run_id == last_run]
        worst = max(
            of_last_run,
            key=lambda attempt: (not cut[attempt.step], attempt.is_permanent, evidence.attempts.index(attempt)),
        )
        if why := cut[worst.step]:
            return Verdict("skipped", worst.step, INTERRUPTED, f"interrupted: {why}; run again")
        if worst.status == "failed":
            status = "skipped" if worst.error_type == ON_TAPE else "failed"
            return Verdict(status, worst.step, worst.error_type or "Error", worst.error or "no message")
        reason = f"attempt {worst.attempt} on {worst.host} (pid {worst.pid}) left no end: the job was killed; run again"
        return Verdict("failed", worst.step, KILLED, reason)
    for step in steps:
        for name in BY_NAME[step].receipts:
            if error := evidence.wrong.get(name):
                return Verdict("failed", step, type(error).__name__, str(error))
    for step in steps:
        if step != LAST_STEP and BY_NAME[step].receipt not in evidence.receipts:
            if not evidence.attempts and (failure := evidence.failure):
                return Verdict("failed", failure["step"], failure["error_type"], failure["error"])
            tried = last.get(step)
            if tried and tried.status == "ok" and tried.run_id == run_id and not _is_outdated(tried, evidence):
                return Verdict("failed", step, "SnakemakeError", _REFUSED)
            return Verdict("skipped", step, None, _NOT_REACHED)
    if left_out := evidence.receipts.get("upload", {}).get("skipped"):
        return Verdict("skipped", UPLOAD_STEP, SKIPPED, left_out)
    return Verdict("ok")


def _interruption(attempt: Attempt, ends: Mapping[str, str], run_id: str | None) -> str:
    """Return how the run of an attempt was cut short, and the attempt with it; "" if it ended for another reason."""
    if attempt.error_type == StoppedError.__name__:
        return str(attempt.error)
    if attempt.status != "unfinished" and attempt.error_type not in CUT_SHORT:
        return ""
    if reason := ends.get(attempt.run_id):
        return f"the run was stopped while this step was at work: {reason}"
    if attempt.run_id not in ends and attempt.run_id != run_id:
        return "the run is gone without a word, killed or with its machine, while this step was at work"
    return ""


def _is_outdated(attempt: Attempt, evidence: Evidence) -> bool:
    """Tell whether a step before it was begun again since, which takes the receipt away."""
    since = evidence.attempts[evidence.attempts.index(attempt) + 1 :]
    return any(BY_NAME[attempt.step] in steps_after(each.step) for each in since if each.step in BY_NAME)


def _failure(record_dir: Path, recid: int) -> Mapping[str, Any] | None:
    try:
        failure = read_receipt(record_dir / FAILURE, "stats", recid=recid)
    except (FerryError, OSError):
        return None
    return failure if failure["status"] == "failed" else None
