"""What became of each record, and of all: results/<recid>/stats.json, stats.*, files.parquet, attempts.parquet."""

import json
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.journal import STEPS
from ferry.receipts import write_json, write_receipt
from ferry.report.evidence import read_evidence, record_status
from ferry.report.stats_row import attempt_row, stats_row

log = logging.getLogger(__name__)

_FAILED_LIST = "failed.json"
_TABLES_OF_ALL = ("stats.parquet", "coverage.csv")
"""One output each of the rules that make tables of all wanted records."""


@dataclass(frozen=True)
class Totals:
    """How many of the wanted records ended how, and the rows written."""

    ok: int
    failed: int
    skipped: int
    files: int
    verified_files: int


def steps_of(*, publish: bool) -> list[str]:
    """Return the steps that a record goes through, publishing only where the configuration asks for it."""
    return [step for step in STEPS if publish or step != "publish_record"]


def record_stats(*, recid: int, record_dir: Path, journal: Path, publish: bool) -> dict[str, Any]:
    """Return results/<recid>/stats.json: how the record stands by its receipts, and what the journal measured.

    `record_dir` holds the receipts (results/<recid>). Called when all steps before it are ok, and for a record
    that failed, whatever is there of it. The seconds of this step itself are in no column, so the answer is the
    same before and after it ended.
    """
    evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
    steps = [step for step in steps_of(publish=publish) if step != "record_stats"]
    row, _ = stats_row(evidence, record_status(evidence, steps))
    return row


def aggregate(*, recids: Sequence[int], results_dir: Path, logs_dir: Path, publish: bool) -> Totals:
    """Write stats.parquet, stats.csv, stats.jsonl, files.parquet and attempts.parquet to `results_dir`.

    One row per wanted recid, in the order given, whatever became of it; rows come from receipts and journals
    alone, so that an old stats.json never speaks for a record that failed since. The stats.json of each failed
    record is written too; `stats_of_failed` tells the next run which. Memory does not grow with the number of files.

    Raises:
        OSError: the tables could not be written; those that were there before are untouched.
    """
    from ferry.report.tables import ATTEMPTS_SCHEMA, FILES_SCHEMA, STATS_SCHEMA, TableWriter  # noqa: PLC0415 - pyarrow

    counts: Counter[str] = Counter()
    steps = steps_of(publish=publish)
    failed: list[dict[str, Any]] = []
    with (
        TableWriter(ATTEMPTS_SCHEMA, parquet_path=results_dir / "attempts.parquet") as attempt_table,
        TableWriter(FILES_SCHEMA, parquet_path=results_dir / "files.parquet") as file_table,
        TableWriter(
            STATS_SCHEMA,
            parquet_path=results_dir / "stats.parquet",
            csv_path=results_dir / "stats.csv",
            jsonl_path=results_dir / "stats.jsonl",
        ) as stats_table,
    ):
        for recid in dict.fromkeys(recids):
            record_dir = results_dir / str(recid)
            journal = logs_dir / str(recid) / "journal.jsonl"
            evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
            row, files = stats_row(evidence, record_status(evidence, steps))
            stats_table.write(row)
            for file_row in files:
                file_table.write(file_row)
            for attempt in evidence.attempts:
                attempt_table.write(attempt_row(attempt))
            if row["status"] == "failed":
                failed.append(row)
            counts[row["status"]] += 1
            counts["files"] += len(files)
            counts["verified"] += row["verified_count"]
    _write_failed(results_dir, failed)
    totals = Totals(counts["ok"], counts["failed"], counts["skipped"], counts["files"], counts["verified"])
    log.info("%d records ok, %d failed, %d skipped", totals.ok, totals.failed, totals.skipped)
    return totals


def stats_of_failed(recids: Collection[int], *, results_dir: Path) -> list[Path]:
    """Return what the last run wrote of failed records and the next one must not take for done.

    Snakemake takes a file that is there for an output that is done, however old it is and though the inputs are
    missing: with its stats.json in place a failed record would never run again. So this is called before the graph
    is built. Tables of records that failed are written by no job; if one of those is not among the wanted `recids`
    any more, the tables have to be written anew.
    """
    try:
        listed = json.loads((results_dir / _FAILED_LIST).read_bytes())
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return []
    failed = [int(recid) for recid in listed] if isinstance(listed, list) else []
    paths = [path for recid in failed if _tells_of_failure(path := results_dir / str(recid) / "stats.json")]
    if not set(failed) <= set(recids):
        paths += [results_dir / name for name in _TABLES_OF_ALL]
    return paths


def _tells_of_failure(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_bytes()).get("status") != "ok")
    except FileNotFoundError:
        return False
    except (UnicodeDecodeError, json.JSONDecodeError):
        return True


def _write_failed(results_dir: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the stats.json of failed records, after the list by which `stats_of_failed` finds them."""
    write_json(results_dir / _FAILED_LIST, [row["recid"] for row in rows])
    for row in rows:
        write_receipt(results_dir / str(row["recid"]) / "stats.json", "stats", row)
