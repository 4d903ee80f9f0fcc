"""Tables for people as CSV: whole or not at all, and no cell that a spreadsheet would run."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ferry.files import whole_text_file


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a small table in one step, each row with its cells in the order of `names`."""
    with whole_text_file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([csv_cell(value) for value in row] for row in rows)


def csv_cell(value: Any) -> Any:
    """Return a value as it stands in a CSV file: lists joined by semicolons, booleans in lower case.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    if isinstance(value, bool):
        return str(value).lower()
    text = "; ".join(value) if isinstance(value, list) else value
    if isinstance(text, str):
        text = text.replace("\x00", "")
        return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
    return text
