"""What happened when: throughput, jobs at once, and how far the bytes have come."""

from typing import Any

import numpy as np

from ferry.chain import DOWNLOAD_STEP, PACKAGE_STEP, UPLOAD_STEP
from ferry.report.evidence import TO_STAGE
from ferry.report.figures.style import (
    FAINT,
    INK,
    OUTCOMES,
    QUIET,
    STEPS,
    Drawing,
    new_figure,
    put_title,
)
from ferry.report.figures.tables import MOVING_STEPS, Run, are_to_go, are_to_stage
from ferry.report.figures.time_axis import end_of, late_rate, nothing_yet, working_time_axis
from ferry.report.figures.working_time import arrived_bytes, bin_edges, bytes_per_second, jobs_at_once, slots_of
from ferry.text.formatting import format_bytes, format_seconds, plural

_JOBS = {DOWNLOAD_STEP: "download", PACKAGE_STEP: "packing", UPLOAD_STEP: "upload"}


def throughput(run: Run) -> Drawing:
    """Draw bytes per second of downloading and of uploading over the working time."""
    columns = ["step", "second", "bytes_per_s"]
    steps = [step for step in (DOWNLOAD_STEP, UPLOAD_STEP) if _moved(run, step) > 0]
    end_s = end_of(run)
    if not steps or not end_s:
        return nothing_yet("No byte went over the network", columns)
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
    working_time_axis(axes[-1, 0], run, end_s)
    axes[0, 0].set_title(" and ".join(said)[0].upper() + " and ".join(said)[1:] + " on average")
    return Drawing(figure, columns, rows)


def concurrency(run: Run) -> Drawing:
    """Draw how many jobs of each moving step ran at once, against the caps of the profile."""
    columns = ["step", "second", "jobs_at_once", "slots_at_once", "cap"]
    end_s = end_of(run)
    steps = [step for step in MOVING_STEPS if (run.attempts["step"] == step).any()]
    if not steps or not end_s:
        return nothing_yet("No job has moved bytes yet", columns)
    edges = bin_edges(end_s, most=240)
    figure, axes = new_figure(rows=len(steps), height=1.0 + 1.25 * len(steps), sharex=True, squeeze=False)
    rows: list[list[Any]] = []
    peaks, broken = [], []
    for panel, step in zip(axes[:, 0], steps, strict=True):
        chosen = run.attempts[run.attempts["step"] == step]
        counts = jobs_at_once(chosen, edges)
        weights = slots_of(run, chosen) if step == UPLOAD_STEP else None
        slots = counts if weights is None else jobs_at_once(chosen, edges, weights=weights)
        colour, _ = STEPS[step]
        panel.stairs(slots, edges, fill=True, color=colour, alpha=0.75)
        cap = run.caps.get(step)
        top = int(slots.max())
        if cap:
            panel.axhline(cap, color=OUTCOMES["failed"], linewidth=1, linestyle="--")
            panel.annotate(f"cap {cap}", (1, cap), xycoords=("axes fraction", "data"), xytext=(4, 0), va="center",
                           textcoords="offset points", fontsize=8, color=OUTCOMES["failed"])  # fmt: skip
            if top > cap:
                broken.append(step)
        panel.set_ylim(0, max(top, cap or 0) * 1.3)
        panel.set_ylabel(step if weights is None else f"{step}\n(slots)", fontsize=8)
        panel.yaxis.get_major_locator().set_params(integer=True)
        panel.grid(axis="y", color=FAINT)
        peaks.append(plural(int(counts.max()), _JOBS[step]) + ("" if weights is None else f" ({plural(top, 'slot')})"))
        rows += [
            [step, round(second, 3), int(count), int(slot), cap]
            for second, count, slot in zip(edges, counts, slots, strict=False)
        ]
    working_time_axis(axes[-1, 0], run, end_s)
    kept = [step for step in steps if run.caps.get(step)]
    verdict = f"; above the cap: {', '.join(broken)}" if broken else "; the caps were kept" if kept else ""
    put_title(axes[0, 0], "At most " + ", ".join(peaks) + " at once" + verdict)
    return Drawing(figure, columns, rows)


def bytes_against_plan(run: Run) -> Drawing:
    """Draw how the bytes of uploaded records grew, against all that are wanted, and when that would be reached."""
    columns = ["second", "bytes_arrived", "bytes_wanted"]
    known = run.stats["source_bytes"].dropna()
    unknown = len(run.stats) - len(known)
    amounts = run.stats["source_bytes"].astype(float).fillna(float(known.mean()) if len(known) else 0.0)
    plan = float(amounts.sum())
    times, totals = arrived_bytes(run.stats, run.attempts)
    if not len(times) or not plan:
        return nothing_yet("No bytes have arrived yet", columns)
    end_s = max(end_of(run), float(times[-1]))
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
    missing = amounts[~(run.stats["bytes_uploaded"] > 0)]
    to_go = float(missing[are_to_go(run.stats)].sum())
    title = f"{format_bytes(arrived)} of {format_bytes(plan)} arrived in {format_seconds(end_s)} of working time"
    axes_end_s = end_s
    for which, how in ((run.stats["status"] == "failed", "failed"), (are_to_stage(run.stats), TO_STAGE)):
        title += f"; {format_bytes(lost)} {how}" if (lost := float(missing[which].sum())) else ""
    if to_go and (rate := late_rate(times, totals, end_s)) > 0:
        left_s = to_go / rate
        axes_end_s = min(end_s + left_s, end_s * 4)
        axes.plot([end_s, end_s + left_s], [arrived, arrived + to_go], color=QUIET, linestyle=":", linewidth=1.6)
        title += f"; {format_seconds(left_s)} more at this rate for {format_bytes(to_go)} to go"
    axes.set_ylim(0, plan * 1.12)
    axes.yaxis.set_major_formatter(lambda value, _: format_bytes(value))
    axes.grid(axis="y", color=FAINT)
    working_time_axis(axes, run, axes_end_s)
    put_title(axes, title)
    rows = [[round(float(second), 3), int(total), int(plan)] for second, total in zip(times, totals, strict=True)]
    return Drawing(figure, columns, rows)


def _moved(run: Run, step: str) -> float:
    return float(run.attempts.loc[run.attempts["step"] == step, "bytes_moved"].fillna(0).sum())
