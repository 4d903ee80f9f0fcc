"""The repositories that are asked the same, so that the sandbox stays as mean as the real ones."""

from dataclasses import dataclass

import pytest

from sandbox import launcher
from sandbox.settings import Settings
from servers.flavours import CCMM1, NRP_FLAVOURS, RDM_13, RDM_14, Flavour
from servers.nrp.server import NrpRepository
from servers.raw_api import Api
from servers.rdm.server import MAX_FILE_BYTES, QUOTA_BYTES


@dataclass(frozen=True)
class Asked:
    """A repository with its quota below the limit of one file, so that both can be met without sending a byte."""

    url: str
    token: str
    other_token: str
    flavour: Flavour
    quota_bytes: int = QUOTA_BYTES
    max_file_bytes: int = MAX_FILE_BYTES
    curator_token: str | None = None
    """Of who decides in `community`, if that is there from the beginning."""
    community: str | None = None
    workflows: tuple[str, str] = ("", "")
    """Of an NRP repository: the one with a review, and the one that takes a community."""


NRP = ["sandbox-nrp", pytest.param("nrp", marks=pytest.mark.nrp)]
OTHER_NRP = [
    pytest.param(name, marks=[pytest.mark.nrp, pytest.mark.long, pytest.mark.timeout(1800)])
    for name in ("nrp_ccmm2", "nrp_rdm")
]


@pytest.fixture(scope="session", params=["sandbox", pytest.param("rdm", marks=pytest.mark.rdm), *NRP, *OTHER_NRP])
def server(request, tmp_path_factory):
    """One of them."""
    if request.param.startswith("sandbox"):
        kind = "nrp" if request.param == "sandbox-nrp" else "rdm"
        settings = Settings(flavour=kind, quota_bytes=QUOTA_BYTES, max_file_bytes=MAX_FILE_BYTES, index_lag_s=0.3)
        started = launcher.start(tmp_path_factory.mktemp("contract"), settings=settings)
        yield _nrp(started, CCMM1) if kind == "nrp" else Asked(started.url, started.token, started.other_token, RDM_13)
        started.stop()
    elif request.param == "rdm":
        real = request.getfixturevalue("invenio")
        flavour = {"13": RDM_13, "14": RDM_14}[real.version]
        yield Asked(real.url, real.token, real.other_token, flavour, real.quota_bytes, real.max_file_bytes)
    else:
        real = request.getfixturevalue(request.param)
        limits = {"quota_bytes": real.quota_bytes, "max_file_bytes": real.max_file_bytes}
        yield _nrp(real, NRP_FLAVOURS[real.base], **limits)


def _nrp(started, flavour, **limits):
    return Asked(
        started.url,
        started.token,
        started.other_token,
        flavour,
        **limits,
        curator_token=started.curator_token,
        community=NrpRepository.community,
        workflows=(NrpRepository.review_workflow, NrpRepository.community_workflow),
    )


@pytest.fixture(scope="session")
def flavour(server):
    """What this one does otherwise than others."""
    return server.flavour


@pytest.fixture
def api(server):
    """One user."""
    return Api(server.url, server.token, name="own", words=server.flavour.words)


@pytest.fixture
def stranger(server):
    """Another user."""
    return Api(server.url, server.other_token, name="stranger", words=server.flavour.words)


@pytest.fixture
def curator(server):
    """Who decides at an NRP repository."""
    return Api(server.url, server.curator_token, name="curator", words=server.flavour.words)


@pytest.fixture
def nobody(server):
    """Somebody without a token."""
    return Api(server.url, None, name="nobody", words=server.flavour.words)


@pytest.fixture
def draft(api):
    """A new draft without files."""
    return api.create()
