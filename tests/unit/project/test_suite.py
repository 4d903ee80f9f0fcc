"""What `make test` leaves out, `make test-slow` has."""

import functools
import re
import subprocess
import sys

import pytest

from unit.project.named_tests import ROOT

pytestmark = pytest.mark.slow

FILES = ("workflow/test_smoke.py", "workflow/test_put_back.py", "servers/deposit_faults/test_network.py")


@functools.cache
def chosen(target: str, *arguments: str) -> set[str]:
    """Return the tests of FILES that a target of the Makefile runs with these arguments."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (marks,) = re.findall(rf'^{target}:.*\n\t.*pytest .*-m "(.+)"', makefile, re.MULTILINE)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", marks]
    done = subprocess.run(
        [*command, *arguments, *(str(ROOT / "tests" / name) for name in FILES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^\S+::(test_\S+)", done.stdout, re.MULTILINE))


def test_of_what_runs_snakemake_or_a_bad_line_make_test_has_the_smoke_and_make_test_slow_all_others() -> None:
    quick, slow = chosen("test"), chosen("test-slow")
    assert quick == {"test_a_record_is_published_checked_audited_and_restored_and_a_wrong_byte_is_told_by_each"}
    assert {
        "test_check_names_them_and_its_one_command_makes_them_anew",
        "test_content_that_is_cut_off_is_sent_again[sandbox-0]",
    } < slow
    assert not quick & slow


def test_each_slow_test_is_in_one_of_the_shares() -> None:
    """CI has time for one share of them, by turns."""
    shares = [chosen("test-slow", f"--share={number}/2") for number in (1, 2)]
    together = set().union(*shares)
    assert all(shares)
    assert len(together) == sum(map(len, shares))
    assert together == chosen("test-slow")
