"""docs/guarantees.md promises nothing that no test holds, and leaves out no fault."""

import re
from collections import Counter

from unit.project.named_tests import cases_of, headings, names_in, read_page, sentences

PAGE = read_page("guarantees.md")
PROMISED, FAULTS, NOT_PROMISED = re.split(r"^## .+$", PAGE, flags=re.MULTILINE)[1:]
KNOWN_FAULTS = 54


def rows() -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in re.findall(r"^\| \d.*", FAULTS, re.MULTILINE)
    ]


def test_the_page_has_its_parts() -> None:
    assert headings(PAGE) == ["What is promised", "What may go wrong, and what holds then", "What is not promised"]
    assert len(sentences(NOT_PROMISED)) >= 5


def test_each_promise_names_a_test() -> None:
    assert sentences(PROMISED)
    assert [sentence for sentence in sentences(PROMISED) if not names_in(sentence)] == []


def test_each_fault_has_a_line_that_says_what_holds_and_names_a_test() -> None:
    assert [cells[0].strip("| ") for cells in rows()] == [str(number) for number in range(1, KNOWN_FAULTS + 1)]
    assert [cells[0] for cells in rows() if len(cells) != 3 or not names_in(cells[2])] == []


def test_each_named_test_is_there_once_and_is_collected(all_tests: frozenset[str]) -> None:
    named = names_in(PAGE)
    places = Counter(name for _, name in cases_of(named, all_tests))
    assert {name: places[name] for name in named if places[name] != 1} == {}
