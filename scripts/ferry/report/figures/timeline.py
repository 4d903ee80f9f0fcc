"""What happened when: throughput, jobs at once, and how far the bytes have come."""

from typing import Any

import numpy as np

from ferry.chain import DOWNLOAD_STEP, PACKAGE_STEP, UPLOAD_STEP
from ferry.report.figures.style import (
    FAINT,
    INK,
    OUTCOMES,
    QUIET,
    STEPS,
    Drawing,
    new_figure,
    nothing_to_draw,
    put_title,
)
from ferry.report.figures.tables import MOVING_STEPS, Run
from ferry.report.figures.working_time import arrived_bytes, bin_edges, bytes_per_second, jobs_at_once
from ferry.text.formatting import format_bytes, format_seconds, plural

_JOBS = {DOWNLOAD_STEP: "download", PACKAGE_STEP: "packing", UPLOAD_STEP: "upload"}
_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def throughput(run: Run) -> Drawing:
    """Draw bytes per second of downloading and of uploading over the working time."""
    columns = ["step", "second", "bytes_per_s"]
    steps = [step for step in (DOWNLOAD_STEP, UPLOAD_STEP) if _moved(run, step) > 0]
    end_s = _end_s(run)
    if not steps or not end_s:
        return _nothing("No byte went over the network", columns)
    edges = bin_edges(end_s)
    figure, axes = new_figure(rows=len(steps), height=1.2 + 1.7 * len(steps), sharex=True, squeeze=False)
    rows: list[list[Any]] = []
    said = []
    for panel, step in zip(axes[:, 0], steps, strict=True):
        rates = bytes_per_second(run.attempts[run.attempts["step"] == step], edges)
        colour, _ = STEPS[step]
        panel.stairs(rates, edges, fill=True, color=colour, alpha=0.75)
        mean = _moved(run, step) / end_s
        panel.axhline(mean, color=INK, linewidth=0.8, linestyle="--")
        panel.annotate(f"mean\n{format_bytes(mean)}/s", (1, mean), xycoords=("axes fraction", "data"), xytext=(4, 0),
                       textcoords="offset points", va="center", fontsize=8, annotation_clip=False)  # fmt: skip
        panel.set_ylabel(step, fontsize=9)
        panel.yaxis.set_major_formatter(lambda value, _: f"{format_bytes(value)}/s")
        panel.grid(axis="y", color=FAINT)
        panel.set_ylim(0, max(float(rates.max()), mean) * 1.15)
        said.append(f"{'downloaded' if step == 'download_files' else 'uploaded'} at {format_bytes(mean)}/s")
        rows += [[step, round(second, 3), round(rate)] for second, rate in zip(edges, rates, strict=False)]
    _working_time_axis(axes[-1, 0], run, end_s)
    axes[0, 0].set_title(" and ".join(said)[0].upper() + " and ".join(said)[1:] + " on average")
    return Drawing(figure, columns, rows)


def concurrency(run: Run) -> Drawing:
    """Draw how many jobs of each moving step ran at once, against the caps of the profile."""
    columns = ["step", "second", "jobs_at_once", "cap"]
    end_s = _end_s(run)
    steps = [step for step in MOVING_STEPS if (run.attempts["step"] == step).any()]
    if not steps or not end_s:
        return _nothing("No job has moved bytes yet", columns)
    edges = bin_edges(end_s, most=240)
    figure, axes = new_figure(rows=len(steps), height=1.0 + 1.25 * len(steps), sharex=True, squeeze=False)
    rows: list[list[Any]] = []
    peaks, broken = [], []
    for panel, step in zip(axes[:, 0], steps, strict=True):
        counts = jobs_at_once(run.attempts[run.attempts["step"] == step], edges)
        colour, _ = STEPS[step]
        panel.stairs(counts, edges, fill=True, color=colour, alpha=0.75)
        cap = run.caps.get(step)
        top = int(counts.max())
        if cap:
            panel.axhline(cap, color=OUTCOMES["failed"], linewidth=1, linestyle="--")
            panel.annotate(f"cap {cap}", (1, cap), xycoords=("axes fraction", "data"), xytext=(4, 0), va="center",
                           textcoords="offset points", fontsize=8, color=OUTCOMES["failed"])  # fmt: skip
            if top > cap:
                broken.append(step)
        panel.set_ylim(0, max(top, cap or 0) * 1.3)
        panel.set_ylabel(step, fontsize=8)
        panel.yaxis.get_major_locator().set_params(integer=True)
        panel.grid(axis="y", color=FAINT)
        peaks.append(plural(top, _JOBS[step]))
        rows += [[step, round(second, 3), int(count), cap] for second, count in zip(edges, counts, strict=False)]
    _working_time_axis(axes[-1, 0], run, end_s)
    kept = [step for step in steps if run.caps.get(step)]
    verdict = f"; above the cap: {', '.join(broken)}" if broken else "; the caps were kept" if kept else ""
    put_title(axes[0, 0], "At most " + ", ".join(peaks) + " at once" + verdict)
    return Drawing(figure, columns, rows)


