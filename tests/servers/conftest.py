"""What the server tests have in common."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from needs import missing
from sandbox import launcher
from servers.nrp import server as nrp_server
from servers.nrp.interpreter import NoInterpreterError
from servers.nrp.server import Base, Knobs, NrpRepository
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


@pytest.fixture(scope="session")
def invenio14(invenio: RealRepository) -> RealRepository:
    """The real InvenioRDM, if it is of a version that takes 100 MiB in one request and opens bundles."""
    if invenio.version == "13":
        pytest.skip("this is InvenioRDM 13")
    return invenio


@pytest.fixture(scope="session")
def nrp() -> Iterator[NrpRepository]:
    """A real NRP repository on CCMM 1.1, started once; $NRP_RUNNING names one that runs already."""
    if running := os.environ.get("NRP_RUNNING"):
        yield NrpRepository(**json.loads(Path(running).read_bytes()))
        return
    with ExitStack() as stack:
        yield start_nrp(stack)


@pytest.fixture(scope="session")
def nrp_ccmm2() -> Iterator[NrpRepository]:
    """The same on CCMM 2; for tests that are marked long."""
    with ExitStack() as stack:
        yield start_nrp(stack, base="ccmm2")


@pytest.fixture(scope="session")
def nrp_rdm() -> Iterator[NrpRepository]:
    """The same on the fields of InvenioRDM; for tests that are marked long."""
    with ExitStack() as stack:
        yield start_nrp(stack, base="rdm")


@pytest.fixture(scope="session")
def nrp_with() -> Iterator[Callable[..., NrpRepository]]:
    """Start one whose site is set otherwise: `nrp_with(metadata_only=False)`; once for all tests that ask the same."""
    started: dict[Knobs, NrpRepository] = {}
    with ExitStack() as stack:

        def start(**knobs: object) -> NrpRepository:
            wanted = replace(Knobs(), **knobs)
            if wanted not in started:
                started[wanted] = start_nrp(stack, knobs=wanted)
            return started[wanted]

        yield start


def start_nrp(stack: ExitStack, *, base: Base = "ccmm1", knobs: Knobs | None = None) -> NrpRepository:
    """Start one until `stack` closes; without an interpreter for it fail under CI=true, else skip."""
    try:
        nrp_server.install(nrp_server.default_folder(), base)
    except NoInterpreterError as error:
        missing(str(error))
    return stack.enter_context(nrp_server.nrp_repository(nrp_server.default_folder(), base=base, knobs=knobs))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[launcher.Sandbox]:
    """A sandbox repository of the test's own."""
    started = launcher.start(tmp_path / "repository")
    yield started
    started.stop()
