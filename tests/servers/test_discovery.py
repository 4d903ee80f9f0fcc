"""A run begins over a line that fails at any of the requests by which it learns what the repository is."""

import asyncio
import time

import pytest

from ferry.errors import PermanentError
from ferry.repository import discovery
from ferry.repository.discovery import discover, in_thread
from sandbox import launcher
from sandbox.settings import Settings
from servers.fault_proxy import fault_proxy
from servers.faults import Fault, refusal

TROUBLES = {
    "reset": {"reset": True},
    "503": refusal(503, "busy"),
    "500": {"status": 500},
    "cut": {"cut_answer_at": 20},
    "lost": {"drop_answer": True},
}


async def hurried(seconds):
    """Wait a little where a pause is meant."""
    await asyncio.sleep(min(seconds, 0.05))


def look(url):
    """Ask what is there."""
    return asyncio.run(discover(url=url, verify_tls=True, sleep=hurried))


@pytest.fixture(scope="module", params=["rdm", "nrp"])
def repository(request, tmp_path_factory):
    """The sandbox as a plain InvenioRDM, and as an NRP repository."""
    settings = Settings(flavour=request.param, discovery=request.param == "nrp", rate_limits=())
    started = launcher.start(tmp_path_factory.mktemp("discovery"), settings=settings)
    yield started
    started.stop()


def asked(repository):
    """Return what an undisturbed discovery learns, and the number of its requests."""
    with fault_proxy(repository.url) as proxy:
        info = look(proxy.url)
        return info["version"], sorted(info["models"]), len(proxy.log)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_failure_of_any_request_changes_nothing_of_what_is_learnt(repository, trouble):
    version, models, count = asked(repository)
    assert count >= 4
    for nth in range(1, count + 1):
        with fault_proxy(repository.url) as proxy:
            fault = proxy.add(Fault(trouble, nth=nth, **TROUBLES[trouble]))
            info = look(proxy.url)
            assert (info["version"], sorted(info["models"])) == (version, models), nth
            assert fault.fired == 1


def test_a_request_that_nobody_ever_answers_is_given_up(repository, monkeypatch):
    """The last request of nrp-cmd to an InvenioRDM blocks its loop, and has no limit of its own."""
    *_, count = asked(repository)
    monkeypatch.setattr(discovery, "ONE_S", 1.0)
    with fault_proxy(repository.url) as proxy:
        hung = proxy.add(Fault("hung", nth=count, hold_answer_s=600))
        begun = time.monotonic()
        assert look(proxy.url)["models"]
        assert hung.fired == 1
        assert time.monotonic() - begun < 20


def test_a_repository_that_stays_down_is_told_after_a_bounded_number_of_requests(repository):
    with fault_proxy(repository.url) as proxy:
        proxy.add(Fault("down", status=503, times=None))
        with pytest.raises(PermanentError, match=r"none that answers \(/.well-known/repository: status 503\)"):
            look(proxy.url)
        assert len(proxy.log) == discovery.ATTEMPTS


def test_a_repository_that_is_down_for_long_is_asked_for_as_long_as_that_may_be(repository):
    async def ask(url, **patience):
        return await discover(url=url, verify_tls=True, sleep=hurried, **patience)

    with fault_proxy(repository.url) as proxy:
        proxy.add(Fault("down", status=503, times=discovery.ATTEMPTS + 7))
        assert asyncio.run(ask(proxy.url, patience_s=discovery.LONGEST_S + 1))["models"]


def test_what_hangs_in_a_thread_holds_up_nobody():
    async def wait():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(blocked), 0.2)

    async def blocked():
        time.sleep(5)  # noqa: ASYNC251 - as nrp-cmd does

    begun = time.monotonic()
    asyncio.run(wait())
    assert time.monotonic() - begun < 3
