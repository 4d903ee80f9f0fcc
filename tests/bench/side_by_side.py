"""Two ways of doing the same thing, measured in turn in one run; what a benchmark prints and leaves behind.

A benchmark is a script `tests/bench/<name>.py` that makes its cases, calls `measure` for each and `report` at the end.
Ours and the other run alternately, so that what else the machine does falls on both.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RUNS = 5


@dataclass(frozen=True)
class Result:
    """One line of results/bench/<name>.json; ours and other are medians."""

    case: str
    ours: float
    other: float
    ratio: float
    """Above 1: ours is better."""
    unit: str
    runs: int
    machine: str
    goal: float | None = None


def measure(
    case: str,
    *,
    ours: Callable[[], object],
    other: Callable[[], object],
    before: Callable[[], object] = lambda: None,
    runs: int = RUNS,
    goal: float | None = None,
) -> Result:
    """Time both, in seconds of wall time, `runs` times in turn; a warm-up of each beforehand does not count.

    Args:
        case: its name.
        ours, other: what is timed. Each has to do all of its work anew and to raise if that failed.
        before: called before each of them, untimed: remove what the last one left.
        runs: how often each is timed.
        goal: the ratio that is aimed at; shown beside what was found.
    """
    taken: dict[Callable[[], object], list[float]] = {ours: [], other: []}
    for number in range(-1, runs):
        order = (ours, other) if number % 2 else (other, ours)
        for way in order:
            before()
            os.sync()
            elapsed_s = seconds(way)
            if number >= 0:
                taken[way].append(elapsed_s)
    return compared(case, ours=taken[ours], other=taken[other], unit="s", goal=goal)


def seconds(do: Callable[[], object]) -> float:
    """Return how long it took."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def compared(case: str, *, ours: Sequence[float], other: Sequence[float], unit: str, goal: float | None) -> Result:
    """Return the line of a case for figures of which smaller is better, and tell its ratio at once."""
    mine, theirs = statistics.median(ours), statistics.median(other)
    print(f"{case}: {theirs / mine:.2f}", file=sys.stderr, flush=True)
    return Result(
        case=case,
        ours=round(mine, 4),
        other=round(theirs, 4),
        ratio=round(theirs / mine, 3),
        unit=unit,
        runs=len(ours),
        machine=f"{os.cpu_count()} cores, {platform.platform(terse=True)}, Python {platform.python_version()}",
        goal=goal,
    )


def report(name: str, results: Sequence[Result]) -> None:
    """Print the results as a table and write results/bench/<name>.json."""
    path = Path("results/bench") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n", encoding="utf-8")
    width = max(len(result.case) for result in results)
    print(f"{'case':<{width}}  {'ours':>10}  {'other':>10}  {'ratio':>7}  {'goal':>5}  unit  runs")
    for result in results:
        goal = "" if result.goal is None else f"{result.goal:g}"
        print(
            f"{result.case:<{width}}  {result.ours:>10.3f}  {result.other:>10.3f}  {result.ratio:>7.2f}  {goal:>5}  "
            f"{result.unit:<4}  {result.runs}"
        )
    print(f"medians; ratio above 1: ours is better; written to {path}")
