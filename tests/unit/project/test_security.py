"""docs/security.md says nothing that no test holds."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
HEADINGS = ["What is believed", "What is not", "What to set"]
FEWEST_CASES = 60
"""As many ways at least were found in which something was believed that must not be."""


def sentences() -> list[str]:
    return [" ".join(item.split()) for item in re.findall(r"^- (.*?)(?=\n- |\n\n|\Z)", PAGE, re.DOTALL | re.MULTILINE)]


@pytest.fixture(scope="module")
def collected() -> Counter[tuple[str, str]]:
    """Count the cases of each named test, by file and name, as pytest finds them."""
    holding = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if _holds_any(path)]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *map(str, holding)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(\S+\.py)::(test_\w+)", done.stdout, re.MULTILINE)
    return Counter((path, name) for path, name in found if name in NAMED)


def _holds_any(path: Path) -> bool:
    return bool(set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)) & set(NAMED))


def test_the_page_has_its_three_parts() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == HEADINGS


def test_each_sentence_names_a_test() -> None:
    assert [sentence for sentence in sentences() if not re.search(r"`test_\w+`", sentence)] == []


def test_each_named_test_is_there_once_and_is_collected(collected: Counter[tuple[str, str]]) -> None:
    places = Counter(name for _, name in collected)
    assert {name: places[name] for name in NAMED if places[name] != 1} == {}


def test_the_ways_that_were_found_are_cases_of_the_suite(collected: Counter[tuple[str, str]]) -> None:
    assert collected.total() >= FEWEST_CASES
