"""The axis of working time that figures share, and what they say where nothing can be drawn along it."""

from typing import Any

import numpy as np

from ferry.report.figures.style import QUIET, Drawing, nothing_to_draw
from ferry.report.figures.tables import Run
from ferry.text.formatting import plural

_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def late_rate(times: Any, totals: Any, end_s: float) -> float:
    """Return the bytes per second of the last third of the time, or of all of it where nothing arrived then."""
    since_s = end_s * 2 / 3
    before = float(totals[np.searchsorted(times, since_s) - 1]) if times[0] < since_s else 0.0
    late = (float(totals[-1]) - before) / (end_s - since_s)
    return late if late > 0 else float(totals[-1]) / end_s


def working_time_axis(axes: Any, run: Run, end_s: float) -> None:
    """Label the axis of working time up to `end_s`, in a fitting unit, and mark where runs were joined."""
    size_s, unit = next((pair for pair in _UNITS if end_s >= 2 * pair[0]), (1, "seconds"))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / size_s:g}")
    axes.xaxis.get_major_locator().set_params(steps=[1, 2, 3, 6, 10] if size_s in (60, 3600) else [1, 2, 5, 10])
    if size_s > 1:
        step = next(
            step for step in (0.5, 1, 2, 3, 5, 6, 10, 12, 24, 48, 100, 240, 1000) if end_s / size_s / step <= 10
        )
        axes.set_xticks(np.arange(0, end_s + 1, step * size_s))
    axes.set_xlim(0, end_s)
    for pause_s in run.pauses_s[:40]:
        for panel in axes.figure.axes:
            panel.axvline(pause_s, color=QUIET, linewidth=0.8, linestyle=(0, (2, 3)))
    runs = f" of {plural(len(run.pauses_s) + 1, 'run')} (dotted lines: a new run begins)" if run.pauses_s else ""
    axes.set_xlabel(f"{unit} of working time{runs}")


def end_of(run: Run) -> float:
    """Return the second of working time at which the last attempt ended, 0 if none has."""
    ends = run.attempts[["begin_s", "finish_s"]].max().max()
    return 0.0 if np.isnan(ends) else float(ends)


def nothing_yet(title: str, columns: list[str]) -> Drawing:
    """Return a figure that says so."""
    return nothing_to_draw(title, f"{title}; so there is nothing to draw.", columns)
