"""Corrections of a single record: metadata/corrections/<recid>.yaml, a JSON merge patch (RFC 7386) on the source."""

from collections.abc import Mapping
from typing import Any

from ferry.errors import MetadataError


def corrected(record: Mapping[str, Any], patch: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the record with the merge patch applied, and what that changes, by path.

    A change is `{"path", "before", "after"}`, null where there was or is nothing. The record itself is left as it is.
    null takes a field away, an object is merged, all else replaces.

    Raises:
        MetadataError: the patch changes the recid.
    """
    if "recid" in patch and str(patch["recid"]) != str(record.get("recid")):
        raise MetadataError(f"recid: a correction must not change it; found {patch['recid']!r}")
    changes: list[dict[str, Any]] = []
    return _merged(record, patch, "", changes), sorted(changes, key=lambda change: str(change["path"]))


def _merged(record: Any, patch: Mapping[str, Any], place: str, changes: list[dict[str, Any]]) -> dict[str, Any]:
    result = dict(record) if isinstance(record, Mapping) else {}
    for name, value in patch.items():
        path = f"{place}.{name}" if place else name
        if isinstance(value, Mapping):
            if name in result and not isinstance(result[name], Mapping):
                changes.append({"path": path, "before": result[name], "after": {}})
            result[name] = _merged(result.get(name), value, path, changes)
            continue
        changes.append({"path": path, "before": result.pop(name, None), "after": value})
        if value is not None:
            result[name] = value
    return result
