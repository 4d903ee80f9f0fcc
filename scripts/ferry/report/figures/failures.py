"""Why records are not complete: by the step that failed and the reason, whatever values it names."""

from typing import Any

from ferry.chain import STEPS
from ferry.report.evidence import TO_STAGE
from ferry.report.figures.style import OUTCOMES, QUIET, Drawing, new_figure, nothing_to_draw, put_title
from ferry.report.figures.tables import Run, are_to_stage
from ferry.text.formatting import format_count, plural, truncate
from ferry.text.problem_lines import without_values

_MOST_BARS = 14


def failures(run: Run) -> Drawing:
    """Draw how many records failed at which step for which reason, each with one message as an example."""
    stats = run.stats
    failed = stats[stats["status"] == "failed"]
    columns = ["step", "error_type", "records", "example_recid", "example"]
    reasons = failed["error"].astype(str).map(without_values)
    rows: list[list[Any]] = [
        [step, kind, len(group), int(group["recid"].iloc[0]), truncate(str(group["error"].iloc[0]), 300)]
        for (step, kind, _), group in failed.groupby(["step", "error_type", reasons], dropna=False)
    ]
    rows.sort(key=lambda row: (-row[2], _rank(row[0]), str(row[1])))
    if not rows:
        ok, to_stage = int((stats["status"] == "ok").sum()), int(are_to_stage(stats).sum())
        skipped = len(stats) - ok - to_stage
        rest = f"; {plural(skipped, 'record')} skipped or not reached yet" if skipped else ""
        rest += f"; {plural(to_stage, 'record')} {TO_STAGE}" if to_stage else ""
        text = f"{plural(ok, 'record')} went through{rest}."
        return nothing_to_draw("No record failed", text, columns)
    shown = rows[:_MOST_BARS]
    figure, axes = new_figure(height=1.5 + 0.52 * len(shown))
    places = range(len(shown))
    axes.barh(places, [row[2] for row in shown], height=0.4, color=OUTCOMES["failed"])
    largest = max(row[2] for row in shown)
    for place, (_, _, count, recid, example) in zip(places, shown, strict=True):
        axes.text(count + largest * 0.01, place, format_count(count), va="center", fontsize=9)
        axes.text(0, place + 0.42, f"{recid}: {truncate(example, 110)}", va="center", fontsize=7, color=QUIET)
    axes.set_yticks(places, [f"{row[0]}\n{row[1]}" for row in shown])
    axes.set_ylim(len(shown) - 0.3, -0.6)
    axes.set_xlim(0, largest * 1.12)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("records")
    step, kind, count = rows[0][:3]
    group = f"the largest group: {format_count(count)} at {step}, {kind}" if len(rows) > 1 else f"all at {step}, {kind}"
    more = f" (the {_MOST_BARS} largest of {len(rows)} groups are shown)" if len(rows) > _MOST_BARS else ""
    put_title(axes, f"{format_count(len(failed))} of {plural(len(stats), 'record')} failed; {group}{more}")
    return Drawing(figure, columns, rows)


def _rank(step: str) -> int:
    return STEPS.index(step) if step in STEPS else len(STEPS)
