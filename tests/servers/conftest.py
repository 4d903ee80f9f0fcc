"""What the server tests have in common."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import launcher
from servers.rdm.server import RealRepository, default_folder, real_repository
from servers.xrootd_server import xrootd_server as xrootd_server  # noqa: PLC0414 - a fixture is found by its name here


@pytest.fixture(scope="session")
def invenio() -> Iterator[RealRepository]:
    """A real InvenioRDM, started once for all tests that need one; $RDM_RUNNING names one that runs already."""
    if running := os.environ.get("RDM_RUNNING"):
        yield RealRepository(**json.loads(Path(running).read_bytes()))
        return
    with real_repository(default_folder()) as started:
        yield started


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[launcher.Sandbox]:
    """A sandbox repository of the test's own."""
    started = launcher.start(tmp_path / "repository")
    yield started
    started.stop()
