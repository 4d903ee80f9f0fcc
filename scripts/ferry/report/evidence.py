"""What the receipts and the journal of one record say, read without trusting any of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.chain import BY_NAME, CHAIN, FAILURE, UPLOAD_STEP
from ferry.errors import FerryError, IntegrityError
from ferry.journal import Attempt, attempts, read
from ferry.receipts import read_receipt

_NOT_REACHED = (
    "not reached: the run ended before this step; run again, and if that finds nothing to do, "
    "`snakemake --cores 1 check` says how to go on"
)

SKIPPED = "WithoutFilesError"
"""Kind of the reason why a record is skipped that the configuration wants skipped; one not reached has none."""


@dataclass(frozen=True)
class Evidence:
    """Receipts that are there and right, by name; those that are there and not right, with the reason; attempts.

    `failure` is what the last run has left of a record that failed, for the case that its journal is gone.
    """

    recid: int
    receipts: Mapping[str, Mapping[str, Any]]
    torn: Mapping[str, FerryError]
    attempts: Sequence[Attempt]
    failure: Mapping[str, Any] | None = None


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


def is_through(row: Mapping[str, Any]) -> bool:
    """Tell whether nothing is left to do of the record: it has arrived, or is to be left out."""
    return row["status"] == "ok" or is_left_out(row)


def read_evidence(*, recid: int, record_dir: Path, journal: Path) -> Evidence:
    """Read every receipt of the record (results/<recid>) and its journal; nothing in them makes this fail."""
    receipts: dict[str, Mapping[str, Any]] = {}
    torn: dict[str, FerryError] = {}
    for name in (*(step.receipt for step in CHAIN), "review"):
        path = record_dir / f"{name}.json"
        try:
            receipts[name] = _read(path, name, recid)
        except FileNotFoundError:
            continue
        except FerryError as error:
            torn[name] = error
        except (OSError, RecursionError) as error:
            torn[name] = IntegrityError(f"{path}: cannot be read: {error}; delete it and run again")
    tried = [attempt for attempt in attempts(read(journal)) if attempt.recid == recid]
    return Evidence(recid, receipts, torn, tried, None if tried else _failure(record_dir, recid))


def record_status(evidence: Evidence, steps: Sequence[str]) -> Verdict:
    """Say whether the record went through all of `steps`, and if not, why.

    A receipt says that a step is done; the journal explains what is missing. So an attempt that left no end but its
    receipt was killed after its work was done. An attempt that failed counts whatever lies there.
    """
    last = {attempt.step: attempt for attempt in evidence.attempts if attempt.step in steps}
    bad = [
        attempt
        for attempt in last.values()
        if attempt.status == "failed"
        or (attempt.status == "unfinished" and BY_NAME[attempt.step].receipt not in evidence.receipts)
    ]
    if bad:
        worst = max(bad, key=evidence.attempts.index)
        if worst.status == "failed":
            return Verdict("failed", worst.step, worst.error_type or "Error", worst.error or "no message")
        reason = f"attempt {worst.attempt} on {worst.host} (pid {worst.pid}) left no end: the job was killed; run again"
        return Verdict("failed", worst.step, "Killed", reason)
    for step in steps:
        name = BY_NAME[step].receipt
        if name in evidence.torn:
            error = evidence.torn[name]
            return Verdict("failed", step, type(error).__name__, str(error))
    for step in steps:
        if BY_NAME[step].receipt not in evidence.receipts:
            if not evidence.attempts and (failure := evidence.failure):
                return Verdict("failed", failure["step"], failure["error_type"], failure["error"])
            return Verdict("skipped", step, None, _NOT_REACHED)
    if left_out := evidence.receipts.get("upload", {}).get("skipped"):
        return Verdict("skipped", UPLOAD_STEP, SKIPPED, left_out)
    return Verdict("ok")


def _read(path: Path, name: str, recid: int) -> Mapping[str, Any]:
    if name == "record":  # the target metadata: a document of the repository's kind, not of ours
        return _read_target(path)
    receipt = read_receipt(path, name)
    if receipt["recid"] != recid:
        raise IntegrityError(
            f"{path}: expected a receipt of recid {recid}, found one of {receipt['recid']}; delete it and run again"
        )
    return receipt


def _failure(record_dir: Path, recid: int) -> Mapping[str, Any] | None:
    try:
        failure = read_receipt(record_dir / FAILURE, "stats")
    except (FerryError, OSError):
        return None
    return failure if (failure["recid"], failure["status"]) == (recid, "failed") else None


def _read_target(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise IntegrityError(f"{path}: expected JSON: {error}; delete it and run again") from error
    if not isinstance(document, dict):
        raise IntegrityError(
            f"{path}: expected a JSON object, found {type(document).__name__}; delete it and run again"
        )
    return document
