"""What a run set out to do, written down when it begins: for the figures, and for whoever looks on from outside.

A run that only looks (`check`, `plan` …) writes none: what is told from outside is of the last that carried records.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ferry.chain import BY_NAME, CHAIN, steps_after
from ferry.journal import hopeless
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
    slots: Mapping[str, int] | None = None
    """How uploads are weighed against their cap: bytes_per_slot and max_slots."""
    limits: Sequence[Sequence[float]] = ()
    """Of the repository: at most so many requests in so many seconds."""
    command: str = Run.command
    started_at: str = ""
    is_part: bool = False
    """Whether it is followed by a run that tries once more what has failed for what may pass, as a part of bulk is."""
    after: Sequence[str] = ()
    """The runs before it of the same bulk run."""

    def is_ok(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row of the stats says that a record is done: an earlier run cannot, of one that is to do."""
        return bool(row.get("status") == "ok" and self.is_present(row))

    def is_present(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row says how a record stands now; that of an earlier run cannot, of one that is to do."""
        return bool(row["recid"] not in self.to_do or row.get("run_id") == self.run_id)


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


def hopeless_among(jobs: Iterable[tuple[str, str | None]], *, after: Sequence[str], logs_dir: Path) -> frozenset[int]:
    """Return the recids of which a run has jobs that will not be tried: they have failed for good in these runs.

    Args:
        jobs: rule and recid of each.
        after: the runs before it of the same bulk run.
        logs_dir: what runs have left.
    """
    steps: dict[str, set[str]] = {}
    for name, recid in jobs if after else ():
        if recid is not None:
            steps.setdefault(recid, set()).add(name)
    return frozenset(
        int(recid)
        for recid, names in steps.items()
        for name in names & BY_NAME.keys()
        if not any(step.name == name for other in names & BY_NAME.keys() for step in steps_after(other))
        and hopeless(logs_dir / recid / "journal.jsonl", after=after, step=name)
    )


def caps_of_steps(resources: Mapping[str, int]) -> dict[str, int]:
    """Return the largest number of jobs at once by step, from the resources of the profile."""
    return {step.name: resources[step.slots] for step in CHAIN if step.slots and step.slots in resources}


def rate_limits(repository: Mapping[str, Any]) -> list[tuple[int, float]]:
    """Return what that part of the configuration lets all jobs ask: at most so many requests in so many seconds."""
    windows = {"requests_per_minute": 60.0, "requests_per_hour": 3600.0}
    return [(repository[name], window_s) for name, window_s in windows.items() if repository.get(name) is not None]


def least_seconds(requests: float, limits: Iterable[Sequence[float]]) -> float:
    """Return the seconds below which so many requests cannot be asked, however fast all else is.

    As many as a limit names may leave at once, and as many again when its window has passed.
    """
    return max((max(0.0, (requests - 1) // most) * window_s for most, window_s in limits), default=0.0)


def write_plan(plan: RunPlan, path: Path = PLAN_FILE) -> None:
    """Write the plan of the run that begins."""
    write_json(path, {**asdict(plan), "to_do": sorted(plan.to_do)})


def read_plan(path: Path = PLAN_FILE) -> RunPlan | None:
    """Return the plan of the last run that carried, None if none was written or it cannot be read."""
    try:
        document = json.loads(path.read_bytes())
        lists = {
            "to_do": frozenset(document.get("to_do", ())),
            "limits": tuple(map(tuple, document.get("limits", ()))),
            "after": tuple(document.get("after", ())),
        }
        return RunPlan(**{**document, **lists})
    except (OSError, ValueError, TypeError):
        return None
