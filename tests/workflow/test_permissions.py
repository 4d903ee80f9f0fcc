"""Other users of the machine: what a run makes they cannot change, and of restricted records not read."""

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_records import OWN, own_record

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
    blobs = flow.folder / "data" / "sandbox" / "repository" / "blobs"
    assert {path.stat().st_mode & 0o777 for path in (blobs, *blobs.iterdir())} == {0o700, 0o600}


def assert_read_by_nobody_else(folder: Path) -> None:
    ours = {str(path): oct(mode) for path, mode in made(folder) if path.parts[0] != ".snakemake" and mode & 0o077}
    assert ours == {}
    for name in FOLDERS:
        assert (folder / name).stat().st_mode & 0o777 == 0o700, name


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
    assert_read_by_nobody_else(flow.folder)
    assert os.access(flow.folder / "run.prom", os.R_OK)
    assert (flow.folder / "run.prom").stat().st_mode & 0o777 == 0o644, "Prometheus' collector is another user"


def test_what_a_run_of_ones_own_records_makes_is_read_by_nobody_else(flow: Flow) -> None:
    """Each of them may say that it is restricted."""
    flow.config = {**OWN, "source": {"data_root": "own"}}
    flow.want(7)
    flow.write_metadata(7, {**own_record(), "access": {"record": "restricted", "files": "restricted"}})
    folder = flow.folder / "own" / "7"
    folder.mkdir(parents=True)
    (folder / "secret.txt").write_text("secret", encoding="ascii")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'secret').hexdigest()}  secret.txt\n", encoding="ascii")
    (folder / "secret.txt").chmod(0o600)
    run(flow, umask="022")
    assert_read_by_nobody_else(flow.folder)
