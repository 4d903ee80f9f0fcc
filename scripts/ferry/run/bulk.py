"""Thousands of records in parts, each by a run of its own: Snakemake's time and memory grow with the jobs it plans."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ferry.chain import has_arrived
from ferry.flags import STOPPED, WAS_HELD, WENT_ON, RunFlags
from ferry.run.run import read_run
from ferry.run.selection import Selection
from ferry.run.settings_files import is_outdated_in
from ferry.run.step import ATTEMPTS_FILE

PART_OF_BULK = "FERRY_PART_OF_BULK"
"""Set in the environment of a run that is followed by others: the tables are made at the end of all."""
GOES_ON = "FERRY_GOES_ON"
"""Set in that of a run which comes after others of the same bulk run, to the ids of these.

A repository that does not answer now did so before; what has failed for good is not tried again.
"""


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
        return self._seen_bytes != before and _flags().get(STOPPED) is None

    def _bytes(self) -> int:
        return self._attempts.stat().st_size if self._attempts.exists() else 0


class AnotherRun:
    """Whether one more run may help what the last one failed for want of an answer, which may be given by now."""

    def __init__(self, *, give_up_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Call it over once it has lasted for so long."""
        self._give_up_after_s, self._clock = give_up_after_s, clock
        self._since: float | None = None

    def may_help(self) -> bool:
        """Tell whether the run that has just ended failed anything for that, and not for too long yet."""
        flags = _flags()
        if flags.get(WAS_HELD) is None:
            return False
        now = self._clock()
        if self._since is None or flags.get(WENT_ON) is not None:
            self._since = now
        return now - self._since < self._give_up_after_s


def _flags() -> RunFlags:
    return RunFlags(run_id=read_run().run_id)


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
    may_help: Callable[[], bool],
) -> int:
    """Run each part and at last all of it, for the tables and once more for what may pass; return the last status.

    What is one part only is run as all at once. Records that fail do not stop the next part; a run that does not get
    on does. What failed in the last one for what did not answer is run once more. No record is tried again that has
    failed for good: its jobs refuse that.

    Args:
        wanted: all records.
        results_dir: where they leave their stats.
        most: records of a part.
        publish: whether records go on from a draft.
        settings: name of the present settings by part, as in results/settings.
        run_part: runs Snakemake for these targets; returns its status.
        run_all: runs it for all that the configuration asks for.
        made_progress: tells of a run that failed whether others may fare better.
        may_help: tells of the last one whether another may help.
    """
    parts = list(parts_to_go(wanted, results_dir=results_dir, most=most, publish=publish, settings=settings))
    for recids in parts if len(parts) > 1 else []:
        status = run_part([f"results/{recid}/stats.json" for recid in recids])
        if not made_progress() and status:
            return status
    while (status := run_all()) and made_progress() and may_help():
        pass
    return status
