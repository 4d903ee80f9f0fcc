"""What an update would change: our record against the live one, field by field.

A repository answers with more than it was sent (titles of vocabulary terms, full names, links), and writes HTML in
its own way. None of this is a change.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import unescape
from typing import Any, Literal

_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"[.\[]")
_ACCESS = {f"access.{name}": name for name in ("record", "files", "embargo")}


@dataclass(frozen=True)
class FieldChange:
    """One change that an update would make.

    path: place in the record, e.g. `metadata.dates[0].date`; of an item of a list, its place in the live record
        (removed, changed) or in ours (added).
    before: the value in the live record, None where it has none.
    after: our value, None where we have none.
    """

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any


def diff_records(ours: Mapping[str, Any], live: Mapping[str, Any]) -> list[FieldChange]:
    """Return what differs between a record as we would send it and the live one as the repository gives it.

    Compared are `metadata` and `access`; an empty list means that there is nothing to write.
    """
    before, after = record_fields(live), record_fields(ours)
    if "metadata.related_resources" in before.keys() | after.keys():
        before.pop("metadata.related_identifiers", None)  # CCMM repositories make these from related_resources
    paths = sorted(before.keys() | after.keys(), key=lambda path: (path in _ACCESS, path))
    return [change for path in paths for change in _changes(path, before.get(path), after.get(path))]


def record_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, ours or a live one, by their paths (`metadata.title`), in one way of writing."""
    metadata = _in_one_way(_without_additions(record.get("metadata") or {}))
    fields = {f"metadata.{name}": value for name, value in metadata.items()}
    access = record.get("access") or {}
    if not (access.get("embargo") or {}).get("active"):
        access = {**access, "embargo": None}  # of one that is over, or was never set
    return fields | {path: access[name] for path, name in _ACCESS.items() if access.get(name) is not None}


def field_of(path: str) -> str:
    """Return the field that a change is in: `metadata.dates` of `metadata.dates[0].date`."""
    return ".".join(_NAME.split(path, maxsplit=2)[:2])


def with_fields(record: Mapping[str, Any], live: Mapping[str, Any], paths: Collection[str]) -> dict[str, Any]:
    """Return our record with these of its fields as a live one has them."""
    changed: dict[str, dict[str, Any]] = {part: dict(record[part]) for part in ("metadata", "access")}
    for path in paths:
        part, name = path.split(".", maxsplit=1)
        changed[part].pop(name, None)
        if path in record_fields(live):
            changed[part][name] = _without_additions(live[part][name])
    return {**record, **changed}


def _without_additions(value: Any) -> Any:
    """Return a value without what a repository adds to it; null says no more than nothing."""
    if isinstance(value, Mapping):
        if isinstance(value.get("id"), str):
            return {"id": value["id"]}  # a term of a vocabulary: all else comes from there
        name_is_made = value.get("type") == "personal" and "family_name" in value
        made = {"name"} if name_is_made else set()
        return {key: _without_additions(item) for key, item in value.items() if item is not None and key not in made}
    if isinstance(value, list):
        return [_without_additions(item) for item in value if item is not None]
    return value


def _in_one_way(value: Any) -> Any:
    """Return a value in one way of writing: 91.0 says no more than 91, and HTML has many ways."""
    if isinstance(value, dict):
        return {key: _in_one_way(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_one_way(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return _SPACE.sub(" ", unescape(value)).strip()
    return value


def _changes(path: str, before: Any, after: Any) -> Iterator[FieldChange]:
    if _key(before) == _key(after):  # to Python, True is 1
        return
    if before is None:
        yield FieldChange(path, "added", None, after)
    elif after is None:
        yield FieldChange(path, "removed", before, None)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _changes(f"{path}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_changes(path, before, after)
    else:
        yield FieldChange(path, "changed", before, after)


def _list_changes(path: str, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    matcher = SequenceMatcher(None, [_key(item) for item in before], [_key(item) for item in after], autojunk=False)
    for tag, old, old_end, new, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        paired = min(old_end - old, new_end - new)
        for step in range(paired):
            yield from _changes(f"{path}[{old + step}]", before[old + step], after[new + step])
        for place in range(old + paired, old_end):
            yield FieldChange(f"{path}[{place}]", "removed", before[place], None)
        for place in range(new + paired, new_end):
            yield FieldChange(f"{path}[{place}]", "added", None, after[place])


def _key(item: Any) -> str:
    return json.dumps(item, sort_keys=True, ensure_ascii=True)
