"""The few facts of a source record by which records are counted and drawn; a strange record gives None, no error."""

import re
from collections.abc import Mapping
from typing import Any

from ferry.source.origin import origin_of

_YEAR = re.compile(r"(?<![0-9])(19[5-9][0-9]|20[0-9]{2})(?![0-9])")
_LONGEST = 200


def source_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return title, experiment, year, category, type and formats of a record of the portal, or of one's own."""
    if origin_of(record) == "own":
        return _own_facts(_mapping(record.get("metadata")))
    kinds = _mapping(record.get("type"))
    return {
        "title": _first_text(record.get("title")),
        "experiment": _first_text(record.get("experiment")),
        "year": _year(record.get("date_created")) or _year(record.get("date_published")),
        "category": _first_text(_mapping(record.get("categories")).get("primary")),
        "type_primary": _first_text(kinds.get("primary")),
        "type_secondary": _first_text(kinds.get("secondary")),
        "formats": _texts(_mapping(record.get("distribution")).get("formats")),
    }


def _own_facts(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": _first_text(metadata.get("title")),
        "experiment": _term(metadata.get("experiment")),
        "year": _year(metadata.get("publication_date")),
        "category": _term(metadata.get("category")),
        "type_primary": _term(metadata.get("resource_type")),
        "type_secondary": None,
        "formats": _texts(metadata.get("formats")),
    }


def _texts(value: Any) -> list[str]:
    return sorted({_cut(item) for item in value if isinstance(item, str)}) if isinstance(value, list) else []


def _term(value: Any) -> str | None:
    return _first_text(value.get("id") if isinstance(value, Mapping) else value)


def target_fields(record: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields of the target metadata that have a value, sorted.

    `record` is results/<recid>/record.json: the repository's document with the fields below `metadata`.
    """
    metadata = record.get("metadata", record)
    return sorted(name for name, value in _mapping(metadata).items() if value not in (None, "", [], {}))


def _year(value: Any) -> int | None:
    text = _first_text(value)
    found = _YEAR.search(text) if text else None
    return int(found.group()) if found else None


def _first_text(value: Any) -> str | None:
    """Return the text, or the first text of a list."""
    items = value if isinstance(value, list) else [value]
    texts = [_cut(item.strip()) for item in items if isinstance(item, str) and item.strip()]
    return texts[0] if texts else None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
