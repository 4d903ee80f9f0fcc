"""Which records are wanted, and which go first."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ferry.errors import ConfigError

PRIORITY_STEP = 100
"""Priorities of records are this far apart for the scheduler, so that a stage never outweighs a priority."""


@dataclass(frozen=True)
class Wanted:
    """The recids of this run with their priorities, in the order of the list."""

    priorities: Mapping[int, int]

    @property
    def recids(self) -> list[int]:
        """All wanted recids."""
        return list(self.priorities)

    def priority_at(self, stage: int) -> Callable[[Any], int]:
        """Return the scheduler's priority of a record's job as a function of its wildcards.

        Prioritised records go first; within a priority the later stage, so that a record is finished (and its disk
        free) before the next is begun.
        """
        return partial(self._priority, stage=stage)

    def _priority(self, wildcards: Any, *, stage: int) -> int:
        return self.priorities.get(int(wildcards.recid), 0) * PRIORITY_STEP + stage


def read_wanted(*, list_path: Path, recids: list[int]) -> Wanted:
    """Return the recids given, or if there are none, those of the master list.

    Raises:
        ConfigError: names the file and line, what was expected and what was found.
    """
    if recids:
        return Wanted(priorities=dict.fromkeys(recids, 0))
    try:
        with list_path.open(encoding="utf-8-sig", newline="") as stream:
            return Wanted(priorities=_read_list(list_path, csv.DictReader(stream)))
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
