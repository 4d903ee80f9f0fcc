"""A repository with a fault proxy in front, and a way through it."""

import logging

import pytest

from sandbox import launcher
from sandbox.settings import Settings
from servers.deposit_faults.cargo import Carrier, discovered, seen_through
from servers.deposit_faults.line import Line
from servers.deposit_faults.truth import Truth
from servers.fault_proxy import fault_proxy


@pytest.fixture(scope="session", params=["sandbox", pytest.param("rdm", marks=[pytest.mark.rdm])])
def repository(request, tmp_path_factory):
    """The repository behind the proxy, and what it tells of itself."""
    if request.param == "rdm":
        started = request.getfixturevalue("invenio")
        yield started, discovered(started.url)
        return
    settings = Settings(index_lag_s=0.1, rate_limits=(), discovery=False)
    started = launcher.start(tmp_path_factory.mktemp("faults"), settings=settings)
    yield started, discovered(started.url)
    started.stop()


@pytest.fixture
def line(repository, tmp_path, caplog):
    """A way through a proxy of its own."""
    server, info = repository
    caplog.set_level(logging.DEBUG)
    with fault_proxy(server.url) as proxy:
        carrier = Carrier(
            url=proxy.url,
            token=server.token,
            info=seen_through(info, server=server.url, proxy=proxy.url),
            folder=tmp_path,
        )
        yield Line(proxy=proxy, carrier=carrier, truth=Truth(server.url, server.token))
        assert server.token not in caplog.text  # I6
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or server.token.encode() not in path.read_bytes(), path
