"""Paths of a record: where its values are, and the account of what became of each.

A path is written as `usage.links[].url`: `[]` stands for every item of a list. A leaf is a value that is neither an
object nor a list; empty ones (null, "", [], {}) are leaves too, and are counted apart.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

MAX_PATH = 300  # characters of a path in a message


@dataclass(frozen=True)
class Found:
    """A value of the record: its place (`usage.links[2].url`), the path it is an instance of, and itself."""

    place: str
    path: str
    value: Any


def find(record: Mapping[str, Any], path: str) -> Iterator[Found]:
    """Yield the values at a path. Where the path asks for a list, one value outside a list counts as well."""
    return _descend(Found("", "", record), _steps(path), 0)


@cache
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    return tuple((step.removesuffix("[]"), step.endswith("[]")) for step in path.split("."))


def _descend(found: Found, steps: tuple[tuple[str, bool], ...], depth: int) -> Iterator[Found]:
    if depth == len(steps):
        yield found
        return
    if not isinstance(found.value, dict):
        return
    name, many = steps[depth]
    if name not in found.value:
        return
    value = found.value[name]
    dot = "." if found.path else ""
    place, path = f"{found.place}{dot}{name}", f"{found.path}{dot}{name}"
    if not many:
        yield from _descend(Found(place, path, value), steps, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _descend(Found(f"{place}[{index}]", f"{path}[]", item), steps, depth + 1)
    else:
        yield from _descend(Found(place, path, value), steps, depth + 1)


def count_leaves(record: Mapping[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """Return how many leaves there are at each path: those with a value, and empty ones."""
    filled: dict[str, int] = {}
    empty: dict[str, int] = {}
    todo: list[tuple[Any, str]] = [(record, "")]
    while todo:
        value, path = todo.pop()
        if isinstance(value, dict):
            items = [(f"{path}.{key}" if path else key, item) for key, item in value.items()]
        else:
            below = f"{path}[]"
            items = [(below, item) for item in value]
        for place, item in items:
            if item and isinstance(item, (dict, list)):
                todo.append((item, place))
            elif item is None or item in ("", [], {}):
                empty[place] = empty.get(place, 0) + 1
            else:
                filled[place] = filled.get(place, 0) + 1
    return Counter(filled), Counter(empty)


def shown(path: str) -> str:
    """Return a path as it may be written anywhere: encodable, and not longer than a message can bear."""
    path = path.encode("utf-8", "backslashreplace").decode("utf-8")
    path = "".join(character if character.isprintable() else repr(character)[1:-1] for character in path)
    if len(path) > MAX_PATH:
        path = f"{path[:MAX_PATH]}..."
    return path or "(the whole record)"


_Account = tuple[tuple[str, ...], str, tuple[str, ...]]
"""Where a leaf went, by which rule, and what of it did not arrive."""


@dataclass
class Ledger:
    """The account: of each path how many leaves were mapped (where to, by which rule) or dropped (why)."""

    filled: Counter[str]
    empty: Counter[str]
    _mapped: dict[str, dict[_Account, int]] = field(default_factory=dict)
    _dropped: dict[str, Counter[str]] = field(default_factory=dict)
    _set_aside: dict[str, str] = field(default_factory=dict)

    def map(self, path: str, to: tuple[str, ...], rule: str, count: int = 1, lost: tuple[str, ...] = ()) -> None:
        """Account `count` leaves of this path as mapped to these target paths; `lost`: what did not arrive."""
        entries = self._mapped.setdefault(path, {})
        account = (to, rule, lost)
        entries[account] = entries.get(account, 0) + count

    def drop(self, path: str, reason: str, count: int = 1) -> None:
        """Account `count` leaves of this path as dropped on purpose."""
        self._dropped.setdefault(path, Counter())[reason] += count

    def set_aside(self, path: str, reason: str) -> None:
        """Drop whatever is left in the end at this path and below it."""
        self._set_aside.setdefault(path, reason)

    def remaining(self, path: str) -> int:
        """Return how many leaves of this path are not accounted for yet."""
        mapped = sum(self._mapped.get(path, {}).values())
        return self.filled[path] - mapped - self._dropped.get(path, Counter()).total()

    def rows(self) -> list[dict[str, Any]]:
        """Return the whole account, sorted by path: what nobody accounted for is unknown."""
        rows: list[dict[str, Any]] = []
        for path in sorted(self.filled | self.empty):
            rows += [
                _row(path, count, status="mapped", to=list(to), rule=rule, **({"lost": list(lost)} if lost else {}))
                for (to, rule, lost), count in sorted(self._mapped.get(path, {}).items())
            ]
            dropped = Counter(self._dropped.get(path, Counter()))
            left = self.remaining(path)
            reason = self._reason(path) if left > 0 else None
            if reason:
                dropped[reason] += left
            if self.empty[path]:
                dropped["empty"] += self.empty[path]
            rows += [_row(path, count, status="dropped", reason=why) for why, count in sorted(dropped.items())]
            if left > 0 and not reason:
                rows.append(_row(path, left, status="unknown"))
        return rows

    def _reason(self, path: str) -> str | None:
        while path:
            if path in self._set_aside:
                return self._set_aside[path]
            path = path[:-2] if path.endswith("[]") else path.rpartition(".")[0]
        return None


def _row(path: str, count: int, **account: Any) -> dict[str, Any]:
    return {"path": shown(path), "count": count, **account}
