"""Two folders that carry one record into one repository at the same time end in one public record.

Each test runs the workflow in both folders, through one proxy; a search shows what is there some seconds late.
"""

import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from generated_records import put_below, redirect, write_records

from ferry.deposit.duplicates import REMOVE
from ferry.identity import source_identifier
from sandbox import launcher
from sandbox.settings import Settings
from servers.deposit_faults.truth import Truth
from servers.depositing import own_recid
from servers.fault_proxy import fault_proxy
from servers.faults import Fault
from servers.raw_api import eventually
from workflow.conftest import Flow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BEHIND_S = 3


@pytest.fixture(params=["sandbox", pytest.param("rdm", marks=[pytest.mark.rdm])])
def repository(request, tmp_path):
    """The repository behind the proxy."""
    if request.param == "rdm":
        yield request.getfixturevalue("invenio")
        return
    started = launcher.start(tmp_path / "repository", settings=Settings(rate_limits=()))
    yield started
    started.stop()


class Twins:
    """Two folders that are to carry the same record."""

    def __init__(self, repository, proxy, tmp_path):
        self.recid = own_recid()
        self.proxy = proxy
        self.truth = Truth(repository.url, repository.token)
        self.flows = []
        for name in ("one", "other"):
            flow = Flow(folder=tmp_path / name, environment={"NRP_TOKEN": repository.token})
            flow.folder.mkdir()
            write_records(flow.folder / "metadata", {self.recid: [20_000, 300]}, put=put_below(tmp_path / "far"))
            flow.want(self.recid)
            flow.config = {
                "source": {"redirects": redirect(tmp_path / "far")},
                "package": {"attachments": []},
                "repository": {"url": proxy.url, "settle_s": 30, "finish": "publish"},
            }
            self.flows.append(flow)

    def run(self, flow, words=""):
        """Run one of them; return its exit status, and what it said."""
        done = flow.run(f"results/{self.recid}/stats.json", *shlex.split(words), timeout_s=300)
        return done.returncode, done.stdout + done.stderr

    def run_both(self):
        """Run both at once: neither finds the draft of the other before it makes its own."""

        def is_behind(_head):
            asked = self.proxy.requests("POST")
            made = [each.ended_s for each in asked if re.search(r"/api/records(\?|$)", each.path)]
            return len(made) < 2 or time.monotonic() < max(made) + BEHIND_S

        def nothing_found(answer):
            answer.json = {**answer.json, "hits": {"hits": [], "total": 0}}

        search = {"method": "GET", "path": r"/api/user/records\?"}
        self.proxy.add(Fault("behind", **search, when=is_behind, change=nothing_found, times=None))
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self.run, self.flows))

    def held(self, expected):
        """Return what the repository holds of the record."""
        return self.truth.held(
            SimpleNamespace(identifier=source_identifier(self.recid)["identifier"]), expected=expected
        )

    def found(self):
        """Return the ids of what a search shows of the record."""
        identifier = source_identifier(self.recid)["identifier"]
        return {hit["id"] for hit in self.truth.api.search("/api/user/records", identifier)["hits"]["hits"]}


@pytest.fixture
def twins(repository, tmp_path):
    """Both folders, with nothing done."""
    with fault_proxy(repository.url) as proxy:
        yield Twins(repository, proxy, tmp_path)


def test_of_two_folders_at_once_the_first_draft_is_published_and_the_other_folder_fails_naming_both(twins):
    ended = twins.run_both()
    records = twins.held(expected=2)
    assert sorted(record.is_published for record in records) == [False, True]
    draft, public = sorted(records, key=lambda record: record.is_published)
    assert sorted(status != 0 for status, _ in ended) == [False, True], ended
    loser = next(flow for flow, (status, _) in zip(twins.flows, ended, strict=True) if status != 0)
    winner = next(flow for flow in twins.flows if flow is not loser)
    failure = loser.receipt(twins.recid, "failure")
    assert (failure["step"], failure["error_type"]) == ("publish_record", "DuplicateError")
    assert public.id in failure["error"]
    assert f"Delete what is too much ({draft.id})" in failure["error"]
    assert winner.receipt(twins.recid, "published")["record_id"] == public.id
    assert twins.run(loser)[0] != 0
    assert len(twins.held(expected=2)) == 2
    status, told = twins.run(loser, words=REMOVE)
    assert status == 0, told
    eventually(lambda: twins.found() == {public.id})
    for flow in twins.flows:
        assert flow.receipt(twins.recid, "published")["record_id"] == public.id


def test_a_public_record_that_another_folder_has_made_meanwhile_is_named_and_none_is_published_beside(twins):
    one, other = twins.flows
    other.config["repository"]["finish"] = "draft"
    twins.run_both()
    one.config["repository"]["finish"] = other.config["repository"]["finish"] = "publish"
    ended = [twins.run(flow) for flow in twins.flows]
    records = twins.held(expected=2)
    assert sum(record.is_published for record in records) == 1
    assert sorted(status != 0 for status, _ in ended) == [False, True], ended
    (told,) = [told for status, told in ended if status != 0]
    for record in records:
        assert record.id in told
    draft = next(record for record in records if not record.is_published)
    assert twins.truth.api.call("DELETE", f"/api/records/{draft.id}/draft").status_code == 204
    for flow in twins.flows:
        status, told = twins.run(flow)
        assert status == 0, told
