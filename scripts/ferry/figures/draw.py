"""The figures of a run, from its tables."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ferry.figures.sankey import draw_sankey, paths_of
from ferry.figures.style import COLOURS, OUTCOMES, QUIET, bytes_text, new_figure, save

Row = Mapping[str, Any]
STAGES = {
    "experiment": "experiment",
    "type": "type",
    "category": "category",
    "packaging": "packaging",
    "status": "outcome",
}
MOVING_STEPS = ("download_files", "package_files", "upload_record")


def draw_figures(*, results_dir: Path, out_dir: Path) -> None:
    """Draw every figure from stats.parquet and attempts.parquet of `results_dir`.

    Raises:
        FileNotFoundError: the tables are not there yet.
    """
    from pyarrow import parquet  # type: ignore[import-untyped]  # noqa: PLC0415 - only where tables are read

    stats = parquet.read_table(results_dir / "stats.parquet").to_pylist()
    attempts = parquet.read_table(results_dir / "attempts.parquet").to_pylist()
    for draw in FIGURES.values():
        draw(stats, attempts, out_dir)


def records_by_outcome(stats: Sequence[Row], attempts: Sequence[Row], out_dir: Path) -> None:  # noqa: ARG001
    """Draw how many records of which kind went which way."""
    _sankey(stats, out_dir, name="records_by_outcome", amount=lambda _row: 1, unit="records", text=lambda n: f"{n:.0f}")


def bytes_by_outcome(stats: Sequence[Row], attempts: Sequence[Row], out_dir: Path) -> None:  # noqa: ARG001
    """Draw how many bytes of which kind went which way."""
    _sankey(
        stats,
        out_dir,
        name="bytes_by_outcome",
        amount=lambda row: row["source_bytes"] or 0,
        unit="bytes",
        text=bytes_text,
    )


def _sankey(
    stats: Sequence[Row],
    out_dir: Path,
    *,
    name: str,
    amount: Callable[[Row], float],
    unit: str,
    text: Callable[[float], str],
) -> None:
    rows = [
        {
            "experiment": row["experiment"],
            "type": row["type_secondary"] or row["type_primary"],
            "category": row["category"],
            "packaging": _packaging(row),
            "status": row["status"],
        }
        for row in stats
    ]
    flows = paths_of(
        [{**kind, "row": row} for kind, row in zip(rows, stats, strict=True)], list(STAGES), lambda r: amount(r["row"])
    )
    figure, axes = new_figure(height=5)
    total = sum(flows.values())
    done = sum(value for path, value in flows.items() if path[-1] == "ok")
    axes.set_title(
        f"{text(done)} of {text(total)} {unit if unit == 'records' else ''} arrived and are proven".replace("  ", " ")
    )
    if total:
        draw_sankey(axes, flows, stages=list(STAGES.values()), text=text)
    else:
        axes.set_axis_off()
    save(
        figure,
        out_dir=out_dir,
        name=name,
        columns=[*STAGES.values(), unit],
        rows=[[*path, value] for path, value in sorted(flows.items())],
    )


def _packaging(row: Row) -> str:
    if not row["file_count"]:
        return "no files"
    if row["zip_used"] is None:
        return "not packed"
    return "zip" if row["zip_used"] else "loose files"


def time_by_step(stats: Sequence[Row], attempts: Sequence[Row], out_dir: Path) -> None:
    """Draw where the time went."""
    seconds: Counter[str] = Counter()
    for attempt in attempts:
        seconds[attempt["step"]] += attempt["duration_s"] or 0
    figure, axes = new_figure(height=3.2)
    steps = sorted(seconds, key=lambda step: seconds[step])
    axes.barh(steps, [seconds[step] for step in steps], color=COLOURS[0])
    for step in steps:
        axes.text(seconds[step], step, f" {seconds[step]:.1f} s", va="center", fontsize=8)
    slowest = steps[-1] if steps else "no step"
    axes.set_title(f"Most of the time of {len(stats)} records went into {slowest}")
    axes.set_xlabel("seconds, added up over all attempts")
    save(
        figure,
        out_dir=out_dir,
        name="time_by_step",
        columns=["step", "seconds"],
        rows=[[step, round(seconds[step], 3)] for step in reversed(steps)],
    )


def duration_by_size(stats: Sequence[Row], attempts: Sequence[Row], out_dir: Path) -> None:  # noqa: ARG001
    """Draw how long a record took against its size, and name the slow ones."""
    points = [row for row in stats if row["duration_s"] and row["source_bytes"]]
    figure, axes = new_figure()
    for status, colour in OUTCOMES.items():
        chosen = [row for row in points if row["status"] == status]
        if chosen:
            axes.scatter(
                [row["source_bytes"] for row in chosen],
                [row["duration_s"] for row in chosen],
                s=26,
                color=colour,
                marker="x" if status == "failed" else "o",
                label=status,
            )
    slow = sorted(points, key=lambda row: -row["duration_s"])[:5]
    for row in slow:
        axes.annotate(
            str(row["recid"]),
            (row["source_bytes"], row["duration_s"]),
            fontsize=8,
            xytext=(5, 4),
            textcoords="offset points",
        )
    if points:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend()
    axes.set_xlabel("bytes of the record")
    axes.set_ylabel("seconds of work")
    axes.set_title(f"The slowest record is {slow[0]['recid']}" if slow else "No record has moved bytes yet")
    save(
        figure,
        out_dir=out_dir,
        name="duration_by_size",
        columns=["recid", "status", "bytes", "seconds"],
        rows=[[row["recid"], row["status"], row["source_bytes"], row["duration_s"]] for row in points],
    )


def concurrency(stats: Sequence[Row], attempts: Sequence[Row], out_dir: Path) -> None:  # noqa: ARG001
    """Draw how many jobs of each moving step ran at once, from their logged starts and ends."""
    figure, axes = new_figure(height=3.6)
    rows: list[list[Any]] = []
    peaks = []
    begin = min((attempt["started_at"] for attempt in attempts), default=None)
    for number, step in enumerate(MOVING_STEPS):
        changes = jobs_over_time(attempts, step)
        if not changes or begin is None:
            continue
        peaks.append(f"{step} {max(count for _, count in changes)}")
        times = [(moment - begin).total_seconds() for moment, _ in changes]
        counts = [count for _, count in changes]
        axes.step(times, counts, where="post", color=COLOURS[number], linestyle=("-", "--", ":")[number], label=step)
        rows += [[step, round(time, 3), count] for time, count in zip(times, counts, strict=True)]
    axes.set_title("At once at most: " + ", ".join(peaks) if peaks else "No job has moved bytes yet")
    axes.set_xlabel("seconds since the first job")
    axes.set_ylabel("jobs at once")
    axes.grid(axis="y", color=QUIET, alpha=0.3)
    if peaks:
        axes.legend()
    save(figure, out_dir=out_dir, name="concurrency", columns=["step", "second", "jobs"], rows=rows)


def jobs_over_time(attempts: Sequence[Row], step: str) -> list[tuple[datetime, int]]:
    """Return when the number of jobs of a step changed, and to what; an end goes before a start of the same time."""
    changes = []
    for attempt in attempts:
        if attempt["step"] == step and attempt["ended_at"] is not None:
            changes += [(attempt["started_at"], 1), (attempt["ended_at"], -1)]
    count, counted = 0, []
    for moment, change in sorted(changes):
        count += change
        counted.append((moment, count))
    return counted


def failures(stats: Sequence[Row], attempts: Sequence[Row], out_dir: Path) -> None:  # noqa: ARG001
    """Draw at which step and by which kind of error records failed."""
    counts = Counter(
        (row["step"] or "unknown", row["error_type"] or "killed") for row in stats if row["status"] == "failed"
    )
    figure, axes = new_figure(height=2.2 + 0.3 * len(counts))
    names = [f"{step}: {kind}" for (step, kind), _ in counts.most_common()][::-1]
    axes.barh(names, [count for _, count in counts.most_common()][::-1], color=OUTCOMES["failed"])
    axes.set_xlabel("records")
    axes.set_title(f"{sum(counts.values())} of {len(stats)} records failed")
    axes.xaxis.get_major_locator().set_params(integer=True)
    save(
        figure,
        out_dir=out_dir,
        name="failures",
        columns=["step", "error_type", "records"],
        rows=[[*key, count] for key, count in counts.most_common()],
    )


FIGURES: dict[str, Callable[[Sequence[Row], Sequence[Row], Path], None]] = {
    "records_by_outcome": records_by_outcome,
    "bytes_by_outcome": bytes_by_outcome,
    "time_by_step": time_by_step,
    "duration_by_size": duration_by_size,
    "concurrency": concurrency,
    "failures": failures,
}
"""Every figure by the name of its files."""
