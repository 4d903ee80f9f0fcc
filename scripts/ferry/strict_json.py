"""JSON that means one thing: what another reader or writer would take otherwise, or not at all, is refused.

Of a key that stands twice, one reader keeps the first and one the last value. A number beyond 64 bits and 1e999 are
JSON, but the receipts cannot hold them: orjson refuses the one and writes null for the other.
"""

import json
import math
from collections import Counter
from typing import Any

DEEPEST = 200
"""Levels; orjson writes 254, and a receipt puts a record one level deeper. Records of the portal have at most 8."""


class UnfitJsonError(ValueError):
    """JSON that cannot be taken; says where, what was expected and what was found."""


def strict_json(text: bytes) -> Any:
    """Return what `text` holds.

    Raises:
        UnfitJsonError: a key stands twice in one object, a number is beyond 64 bits, or it is nested too deep.
        ValueError, RecursionError: it is no JSON.
    """
    document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    unfit = unfit_value(document)
    if unfit:
        raise UnfitJsonError(unfit)
    return document


def unfit_value(document: Any) -> str:
    """Say of the first value that a receipt cannot hold where it is, what was expected and found; empty if all fit."""
    inner: list[tuple[str, Any, int]] = [("", [document], 0)]
    while inner:
        place, value, depth = inner.pop()
        if depth > DEEPEST:
            return f"{place[:60]}…: expected at most {DEEPEST} levels, found more"
        names = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in names:
            if isinstance(item, dict | list):
                inner.append((_place(place, name, depth), item, depth + 1))
            elif isinstance(item, int) and not -(2**63) <= item < 2**64:
                return f"{_place(place, name, depth)}: expected a number of at most 64 bits, found {_start(item)}"
            elif isinstance(item, float) and not math.isfinite(item):
                return f"{_place(place, name, depth)}: expected a finite number, found {item}"
    return ""


def kind_of(value: Any) -> str:
    """Return what a value of JSON is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _place(place: str, name: str | int, depth: int) -> str:
    if depth == 0:
        return ""
    return f"{place}[{name}]" if isinstance(name, int) else f"{place}.{name}".lstrip(".")


def _start(number: int) -> str:
    # Python refuses to write an integer of more than 4300 digits.
    return str(number) if number.bit_length() < 200 else f"{number.bit_length()} bits"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise UnfitJsonError(f"expected each key once in an object, found {twice!r} twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
