"""Curves over the working time of a run: bytes per second, jobs at once, bytes arrived. Numbers only."""

import numpy as np
import pandas as pd

from ferry.chain import LAST_STEP, UPLOAD_STEP, upload_slots
from ferry.report.figures.tables import Run

type Curve = "np.ndarray[tuple[int], np.dtype[np.float64]]"

_NICE_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)


def bin_edges(end_s: float, *, most: int = 160) -> Curve:
    """Return the edges of at most `most` bins of a round width that cover 0 to `end_s` seconds."""
    width = next((width for width in _NICE_S if end_s / width <= most), max(end_s / most, _NICE_S[-1]))
    count = max(1, int(np.ceil(end_s / width - 1e-9)))
    return np.arange(count + 1, dtype=float) * width


def bytes_per_second(attempts: pd.DataFrame, edges: Curve) -> Curve:
    """Return the mean rate within each bin; the bytes of an attempt are spread evenly over its time."""
    return np.asarray(spread(attempts[attempts["duration_s"] > 0], "bytes_moved", edges) / np.diff(edges))


def jobs_at_once(attempts: pd.DataFrame, edges: Curve, *, weights: "pd.Series[int] | None" = None) -> Curve:
    """Return the largest number of jobs at once within each bin; an end goes before a start of the same moment.

    weights: how many each job counts for; None: one.
    """
    ended = attempts.dropna(subset=["begin_s", "finish_s"])
    ones = np.ones(len(ended), int) if weights is None else weights.loc[ended.index].to_numpy(int)
    times = np.concatenate([ended["finish_s"].to_numpy(float), ended["begin_s"].to_numpy(float)])
    changes = np.concatenate([-ones, ones])
    order = np.lexsort((changes, np.round(times, 3)))  # the wall clock is written down in milliseconds
    times, counts = times[order], np.cumsum(changes[order])
    most = np.zeros(len(edges) - 1)
    for number in range(len(most)):
        first, last = np.searchsorted(times, edges[number : number + 2])
        before = counts[first - 1] if first else 0
        most[number] = max(before, counts[first:last].max(initial=0))
    return most


def arrived_bytes(run_stats: pd.DataFrame, attempts: pd.DataFrame) -> tuple[Curve, Curve]:
    """Return when records had been uploaded (seconds, ascending) and how many bytes had arrived by then."""
    done = attempts[(attempts["step"] == UPLOAD_STEP) & (attempts["status"] == "ok")]
    last = done.groupby("recid")["finish_s"].max().sort_values()
    records = run_stats.drop_duplicates("recid").set_index("recid")
    sizes = records.loc[records["bytes_uploaded"] > 0, "source_bytes"].fillna(0)
    last = last[last.index.isin(sizes.index)]
    return last.to_numpy(float), np.cumsum(sizes.loc[last.index].to_numpy(float))


def records_through(attempts: pd.DataFrame) -> Curve:
    """Return when records were through for good (seconds, ascending): at the end of their last step."""
    done = attempts[(attempts["step"] == LAST_STEP) & (attempts["status"] == "ok")]
    return done.groupby("recid")["finish_s"].max().sort_values().to_numpy(float)


def spread(attempts: pd.DataFrame, column: str, edges: Curve) -> Curve:
    """Return how much of a column falls into each bin; that of an attempt is spread evenly over its time."""
    some = attempts[(attempts[column] > 0) & attempts["finish_s"].notna()]
    begin, finish = some["begin_s"].to_numpy(float), some["finish_s"].to_numpy(float)
    lasted = np.maximum(finish - begin, 1e-9)
    rate = some[column].to_numpy(float) / lasted
    total = np.array([float(np.sum(rate * np.clip(edge - begin, 0, lasted))) for edge in edges])
    return np.asarray(np.diff(total))


def slots_of(run: Run, uploads: pd.DataFrame) -> "pd.Series[int] | None":
    """Return how many slots each attempt at an upload took; None where it is not known how they are counted."""
    if run.slots is None:
        return None
    records = run.stats.drop_duplicates("recid").set_index("recid")
    sizes = records["bytes_uploaded"].where(records["bytes_uploaded"] > 0, records["source_bytes"]).fillna(0)
    of_each = [upload_slots(int(size), **run.slots) for size in uploads["recid"].map(sizes).fillna(0)]
    return pd.Series(of_each, index=uploads.index, dtype="int64")
