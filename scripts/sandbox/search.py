"""The search index: shows a change late, and finds words rather than whole values, as OpenSearch does."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.answers import Refusal, field_error, invalid
from sandbox.store import Document

_OR = (None, False, "OR")
MAX_WINDOW = 10_000  # OpenSearch refuses to page further
_CLAUSE = re.compile(r'(?:(?P<field>[\w.]+):)?(?:"(?P<phrase>(?:[^"\\]|\\.)*)"?|(?P<word>(?:[^\s"\\]|\\.)+))')
_WORD = re.compile(r"[^\W_]+(?:(?<=[^\W\d_])\.(?=[^\W\d_])[^\W_]+|(?<=\d)[.,](?=\d)[^\W_]+|_+\w+)*")


class Index:
    """Snapshots of records: each change becomes visible a while after it was made."""

    def __init__(self, snapshot: Callable[[str], Document | None], lag_s: float, clock: Callable[[], float]) -> None:
        self._snapshot = snapshot
        self._lag_s = lag_s
        self._clock = clock
        self._waiting: deque[tuple[float, str, Document | None]] = deque()
        self._visible: dict[str, Document] = {}

    def changed(self, record_id: str) -> None:
        """Note the state that a record has now."""
        self._waiting.append((self._clock() + self._lag_s, record_id, self._snapshot(record_id)))

    def forget(self, record_id: str) -> None:
        """Note that a record is gone."""
        self._waiting.append((self._clock() + self._lag_s, record_id, None))

    def refresh(self, *, all_of_it: bool = False) -> dict[str, Document]:
        """Return what a search may see at this moment; `all_of_it` does not wait."""
        while self._waiting and (all_of_it or self._waiting[0][0] <= self._clock()):
            _, record_id, document = self._waiting.popleft()
            if document is None:
                self._visible.pop(record_id, None)
            else:
                self._visible[record_id] = document
        return self._visible


def matches(query: str, hit: Document, *, whole: frozenset[str] = frozenset()) -> bool:
    """Tell whether the document is found: `field:"a phrase"` needs its words in a row, bare words need one of them.

    Args:
        query: as OpenSearch takes it.
        hit: as the API shows it.
        whole: fields whose values are found only by all of them.

    Of what is joined by OR, either will do.

    Raises:
        Refusal: 400 where OpenSearch finds no syntax.
    """
    if query.strip() == "*":
        return True
    alternatives: list[list[tuple[str | None, bool, str]]] = [[]]
    for clause in _clauses(query):
        if clause == _OR:
            alternatives.append([])
        else:
            alternatives[-1].append(clause)
    asked = [clauses for clauses in alternatives if clauses]
    return not asked or any(_matches_all(clauses, hit, whole) for clauses in asked)


def _matches_all(clauses: list[tuple[str | None, bool, str]], hit: Document, whole: frozenset[str]) -> bool:
    quoted = [clause for clause in clauses if clause[1]]
    wanted = quoted or clauses
    results = [_found(hit, field, text, phrase=phrase, whole=whole) for field, phrase, text in wanted]
    return all(results) if quoted else any(results)


def page(hits: list[Document], *, query: dict[str, str], sort: str) -> tuple[list[Document], int, int]:
    """Return one page of the hits, its number and the size of pages.

    Raises:
        Refusal: 400 for a page that cannot be.
    """
    numbers = {}
    for name, default in (("page", 1), ("size", 25)):
        text = query.get(name, str(default))
        if not text.isdecimal():
            raise invalid(field_error(name, "Not a valid integer."))
        if int(text) < 1:
            raise invalid(field_error(name, "Must be greater than or equal to 1."))
        numbers[name] = int(text)
    if numbers["page"] * numbers["size"] > MAX_WINDOW:
        raise Refusal(400, "Invalid querystring parameters.")
    ordered = sorted(hits, key=lambda hit: str(hit["created"]), reverse=sort != "oldest")
    start = (numbers["page"] - 1) * numbers["size"]
    return ordered[start : start + numbers["size"]], numbers["page"], numbers["size"]


def _clauses(query: str) -> Iterator[tuple[str | None, bool, str]]:
    position = 0
    for match in _CLAUSE.finditer(query):
        if query[position : match.start()].strip(" ()") or (
            match["field"] is None and ":" in _bare(match["word"] or "")
        ):
            raise Refusal(400, "Invalid query string syntax.")
        position = match.end()
        if match["phrase"] is not None:
            yield match["field"], True, re.sub(r"\\(.)", r"\1", match["phrase"])
        elif match["word"] == "OR":
            yield _OR
        elif match["word"] not in ("AND", "(", ")"):
            if ":" in _bare(match["word"]) and match["field"] is not None:
                raise Refusal(400, "Invalid query string syntax.")
            yield match["field"], False, re.sub(r"\\(.)", r"\1", match["word"])


def _bare(word: str) -> str:
    return re.sub(r"\\.", "", word)


def _found(hit: Document, field: str | None, text: str, *, phrase: bool, whole: frozenset[str]) -> bool:
    wanted = _words(text)
    for value in _values(hit, field.split(".") if field else None):
        if field in ("id", "parent.id") or field in whole:
            if value == text:
                return True
            continue
        words = _words(value)
        if phrase and wanted:
            if any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1)):
                return True
        elif not phrase and set(wanted) & set(words):
            return True
    return False


def _words(text: str) -> list[str]:
    return [match.group().lower() for match in _WORD.finditer(text)]


def _values(value: Any, path: list[str] | None) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif isinstance(value, dict):
        if path is None:
            for item in value.values():
                yield from _values(item, None)
        elif path and path[0] in value:
            yield from _values(value[path[0]], path[1:])
    elif value is not None and not path:
        yield str(value)
