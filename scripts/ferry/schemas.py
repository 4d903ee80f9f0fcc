"""JSON schemas: fast yes-or-no by jsonschema-rs, and by jsonschema the whole list of what is wrong."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from ferry.text.formatting import plural

SCHEMA_DIR = Path(__file__).resolve().parents[2] / "schemas"
MAX_VALUE = 100  # characters of a value in a line
_LENGTHS = {
    "minLength": ("least", "character"),
    "maxLength": ("most", "character"),
    "minItems": ("least", "item"),
    "maxItems": ("most", "item"),
}


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the schema `schemas/<name>.json`."""
    schema: dict[str, Any] = json.loads((SCHEMA_DIR / f"{name}.json").read_text(encoding="utf-8"))
    return schema


@cache
def _validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(load_schema(name))


def compile_schemas() -> None:
    """Compile what a step may need: 2 ms each, which one process can take for all jobs."""
    for path in (*SCHEMA_DIR.glob("receipts/*.json"), *SCHEMA_DIR.glob("target/*.json")):
        _validator(str(path.relative_to(SCHEMA_DIR).with_suffix("")))


def problems(document: Any, name: str) -> list[str]:
    """Return one line for each way in which the document breaks `schemas/<name>.json`; empty if it is valid.

    A line gives the place in the document (`files[3].size_bytes`), what was expected and what was found.
    """
    try:
        _validator(name).validate(document)
    except jsonschema_rs.ValidationError as error:
        # what was refused is never valid for want of an explanation
        return _explain(document, name) or [f"{_place(error.instance_path)}: {error.message}"]
    except ValueError as error:  # a key that is no text, as YAML has them, or half a surrogate pair
        return _explain(document, name) or [f"{_place(())}: {error}"]
    return []


def _explain(document: Any, name: str) -> list[str]:
    import jsonschema  # noqa: PLC0415 - 0.1 s that only a refused document has to pay

    schema = load_schema(name)
    usual = jsonschema.validators.validator_for(schema)
    validator = jsonschema.validators.extend(usual, {"uniqueItems": _repeated})(schema)  # type: ignore[no-untyped-call]
    errors = sorted(validator.iter_errors(document), key=lambda error: [str(part) for part in error.absolute_path])
    return [line for error in errors for line in _lines(error)]


def _repeated(_validator: Any, unique: bool, instance: Any, _schema: Any) -> Iterator[Any]:
    # jsonschema compares each item with each other: 3.5 s for 2,000 links, no end in sight for 50,000.
    import jsonschema  # noqa: PLC0415 - as above

    if unique and isinstance(instance, list) and len({_frozen(item) for item in instance}) < len(instance):
        yield jsonschema.ValidationError(f"{instance!r} has non-unique elements")


def _frozen(value: Any) -> Any:
    # What is equal in the sense of JSON is equal here, as in the fast check: 1 and 1.0 are, 1 and true are not.
    if isinstance(value, dict):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return (bool, value) if isinstance(value, bool) else value


def _lines(error: Any) -> list[str]:
    import difflib  # noqa: PLC0415 - for a refused document only

    place = _place(error.absolute_path)
    if error.validator == "required":
        [lacking] = [name for name in error.validator_value if error.message == f"{name!r} is a required property"]
        return [f"{_place([*error.absolute_path, lacking])}: expected a value, found none"]
    if error.validator != "additionalProperties" or not isinstance(error.instance, dict):
        return [f"{place}: {_message(error)}"]
    known = list(error.schema.get("properties", {}))
    lines = []
    for name in sorted(set(error.instance) - set(known), key=str):
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(known)}"
        lines.append(f"{place}: unknown key {_short(repr(name))}{hint}")
    return lines


def _message(error: Any) -> str:
    # jsonschema says the value first, then what is wrong with it: whoever cuts a long line would cut off the reason.
    # A text stays in the quotes that Python gives it; all else is told as JSON, null and not None.
    value, message = repr(error.instance), str(error.message)
    shown = value if isinstance(error.instance, str) else json.dumps(error.instance, ensure_ascii=False, default=str)
    if error.validator in _LENGTHS:
        bound, unit = _LENGTHS[error.validator]
        return f"expected at {bound} {plural(error.validator_value, unit)}, found {_short(shown)}"
    return _short(shown) + message[len(value) :] if message.startswith(value) else message


def _short(value: str) -> str:
    if len(value) <= MAX_VALUE:
        return value
    return f"{value[: MAX_VALUE - 4]}...{value[-1]}"  # the closing quote or bracket stays: it is still one value


def _place(path: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return place.removeprefix(".") or "(the whole document)"
