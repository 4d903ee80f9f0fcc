"""Which records are wanted, and which go first."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ferry.documents import read_document
from ferry.errors import ConfigError, MetadataError
from ferry.text.formatting import plural

PLAN_TABLE = Path("results/plan.csv")
PRIORITY_STEP = 1000
"""Priorities of records are this far apart for the scheduler, so that a stage never outweighs a priority ..."""
STAGE_STEP = 100
"""... and a size, by its powers of two, never a stage."""
MAX_LIST_BYTES = 1 << 26
"""Of the master list: a million records with their titles."""
LARGEST = 2**63 - 1
"""Largest recid and priority: the receipts' JSON and those who read the tables hold numbers of 64 bits."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")


@dataclass(frozen=True)
class Selection:
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

    @property
    def highest_priority(self) -> int:
        """A scheduler's priority above that of each job of a record."""
        return (max(self.priorities.values(), default=0) + 1) * PRIORITY_STEP

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


def selection_of(config: Mapping[str, Any]) -> Selection:
    """Return the records that a configuration asks for."""
    records = config["records"]
    return read_wanted(
        list_path=Path(records["list"]),
        recids=records["recids"],
        largest_first=records["largest_first"],
        folders=config["source"]["allow"]["folders"],
    )


def nothing_listed(config: Mapping[str, Any]) -> str:
    """Say that a configuration asks for no record: its list has a header and nothing else, as one of failures may."""
    return f"nothing to be done: {config['records']['list']} lists no record"


def read_wanted(
    *,
    list_path: Path,
    recids: list[int],
    largest_first: bool = False,
    plan_path: Path = PLAN_TABLE,
    folders: Sequence[str] = (),
) -> Selection:
    """Return the recids given, or if there are none, those of the master list.

    Args:
        list_path: the master list.
        recids: take its place.
        largest_first: sizes decide within a priority: those that `snakemake plan` has found; without it they are 0.
        plan_path: where it left them.
        folders: into which the list may be a link (source.allow.folders).

    Raises:
        ConfigError: names the file and line, what was expected and what was found.
    """
    priorities = dict.fromkeys(recids, 0) if recids else _read_priorities(list_path, folders)
    return Selection(priorities=priorities, sizes=_read_sizes(plan_path) if largest_first else {})


def _read_sizes(path: Path) -> dict[int, int]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {int(row["recid"]): int(row["source_bytes"]) for row in csv.DictReader(stream)}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ConfigError(
            f"{path}: expected the table of `snakemake --cores 2 plan`, found {error!r}; plan again"
        ) from error


def _read_priorities(list_path: Path, folders: Sequence[str]) -> dict[int, int]:
    try:
        text = read_document(list_path, within=list_path.parent, folders=folders, most_bytes=MAX_LIST_BYTES)
        if len(text) > MAX_LIST_BYTES:
            raise ConfigError(f"{list_path}: expected a list of at most {MAX_LIST_BYTES} bytes, found more")
        stream = io.StringIO(text.decode("utf-8-sig"), newline="")
        return _read_list(list_path, _numbered_rows(list_path, stream))
    except MetadataError as error:
        raise ConfigError(str(error)) from error
    except FileNotFoundError:
        raise ConfigError(
            f"{list_path}: no such file; expected the master list (records.list) or records.recids"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{list_path}: expected the master list (records.list), found {error.strerror or error}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{list_path}: expected CSV in UTF-8, found other text at byte {error.start}") from None


def _numbered_rows(path: Path, stream: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its line.

    A quote that is left open would take the lines after it, and the records in them, for one cell: a row of more than
    one line is refused.
    """
    rows = csv.reader(stream, strict=True)
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigError(
                f"{path}, line {line}: expected CSV with each record in one line, found {error}"
            ) from error
        if rows.line_num > line:
            raise ConfigError(
                f"{path}, line {line}: expected each record in one line, found a quote that is open until line "
                f"{rows.line_num}"
            )
        if row:
            yield line, row


def _read_list(path: Path, rows: Iterator[tuple[int, list[str]]]) -> dict[int, int]:
    header_line, header = next(rows, (1, []))
    columns = [name.strip().casefold() for name in header]
    if "recid" not in columns:
        raise ConfigError(
            f"{path}, line {header_line}: expected a column recid, found {', '.join(header) or 'nothing'}"
        )
    for name in ("recid", "priority"):
        if columns.count(name) > 1:
            raise ConfigError(f"{path}, line {header_line}: expected one column {name}, found {columns.count(name)}")
    priorities: dict[int, int] = {}
    lines: dict[int, int] = {}
    for line, row in rows:
        if extra := [cell for cell in row[len(columns) :] if cell.strip()]:
            raise ConfigError(
                f"{path}, line {line}: expected {plural(len(columns), 'cell')} as in line {header_line}, found more: "
                f"{', '.join(extra)}"
            )
        cells = dict(zip(columns, row, strict=False))
        recid = _number(cells.get("recid", ""), f"{path}, line {line}: recid", lowest=1)
        if recid in lines:
            raise ConfigError(f"{path}, line {line}: recid {recid} stands in line {lines[recid]} already")
        lines[recid] = line
        priorities[recid] = _number(cells.get("priority") or "0", f"{path}, line {line}: priority", lowest=-1000)
    return priorities


def _number(text: str, place: str, lowest: int) -> int:
    """Return the number that a cell holds, of plain digits only: int() would take 1_000 and digits of any script."""
    digits = text.strip()
    number = int(digits) if _WHOLE.fullmatch(digits) else lowest - 1
    if number < lowest:
        raise ConfigError(f"{place}: expected a whole number from {lowest} on, found {text!r}")
    if number > LARGEST:
        raise ConfigError(f"{place}: expected at most {LARGEST}, found {number}")
    return number
