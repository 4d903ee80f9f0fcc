"""Pages whose sentences name the tests that hold them."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
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


def collected(names: Collection[str]) -> Counter[tuple[str, str]]:
    """Count the cases of these tests, by file and name, as pytest finds them."""
    holding = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if _holds_any(path, set(names))]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *map(str, holding)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(\S+\.py)::(test_\w+)", done.stdout, re.MULTILINE)
    return Counter((path, name) for path, name in found if name in names)


def _holds_any(path: Path, names: set[str]) -> bool:
    return bool(set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)) & names)
