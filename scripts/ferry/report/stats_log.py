"""results/stats.jsonl while a run goes on: one row more whenever a record is finished or an attempt has failed.

The last row of a recid counts. When the run ends, the aggregate writes the file anew with one row per wanted recid.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.chain import FAILURE, STEPS
from ferry.errors import FerryError
from ferry.jsonl import append, read_lines
from ferry.receipts import write_receipt
from ferry.report.evidence import read_evidence, record_status
from ferry.report.stats_row import stats_row

STATS_LOG = Path("results/stats.jsonl")

log = logging.getLogger(__name__)


def tell_row(row: Mapping[str, Any], path: Path = STATS_LOG) -> None:
    """Add a row by one write; a row that does not fit on the disk is no reason for a record to fail."""
    try:
        append(path, row)
    except OSError as error:
        log.warning("%s: expected to add a row, found %s; the table at the end of the run has it", path, error)


def tell_failed(*, recid: int, journal: Path, run_id: str, results_dir: Path = Path("results")) -> None:
    """Tell what became of a record of which an attempt has just failed: its failure.json, and a row.

    `run_id` is of the run that goes on. One whose files are on tape waits, and one whose run was stopped is still to
    go: these have no failure.
    """
    record_dir = results_dir / str(recid)
    evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
    row, _ = stats_row(evidence, record_status(evidence, STEPS, run_id=run_id, is_over=False))
    if row["status"] == "failed":
        write_failure(record_dir, row)
    else:  # its files are on tape, and it waits; or its run was stopped
        (record_dir / FAILURE).unlink(missing_ok=True)
    tell_row(row, results_dir / STATS_LOG.name)


def write_failure(record_dir: Path, row: Mapping[str, Any]) -> None:
    """Write what became of a failed record; a disk that does not take it is no reason to fail otherwise."""
    try:
        write_receipt(record_dir / FAILURE, "stats", dict(row))
    except FerryError as error:
        log.warning("%s; the table at the end of the run has it", error)


def latest_rows(path: Path = STATS_LOG) -> dict[int, dict[str, Any]]:
    """Return the last row of each recid; a line that is torn is left out, no file is no row."""
    return {row["recid"]: row for row in read_lines(path) if "recid" in row}
