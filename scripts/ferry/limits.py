"""How large a record may be: what is far beyond all real ones is refused before it costs hours, or all memory."""

import re
from collections import Counter
from dataclasses import dataclass

_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
# Elements without content, and those that end by themselves where the next one of their kind begins.
_NEVER_DEEP = frozenset(
    "area base br col embed hr img input link meta param source track wbr p li dt dd tr td th thead tbody tfoot".split()
)


@dataclass(frozen=True)
class Limits:
    """Most that a record may hold, by `metadata.limits` of the configuration; the defaults are those of config.yaml.

    record_bytes: of its JSON, and of each index file that lists files for it.
    files: that it lists, also in index files.
    values: in all of it: texts, numbers, objects, lists and what is in them.
    levels: of objects and lists in one another.
    place_characters: of the names on the way to a value.
    text_characters: of one text.
    open_elements: of HTML in one another in one text.
    """

    record_bytes: int = 16_000_000
    files: int = 100_000
    values: int = 500_000
    levels: int = 32
    place_characters: int = 500
    text_characters: int = 200_000
    open_elements: int = 100

    def exceeded(self, name: str, found: str) -> str:
        """Say that a limit is exceeded, and what lifts it."""
        expected = f"at most {getattr(self, name)} {_UNITS[name]}"
        return f"expected {expected}, found {found}; if that is right, raise metadata.limits.{name}"

    def unfit_text(self, text: str) -> str:
        """Say what is too much of a text; empty if it fits."""
        if len(text) > self.text_characters:
            return self.exceeded("text_characters", str(len(text)))
        # fewer signs than the limit cannot open more elements than the limit
        if text.count("<") > self.open_elements and (count := open_elements(text)) > self.open_elements:
            return self.exceeded("open_elements", str(count))
        return ""


DEFAULT_LIMITS = Limits()

_UNITS = {
    "record_bytes": "bytes of JSON",
    "files": "files",
    "values": "values",
    "levels": "levels",
    "place_characters": "characters of names on the way to a value",
    "text_characters": "characters",
    "open_elements": "elements of HTML in one another",
}


def open_elements(text: str) -> int:
    """Return how many elements of HTML are open at once in a text, at least: each reader needs its square in time."""
    is_open: Counter[str] = Counter()
    most = total = 0
    for closing, given in _TAG.findall(text):
        name = given.lower()
        if name in _NEVER_DEEP:
            continue
        if not closing:
            is_open[name] += 1
            total += 1
            most = max(most, total)
        elif is_open[name]:
            is_open[name] -= 1
            total -= 1
    return most
