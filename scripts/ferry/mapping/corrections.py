"""Corrections of a single record: metadata/corrections/<recid>.yaml, a JSON merge patch (RFC 7386) on the source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.errors import MetadataError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32


def read_corrections(path: Path) -> dict[str, Any]:
    """Return the merge patch of a file; an empty file corrects nothing.

    Raises:
        MetadataError: it cannot be read, is no YAML, or does not hold an object of JSON values.
    """
    import yaml  # noqa: PLC0415 - only a record with a correction has to pay for it

    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise MetadataError(f"{path}: expected at most {MAX_BYTES} bytes of corrections, found {len(data)}")
        patch = yaml.load(data, Loader=_json_loader())  # noqa: S506 - derived from the safe loader
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MetadataError(f"{path}: expected YAML, found none: {error}; correct it") from error
    if patch is None:
        return {}
    _check(path, "", patch, 0)
    if not isinstance(patch, dict):
        raise MetadataError(f"{path}: expected an object (field: new value), found {type(patch).__name__}")
    return patch


def _json_loader() -> Any:
    """Return a safe loader that leaves dates as they are written: 2014-06-20 is a text, as it is in a record."""
    import yaml  # noqa: PLC0415

    class JsonLoader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012 - overrides the class's own table
            first: [entry for entry in resolvers if entry[0] != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    return JsonLoader


def _check(path: Path, place: str, value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise MetadataError(f"{path}: {place}: expected at most {MAX_DEPTH} levels, found more")
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise MetadataError(f"{path}: {place or 'top level'}: expected names that are text, found {name!r}")
            _check(path, f"{place}.{name}".lstrip("."), item, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check(path, f"{place}[{number}]", item, depth + 1)
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise MetadataError(f"{path}: {place}: expected a JSON value, found {type(value).__name__}; put it in quotes")


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
