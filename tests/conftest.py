"""What all tests have in common: which are slow, a share of them, and how a session tells what was not tested."""

import zlib
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have an option that runs a part of what is chosen otherwise."""
    about = "of what is chosen run the N-th of M shares; each test is in one, whatever else there is"
    parser.addoption("--share", metavar="N/M", type=_share, default=(1, 1), help=about)


def _share(text: str) -> tuple[int, int]:
    number, _, shares = text.partition("/")
    if not 1 <= int(number) <= int(shares):
        raise ValueError(text)
    return int(number), int(shares)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Call all tests slow that lie where each is, but for the few of each kind that are marked as smoke."""
    for item in items:
        if any(map(item.path.is_relative_to, _SLOW)) and item.get_closest_marker("smoke") is None:
            item.add_marker("slow")
    number, shares = config.getoption("share")
    others = [item for item in items if zlib.crc32(item.nodeid.encode()) % shares != number - 1]
    if others:
        left_out = set(others)
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=others)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell once for each reason how many tests were skipped for it."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)
    if reasons:
        terminalreporter.section("not tested here")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4} skipped: {reason}")
