"""What all tests have in common: which are slow, a share of them, and how a session tells what was not tested."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from collected import NODE_IDS

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
    about = "run the N-th of M shares of what is chosen"
    parser.addoption("--share", metavar="N/M", type=_share, default=(1, 1), help=about)


def _share(text: str) -> tuple[int, int]:
    number, _, shares = text.partition("/")
    if not 1 <= int(number) <= int(shares):
        raise ValueError(text)
    return int(number), int(shares)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Call all tests slow that lie where each is, but for the smoke; of what `-m` has chosen then leave one share.

    Neighbours are in different shares: tests of a kind, which take as long as each other, are dealt out evenly.
    """
    config.stash[NODE_IDS] = frozenset(item.nodeid for item in items)
    for item in items:
        if any(map(item.path.is_relative_to, _SLOW)) and item.get_closest_marker("smoke") is None:
            item.add_marker("slow")
    yield
    number, shares = config.getoption("share")
    mine = items[number - 1 :: shares]
    if len(mine) < len(items):
        kept = set(mine)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = mine


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell once for each reason how many tests were skipped for it."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)
    if reasons:
        terminalreporter.section("not tested here")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4} skipped: {reason}")
