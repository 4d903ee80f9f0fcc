"""One page with one table that can be searched, filtered and sorted; it needs no network and runs from a file."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from ferry.text.safe_text import printable

_TEMPLATE = Path(__file__).with_name("table_page.html")


@dataclass(frozen=True)
class Column:
    """A column of the page. `kind` says how a value is shown: text, number, id, bytes, seconds, link, status, code."""

    name: str
    label: str
    kind: str = "text"
    about: str = ""


def table_page(
    *, title: str, note: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]], filter_by: str | None = None
) -> str:
    """Return the page as HTML.

    `filter_by` is the name of a column of few values by which rows can be chosen. Values are put into the page as
    JSON in which no tag can begin, and shown by the script as text only.
    """
    data = {
        "columns": [asdict(column) for column in columns],
        "rows": [[_plain(value) for value in row] for row in rows],
        "filter": filter_by,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    head, data_place, tail = _TEMPLATE.read_text(encoding="utf-8").partition("@DATA@")
    head = head.replace("@TITLE@", escape(title)).replace("@NOTE@", escape(note))
    assert data_place
    return head + text + tail


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, list):
        value = "; ".join(value)
    return printable(value) if isinstance(value, str) else value
