"""Which records are wanted, and which go first."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ferry.errors import ConfigError

PLAN_TABLE = Path("results/plan.csv")
PRIORITY_STEP = 1000
"""Priorities of records are this far apart for the scheduler, so that a stage never outweighs a priority ..."""
STAGE_STEP = 100
"""... and a size, by its powers of two, never a stage."""


@dataclass(frozen=True)
class Wanted:
    """The recids of this run with their priorities, in the order of the list; their bytes where those decide too."""

    priorities: Mapping[int, int]
    sizes: Mapping[int, int] = field(default_factory=dict)

    @property
    def recids(self) -> list[int]:
        """All wanted recids."""
        return list(self.priorities)

    def in_order(self) -> list[int]:
        """Return all recids as they should go: by priority, within it the largest first, then as listed."""
        return sorted(self.priorities, key=lambda recid: (-self.priorities[recid], -self.sizes.get(recid, 0)))

    def priority_at(self, stage: int) -> Callable[[Any], int]:
        """Return the scheduler's priority of a record's job as a function of its wildcards.

        Prioritised records go first; within a priority the later stage, so that a record is finished (and its disk
        free) before the next is begun; within a stage the larger record.
        """
        return partial(self._priority, stage=stage)

    def _priority(self, wildcards: Any, *, stage: int) -> int:
        recid = int(wildcards.recid)
        size = self.sizes.get(recid, 0).bit_length()
        return self.priorities.get(recid, 0) * PRIORITY_STEP + stage * STAGE_STEP + size


def wanted_of(config: Mapping[str, Any]) -> Wanted:
    """Return the records that a configuration asks for."""
    records = config["records"]
    return read_wanted(
        list_path=Path(records["list"]), recids=records["recids"], largest_first=records["largest_first"]
    )


def read_wanted(
    *, list_path: Path, recids: list[int], largest_first: bool = False, plan_path: Path = PLAN_TABLE
) -> Wanted:
    """Return the recids given, or if there are none, those of the master list.

    Args:
        list_path: the master list.
        recids: take its place.
        largest_first: sizes decide within a priority: those that `snakemake plan` has found; without it they are 0.
        plan_path: where it left them.

    Raises:
        ConfigError: names the file and line, what was expected and what was found.
    """
    priorities = dict.fromkeys(recids, 0) if recids else _read_priorities(list_path)
    return Wanted(priorities=priorities, sizes=_read_sizes(plan_path) if largest_first else {})


def _read_sizes(path: Path) -> dict[int, int]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {int(row["recid"]): int(row["source_bytes"]) for row in csv.DictReader(stream)}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ConfigError(f"{path}: expected the table of `snakemake plan`, found {error!r}; plan again") from error


def _read_priorities(list_path: Path) -> dict[int, int]:
    try:
        with list_path.open(encoding="utf-8-sig", newline="") as stream:
            return _read_list(list_path, csv.DictReader(stream))
    except FileNotFoundError:
        raise ConfigError(
            f"{list_path}: no such file; expected the master list (records.list) or records.recids"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{list_path}: expected CSV in UTF-8, found {error}") from error


def _read_list(path: Path, rows: "csv.DictReader[str]") -> dict[int, int]:
    columns = rows.fieldnames or []
    if "recid" not in columns:
        raise ConfigError(f"{path}, line 1: expected a column recid, found {', '.join(columns) or 'nothing'}")
    priorities: dict[int, int] = {}
    lines: dict[int, int] = {}
    for row in rows:
        recid = _number(row["recid"], f"{path}, line {rows.line_num}: recid", lowest=1)
        if recid in lines:
            raise ConfigError(f"{path}, line {rows.line_num}: recid {recid} stands in line {lines[recid]} already")
        lines[recid] = rows.line_num
        text = row.get("priority") or "0"
        priorities[recid] = _number(text, f"{path}, line {rows.line_num}: priority", lowest=-1000)
    if not priorities:
        raise ConfigError(f"{path}: expected at least one recid, found none")
    return priorities


def _number(text: str | None, place: str, lowest: int) -> int:
    try:
        number = int((text or "").strip())
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise ConfigError(f"{place}: expected a whole number from {lowest} on, found {text!r}")
    return number
