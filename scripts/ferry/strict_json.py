"""JSON that means one thing: what another reader or writer would take otherwise, or not at all, is refused.

Of a key that stands twice, one reader keeps the first and one the last value. NaN, a number beyond 64 bits, 1e999 and
half of a character are read by Python, but the receipts cannot hold them. Each refusal says where it is.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

DEEPEST = 200
"""Levels; orjson writes 254, and a receipt puts a record one level deeper. Records of the portal have at most 8."""
MAX_SHOWN = 120  # characters of a place or a value in a message
_MOST_DIGITS = 100  # of a number that is read; Python refuses those of more than 4300
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')


class UnfitJsonError(ValueError):
    """JSON that cannot be taken; says where, what was expected and what was found."""


def strict_json(text: bytes) -> Any:
    """Return what `text` holds.

    Raises:
        UnfitJsonError: a key stands twice in one object, a number is none or beyond 64 bits, a text is not Unicode, or
            it is nested too deep.
        ValueError: it is no JSON.
    """
    try:
        document = json.loads(text, parse_constant=float, object_pairs_hook=_object)
    except RecursionError as error:
        raise UnfitJsonError(_too_deep(_deepest_place(text))) from error
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # a number of more digits than Python reads: read again, to say where
        document = json.loads(text, parse_constant=float, parse_int=_integer, object_pairs_hook=_object)
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
            return _too_deep(place)
        if isinstance(value, _Twice):
            where = _shown(_place(place, value.name, depth))
            return f"{where}: expected each key once in an object, found {shown_value(value.name)} twice"
        names: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in names:
            if isinstance(name, str) and not _is_unicode(name):
                return f"{_shown(_place(place, name, depth))}: {_NOT_UNICODE} in a key"
            if isinstance(item, dict | list):
                inner.append((_place(place, name, depth), item, depth + 1))
            elif unfit := _unfit(item):
                where = _shown(_place(place, name, depth))
                return f"{where}: {unfit}" if where else unfit
    return ""


_NOT_UNICODE = "expected Unicode text, found half of a character (a lone surrogate)"


def _unfit(item: Any) -> str:
    if isinstance(item, _Digits):
        return f"expected a number of at most 64 bits, found one of {item.count} digits"
    if isinstance(item, int) and not -(2**63) <= item < 2**64:
        return f"expected a number of at most 64 bits, found {_shown(str(item))}"
    if isinstance(item, float) and not math.isfinite(item):
        return f"expected a finite number, found {item}" + ("; NaN is not JSON" if math.isnan(item) else "")
    if isinstance(item, str) and not _is_unicode(item):
        return f"{_NOT_UNICODE} in {shown_value(item)}"
    return ""


def shown_value(value: Any) -> str:
    """Return a value for a message, no longer than it can bear: a text in quotes, all else as JSON (null, not None)."""
    return _shown(repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def kind_of(value: Any) -> str:
    """Return what a value of JSON is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(text: str) -> str:
    """Return a text that can be written anywhere, cut in its middle."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text[:4096])
    half = MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]}…{text[-half:]}"


def _too_deep(place: str) -> str:
    return f"{_shown(place)}: expected at most {DEEPEST} levels, found more"


def _place(place: str, name: str | int, depth: int) -> str:
    if depth == 0:
        return ""
    return f"{place}[{name}]" if isinstance(name, int) else f"{place}.{name}".lstrip(".")


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Twice(dict[str, Any]):
    """An object in which a key stands twice."""

    name = ""


class _Digits:
    """A number that is too long to be read."""

    def __init__(self, count: int) -> None:
        self.count = count


def _integer(text: str) -> "int | _Digits":
    return int(text) if len(text) <= _MOST_DIGITS else _Digits(len(text.lstrip("-")))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = _Twice(found)
    twice.name = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return twice


def _deepest_place(text: bytes) -> str:
    """Return the first place that is nested too deep, for a document that Python does not read to its end."""
    steps: list[str | int] = []
    word = '""'
    for token in _TOKEN.finditer(text.decode(errors="replace")):
        mark = token[0]
        if mark in "{[":
            steps.append("" if mark == "{" else 0)
        elif mark in "}]" and steps:
            steps.pop()
        elif mark == "," and steps and isinstance(steps[-1], int):
            steps[-1] += 1
        elif mark == ":" and steps:
            steps[-1] = word[1:-1]
        else:
            word = mark
        if len(steps) > DEEPEST:
            break
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
