"""What looks only and moves nothing (`plan`, `validate` …): its table on the terminal, its verdict as exit status."""

import sys
from collections.abc import Callable
from pathlib import Path

from ferry.errors import FerryError
from ferry.flags import FOUND_WRONG, RunFlags
from ferry.run.run import read_run
from ferry.run.step import write_log
from ferry.text.terminal import show, tell


def look(log_path: Path, ask: Callable[[], str]) -> None:
    """Print what is found, and note where something is not as it must be.

    That is no failure of the job: its table would stand among Snakemake's words on jobs that fail. The run fails at its
    end, for what is noted (`found_wrong`).
    """
    write_log(log_path)
    try:
        show(ask())
    except FerryError as error:
        tell(f"{error}\n", sys.stderr)
        RunFlags(run_id=read_run().run_id).set(FOUND_WRONG, "told on the terminal")


def found_wrong() -> bool:
    """Tell whether something has looked in this run and found what must not be."""
    return RunFlags(run_id=read_run().run_id).get(FOUND_WRONG) is not None
