"""What all tests have in common: which are slow, and how the end of a session tells what was not tested."""

from collections import Counter
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parent
_SLOW = (
    _TESTS / "workflow",
    _TESTS / "servers" / "deposit_faults",
    _TESTS / "servers" / "test_hostile_answers.py",
    _TESTS / "servers" / "test_link_members.py",
    _TESTS / "servers" / "test_xrootd_faults.py",
)
"""What runs Snakemake, and what waits for servers and lines that are bad."""


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Call all tests slow that lie where each is, but for the few of each kind that are marked as smoke."""
    for item in items:
        if any(map(item.path.is_relative_to, _SLOW)) and item.get_closest_marker("smoke") is None:
            item.add_marker("slow")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell once for each reason how many tests were skipped for it."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)
    if reasons:
        terminalreporter.section("not tested here")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4} skipped: {reason}")
