"""What a run set out to do, written down when it begins: for the figures, and for whoever looks on from outside.

A run that only looks (`check`, `plan` …) writes none: what is told from outside is of the last that carried records.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ferry.chain import CHAIN
from ferry.receipts import write_json
from ferry.run.run import Run

PLAN_FILE = Path("logs/plan.json")

_KEPT = frozenset(
    "--snakefile -s --directory -d --cores -c --jobs -j --profile --workflow-profile --executor -e".split()
)
_KEPT_WITH_ALL = frozenset("--configfile --configfiles --config -C".split())
"""Options that take all arguments up to the next option, or up to two dashes."""


@dataclass(frozen=True)
class RunPlan:
    """The wanted recids, whether they are to be published, how many jobs of a step may run at once, how to rerun.

    `to_do` are the recids of which the run has jobs; `command` is its snakemake command without targets.
    """

    run_id: str
    recids: Sequence[int]
    publish: bool
    to_do: frozenset[int] = frozenset()
    caps: Mapping[str, int] = field(default_factory=dict)
    requests_per_hour: float | None = None
    """What may be asked of the repository in an hour, by the narrower of its limits."""
    command: str = Run.command
    started_at: str = ""

    def is_ok(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row of the stats says that a record is done: an earlier run cannot, of one that is to do."""
        said_now = row["recid"] not in self.to_do or row.get("run_id") == self.run_id
        return bool(row.get("status") == "ok" and said_now)


def command_without_targets(arguments: Sequence[str]) -> str:
    """Return the command line (`sys.argv`) of a run with only what says where, how and with which configuration."""
    program = Path(arguments[0])
    beside = program.is_absolute() and program.is_relative_to(Path.cwd())
    kept = [str(program.relative_to(Path.cwd())) if beside else str(program)]
    return shlex.join(kept + [argument for argument, is_kept in _told_apart(arguments[1:]) if is_kept])


def targets_of(arguments: Sequence[str]) -> list[str]:
    """Return what may be targets in a command line (`sys.argv`): no option, and no place or configuration."""
    told = _told_apart(arguments[1:])
    return [argument for argument, is_kept in told if not is_kept and not argument.startswith("-")]


def _told_apart(arguments: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield each argument, and whether it says where, how or with which configuration a run is made."""
    kind: str | None = None
    for argument in arguments:
        name, has_value, _ = argument.partition("=")
        if argument.startswith("-"):
            joined = not argument.startswith("--") and len(argument) > 2  # -c4
            known = (argument[:2] if joined else name) in _KEPT or name in _KEPT_WITH_ALL
            kind = name if known and not has_value and not joined else None
            yield argument, known
        else:
            yield argument, kind is not None
            kind = kind if kind in _KEPT_WITH_ALL else None


def caps_of_steps(resources: Mapping[str, int]) -> dict[str, int]:
    """Return the largest number of jobs at once by step, from the resources of the profile."""
    return {step.name: resources[step.slots] for step in CHAIN if step.slots and step.slots in resources}


def requests_per_hour(repository: Mapping[str, Any]) -> float | None:
    """Return what that part of the configuration lets all jobs ask in an hour, None if it does not say."""
    per_minute, per_hour = (repository.get(f"requests_per_{unit}") for unit in ("minute", "hour"))
    return min((limit for limit in (per_hour, per_minute and per_minute * 60) if limit), default=None)


def write_plan(plan: RunPlan, path: Path = PLAN_FILE) -> None:
    """Write the plan of the run that begins."""
    write_json(path, {**asdict(plan), "to_do": sorted(plan.to_do)})


def read_plan(path: Path = PLAN_FILE) -> RunPlan | None:
    """Return the plan of the last run that carried, None if none was written or it cannot be read."""
    try:
        document = json.loads(path.read_bytes())
        return RunPlan(**{**document, "to_do": frozenset(document.get("to_do", ()))})
    except (OSError, ValueError, TypeError):
        return None
