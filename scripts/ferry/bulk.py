"""Thousands of records in parts, each by a run of its own: Snakemake's time and memory grow with the jobs it plans."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ferry.wanted import Wanted

PART_OF_BULK = "FERRY_PART_OF_BULK"
"""Set in the environment of a run that is followed by others: the tables are made at the end of all."""


def parts_to_go(wanted: Wanted, *, results_dir: Path, most: int) -> Iterator[list[int]]:
    """Yield the records that have not arrived in the order in which they should go, `most` at a time, each once."""
    to_go = [recid for recid in wanted.in_order() if not has_arrived(recid, results_dir)]
    for first in range(0, len(to_go), most):
        yield to_go[first : first + most]


def has_arrived(recid: int, results_dir: Path) -> bool:
    """Tell whether the record's stats say so."""
    try:
        return bool(json.loads((results_dir / str(recid) / "stats.json").read_bytes())["status"] == "ok")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def run_in_parts(
    wanted: Wanted,
    *,
    results_dir: Path,
    most: int,
    run_part: Callable[[Sequence[str]], int],
    run_all: Callable[[], int],
) -> int:
    """Run each part and at last all of it, for the tables and for what failed once more; return the last status.

    What is one part only is run as all at once. A part that fails does not stop the next, unless nothing of it
    arrived: then the fault is not one of its records.

    Args:
        wanted: all records.
        results_dir: where they leave their stats.
        most: records of a part.
        run_part: runs Snakemake for these targets; returns its status.
        run_all: runs it for all that the configuration asks for.
    """
    parts = list(parts_to_go(wanted, results_dir=results_dir, most=most))
    for recids in parts if len(parts) > 1 else []:
        status = run_part([f"results/{recid}/stats.json" for recid in recids])
        if status and not any(has_arrived(recid, results_dir) for recid in recids):
            return status
    return run_all()
