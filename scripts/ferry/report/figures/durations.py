"""Where the time went: by step, and by record against its size."""

from typing import Any

import numpy as np
import pandas as pd

from ferry.report.evidence import ON_TAPE, TO_STAGE
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
from ferry.report.figures.tables import Run, looks_of
from ferry.text.formatting import format_bytes, format_seconds, plural

_NAMED = 6
_CROWDED = 2000
_TICKS_S = (0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 86400, 864000)
_SLOW = 2
"""Times the median of records of like size, from which on a record is called slow."""


def time_by_step(run: Run) -> Drawing:
    """Draw how the seconds of all attempts spread over the steps, and how much of them was lost or waited."""
    columns = ["step", "attempts", "seconds", "seconds_in_failed_attempts", "rate_wait_s", "median_s", "p95_s"]
    ended = run.attempts.dropna(subset=["duration_s"])
    rows: list[list[Any]] = []
    for step in STEPS:
        chosen = ended[ended["step"] == step]
        if len(chosen):
            seconds = chosen["duration_s"]
            lost = float(seconds[(chosen["status"] != "ok") & (chosen["error_type"] != ON_TAPE)].sum())
            waited = float(chosen["rate_wait_s"].fillna(0).sum())
            spread = [float(seconds.quantile(share)) for share in (0.5, 0.95)]
            rows.append([step, len(chosen), *(round(n, 3) for n in (float(seconds.sum()), lost, waited, *spread))])
    if not rows:
        return nothing_to_draw("No step has ended yet", "No step has ended yet.", columns)
    figure, axes = new_figure(height=1.2 + 0.42 * len(rows))
    largest = max(row[2] for row in rows)
    for place, (step, count, seconds, lost, waited, median, late) in enumerate(rows):
        axes.barh(place, seconds, height=0.6, color=STEPS[step][0])
        axes.barh(place, lost, left=seconds - lost, height=0.6, color=OUTCOMES["failed"])
        note = f"{format_seconds(seconds)}   median {format_seconds(median)}, 95 % below {format_seconds(late)}"
        note += f", {plural(count, 'attempt')}"
        note += f", {format_seconds(waited)} at the rate limit" if waited >= 0.1 else ""
        axes.text(seconds + largest * 0.01, place, note, va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, largest * 1.75)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    whole, lost = sum(row[2] for row in rows), sum(row[3] for row in rows)
    longest = max(rows, key=lambda row: row[2])
    axes.set_title(
        f"{longest[2] / whole:.0%} of {format_seconds(whole)} of work went into {longest[0]}"
        if whole
        else "No time was spent"
    )
    if lost:
        note = f"dark end of a bar: attempts that failed, {format_seconds(lost)}"
        axes.set_xlabel(note, loc="left", color=OUTCOMES["failed"])
    return Drawing(figure, columns, rows)


