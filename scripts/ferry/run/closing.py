"""What the terminal shows when a run has ended."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ferry.report.failures import failure_lines, kept_lines, rerun_command, unverified_lines, waiting_lines
from ferry.report.stats_log import STATS_LOG, latest_rows
from ferry.run.plan import RunPlan
from ferry.run.standing import Standing, standing_of
from ferry.text.safe_text import LONGEST_TEXT, in_one_line, printable

MOST_LINES = 20


def closing_lines(recids: Sequence[int], *, plan: RunPlan | None, stats_log: Path = STATS_LOG) -> list[str]:
    """Return what the terminal shows at the end of a run: how the wanted records stand, and each failure."""
    plan = plan or RunPlan("", recids, publish=False)
    latest = latest_rows(stats_log)
    lines = _lines_of(standing_of(replace(plan, recids=recids), latest), "records", plan.command)
    if beside := sorted(plan.to_do.difference(recids)):
        found, command = standing_of(replace(plan, recids=beside), latest), rerun_command(beside, plan.command)
        lines += _lines_of(found, "records that are not in the list", command)
    return [in_one_line(printable(line), longest=LONGEST_TEXT) for line in lines]


def _lines_of(found: Standing, which: str, command: str) -> list[str]:
    unverified = f" ({len(found.unverified)} unverified)" if found.unverified else ""
    head = (
        f"ferry: {len(found.ok)} ok{unverified}, {len(found.failed)} failed, {len(found.to_go)} not reached, "
        f"of {len(found.plan.recids)} {which}"
    )
    head += f"; {len(found.left_out)} skipped, as package.empty_records says" if found.left_out else ""
    kept = [row for row in found.ok if row.get("kept_fields")]
    return [
        head,
        *unverified_lines(found.unverified, most=MOST_LINES),
        *waiting_lines(found.in_review, most=MOST_LINES),
        *kept_lines(kept, most=MOST_LINES),
        *failure_lines(found.failed, most=MOST_LINES, command=command),
    ]
