"""How the wanted records stand, by the last row told of each: one answer for status, progress and tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ferry.chain import FAILURE, steps_of
from ferry.csv_tables import write_csv
from ferry.journal import hopeless
from ferry.report.evidence import (
    CUT_SHORT,
    is_interrupted,
    is_left_out,
    is_through,
    is_to_stage,
    is_unverified,
    read_evidence,
    record_status,
)
from ferry.report.failures import TO_RETRY, failure_rows, write_failures
from ferry.report.stats_log import STATS_LOG, latest_rows, tell_row, write_failure
from ferry.report.stats_row import stats_row
from ferry.run.plan import RunPlan

Row = Mapping[str, Any]
"""Of `STATS_SCHEMA`."""
_NOT_YET = "not through yet"


@dataclass(frozen=True)
class Standing:
    """The wanted records of a plan: each is in one of the five."""

    plan: RunPlan
    ok: Sequence[Row]
    failed: Sequence[Row]
    left_out: Sequence[Row]
    """Skipped, as the configuration says."""
    to_go: Sequence[int]
    to_stage: Sequence[Row] = ()
    """Skipped until their files, which are on tape, are staged at the portal."""
    interrupted: Sequence[Row] = ()
    """Of those to go: at work when their run was stopped or killed, and not begun again."""
    recids_to_retry: frozenset[int] = frozenset()
    """Of those that failed: what this run, or one that follows it, tries once more."""

    @property
    def in_review(self) -> Sequence[Row]:
        """Of those that are ok: reviewers have still to decide about them."""
        return [row for row in self.ok if row.get("state") == "in_review"]

    @property
    def unverified(self) -> Sequence[Row]:
        """Of those that are ok: nothing says what some of their files must be, and that was allowed."""
        return [row for row in self.ok if is_unverified(row)]

    @property
    def to_retry(self) -> Sequence[Row]:
        """Of those that failed: the rows of what is tried once more."""
        return [row for row in self.failed if row["recid"] in self.recids_to_retry]

    @property
    def failed_told(self) -> Sequence[Row]:
        """Those that failed, as they are told: with a word on each that is to be tried again."""
        again = self.recids_to_retry
        return [{**row, "error": f"{row['error']}{TO_RETRY}"} if row["recid"] in again else row for row in self.failed]


def standing_of(
    plan: RunPlan, latest: Mapping[int, Row], *, is_over: bool = False, logs_dir: Path = Path("logs")
) -> Standing:
    """Sort the wanted records by their last rows.

    A row that says ok, of an earlier run, says nothing of a record that this one has to do; one that says failed stands
    until the record is tried again.

    Args:
        plan: what is wanted.
        latest: the last row of each record.
        is_over: nothing is tried again, in this run or one that follows it.
        logs_dir: has the journals.
    """
    ok: list[Row] = []
    failed: list[Row] = []
    left_out: list[Row] = []
    to_stage: list[Row] = []
    to_go: list[int] = []
    interrupted: list[Row] = []
    for recid in dict.fromkeys(plan.recids):
        row = latest.get(recid)
        if row is not None and plan.is_ok(row):
            ok.append(row)
        elif row is not None and row["status"] == "failed":
            failed.append(row)
        elif row is not None and is_left_out(row):
            left_out.append(row)
        elif row is not None and is_to_stage(row):
            to_stage.append(row)
        else:
            to_go.append(recid)
            if row is not None and is_interrupted(row) and plan.is_present(row):
                interrupted.append(row)
    again = frozenset(row["recid"] for row in failed if not is_over and _is_to_retry(row, plan, logs_dir))
    return Standing(plan, ok, failed, left_out, to_go, to_stage, interrupted, again)


def _is_to_retry(row: Row, plan: RunPlan, logs_dir: Path) -> bool:
    """Tell whether a failed record is tried once more: a part of a bulk run is followed by others."""
    run_id = row.get("run_id")
    if not plan.is_part or run_id not in (plan.run_id, *plan.after):
        return run_id != plan.run_id and (plan.is_part or row["recid"] in plan.to_do)
    return not hopeless(logs_dir / str(row["recid"]) / "journal.jsonl", after=[str(run_id)], step=row["step"])


def write_live_tables(standing: Standing, results_dir: Path) -> None:
    """Write stats.csv and failures.csv while a run goes on; the other tables are made when all is through."""
    from ferry.report.tables import STATS_SCHEMA  # noqa: PLC0415 - pyarrow, for a run that carries

    names = STATS_SCHEMA.names
    kinds = (standing.ok, standing.failed_told, standing.left_out, standing.to_stage, standing.interrupted)
    told = {row["recid"]: row for rows in kinds for row in rows}
    rows = (told.get(recid, {"recid": recid, "status": "skipped", "error": _NOT_YET}) for recid in standing.plan.recids)
    write_csv(results_dir / "stats.csv", names, ([row.get(name) for name in names] for row in rows))
    write_failures(results_dir, failure_rows(standing.failed_told, command=standing.plan.command))


def tell_silent_ends(plan: RunPlan, *, results_dir: Path, logs_dir: Path, is_gone: bool = False) -> None:
    """Tell a row of each record whose jobs in this run left none: one was killed, or Snakemake refused what it made.

    So is one told that was at work when the run was stopped or killed, and one that is no failure any more.

    Args:
        plan: of the run that ends.
        results_dir, logs_dir: what runs have left.
        is_gone: it was killed, and tells nothing by itself.
    """
    latest = latest_rows(results_dir / STATS_LOG.name)
    for row in silent_ends(plan, latest, results_dir=results_dir, logs_dir=logs_dir, is_gone=is_gone):
        record_dir, row_now = results_dir / str(row["recid"]), latest.get(row["recid"], {})
        if row["status"] == "failed":
            write_failure(record_dir, row)
        else:
            (record_dir / FAILURE).unlink(missing_ok=True)
        if row["error_type"] is not None or is_through(row) or row_now.get("status") == "failed":
            tell_row(row, results_dir / STATS_LOG.name)


def silent_ends(
    plan: RunPlan, latest: Mapping[int, Row], *, results_dir: Path, logs_dir: Path, is_gone: bool
) -> Iterator[Row]:
    """Yield how each record stands whose jobs in a run have left no row of it; see `tell_silent_ends`."""
    began_s = datetime.fromisoformat(plan.started_at).timestamp()
    run_id = None if is_gone else plan.run_id
    for recid in sorted(plan.to_do):
        record_dir, journal = results_dir / str(recid), logs_dir / str(recid) / "journal.jsonl"
        row_now = latest.get(recid, {})
        # a job that was told to end may have been the first to know that the run was
        is_told = row_now.get("run_id") == plan.run_id and row_now.get("error_type") not in CUT_SHORT
        if is_told or not journal.exists() or journal.stat().st_mtime < began_s - 1:
            continue
        evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
        yield stats_row(evidence, record_status(evidence, steps_of(publish=plan.publish), run_id=run_id))[0]
