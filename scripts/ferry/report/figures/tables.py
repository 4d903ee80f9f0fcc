"""The tables of a run as data frames, with the few columns that several figures need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ferry.chain import CHAIN
from ferry.report.evidence import ON_TAPE, TO_STAGE
from ferry.report.evidence import SKIPPED as LEFT_OUT
from ferry.report.tables import read_table

MOVING_STEPS = tuple(step.name for step in CHAIN if step.slots)
"""The steps whose time grows with bytes, and whose jobs the profile caps."""


@dataclass(frozen=True)
class Run:
    """What figures are drawn from.

    `stats` has one row per record, `attempts` one per attempt at a step, with `begin_s` and `finish_s`: seconds of
    working time since the first job, the time between two runs taken out. `pauses_s` are the places where it was.
    `file_sizes` are the sizes in bytes of the source files whose size is known. `caps` is the largest number of
    jobs at once that the profile allows a step.
    """

    stats: pd.DataFrame
    attempts: pd.DataFrame
    file_sizes: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    pauses_s: list[float] = field(default_factory=list)
    caps: Mapping[str, int] = field(default_factory=dict)
    slots: Mapping[str, int] | None = None
    """How uploads are weighed: bytes_per_slot and max_slots; None: not known."""


def looks_of(stats: pd.DataFrame) -> pd.Series:
    """Return of each record by which of the outcomes it is drawn: not proven and to be staged stand out."""
    is_proven = stats["verified_count"] >= stats["file_count"]
    looks = stats["status"].mask((stats["status"] == "ok") & ~is_proven, "unverified")
    return looks.mask(are_to_stage(stats), TO_STAGE)


def are_to_stage(stats: pd.DataFrame) -> "pd.Series[bool]":
    """Tell of each record whether it waits for its files, which are on tape."""
    return (stats["status"] == "skipped") & (stats["error_type"] == ON_TAPE)


def are_to_go(stats: pd.DataFrame) -> "pd.Series[bool]":
    """Tell of each record whether a run goes on with it: it did not fail, is not left out, and waits for no tape."""
    return (stats["status"] == "skipped") & ~stats["error_type"].isin([LEFT_OUT, ON_TAPE])


def read_run(
    results_dir: Path, *, caps: Mapping[str, int] | None = None, slots: Mapping[str, int] | None = None
) -> Run:
    """Read stats.parquet, attempts.parquet and one column of files.parquet.

    Raises:
        FileNotFoundError: the tables are not there; run the aggregate first.
    """
    attempts, pauses_s = on_working_time(_frame(results_dir / "attempts.parquet"))
    return Run(
        stats=_frame(results_dir / "stats.parquet"),
        attempts=attempts,
        file_sizes=_sizes(results_dir / "files.parquet"),
        pauses_s=pauses_s,
        caps=dict(caps or {}),
        slots=slots,
    )


def on_working_time(attempts: pd.DataFrame) -> tuple[pd.DataFrame, list[float]]:
    """Add `begin_s` and `finish_s` to ended attempts (others get none), and return where runs were joined.

    An attempt lasts as long as the monotonic clock says and begins when the wall clock says. Runs follow each
    other without the hours or days in between.
    """
    begin = pd.to_datetime(attempts["started_at"], utc=True)
    begin_s = (begin - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    frame = attempts.assign(begin_s=begin_s, finish_s=begin_s + attempts["duration_s"])
    placed: list[pd.DataFrame] = []
    pauses_s: list[float] = []
    offset_s = 0.0
    runs = sorted(frame.groupby("run_id", sort=False, dropna=False), key=lambda item: float(item[1]["begin_s"].min()))
    for _, run in runs:
        first, last = run["begin_s"].min(), run[["begin_s", "finish_s"]].max().max()
        if np.isnan(first):
            continue
        if placed:
            pauses_s.append(offset_s)
        shift = offset_s - first
        placed.append(run.assign(begin_s=run["begin_s"] + shift, finish_s=run["finish_s"] + shift))
        offset_s += last - first
    return (pd.concat(placed) if placed else frame), pauses_s


def _frame(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = read_table(path).to_pandas()
    words = {str(name): frame[name].astype(object) for name in frame.select_dtypes("category")}
    return frame.assign(**words)


def _sizes(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    column = read_table(path, columns=["size_bytes"])["size_bytes"].drop_null()
    return np.asarray(column, dtype=np.int64)
