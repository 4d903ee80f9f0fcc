"""How often a repository is asked, counted at its door: requests are what a run of thousands of records is short of."""

import re
import secrets
from collections import Counter

import pytest
from generated_records import put_below, redirect, write_records

from ferry.deposit.settings import DepositSettings
from ferry.repository.rate_limit import RateLimiter
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import deposit, requests
from servers.fault_proxy import fault_proxy
from workflow.conftest import Flow

pytestmark = pytest.mark.timeout(900)

FILES = (1, 10, 98)
TO_UPLOAD = 4
"""A search, the draft, one announcement, one list after the last commit; each file is sent and committed besides."""
TO_PUBLISH = 3
"""A search for another record of the same source, publishing, one read after it."""
ATTACHED = 2
RUN_BEGINS = re.compile(r"^GET (/|/\.well-known/.*|/api/(user/)?records\?size=1|/api/vocabularies/.*)$")
"""What the repository is, whether the token is good, and whether it has the vocabularies: asked once a run."""
PARTICLES = {"repository": {"model": "particles"}, "transform": {"profile": "ccmm1"}}


@pytest.fixture(
    params=[
        "sandbox",
        "sandbox-nrp",
        pytest.param("invenio", marks=pytest.mark.rdm),
        pytest.param("nrp", marks=pytest.mark.nrp),
    ]
)
def asked(request, tmp_path):
    """A repository, and the configuration with which it is used."""
    if request.param in ("invenio", "nrp"):
        yield request.getfixturevalue(request.param), PARTICLES if request.param == "nrp" else {}
        return
    is_nrp = request.param == "sandbox-nrp"
    settings = Settings(rate_limits=(), flavour="nrp" if is_nrp else "rdm")
    started = launcher.start(tmp_path / "repository", settings=settings)
    yield started, PARTICLES if is_nrp else {}
    started.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("finish", "files", "attached"),
    [("draft", FILES, 0), ("publish", FILES, 0), ("publish", [10], ATTACHED)],
    ids=["draft", "publish", "attached"],
)
def test_a_record_costs_seven_requests_and_two_a_file(asked, tmp_path, finish, files, attached):
    repository, config = asked
    flow = Flow(folder=tmp_path / "flow", environment={"NRP_TOKEN": repository.token})
    flow.folder.mkdir()
    first = 10**8 + secrets.randbelow(8 * 10**8)  # a repository that runs already holds those of earlier tests
    sizes = {first + number: [100] * count for number, count in enumerate(files)}
    write_records(flow.folder / "metadata", sizes, put=put_below(tmp_path / "far"))
    flow.want(*sizes)
    unlimited = {"requests_per_minute": None, "requests_per_hour": None}
    with fault_proxy(repository.url) as proxy:
        flow.config = {
            **config,
            "package": {"max_files": max(FILES)},
            "source": {"redirects": redirect(tmp_path / "far")},
            "repository": {**config.get("repository", {}), "url": proxy.url, "finish": finish, **unlimited},
        }
        if not attached:
            flow.config["package"]["attachments"] = []
        done = flow.run(cores=1, timeout_s=800)
        told = [f"{each.method} {each.path}" for each in proxy.log]
    assert done.returncode == 0, done.stdout + done.stderr
    once = TO_UPLOAD + (TO_PUBLISH if finish == "publish" else 0)
    expected = {recid: once + 2 * (len(each) + attached) for recid, each in sizes.items()}
    assert flow.stats()["requests"].to_dict() == expected, Counter(map(_kind, told))
    of_the_run = [each for each in told if RUN_BEGINS.search(each)]
    assert len(told) - len(of_the_run) == sum(expected.values()), Counter(map(_kind, told))


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 16, 98])
def test_no_request_is_made_twice_where_the_repository_takes_fewer_than_are_configured(tmp_path, at_once):
    contents = {f"f{number:02}": b"x" * 1000 for number in range(98)}
    started = launcher.start(tmp_path / "repository", settings=Settings(rate_limits=((100, 4.0),), index_lag_s=0))
    try:
        done = deposit(
            started,
            tmp_path,
            contents=contents,
            settings=DepositSettings(parallel_files=at_once),
            rate_limiter=RateLimiter(path=tmp_path / "pace", limits=[]),
        )
        asked = requests(started)
    finally:
        started.stop()
    assert done.measured["requests_refused"] == 0
    assert done.measured["requests"] == TO_UPLOAD + 2 * len(contents)
    assert {each["status"] for each in asked} == {200, 201}


def _kind(told):
    return re.sub(r"/files/[^/ ]+", "/files/KEY", re.sub(r"records/[a-z0-9]{5}-[a-z0-9]{5}", "records/ID", told))
