"""How the wanted records stand, by the last row told of each: one answer for status, progress and tables."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ferry.chain import steps_of
from ferry.csv_tables import write_csv
from ferry.report.evidence import is_left_out, is_through, is_unverified, read_evidence, record_status
from ferry.report.failures import failure_rows, write_failures
from ferry.report.stats import OUTDATED_S
from ferry.report.stats_log import STATS_LOG, latest_rows, tell_row, write_failure
from ferry.report.stats_row import stats_row
from ferry.run.plan import RunPlan

Row = Mapping[str, Any]
"""Of `STATS_SCHEMA`."""
_NOT_YET = "not through yet"


@dataclass(frozen=True)
class Standing:
    """The wanted records of a plan: each is in one of the four."""

    plan: RunPlan
    ok: Sequence[Row]
    failed: Sequence[Row]
    left_out: Sequence[Row]
    """Skipped, as the configuration says."""
    to_go: Sequence[int]

    @property
    def in_review(self) -> Sequence[Row]:
        """Of those that are ok: reviewers have still to decide about them."""
        return [row for row in self.ok if row.get("state") == "in_review"]

    @property
    def unverified(self) -> Sequence[Row]:
        """Of those that are ok: nothing says what some of their files must be, and that was allowed."""
        return [row for row in self.ok if is_unverified(row)]

    @property
    def again(self) -> int:
        """Of those that failed: so many this run tries once more, and has not yet."""
        return sum(row["recid"] in self.plan.to_do and row.get("run_id") != self.plan.run_id for row in self.failed)


def standing_of(plan: RunPlan, latest: Mapping[int, Row]) -> Standing:
    """Sort the wanted records by their last rows.

    A row that says ok, of an earlier run, says nothing of a record that this one has to do; one that says failed stands
    until the record is tried again.
    """
    ok: list[Row] = []
    failed: list[Row] = []
    left_out: list[Row] = []
    to_go: list[int] = []
    for recid in dict.fromkeys(plan.recids):
        row = latest.get(recid)
        if row is not None and plan.is_ok(row):
            ok.append(row)
        elif row is not None and row["status"] == "failed":
            failed.append(row)
        elif row is not None and is_left_out(row):
            left_out.append(row)
        else:
            to_go.append(recid)
    return Standing(plan, ok, failed, left_out, to_go)


def write_live_tables(standing: Standing, results_dir: Path) -> None:
    """Write stats.csv and failures.csv while a run goes on; the other tables are made when all is through.

    They are older than anything to Snakemake: the next run that ends makes them anew.
    """
    from ferry.report.tables import STATS_SCHEMA  # noqa: PLC0415 - pyarrow, for a run that carries

    names = STATS_SCHEMA.names
    told = {row["recid"]: row for row in (*standing.ok, *standing.failed, *standing.left_out)}
    rows = (told.get(recid, {"recid": recid, "status": "skipped", "error": _NOT_YET}) for recid in standing.plan.recids)
    stats = results_dir / "stats.csv"
    write_csv(stats, names, ([row.get(name) for name in names] for row in rows))
    failures = write_failures(results_dir, failure_rows(standing.failed, command=standing.plan.command))
    for path in (stats, failures):
        os.utime(path, (OUTDATED_S, OUTDATED_S))


def tell_silent_ends(plan: RunPlan, *, is_over: bool, results_dir: Path, logs_dir: Path) -> None:
    """Tell a row of each record whose jobs in this run left none: one was killed, or Snakemake refused what it made.

    So was a record brought to its last receipt by a run that did not ask for its stats.

    Args:
        plan: of the run that ends.
        is_over: no job of it runs any more.
        results_dir, logs_dir: what runs have left.
    """
    latest = latest_rows(results_dir / STATS_LOG.name)
    began_s = datetime.fromisoformat(plan.started_at).timestamp()
    for recid in sorted(plan.to_do):
        record_dir, journal = results_dir / str(recid), logs_dir / str(recid) / "journal.jsonl"
        is_told = latest.get(recid, {}).get("run_id") == plan.run_id
        if is_told or not journal.exists() or journal.stat().st_mtime < began_s - 1:
            continue
        evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
        verdict = record_status(evidence, steps_of(publish=plan.publish), run_id=plan.run_id, is_over=is_over)
        row, _ = stats_row(evidence, verdict)
        if row["status"] == "failed":
            write_failure(record_dir, row)
        if row["status"] == "failed" or is_through(row):
            tell_row(row, results_dir / STATS_LOG.name)