def duration_by_size(run: Run) -> Drawing:
    """Draw how long each record took against its size; named are those that are far from their like."""
    columns = ["recid", "status", "source_bytes", "duration_s", "times_the_median_of_its_size"]
    points = run.stats[(run.stats["duration_s"] > 0) & (run.stats["source_bytes"] > 0)].copy()
    if points.empty:
        why = "Records without files or without a known size are not drawn."
        return nothing_to_draw("No record with files has been worked on yet", why, columns)
    middle_x, middle_y = _median_curve(points[points["status"] == "ok"] if (points["status"] == "ok").any() else points)
    points["ratio"] = points["duration_s"] / _expected_s(points["source_bytes"].to_numpy(float), middle_x, middle_y)
    figure, axes = new_figure(height=5.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    crowded = len(points) > _CROWDED
    looks = looks_of(points)
    kinds = (("ok", "o", 16), ("unverified", "D", 16), ("skipped", "s", 16), (TO_STAGE, "^", 16), ("failed", "X", 40))
    for status, marker, size in kinds:
        chosen = points[looks == status]
        if len(chosen):
            axes.scatter(
                chosen["source_bytes"].astype(float),
                chosen["duration_s"],
                s=size / 3 if crowded else size,
                color=OUTCOMES[status],
                marker=marker,
                label=f"{status} ({len(chosen):,})",
                edgecolors=INK,
                linewidths=0 if crowded else 0.3,
                rasterized=crowded,
                zorder=3,
            )
    if len(middle_x) > 1:
        axes.plot(middle_x, middle_y, color=INK, linewidth=1, linestyle="--", label="median by size", zorder=4)
    slow = points[(points["ratio"] >= _SLOW) & (points["status"] == "ok")].nlargest(_NAMED, "ratio")
    low, high = axes.get_ylim()
    low, high = low / 1.3, high * 1.6
    axes.set_ylim(low, high)
    longest = points.nlargest(1, "duration_s")
    longest_far = longest[(longest["ratio"] >= _SLOW) | (longest["ratio"] <= 1 / _SLOW)]
    named = pd.concat([slow, longest_far[~longest_far["recid"].isin(slow["recid"])]])
    _name_points(axes, named, gap=float(np.log(high / low)) / 30)
    axes.xaxis.set_major_formatter(lambda value, _: format_bytes(value))
    ticks = [tick for tick in _TICKS_S if low <= tick <= high]
    if len(ticks) > 1:
        axes.set_yticks(ticks, [format_seconds(tick) for tick in ticks])
    else:
        axes.yaxis.set_major_formatter(lambda value, _: format_seconds(value))
    axes.set_yticks([], minor=True)
    axes.xaxis.set_minor_formatter("")
    axes.grid(color=FAINT)
    axes.set_xlabel("size of the record")
    axes.set_ylabel("time of work")
    axes.legend(loc="upper left")
    last = longest.iloc[0]
    title = f"Longest: record {last['recid']}, {format_seconds(last['duration_s'])}"
    count = int(((points["ratio"] >= _SLOW) & (points["status"] == "ok")).sum())
    if count:
        title += f"; {plural(count, 'record')} took at least {_SLOW} times the median of their size"
    put_title(axes, title)
    rows = points[["recid", "status", "source_bytes", "duration_s", "ratio"]].round({"duration_s": 3, "ratio": 2})
    return Drawing(figure, columns, rows.to_numpy(object).tolist())


def _median_curve(points: pd.DataFrame) -> tuple[Any, Any]:
    """Return sizes and the median seconds of the records around each; groups of 7 records or more, 12 at most."""
    ordered = points.sort_values("source_bytes")
    groups = max(1, min(12, len(ordered) // 7))
    parts = np.array_split(np.arange(len(ordered)), groups)
    sizes = [float(ordered["source_bytes"].iloc[part].median()) for part in parts]
    seconds = [float(ordered["duration_s"].iloc[part].median()) for part in parts]
    keep = [n for n in range(groups) if n == 0 or sizes[n] > sizes[n - 1]]
    return np.array(sizes)[keep], np.array(seconds)[keep]


def _expected_s(sizes: Any, middle_x: Any, middle_y: Any) -> Any:
    """Return the median seconds of records of these sizes; beyond the largest group time grows as size does."""
    inside = np.exp(np.interp(np.log(sizes), np.log(middle_x), np.log(middle_y)))
    return inside * np.maximum(sizes / middle_x[-1], 1.0)


def _name_points(axes: Any, slow: pd.DataFrame, *, gap: float) -> None:
    """Write the recid beside each point; names are pushed apart upwards where they would lie on each other."""
    taken: list[float] = []
    for _, row in slow.sort_values("duration_s").iterrows():
        y = float(np.log(row["duration_s"]))
        while any(abs(y - other) < gap for other in taken):
            y += gap / 5
        taken.append(y)
        axes.annotate(
            f"{row['recid']} ({row['ratio']:.1f}x)", (float(row["source_bytes"]), row["duration_s"]),
            xytext=(1.012, float(np.exp(y))), textcoords=("axes fraction", "data"), fontsize=8, va="center",
            annotation_clip=False, arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.6, "shrinkB": 3},
        )  # fmt: skip
