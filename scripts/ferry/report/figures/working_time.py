"""Curves over the working time of a run: bytes per second, jobs at once, bytes arrived. Numbers only."""

import numpy as np
import pandas as pd

from ferry.chain import UPLOAD_STEP

type Curve = "np.ndarray[tuple[int], np.dtype[np.float64]]"

_NICE_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)


def bin_edges(end_s: float, *, most: int = 160) -> Curve:
    """Return the edges of at most `most` bins of a round width that cover 0 to `end_s` seconds."""
    width = next((width for width in _NICE_S if end_s / width <= most), max(end_s / most, _NICE_S[-1]))
    count = max(1, int(np.ceil(end_s / width - 1e-9)))
    return np.arange(count + 1, dtype=float) * width


def bytes_per_second(attempts: pd.DataFrame, edges: Curve) -> Curve:
    """Return the mean rate within each bin; the bytes of an attempt are spread evenly over its time."""
    moved = attempts[(attempts["bytes_moved"] > 0) & (attempts["duration_s"] > 0)]
    begin, finish = moved["begin_s"].to_numpy(float), moved["finish_s"].to_numpy(float)
    rate = moved["bytes_moved"].to_numpy(float) / np.maximum(finish - begin, 1e-9)
    total = np.array([float(np.sum(rate * np.clip(edge - begin, 0, finish - begin))) for edge in edges])
    return np.asarray(np.diff(total) / np.diff(edges))


def jobs_at_once(attempts: pd.DataFrame, edges: Curve) -> Curve:
    """Return the largest number of jobs at once within each bin; an end goes before a start of the same moment."""
    ended = attempts.dropna(subset=["begin_s", "finish_s"])
    times = np.concatenate([ended["finish_s"].to_numpy(float), ended["begin_s"].to_numpy(float)])
    changes = np.concatenate([np.full(len(ended), -1), np.full(len(ended), 1)])
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
