"""The draft for the links of a public collection is asked for, answered by nobody, and opened when its time comes."""

import re
import shutil
from types import SimpleNamespace

import pytest

from ferry.deposit.links import LinkMembers
from ferry.deposit.state import DepositState, told_unanswered
from ferry.identity import record_url
from ferry.mapping.links import Link
from servers.depositing import RECID, act, deposit, document, publish
from servers.fault_proxy import fault_proxy
from servers.faults import Fault, late
from servers.raw_api import Api, Draft, eventually

MEMBER = 7001
LINK = Link("10.5281/zenodo.7001", "doi")
EDIT = {"method": "POST", "path": r"/records/[^/]+/draft$"}


def collection():
    """Return the metadata of a record that names another one as its part."""
    ours = document()
    part = {"identifier": record_url(MEMBER), "scheme": "url", "relation_type": {"id": "haspart"}}
    ours["metadata"]["related_identifiers"] = [part]
    return ours


class Pass:
    """The second pass over one public collection, through a proxy."""

    def __init__(self, sandbox, proxy, tmp_path):
        self.api = Api(sandbox.url, sandbox.token)
        self.proxy = proxy
        self.through = SimpleNamespace(url=proxy.url, token=sandbox.token)
        self.paths = {"path": tmp_path / "data" / "deposit.json", "beside": tmp_path / "unanswered.json"}
        self.given_path = tmp_path / "given.json"
        self.uploaded = deposit(sandbox, tmp_path, doc=collection()).receipt
        publish(sandbox, self.uploaded, doc=collection(), given_path=self.given_path)

    def run(self, *, settle_s, when_edited="fail"):
        async def link(repository):
            return await LinkMembers(
                repository=repository,
                uploaded=self.uploaded,
                document=collection(),
                links={MEMBER: LINK},
                finish="publish",
                when_edited=when_edited,
                given_path=self.given_path,
                state=DepositState.load(**self.paths, recid=RECID, repository=repository.name),
                settle_s=settle_s,
            ).run()

        return act(self.through, link)

    def change_title(self, title):
        """Change the public record, as somebody does on its page."""
        draft = Draft(self.api, self.uploaded["record_id"])
        opened = self.api.call("POST", draft.path).json()
        changed = {**opened, "metadata": {**opened["metadata"], "title": title}}
        assert self.api.call("PUT", draft.path, json=changed).ok
        assert draft.publish().ok

    def unanswered(self):
        """What is written down as answered by nobody."""
        return told_unanswered(*self.paths.values())

    def is_open(self):
        """Whether there is a draft of the public record."""
        return self.api.call("GET", f"/api/records/{self.uploaded['record_id']}/draft").status_code == 200

    def related(self):
        public = self.api.call("GET", f"/api/records/{self.uploaded['record_id']}").json()
        return [entry["identifier"] for entry in public["metadata"]["related_identifiers"]]


@pytest.fixture
def linking(sandbox, tmp_path):
    with fault_proxy(sandbox.url) as proxy:
        yield Pass(sandbox, proxy, tmp_path)


def test_a_draft_that_is_opened_late_is_waited_for_and_none_is_left_open(linking):
    linking.proxy.add(Fault("edit", **EDIT, **late(2.5)))
    done = linking.run(settle_s=3.5)
    assert (done.links, done.why_not) == ({MEMBER: LINK}, "")
    assert done.record.is_published
    asked = [(each.status, each.upstream_status) for each in linking.proxy.requests("POST", "/draft")]
    assert (None, 201) in asked, "it came within the time that the pass gave it"
    assert not linking.is_open()
    assert linking.related() == [record_url(MEMBER), LINK.identifier]


def test_one_that_comes_later_still_is_written_down_and_closed_by_the_next_pass(linking):
    linking.proxy.add(Fault("edit", **EDIT, **late(2)))
    assert linking.run(settle_s=0.1).links == {MEMBER: LINK}
    eventually(linking.is_open)
    assert re.fullmatch(r"edit, last at 20\S+", linking.unanswered())
    assert linking.run(settle_s=0.1).record.is_published
    assert not linking.is_open()
    assert linking.related() == [record_url(MEMBER), LINK.identifier]


@pytest.mark.parametrize("lost", ["nothing", "data"])
def test_what_a_pass_that_is_killed_has_asked_for_is_written_down(linking, lost):
    if lost == "data":
        shutil.rmtree(linking.paths["path"].parent)
    meanwhile = []
    linking.proxy.add(Fault("edit", **EDIT, change=lambda _answer: meanwhile.append(linking.unanswered())))
    linking.run(settle_s=60)
    assert [words.split(",")[0] for words in meanwhile] == ["edit"]
    assert linking.unanswered() == "", "it was answered"


def test_a_title_that_is_kept_stays_where_the_pass_is_made_once_more(linking):
    linking.change_title("By hand")
    linking.proxy.add(Fault("edit", **EDIT, **late(2)))
    done = linking.run(settle_s=3, when_edited="keep")
    assert done.links == {MEMBER: LINK}
    assert done.record.is_published
    assert done.record.document["metadata"]["title"] == "By hand"
    assert not linking.is_open()
