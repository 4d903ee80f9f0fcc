"""What the terminal shows when a run has ended."""

from collections.abc import Sequence
from pathlib import Path

from ferry.report.evidence import is_left_out
from ferry.report.failures import failure_lines, failure_rows, kept_lines, waiting_lines
from ferry.report.stats_log import STATS_LOG, latest_rows
from ferry.run.plan import RunPlan

MOST_LINES = 20


def closing_lines(recids: Sequence[int], *, plan: RunPlan | None, stats_log: Path = STATS_LOG) -> list[str]:
    """Return what the terminal shows at the end of a run: how the wanted records stand, and each failure."""
    plan = plan or RunPlan("", recids, publish=False)
    latest = latest_rows(stats_log)
    rows = [latest[recid] for recid in recids if recid in latest]
    ok = sum(map(plan.is_ok, rows))
    failures = failure_rows(rows, command=plan.command)
    skipped = sum(map(is_left_out, rows))
    missing = len(recids) - ok - skipped - len(failures)
    head = f"ferry: {ok} ok, {len(failures)} failed, {missing} not reached, of {len(recids)} records"
    head += f"; {skipped} skipped, as package.empty_records says" if skipped else ""
    waiting = [row for row in rows if row.get("state") == "in_review" and plan.is_ok(row)]
    kept = [row for row in rows if row.get("kept_fields") and plan.is_ok(row)]
    return [
        head,
        *waiting_lines(waiting, most=MOST_LINES),
        *kept_lines(kept, most=MOST_LINES),
        *failure_lines(failures, most=MOST_LINES),
    ]
