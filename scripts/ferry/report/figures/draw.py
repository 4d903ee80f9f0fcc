"""All figures of a run, from its tables."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ferry.report.figures.contents import files_and_sizes, metadata_coverage
from ferry.report.figures.course import records_over_time, waits_and_retries
from ferry.report.figures.durations import duration_by_size, time_by_step
from ferry.report.figures.failures import failures
from ferry.report.figures.flows import bytes_by_outcome, records_by_outcome
from ferry.report.figures.style import Drawing, in_style, save
from ferry.report.figures.tables import Run, read_run
from ferry.report.figures.timeline import bytes_against_plan, concurrency, throughput

FIGURES: dict[str, Callable[[Run], Drawing]] = {
    "records_by_outcome": records_by_outcome,
    "bytes_by_outcome": bytes_by_outcome,
    "failures": failures,
    "records_over_time": records_over_time,
    "throughput": throughput,
    "bytes_against_plan": bytes_against_plan,
    "concurrency": concurrency,
    "waits_and_retries": waits_and_retries,
    "time_by_step": time_by_step,
    "duration_by_size": duration_by_size,
    "files_and_sizes": files_and_sizes,
    "metadata_coverage": metadata_coverage,
}
"""Every figure by the name of its files."""


def draw_figures(
    *,
    results_dir: Path,
    out_dir: Path,
    caps: Mapping[str, int] | None = None,
    slots: Mapping[str, int] | None = None,
) -> None:
    """Draw every figure from stats.parquet, attempts.parquet and files.parquet of `results_dir`.

    `caps` is how many jobs of a step the profile lets run at once, for instance {"download_files": 4}. `slots` is
    how uploads are weighed: bytes_per_slot and max_slots.

    Raises:
        FileNotFoundError: the tables are not there yet.
    """
    run = read_run(results_dir, caps=caps, slots=slots)
    with in_style():
        for name, figure in FIGURES.items():
            save(figure(run), out_dir=out_dir, name=name)
