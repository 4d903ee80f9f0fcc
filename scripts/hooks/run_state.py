"""What lives as long as a run in the process that is Snakemake, and what is known there of how it ends."""

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from ferry.run.breaker import CircuitBreaker
from ferry.run.progress import ProgressReporter

if TYPE_CHECKING:  # a dry run and the jobs of a cluster read the Snakefile too, and have none of these
    from hooks.script_jobs import ServedScripts
    from sandbox.launcher import Sandbox


@dataclass
class RunState:
    """Of one run; what it does not have, or not yet, is None."""

    only_looks: bool = False
    """It makes nothing but what its rules say of the records."""
    lock: IO[str] | None = None
    """Of the folder."""
    scripts: "ServedScripts | None" = None
    sandbox: "Sandbox | None" = None
    progress: ProgressReporter | None = None
    breaker: CircuitBreaker | None = None
    stopped: str | None = None
    """Why nothing new is begun."""
    in_a_hurry: bool = False
    """It is to end within seconds."""

    def close(self) -> None:
        """End what runs beside Snakemake, and give the folder back; then it is as before the run."""
        for helper in (self.scripts, self.sandbox):
            if helper:
                helper.stop()
        if self.lock:
            self.lock.close()
        vars(self).update(vars(RunState()))
