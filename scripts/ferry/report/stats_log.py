"""results/stats.jsonl while a run goes on: one row more whenever a record is finished or an attempt has failed.

The last row of a recid counts. When the run ends, the aggregate writes the file anew with one row per wanted recid.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.chain import FAILURE, STEPS
from ferry.errors import FerryError
from ferry.journal import append
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


def tell_failed(*, recid: int, journal: Path, results_dir: Path = Path("results")) -> None:
    """Tell what became of a record of which an attempt has just failed: its failure.json, and a row."""
    record_dir = results_dir / str(recid)
    evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
    row, _ = stats_row(evidence, record_status(evidence, STEPS))
    write_failure(record_dir, row)
    tell_row(row, results_dir / STATS_LOG.name)


def write_failure(record_dir: Path, row: Mapping[str, Any]) -> None:
    """Write what became of a failed record; a disk that does not take it is no reason to fail otherwise."""
    try:
        write_receipt(record_dir / FAILURE, "stats", dict(row))
    except FerryError as error:
        log.warning("%s; the table at the end of the run has it", error)


def latest_rows(path: Path = STATS_LOG) -> dict[int, dict[str, Any]]:
    """Return the last row of each recid; a line that is torn is left out, no file is no row."""
    rows: dict[int, dict[str, Any]] = {}
    try:
        with path.open("rb") as stream:
            for line in stream:
                try:
                    row = json.loads(line)
                    rows[row["recid"]] = row
                except (ValueError, KeyError, TypeError):
                    continue
    except FileNotFoundError:
        pass
    return rows


def cut_torn_end(path: Path) -> int:
    """Cut off what a crash of the machine has left after the last whole line; return the number of bytes cut.

    Called when a run begins, while nobody writes.
    """
    try:
        with path.open("r+b") as stream:
            size_bytes = end = stream.seek(0, os.SEEK_END)
            while end > 0:
                begin = max(0, end - 65536)
                stream.seek(begin)
                newline = stream.read(end - begin).rfind(b"\n")
                if newline >= 0:
                    end = begin + newline + 1
                    break
                end = begin
            stream.truncate(end)
            return size_bytes - end
    except FileNotFoundError:
        return 0
