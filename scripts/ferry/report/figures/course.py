"""How a run went on: records that were through, and what it waited for and tried again."""

from typing import Any

import numpy as np

from ferry.report.evidence import TO_STAGE
from ferry.report.figures.style import FAINT, INK, OUTCOMES, QUIET, Drawing, new_figure, put_title
from ferry.report.figures.tables import Run, are_to_go, are_to_stage
from ferry.report.figures.time_axis import end_of, late_rate, nothing_yet, working_time_axis
from ferry.report.figures.working_time import bin_edges, records_through, spread
from ferry.text.formatting import format_count, format_seconds, plural


def records_over_time(run: Run) -> Drawing:
    """Draw how the records came through, against all that are wanted, and when the last one would be."""
    columns = ["second", "records_through", "records_wanted"]
    wanted = len(run.stats)
    through = set(run.stats.loc[run.stats["status"] == "ok", "recid"])
    times = records_through(run.attempts[run.attempts["recid"].isin(through)])
    if not len(times):
        return nothing_yet("No record is through yet", columns)
    counts = np.arange(1, len(times) + 1, dtype=float)
    end_s = max(end_of(run), float(times[-1]))
    figure, axes = new_figure(height=4.2)
    line_x, line_y = np.concatenate([[0.0], times, [end_s]]), np.concatenate([[0.0], counts, [counts[-1]]])
    axes.step(line_x, line_y, where="post", color=OUTCOMES["ok"], linewidth=2, zorder=3)
    axes.fill_between(line_x, line_y, step="post", color=OUTCOMES["ok"], alpha=0.25, linewidth=0)
    axes.axhline(wanted, color=INK, linewidth=1, linestyle="--")
    axes.annotate(f"wanted: {format_count(wanted)}", (0, wanted), xytext=(4, -4), va="top",
                  textcoords="offset points", fontsize=8)  # fmt: skip
    failed = int((run.stats["status"] == "failed").sum())
    to_stage, left = int(are_to_stage(run.stats).sum()), int(are_to_go(run.stats).sum())
    title = (
        f"{format_count(len(times))} of {plural(wanted, 'record')} through in {format_seconds(end_s)} of working time"
    )
    title += f"; {format_count(failed)} failed" if failed else ""
    title += f"; {format_count(to_stage)} {TO_STAGE}" if to_stage else ""
    axes_end_s = end_s
    if left and (rate := late_rate(times, counts, end_s)) > 0:
        left_s = left / rate
        axes_end_s = min(end_s + left_s, end_s * 4)
        axes.plot([end_s, end_s + left_s], [counts[-1], counts[-1] + left], color=QUIET, linestyle=":", linewidth=1.6)
        title += f"; {format_seconds(left_s)} more at this rate for {format_count(left)} to go"
    axes.set_ylim(0, wanted * 1.12)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=FAINT)
    working_time_axis(axes, run, axes_end_s)
    put_title(axes, title)
    rows = [[round(float(second), 3), int(count), wanted] for second, count in zip(times, counts, strict=True)]
    return Drawing(figure, columns, rows)


def waits_and_retries(run: Run) -> Drawing:
    """Draw when jobs waited for the repository's rate limit, and when things were tried again."""
    columns = ["second", "jobs_at_the_rate_limit", "retries"]
    end_s = end_of(run)
    waited_s, retries = (float(run.attempts[name].fillna(0).clip(lower=0).sum()) for name in ("rate_wait_s", "retries"))
    if not end_s or not (waited_s or retries):
        return nothing_yet("No attempt that went well waited at the rate limit, or tried again", columns)
    edges = bin_edges(end_s)
    widths = np.diff(edges)
    waiting = spread(run.attempts, "rate_wait_s", edges) / widths
    again = spread(run.attempts, "retries", edges)
    drawn = [
        (values, colour, label)
        for values, colour, label in (
            (waiting, OUTCOMES["unverified"], "jobs at the\nrate limit"),
            (again, OUTCOMES["failed"], "retries"),
        )
        if values.any()
    ]
    figure, axes = new_figure(rows=len(drawn), height=1.2 + 1.7 * len(drawn), sharex=True, squeeze=False)
    for panel, (values, colour, label) in zip(axes[:, 0], drawn, strict=True):
        panel.stairs(values, edges, fill=True, color=colour, alpha=0.85)
        panel.set_ylabel(label, fontsize=9)
        panel.set_ylim(0, float(values.max()) * 1.15)
        panel.grid(axis="y", color=FAINT)
    working_time_axis(axes[-1, 0], run, end_s)
    part = waited_s / float(run.attempts["duration_s"].sum())
    share = f", {part:.0%} of all work" if part >= 0.01 else ""
    tried = f"{format_count(retries)} {'retry' if retries == 1 else 'retries'}"
    put_title(axes[0, 0], f"{format_seconds(waited_s)} at the repository's rate limit{share}; {tried}")
    rows: list[list[Any]] = [
        [round(second, 3), round(wait, 3), round(more, 3)]
        for second, wait, more in zip(edges, waiting, again, strict=False)
    ]
    return Drawing(figure, columns, rows)
