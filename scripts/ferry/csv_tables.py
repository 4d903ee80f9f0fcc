"""Tables for people as CSV: whole or not at all, and no cell that a spreadsheet would run."""

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ferry.files import whole_text_file
from ferry.text.safe_text import printable

_FORMULA = re.compile(r"(^[ \u00a0]*|[;\n][ \u00a0]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a cell begins with a sign that makes it a formula, of half or full width."""


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a small table in one step, each row with its cells in the order of `names`."""
    with whole_text_file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([csv_cell(value) for value in row] for row in rows)


def csv_cell(value: Any) -> Any:
    """Return a value as it stands in a CSV file: lists joined by semicolons, booleans in lower case, times as ISO 8601.

    What a spreadsheet would run as a formula gets an apostrophe in front, also where one that separates cells by ; or
    lines would see a cell begin. Signs that are not printable are escaped, but for line breaks.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    text = "; ".join(value) if isinstance(value, list) else value
    if isinstance(text, str):
        return _FORMULA.sub(r"\1'", printable(text.replace("\x00", "")))
    return text
