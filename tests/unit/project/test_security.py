"""docs/security.md says nothing that no test holds."""

from collections import Counter

import pytest

from unit.project.named_tests import cases_of, headings, names_in, read_page, sentences

PAGE = read_page("security.md")
NAMED = sorted(names_in(PAGE))
HEADINGS = ["What is believed", "What is not", "What to set"]
FEWEST_CASES = 60
"""As many ways at least were found in which something was believed that must not be."""


@pytest.fixture(scope="module")
def cases(all_tests: frozenset[str]) -> Counter[tuple[str, str]]:
    """Count the cases of each named test."""
    return cases_of(NAMED, all_tests)


def test_the_page_has_its_three_parts() -> None:
    assert headings(PAGE) == HEADINGS


def test_each_sentence_names_a_test() -> None:
    assert [sentence for sentence in sentences(PAGE) if not names_in(sentence)] == []


def test_each_named_test_is_there_once_and_is_collected(cases: Counter[tuple[str, str]]) -> None:
    places = Counter(name for _, name in cases)
    assert {name: places[name] for name in NAMED if places[name] != 1} == {}


def test_the_ways_that_were_found_are_cases_of_the_suite(cases: Counter[tuple[str, str]]) -> None:
    assert cases.total() >= FEWEST_CASES
