"""What became of records that were restored: a table, and a few lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.csv_tables import write_csv
from ferry.text.formatting import format_bytes, plural
from ferry.text.problem_lines import problem_lines

SHOWN = 15
_COLUMNS = ["recid", "record_id", "record_url", "stated_by", "files", "bytes", "files_fetched", "bytes_fetched"]
_BY = {
    "proof": "by its proof",
    "manifest": "by the manifest that went up with it",
    "repository": "by the repository's own checksums alone",
}


@dataclass(frozen=True)
class Row:
    """What became of one record."""

    recid: int
    record_id: str = ""
    record_url: str = ""
    stated_by: str = ""
    files: int = 0
    size_bytes: int = 0
    files_fetched: int = 0
    bytes_fetched: int = 0
    foreign: Sequence[str] = ()
    """Keys that are none of ours."""
    error: str = ""


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write a line of each record (CSV)."""
    write_csv(path, [*_COLUMNS, "foreign", "error"], map(_cells, rows))


def _cells(row: Row) -> list[Any]:
    return [
        row.recid, row.record_id, row.record_url, row.stated_by, row.files, row.size_bytes, row.files_fetched,
        row.bytes_fetched, " ".join(row.foreign), row.error,
    ]  # fmt: skip


def summary_of(rows: Sequence[Row], table_path: Path) -> str:
    """Return what is to be printed of them, what went wrong first."""
    lines = []
    if foreign := [row for row in rows if row.foreign]:
        first = ", ".join(f"{row.recid} ({', '.join(row.foreign[:3])})" for row in foreign[:SHOWN])
        lines.append(f"files that nobody here has sent, and that were left there: {first}")
    if failed := [(row.recid, row.error) for row in rows if row.error]:
        lines += ["not restored:", *problem_lines(failed, most=SHOWN)]
    for by in _BY:
        if of_these := [row for row in rows if row.stated_by == by and row.files and not row.error]:
            lines.append(line_of(of_these, by))
    if empty := sum(not row.files and not row.error for row in rows):
        lines.append(f"{plural(empty, 'record')} without files, or without one that was asked for")
    return "\n".join([*lines, f"all of it in {table_path}"])


def line_of(rows: Sequence[Row], stated_by: str) -> str:
    """Return what is to be printed of records that the same proves."""
    files, size, fetched = (
        sum(getattr(row, name) for row in rows) for name in ("files", "size_bytes", "bytes_fetched")
    )
    return (
        f"{plural(len(rows), 'record')} restored: {plural(files, 'file')}, {format_bytes(size)}; "
        f"{format_bytes(fetched)} came from the repository now, proven {_BY[stated_by]}"
    )
