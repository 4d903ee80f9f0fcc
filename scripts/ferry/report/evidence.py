"""What the receipts and the journal of one record say, read without trusting any of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.errors import FerryError, IntegrityError
from ferry.journal import Attempt, attempts, read
from ferry.receipts import read_receipt

RECEIPT_OF_STEP = {
    "read_record": "source",
    "download_files": "download",
    "transform_record": "record",
    "package_files": "package",
    "upload_record": "upload",
    "publish_record": "published",
    "record_stats": "stats",
}
"""Receipt that says that the step is done: results/<recid>/<name>.json."""


@dataclass(frozen=True)
class Evidence:
    """Receipts that are there and right, by name; those that are there and not right, with the reason; attempts."""

    recid: int
    receipts: Mapping[str, Mapping[str, Any]]
    torn: Mapping[str, FerryError]
    attempts: Sequence[Attempt]


@dataclass(frozen=True)
class Verdict:
    """How a record stands: `status` ok, failed or skipped, and for the latter two the step and the reason."""

    status: str
    step: str | None = None
    error_type: str | None = None
    error: str | None = None


def read_evidence(*, recid: int, record_dir: Path, journal: Path) -> Evidence:
    """Read every receipt of the record (results/<recid>) and its journal; nothing in them makes this fail."""
    receipts: dict[str, Mapping[str, Any]] = {}
    torn: dict[str, FerryError] = {}
    for name in (*RECEIPT_OF_STEP.values(), "review"):
        path = record_dir / f"{name}.json"
        try:
            receipts[name] = _read(path, name, recid)
        except FileNotFoundError:
            continue
        except FerryError as error:
            torn[name] = error
        except (OSError, RecursionError) as error:
            torn[name] = IntegrityError(f"{path}: cannot be read: {error}; delete it and run again")
    return Evidence(recid, receipts, torn, [a for a in attempts(read(journal)) if a.recid == recid])


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
        or (attempt.status == "unfinished" and RECEIPT_OF_STEP[attempt.step] not in evidence.receipts)
    ]
    if bad:
        worst = max(bad, key=evidence.attempts.index)
        if worst.status == "failed":
            return Verdict("failed", worst.step, worst.error_type or "Error", worst.error or "no message")
        reason = f"attempt {worst.attempt} on {worst.host} (pid {worst.pid}) left no end: the job was killed; run again"
        return Verdict("failed", worst.step, "Killed", reason)
    for step in steps:
        name = RECEIPT_OF_STEP[step]
        if name in evidence.torn:
            error = evidence.torn[name]
            return Verdict("failed", step, type(error).__name__, str(error))
    for step in steps:
        if RECEIPT_OF_STEP[step] not in evidence.receipts:
            return Verdict("skipped", step, None, "not reached: the run ended before this step; run again")
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
