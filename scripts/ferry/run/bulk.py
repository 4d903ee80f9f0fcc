"""Thousands of records in parts, each by a run of its own: Snakemake's time and memory grow with the jobs it plans."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ferry.chain import has_arrived
from ferry.flags import STOPPED, RunFlags
from ferry.run.run import read_run
from ferry.run.selection import Selection
from ferry.run.settings_files import is_outdated_in
from ferry.run.step import ATTEMPTS_FILE

PART_OF_BULK = "FERRY_PART_OF_BULK"
"""Set in the environment of a run that is followed by others: the tables are made at the end of all."""


def parts_to_go(
    wanted: Selection, *, results_dir: Path, most: int, publish: bool, settings: Mapping[str, str]
) -> Iterator[list[int]]:
    """Yield the records that have something to do in the order in which they should go, `most` at a time, each once.

    These are those that have not arrived (with `publish`, a draft has not), and those that were made with other
    settings than the present ones, whose names `settings` has by part.
    """

    def is_to_go(record_dir: Path) -> bool:
        return not has_arrived(record_dir, publish=publish) or is_outdated_in(record_dir, settings)

    to_go = [recid for recid in wanted.in_order() if is_to_go(results_dir / str(recid))]
    for first in range(0, len(to_go), most):
        yield to_go[first : first + most]


class MadeProgress:
    """Whether runs get on: one that could not begin, or that was stopped, will fare no better with other records."""

    def __init__(self, *, attempts: Path = ATTEMPTS_FILE) -> None:
        """Begin to look; each call tells of the time since the last one."""
        self._attempts = attempts
        self._seen_bytes = self._bytes()

    def __call__(self) -> bool:
        """Tell whether anything was tried since, by a run that nothing stopped."""
        before, self._seen_bytes = self._seen_bytes, self._bytes()
        return self._seen_bytes != before and RunFlags(run_id=read_run().run_id).get(STOPPED) is None

    def _bytes(self) -> int:
        return self._attempts.stat().st_size if self._attempts.exists() else 0


def run_in_parts(
    wanted: Selection,
    *,
    results_dir: Path,
    most: int,
    publish: bool,
    settings: Mapping[str, str],
    run_part: Callable[[Sequence[str]], int],
    run_all: Callable[[], int],
    made_progress: Callable[[], bool],
) -> int:
    """Run each part and at last all of it, for the tables and for what failed once more; return the last status.

    What is one part only is run as all at once. Records that fail do not stop the next part; a run that does not get
    on does.

    Args:
        wanted: all records.
        results_dir: where they leave their stats.
        most: records of a part.
        publish: whether records go on from a draft.
        settings: name of the present settings by part, as in results/settings.
        run_part: runs Snakemake for these targets; returns its status.
        run_all: runs it for all that the configuration asks for.
        made_progress: tells of a part that failed whether others may fare better.
    """
    parts = list(parts_to_go(wanted, results_dir=results_dir, most=most, publish=publish, settings=settings))
    for recids in parts if len(parts) > 1 else []:
        status = run_part([f"results/{recid}/stats.json" for recid in recids])
        if status and not made_progress():
            return status
    return run_all()
