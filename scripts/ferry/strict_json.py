"""JSON that means one thing: what another reader or writer would take otherwise, or not at all, is refused.

Of a key that stands twice, one reader keeps the first and one the last value. NaN, a number beyond 64 bits, 1e999 and
half of a character are read by Python, but the receipts cannot hold them. Each refusal says where it is.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from ferry.limits import Limits

DEEPEST = 200
"""Levels; orjson writes 254, and a receipt puts a record one level deeper. Records of the portal have at most 8."""
MAX_SHOWN = 120  # characters of a place or a value in a message
_MOST_DIGITS = 100  # of a number that is read; Python refuses those of more than 4300
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')


class UnfitJsonError(ValueError):
    """JSON that cannot be taken; says where, what was expected and what was found."""


def strict_json(text: bytes, limits: Limits | None = None) -> Any:
    """Return what `text` holds; `limits`: of a record, None if it is none.

    Raises:
        UnfitJsonError: a key stands twice in one object, a number is none or beyond 64 bits, a text is not Unicode, it
            is nested too deep, or it exceeds a limit.
        ValueError: it is no JSON.
    """
    try:
        document = json.loads(text, parse_constant=float, object_pairs_hook=_object)
    except RecursionError as error:
        raise UnfitJsonError(_told(_deepest_place(text), f"expected at most {DEEPEST} levels, found more")) from error
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # a number of more digits than Python reads: read again, to say where
        document = json.loads(text, parse_constant=float, parse_int=_integer, object_pairs_hook=_object)
    unfit = unfit_value(document, limits)
    if unfit:
        raise UnfitJsonError(unfit)
    return document


def unfit_value(document: Any, limits: Limits | None = None) -> str:
    """Say of the first value that a receipt cannot hold where it is, what was expected and found; empty if all fit.

    limits: of a record, None if it is none.
    """
    inner = [_Inside(None, "", [document], 0, 0)]
    count = 0
    while inner:
        inside = inner.pop()
        value = inside.value
        count += len(value)
        if isinstance(value, _Twice):
            found = f"expected each key once in an object, found {shown_value(value.name)} twice"
            return _told(_place(inside, value.name), found)
        if unfit := _unfit_object(inside, count, limits):
            return _told(_place(inside), unfit)
        names: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in names:
            if isinstance(name, str) and not _is_unicode(name):
                return _told(_place(inside, name), f"{_NOT_UNICODE} in a key")
            if isinstance(item, dict | list):
                length = inside.characters + (len(name) if isinstance(name, str) else 0)
                inner.append(_Inside(inside, name, item, inside.depth + 1, length))
            elif unfit := _unfit(item) or (limits.unfit_text(item) if limits and isinstance(item, str) else ""):
                return _told(_place(inside, name), unfit)
    return ""


class _Inside(NamedTuple):
    """An object or a list of a document; its place is made only where something is to be told of it."""

    above: "_Inside | None"
    name: str | int
    value: Any
    depth: int
    characters: int


def _place(inside: _Inside, *names: str | int) -> str:
    """Return the place of an object, or of what is inside of it by this name."""
    steps = list(names) if inside.depth else []
    while inside.above and inside.above.above:
        steps.append(inside.name)
        inside = inside.above
    return place_of(reversed(steps))


def place_of(steps: Iterable[str | int]) -> str:
    """Return the place to which the names and numbers on the way to a value lead, as `metadata.creators[0].name`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _told(place: str, unfit: str) -> str:
    return f"{_shown(place)}: {unfit}" if place else unfit


def _unfit_object(inside: _Inside, count: int, limits: Limits | None) -> str:
    """Say what is wrong with an object or a list, apart from what is in it; `count`: values of the document so far."""
    value = inside.value
    if inside.depth > DEEPEST:
        return f"expected at most {DEEPEST} levels, found more"
    if isinstance(value, dict) and (other := next((name for name in value if not isinstance(name, str)), None)):
        return f"expected names that are text, found {shown_value(other)}; put it in quotes"
    if limits is None:
        return ""
    if inside.depth > limits.levels:
        return limits.exceeded("levels", "more")
    if count > limits.values:
        return limits.exceeded("values", "more")
    longest = max(map(len, value), default=0) if isinstance(value, dict) else 0
    if inside.characters + longest > limits.place_characters:
        return limits.exceeded("place_characters", str(inside.characters + longest))
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
    if not (item is None or isinstance(item, str | int | float)):
        return f"expected a JSON value, found {type(item).__name__}; put it in quotes"
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
    return place_of(steps)
