"""Other users of the machine: what a run makes they cannot change, and of restricted records not read."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow.conftest import Flow
from workflow.test_chain import MANUAL, assert_ok

FOLDERS = ("results", "data", "logs", "benchmarks", ".snakemake")


def run(flow: Flow, *, umask: str) -> None:
    command = ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *flow.command()]
    assert_ok(subprocess.run(command, capture_output=True, text=True, timeout=280, check=False))


def made(folder: Path) -> Iterator[tuple[Path, int]]:
    """Give what a run has made, with its permissions: folders and files, no links."""
    for name in FOLDERS:
        for path in (folder / name, *(folder / name).rglob("*")):
            if not path.is_symlink():
                yield path.relative_to(folder), stat.S_IMODE(path.stat().st_mode)


def test_nothing_of_a_run_can_be_changed_by_others_whatever_the_umask(flow: Flow) -> None:
    flow.want(MANUAL)
    run(flow, umask="000")
    assert {str(path): oct(mode) for path, mode in made(flow.folder) if mode & 0o002} == {}
    assert (flow.folder / "logs" / "run.lock").stat().st_mode & 0o777 == 0o600
    locks = {path.name: mode for path, mode in made(flow.folder) if path.name.endswith("lock")}
    assert set(locks.values()) == {0o600}


@pytest.mark.parametrize("script_server", [True, False])
def test_what_a_run_of_restricted_records_makes_is_read_by_nobody_else(flow: Flow, script_server: bool) -> None:
    flow.config = {
        "transform": {"access": "restricted"},
        "run": {"script_server": script_server},
        "progress": {"prometheus": str(flow.folder / "run.prom"), "every_s": 1},
    }
    flow.want(MANUAL)
    (flow.folder / "results").mkdir(mode=0o755)  # as an earlier run of public records has left it
    run(flow, umask="022")
    ours = {str(path): oct(mode) for path, mode in made(flow.folder) if path.parts[0] != ".snakemake" and mode & 0o077}
    assert ours == {}
    for name in FOLDERS:
        assert (flow.folder / name).stat().st_mode & 0o777 == 0o700, name
    assert os.access(flow.folder / "run.prom", os.R_OK)
    assert (flow.folder / "run.prom").stat().st_mode & 0o777 == 0o644, "Prometheus' collector is another user"
