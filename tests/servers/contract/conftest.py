"""The repositories that are asked the same, so that the sandbox stays as mean as the real one."""

import pytest

from sandbox import launcher
from sandbox.settings import Settings
from servers.raw_api import Api
from servers.rdm.server import MAX_FILE_BYTES, QUOTA_BYTES


@pytest.fixture(scope="session", params=["sandbox", pytest.param("rdm", marks=[pytest.mark.rdm])])
def server(request, tmp_path_factory):
    """A repository with its quota below the limit of one file, so that both can be met without sending a byte."""
    if request.param == "rdm":
        yield request.getfixturevalue("invenio")
        return
    settings = Settings(quota_bytes=QUOTA_BYTES, max_file_bytes=MAX_FILE_BYTES, index_lag_s=0.3)
    started = launcher.start(tmp_path_factory.mktemp("contract"), settings=settings)
    yield started
    started.stop()


@pytest.fixture
def api(server):
    """One user."""
    return Api(server.url, server.token, name="own")


@pytest.fixture
def stranger(server):
    """Another user."""
    return Api(server.url, server.other_token, name="stranger")


@pytest.fixture
def nobody(server):
    """Somebody without a token."""
    return Api(server.url, None, name="nobody")


@pytest.fixture
def draft(api):
    """A new draft without files."""
    return api.create()
