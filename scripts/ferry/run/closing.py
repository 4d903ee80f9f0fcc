"""What the terminal shows when a run has ended."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ferry.report.evidence import TO_STAGE, is_part
from ferry.report.failures import (
    failure_lines,
    kept_lines,
    part_lines,
    rerun_command,
    to_stage_lines,
    unverified_lines,
    waiting_lines,
)
from ferry.report.stats_log import STATS_LOG, latest_rows
from ferry.run.plan import RunPlan
from ferry.run.standing import Standing, standing_of
from ferry.text.formatting import format_count
from ferry.text.safe_text import LONGEST_TEXT, in_one_line, printable

MOST_LINES = 20


def closing_lines(
    recids: Sequence[int], *, plan: RunPlan | None, is_over: bool = False, stats_log: Path = STATS_LOG
) -> list[str]:
    """Return what the terminal shows at the end of a run: how the wanted records stand, and each failure.

    Args:
        recids: that are wanted.
        plan: of the run.
        is_over: no other run of the same bulk run follows.
        stats_log: has the rows of the records.
    """
    plan = plan or RunPlan("", recids, publish=False)
    plan = replace(plan, is_part=plan.is_part and not is_over)
    latest = latest_rows(stats_log)
    lines = _lines_of(standing_of(replace(plan, recids=recids), latest), "records", plan.command)
    if beside := sorted(plan.to_do.difference(recids)):
        found, command = standing_of(replace(plan, recids=beside), latest), rerun_command(beside, plan.command)
        lines += _lines_of(found, "records that are not in the list", command)
    return [in_one_line(printable(line), longest=LONGEST_TEXT) for line in lines]


def _lines_of(found: Standing, which: str, command: str) -> list[str]:
    counted = (found.ok, found.unverified, found.failed, found.to_go, found.plan.recids, found.left_out, found.to_stage)
    ok, unverified, failed, to_go, wanted, left_out, to_stage = (format_count(len(records)) for records in counted)
    is_followed = found.plan.is_part
    again = f" ({format_count(len(found.to_retry))} to be tried again)" if is_followed and found.to_retry else ""
    head = f"ferry: {ok} ok{f' ({unverified} unverified)' if found.unverified else ''}, {failed} failed{again}, "
    interrupted = f" ({format_count(len(found.interrupted))} interrupted)" if found.interrupted else ""
    head += f"{to_go} to go{interrupted}, of {wanted} {which}"
    head += f"; {left_out} skipped, as package.empty_records says" if found.left_out else ""
    head += f"; {to_stage} {TO_STAGE}" if found.to_stage else ""
    kept = [row for row in found.ok if row.get("kept_fields")]
    lists = [
        *unverified_lines(found.unverified, most=MOST_LINES),
        *part_lines([row for row in found.ok if is_part(row)], most=MOST_LINES),
        *waiting_lines(found.in_review, most=MOST_LINES),
        *kept_lines(kept, most=MOST_LINES),
        *to_stage_lines(found.to_stage, most=MOST_LINES),
    ]
    failures = (
        _failures_of_part(found) if is_followed else failure_lines(found.failed, most=MOST_LINES, command=command)
    )
    heading = [f"ferry: {failed} failed:"] if lists and failures else []  # else they are taken for the list before them
    return [head, *lists, *heading, *failures]


def _failures_of_part(found: Standing) -> list[str]:
    """Return what is said of failures at the end of a part: those of the parts before were told there."""
    own = [row for row in found.failed_told if row.get("run_id") == found.plan.run_id]
    others = [row for row in found.failed_told if row.get("run_id") != found.plan.run_id]
    return failure_lines([*own, *others], most=min(len(own), MOST_LINES), command=None)
