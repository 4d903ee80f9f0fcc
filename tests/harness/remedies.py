"""Reads what messages say is to be done, and does it to the letter, as somebody would who knows nothing else."""

import csv
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_PATH = re.compile(r"(?:results|data)/[^\s,;:'\"()]+")
_CLAUSE = re.compile(r"\bdelete (?P<what>(?:(?!\brun again\b)[^;])*?)(?:,? and|;|,)? run again", re.DOTALL)
_RECEIPT = re.compile(r"\b(\w+) receipt\b")
_COMMAND = re.compile(r"\brm (?:-\w+ )*[^\n;]+")
_TARGET = re.compile(r"`snakemake (?:--cores \d+ )?(?:-- )?(\w+)`")
_RUN = re.compile(r"\brun `snakemake (?:--cores \d+ )?(\w+)`")
_MENDS = re.compile(r"^\s*to mend (?:it|all of this|all of them): (.+)$", re.MULTILINE)
_SETTING = re.compile(r"\bset (\w+)\.(\w+) to (?!what\b)(\w+)")
_AGAIN = re.compile(r"\brun (?:it |the same command )?again\b|\btry again\b")


@dataclass(frozen=True)
class Failure:
    """A record that failed, and why; recid 0: the run itself."""

    recid: int
    error: str


@dataclass
class Remedies:
    """What is to be done before the workflow is run again, of all failures together."""

    paths: set[Path] = field(default_factory=set)
    """To be deleted, below the folder."""
    commands: list[str] = field(default_factory=list)
    """To be run in the folder."""
    settings: dict[tuple[str, str], str] = field(default_factory=dict)
    """Of the configuration: (part, key) -> value."""
    runs: list[str] = field(default_factory=list)
    """Targets of the workflow, to be run in any case."""
    targets: list[str] = field(default_factory=list)
    """Of the workflow, to be run where running again does not help."""
    unknown: list[Failure] = field(default_factory=list)
    """Failures whose message names nothing that can be done."""

    @property
    def told(self) -> str:
        """What is to be done, in words."""
        listed = [*(f"delete {path}" for path in sorted(self.paths)), *self.commands]
        listed += [f"set {part}.{key} to {value}" for (part, key), value in self.settings.items()]
        listed += [f"run {target}" for target in self.runs]
        return "; ".join([*listed, "run again", *(f"else run {target}" for target in self.targets)])

    def follow_deletions(self, folder: Path) -> None:
        """Delete what is to be deleted."""
        for path in self.paths:
            target = folder / path
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)


def remedies_of(failures: Iterable[Failure]) -> Remedies:
    """Read the messages of all these failures."""
    found = Remedies()
    for failure in failures:
        paths, commands = _named(failure)
        found.targets += [name for name in _TARGET.findall(failure.error) if name not in found.targets]
        found.runs += [name for name in _RUN.findall(failure.error) if name not in found.runs]
        settings = {(part, key): value for part, key, value in _SETTING.findall(failure.error)}
        found.settings |= settings
        if paths or commands or settings:
            found.paths |= paths
            found.commands += [command for command in commands if command not in found.commands]
        elif not _AGAIN.search(failure.error):
            found.unknown.append(failure)
    return found


def _named(failure: Failure) -> tuple[set[Path], list[str]]:
    commands = [match.group() for match in _COMMAND.finditer(failure.error)]
    if commands:
        return set(), commands
    paths: set[Path] = set()
    for match in _CLAUSE.finditer(failure.error):
        what = match["what"].replace("<recid>", str(failure.recid))
        named = {Path(path.rstrip(".")) for path in _PATH.findall(what)}
        named |= {Path(f"results/{failure.recid}/{word}.json") for word in _RECEIPT.findall(what) if word != "the"}
        if not named and re.fullmatch(r"\s*(it|that file)\s*", what):
            named = {Path(path) for path in _PATH.findall(failure.error[: match.start()])[:1]}
        paths |= named
    return paths, []


def failures_of(folder: Path, told: str) -> list[Failure]:
    """Return what a run that failed tells: of each record in failures.csv, else what it told on its standard error."""
    table = folder / "results" / "failures.csv"
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            failures = [Failure(int(row["recid"]), row["error"]) for row in csv.DictReader(stream)]
    except (OSError, ValueError, KeyError):
        failures = []
    return failures or [Failure(0, "\n".join(line for line in told.splitlines() if "profile" not in line)[-1500:])]


def commands_of_check(told: str) -> list[str]:
    """Return the commands that `snakemake check` says will mend what it has found, each once."""
    return list(dict.fromkeys(command.strip() for command in _MENDS.findall(told)))