def bytes_against_plan(run: Run) -> Drawing:
    """Draw how the bytes of uploaded records grew, against all that are wanted, and when that would be reached."""
    columns = ["second", "bytes_arrived", "bytes_wanted"]
    known = run.stats["source_bytes"].dropna()
    unknown = len(run.stats) - len(known)
    plan = float(known.sum()) + unknown * (float(known.mean()) if len(known) else 0.0)
    times, totals = arrived_bytes(run.stats, run.attempts)
    if not len(times) or not plan:
        return _nothing("No bytes have arrived yet", columns)
    end_s = max(_end_s(run), float(times[-1]))
    keep = np.unique(np.linspace(0, len(times) - 1, 500).astype(int))
    line_x = np.concatenate([[0.0], times[keep], [end_s]])
    line_y = np.concatenate([[0.0], totals[keep], [totals[-1]]])
    figure, axes = new_figure(height=4.2)
    axes.step(line_x, line_y, where="post", color=STEPS[DOWNLOAD_STEP][0], linewidth=2, zorder=3)
    axes.fill_between(line_x, line_y, step="post", color=STEPS[DOWNLOAD_STEP][0], alpha=0.15, linewidth=0)
    axes.axhline(plan, color=INK, linewidth=1, linestyle="--")
    guess = f", {plural(unknown, 'record')} of unknown size guessed" if unknown else ""
    axes.annotate(f"wanted: {format_bytes(plan)}{guess}", (0, plan), xytext=(4, -4), va="top",
                  textcoords="offset points", fontsize=8)  # fmt: skip
    arrived = float(totals[-1])
    missing = plan - arrived
    title = f"{format_bytes(arrived)} of {format_bytes(plan)} arrived in {format_seconds(end_s)} of working time"
    axes_end_s = end_s
    if missing > plan * 1e-9 and not unknown and not (run.stats["status"] == "skipped").any():
        title += f"; {format_bytes(missing)} failed"
    elif missing > plan * 1e-9 and (rate := _late_rate(times, totals, end_s)) > 0:
        left_s = missing / rate
        axes_end_s = min(end_s + left_s, end_s * 4)
        axes.plot([end_s, end_s + left_s], [arrived, plan], color=QUIET, linestyle=":", linewidth=1.6)
        title += f"; {format_seconds(left_s)} more at this rate"
    axes.set_ylim(0, plan * 1.12)
    axes.yaxis.set_major_formatter(lambda value, _: format_bytes(value))
    axes.grid(axis="y", color=FAINT)
    _working_time_axis(axes, run, axes_end_s)
    put_title(axes, title)
    rows = [[round(float(second), 3), int(total), int(plan)] for second, total in zip(times, totals, strict=True)]
    return Drawing(figure, columns, rows)


def _late_rate(times: Any, totals: Any, end_s: float) -> float:
    """Return the bytes per second of the last third of the time, or of all of it where nothing arrived then."""
    since_s = end_s * 2 / 3
    before = float(totals[np.searchsorted(times, since_s) - 1]) if times[0] < since_s else 0.0
    late = (float(totals[-1]) - before) / (end_s - since_s)
    return late if late > 0 else float(totals[-1]) / end_s


def _working_time_axis(axes: Any, run: Run, end_s: float) -> None:
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


def _end_s(run: Run) -> float:
    ends = run.attempts[["begin_s", "finish_s"]].max().max()
    return 0.0 if np.isnan(ends) else float(ends)


def _moved(run: Run, step: str) -> float:
    return float(run.attempts.loc[run.attempts["step"] == step, "bytes_moved"].fillna(0).sum())


def _nothing(title: str, columns: list[str]) -> Drawing:
    return nothing_to_draw(title, f"{title}; so there is nothing to draw.", columns)
