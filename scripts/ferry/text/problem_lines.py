"""Problems of many records in few lines: those that are equal but for their values are told once, with their count."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ferry.text.formatting import plural, truncate

NOT_KNOWN_YET: Final = "not known yet"
"""What is said of a record while whoever was asked has not answered."""
SHOWN_RECIDS = 5
LONGEST = 200
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|[\w.:/+-]*\d[\w.:/+-]*")


def without_values(text: str) -> str:
    """Return what a text says, each value in it left open."""
    return _VALUES.sub("#", text)


def common_text(texts: Sequence[str]) -> str:
    """Return what texts say that are the same but for their values: a value that differs is left open."""
    values = iter(zip(*map(_VALUES.findall, texts), strict=True))
    return _VALUES.sub(lambda value: value[0] if len(set(next(values))) == 1 else "…", texts[0])


def first_recids(recids: Iterable[int]) -> str:
    """Return the first of some recids."""
    known = sorted(set(recids))
    return ", ".join(map(str, known[:SHOWN_RECIDS])) + (", …" if len(known) > SHOWN_RECIDS else "")


def problem_lines(problems: Iterable[tuple[int, str]], *, most: int) -> list[str]:
    """Return a line for each kind of problem, those of most records first, and how many more there are.

    Args:
        problems: recid and what is wrong with the record.
        most: lines.
    """
    groups: dict[str, list[tuple[int, str]]] = {}
    for recid, problem in problems:
        groups.setdefault(without_values(problem), []).append((recid, problem))
    lines = []
    for group in sorted(groups.values(), key=len, reverse=True):
        said = truncate(common_text([problem for _, problem in group]), LONGEST)
        count = f"  {plural(len(group), 'record')} ({first_recids(recid for recid, _ in group)}): "
        lines.append((count if len(group) > 1 else f"  {group[0][0]}  ") + said)
    return lines[:most] + ([f"  and {len(lines) - most} more kinds"] if len(lines) > most else [])
