"""Pages whose sentences name the tests that hold them."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def read_page(name: str) -> str:
    """Return a page of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def headings(page: str) -> list[str]:
    """Return the titles of its parts."""
    return re.findall(r"^## (.+)$", page, re.MULTILINE)


def sentences(text: str) -> list[str]:
    """Return the items of the lists in a text."""
    return [" ".join(item.split()) for item in re.findall(r"^- (.*?)(?=\n- |\n\n|\Z)", text, re.DOTALL | re.MULTILINE)]


def names_in(text: str) -> set[str]:
    """Return the tests that a text names."""
    return set(re.findall(r"`(test_\w+)`", text))


def cases_of(names: Collection[str], all_tests: Iterable[str]) -> Counter[tuple[str, str]]:
    """Count the cases of these tests, by file and name; `all_tests` are ids as pytest has them."""
    found = (re.match(r"(\S+\.py)::(test_\w+)", node_id) for node_id in all_tests)
    return Counter((match[1], match[2]) for match in found if match and match[2] in names)
