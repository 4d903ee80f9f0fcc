"""Requests that a gateway answers 504 and hands on later, and a search that is behind: what a run makes of them.

Each test runs the workflow against the sandbox and against a real InvenioRDM, through a proxy.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from subprocess import DEVNULL
from types import SimpleNamespace

import pytest
from generated_records import content, put_below, redirect, write_records

from ferry.deposit.duplicates import REMOVE
from ferry.identity import source_identifier
from sandbox import launcher
from sandbox.settings import Settings
from servers.deposit_faults.truth import Truth
from servers.depositing import own_recid
from servers.fault_proxy import FaultProxy, fault_proxy
from servers.faults import Fault, late
from servers.raw_api import Draft, eventually, md5
from workflow.conftest import Flow

pytestmark = pytest.mark.slow  # each waits for what comes late
FILES = [20_000, 300]
FIRST, SECOND = "f00000.al", "f00001.al"

REQUESTS = {
    "create": {"method": "POST", "path": r"/api/records(\?|$)"},
    "content": {"method": "PUT", "path": rf"{FIRST}/content$"},
    "commit": {"method": "POST", "path": rf"{FIRST}/commit$"},
    "publish": {"method": "POST", "path": r"/actions/publish$"},
}
OF_PUBLIC = {
    "edit": {"method": "POST", "path": r"/records/[^/]+/draft$"},
    "versions": {"method": "POST", "path": r"/versions$"},
}
"""Requests for a draft of a record that is public."""
SEARCH = {"method": "GET", "path": r"/api/user/records\?"}


@pytest.fixture(scope="module", params=["sandbox", pytest.param("rdm", marks=[pytest.mark.rdm])])
def repository(request, tmp_path_factory):
    """The repository behind the proxy."""
    if request.param == "rdm":
        yield request.getfixturevalue("invenio")
        return
    started = launcher.start(tmp_path_factory.mktemp("late"), settings=Settings(index_lag_s=0.5, rate_limits=()))
    yield started
    started.stop()


@dataclass
class Line:
    """A run of one record through a proxy, and what the repository really holds of it."""

    flow: Flow
    proxy: FaultProxy
    truth: Truth
    recid: int

    def run(self, *, with_words_of_message=""):
        """Run the workflow; return whether it ended well."""
        done = self.flow.run(f"results/{self.recid}/stats.json", *shlex.split(with_words_of_message), timeout_s=900)
        self.told = done.stdout + done.stderr
        return done.returncode == 0

    def run_until_killed_by(self, fault):
        """Run the workflow, and kill it once the fault has fired."""
        run = subprocess.Popen(
            self.flow.command(), env={**os.environ, **self.flow.environment}, stdout=DEVNULL, stderr=DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        eventually(lambda: fault.fired, within_s=60)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()

    def fault(self, name, **how):
        """Let a kind of request go wrong."""
        return self.proxy.add(Fault(name, **{**REQUESTS, **OF_PUBLIC}[name], **how))

    def index_behind(self, seconds):
        """Have the search show a draft only so long after it was made."""

        def is_behind(_head):
            made = [each.ended_s for each in self.created() if each.upstream_status == 201]
            return not made or time.monotonic() < min(made) + seconds

        def nothing_found(answer):
            answer.json = {**answer.json, "hits": {"hits": [], "total": 0}}

        self.proxy.add(Fault("behind", **SEARCH, when=is_behind, change=nothing_found, times=None))

    def created(self):
        """Return the requests for a draft: what became of those by the run, and of those that were late."""
        return [each for each in self.proxy.requests("POST") if re.search(REQUESTS["create"]["path"], each.path)]

    def found(self):
        """Return the ids of what a search shows of the record: what was deleted just now is still among it."""
        identifier = self.identified.identifier
        return {hit["id"] for hit in self.truth.api.search("/api/user/records", identifier)["hits"]["hits"]}

    def held(self, *, expected=1):
        """Return what the repository holds of the record once nothing is on its way any more."""
        eventually(lambda: self.proxy.pending == 0, within_s=90)
        return self.truth.held(self.identified, expected=expected)

    @property
    def identified(self):
        return SimpleNamespace(identifier=source_identifier(self.recid)["identifier"])

    def assert_right(self, *, is_published=False):
        """The repository holds the record once, with the right bytes; a further run asks and writes nothing."""
        eventually(lambda: len(self.found()) == 1)
        (record,) = self.held()
        assert record.id == self.flow.receipt(self.recid, "upload")["record_id"]
        assert record.is_published == is_published
        for number, size in enumerate(FILES):
            key, data = f"f{number:05d}.al", content(f"generated/{self.recid}/f{number:05d}.al", size)
            assert record.complete[key] == (size, md5(data), data)
        asked = len(self.proxy.log)
        assert self.run(), self.told
        assert "Nothing to be done" in self.told
        assert len(self.proxy.log) == asked

    def assert_failed(self, step, *words):
        """The record failed in this step, is told as failed, and the reason names all of this."""
        failure = self.flow.receipt(self.recid, "failure")
        assert (failure["status"], failure["step"], failure["error_type"]) == ("failed", step, "DuplicateError")
        for word in words:
            assert word in failure["error"]
            assert word in self.told


@pytest.fixture
def line(repository, tmp_path):
    """A run of one record, of a recid that no other test has."""
    recid = own_recid()
    flow = Flow(folder=tmp_path / "flow", environment={"NRP_TOKEN": repository.token})
    flow.folder.mkdir()
    write_records(flow.folder / "metadata", {recid: FILES}, put=put_below(tmp_path / "far"))
    flow.want(recid)
    with fault_proxy(repository.url) as proxy:
        flow.config = {
            "source": {"redirects": redirect(tmp_path / "far")},
            "package": {"attachments": []},
            "repository": {"url": proxy.url, "settle_s": 8},
        }
        yield Line(flow, proxy, Truth(repository.url, repository.token), recid)


@pytest.mark.parametrize(
    ("what", "finish"),
    [("create", "draft"), ("content", "publish"), ("commit", "draft"), ("publish", "publish")],
)
def test_a_request_that_is_done_late_ends_in_one_record_that_is_right(line, what, finish):
    line.flow.config["repository"]["finish"] = finish
    fault = line.fault(what, **late(4))
    line.index_behind(1)
    assert line.run(), line.told
    assert fault.fired == 1
    line.assert_right(is_published=finish == "publish")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("behind_s", [1, 12, 40])
@pytest.mark.parametrize("late_s", [6, 15, 40])
@pytest.mark.parametrize("what", REQUESTS)
def test_whatever_is_late_by_up_to_40_s_ends_right_as_the_configuration_comes(line, what, late_s, behind_s):
    del line.flow.config["repository"]["settle_s"]
    line.flow.config["repository"]["finish"] = "publish"
    fault = line.fault(what, **late(late_s))
    line.index_behind(behind_s)
    assert line.run(), line.told
    assert fault.fired == 1
    line.assert_right(is_published=True)


def test_a_draft_that_is_made_late_is_waited_for_and_no_second_one_asked_for(line):
    line.fault("create", times=None, **late(3))
    assert line.run(), line.told
    assert [(each.status, each.upstream_status) for each in line.created()] == [(504, None), (None, 201)]
    line.assert_right()


def test_content_that_comes_late_takes_a_committed_file_away_and_it_is_sent_again(line):
    line.fault("content", **late(4))
    assert line.run(), line.told
    sent = [(each.status, each.upstream_status) for each in line.proxy.requests("PUT", f"{FIRST}/content")]
    assert sent == [(504, None), (200, 200), (None, 200), (200, 200)]
    line.assert_right()


def test_check_names_what_nobody_has_answered(line):
    line.flow.config["upload"] = {"attempts": 1}
    line.fault("create", **late(3))
    assert not line.run(), line.told
    checked = line.flow.run("check")
    assert checked.returncode == 1, "a wanted record has failed"
    assert f"nobody has answered what was asked for of {line.recid} (creation, last at 20" in checked.stderr
    assert line.run(), line.told
    line.assert_right()
    assert f"complete, but nobody has answered what was asked for of {line.recid} (creation, last" in checked_again(
        line
    )


def checked_again(line):
    checked = line.flow.run("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return checked.stdout


def test_check_names_a_complete_record_that_may_be_there_twice_and_its_one_command_finds_the_second_draft(line):
    """One that came when the run had ended, of a record that no run has anything to do for."""
    line.flow.config["repository"]["settle_s"] = 0.5
    line.fault("create", **late(12))
    assert line.run(), line.told
    assert len(line.held(expected=2)) == 2
    eventually(lambda: len(line.found()) == 2)
    assert line.run(), line.told
    assert "Nothing to be done" in line.told
    told = checked_again(line)
    assert f"complete, but nobody has answered what was asked for of {line.recid} (creation, last at 20" in told
    assert re.search(r"looks no more, this does: .*snakemake.* -- mend && ", told)
    mended = line.flow.run("mend")
    assert "1 complete record of which something was asked that nobody has answered" in mended.stdout
    assert not line.run(), line.told
    line.assert_failed("upload_record", *(record.id for record in line.held(expected=2)), REMOVE)
    assert line.run(with_words_of_message=REMOVE), line.told
    line.assert_right()


@pytest.mark.parametrize("lost", ["nothing", "deposit.json"])
def test_a_run_that_was_killed_while_a_request_was_under_way_is_gone_on_with_in_one_draft(line, lost):
    """When the request is done, nobody is there any more who has asked for it."""
    fault = line.fault("create", **late(4))
    line.run_until_killed_by(fault)
    if lost != "nothing":
        (line.flow.folder / "data" / str(line.recid) / lost).unlink()
    assert line.run(), line.told
    assert len(line.created()) == 2
    line.assert_right()


# --- later than the configuration allows for ---


@pytest.fixture
def doubled(line):
    """A record of which two drafts are there: the second one came later than the run would wait."""
    line.flow.config["repository"]["settle_s"] = 0.5
    line.fault("create", **late(8))
    # the upload takes about 20 s: by then the late draft is there, and the search shows it
    line.flow.config["upload"] = {"bytes_per_s": 1000, "parallel_files": 1}
    assert not line.run(), line.told
    line.assert_failed("upload_record")
    records = line.held(expected=2)
    used, other = sorted(records, key=lambda record: not record.complete)
    return line, used, other


def test_a_second_draft_is_told_before_the_record_is_called_uploaded_and_removed_where_that_is_wanted(doubled):
    line, used, other = doubled
    line.assert_failed("upload_record", used.id, other.id, f"or set repository.duplicate_drafts to remove ({REMOVE})")
    assert not line.run(), line.told
    assert len(line.held(expected=2)) == 2
    assert line.run(with_words_of_message=REMOVE), line.told
    assert f"ferry: {line.recid}: deleted the draft {other.id}" in line.told
    line.assert_right()


def test_one_command_removes_the_second_drafts_of_many_records(line, tmp_path):
    recids = [line.recid, own_recid()]
    write_records(line.flow.folder / "metadata", dict.fromkeys(recids, FILES), put=put_below(tmp_path / "far"))
    line.flow.want(*recids)
    assert line.flow.run(*(f"results/{recid}/record.json" for recid in recids)).returncode == 0
    create = line.truth.api.call
    documents = {recid: line.flow.receipt(recid, "record") for recid in recids}
    made = {
        recid: [create("POST", "/api/records", json=document).json()["id"] for _ in range(2)]
        for recid, document in documents.items()
    }
    lines = [replace(line, recid=recid) for recid in recids]
    for each in lines:
        eventually(lambda each=each: len(each.found()) == 2)
    targets = [f"results/{recid}/stats.json" for recid in recids]
    failed = line.flow.run("--keep-going", *targets)
    assert failed.returncode != 0
    for each in lines:
        each.told = failed.stdout + failed.stderr
        each.assert_failed("upload_record", *made[each.recid], REMOVE)
    done = line.flow.run(*targets, *shlex.split(REMOVE))
    assert done.returncode == 0, done.stdout + done.stderr
    for each in lines:
        each.assert_right()


def test_a_second_draft_that_was_deleted_as_the_message_says_is_no_trouble_any_more(doubled):
    line, _, other = doubled
    assert line.truth.api.call("DELETE", f"/api/records/{other.id}/draft").status_code == 204
    assert line.run(), line.told
    line.assert_right()


def test_a_second_draft_that_holds_something_of_its_own_is_never_removed(doubled):
    line, used, other = doubled
    Draft(line.truth.api, other.id).upload("of another hand.txt", b"of another hand")
    line.flow.config["repository"]["duplicate_drafts"] = "remove"
    assert not line.run(), line.told
    line.assert_failed("upload_record", used.id, other.id, "it holds other files: of another hand.txt")
    assert len(line.held(expected=2)) == 2


def test_two_published_records_are_named_and_none_is_touched(doubled):
    line, used, other = doubled
    draft = Draft(line.truth.api, other.id)
    draft.upload(FIRST, b"anything")
    assert draft.publish().status_code == 202
    line.flow.config["repository"] |= {"duplicate_drafts": "remove", "finish": "publish"}
    assert not line.run(), line.told
    line.assert_failed("upload_record", used.id, other.id, "published", "ask the repository's operators")


@pytest.mark.parametrize("finish", ["draft", "publish"])
def test_a_second_draft_that_comes_when_the_run_has_ended_is_told_by_the_next_one_that_touches_the_record(line, finish):
    line.flow.config["repository"] |= {"settle_s": 0.5, "finish": "draft"}
    line.fault("create", **late(12))
    assert line.run(), line.told
    records = line.held(expected=2)
    used = line.flow.receipt(line.recid, "upload")["record_id"]
    (other,) = [record.id for record in records if record.id != used]
    if finish == "publish":
        line.flow.config["repository"]["finish"] = "publish"
    else:
        (line.flow.folder / "metadata" / "corrections").mkdir()
        (line.flow.folder / "metadata" / "corrections" / f"{line.recid}.yaml").write_text("title: Another title\n")
    assert not line.run(), line.told
    line.assert_failed("publish_record" if finish == "publish" else "upload_record", used, other)
    assert [record.is_published for record in line.held(expected=2)] == [False, False]
    line.flow.config["repository"]["duplicate_drafts"] = "remove"
    assert line.run(), line.told
    line.assert_right(is_published=finish == "publish")


# --- drafts of a record that is public ---


def correct(line, title):
    """Have the record changed."""
    folder = line.flow.folder / "metadata" / "corrections"
    folder.mkdir(exist_ok=True)
    (folder / f"{line.recid}.yaml").write_text(f"title: {title}\n")


def publish_then_change(line, what):
    """Publish the record; then change it, while the request for a draft of it is handed on late."""
    line.flow.config["repository"]["finish"] = "publish"
    assert line.run(), line.told
    line.flow.config["repository"]["when_published"] = "update_metadata" if what == "edit" else "new_version"
    correct(line, "Another title")
    eventually(lambda: len(line.found()) == 1)


def open_drafts(line):
    """Return the ids of what is open for a change."""
    found = line.truth.api.search("/api/user/records", line.identified.identifier, allversions="true")["hits"]["hits"]
    return {hit["id"] for hit in found if line.truth.api.call("GET", f"/api/records/{hit['id']}/draft").ok}


@pytest.mark.parametrize("what", OF_PUBLIC)
def test_a_draft_of_a_public_record_that_is_made_late_is_waited_for(line, what):
    publish_then_change(line, what)
    fault = line.fault(what, **late(4))
    assert line.run(), line.told
    assert fault.fired == 1
    eventually(lambda: line.proxy.pending == 0)
    assert open_drafts(line) == set()
    assert line.truth.record(line.flow.receipt(line.recid, "published")["record_id"]).title == "Another title"


@pytest.mark.parametrize("what", OF_PUBLIC)
def test_a_draft_of_a_public_record_that_comes_when_the_run_has_ended_is_named_by_check_and_used_or_removed(line, what):
    publish_then_change(line, what)
    line.flow.config["repository"]["settle_s"] = 0.5
    line.fault(what, **late(20))
    assert line.run(), line.told
    eventually(lambda: line.proxy.pending == 0, within_s=60)
    eventually(lambda: len(open_drafts(line)) == 1)
    assert f"nobody has answered what was asked for of {line.recid} (" in (told := checked_again(line))
    assert "edit, last at 20" in told
    line.flow.run("mend")
    if what == "edit":
        assert line.run(), line.told
    else:
        assert not line.run(), line.told
        line.assert_failed("upload_record", *open_drafts(line), REMOVE)
        assert line.run(with_words_of_message=REMOVE), line.told
    assert open_drafts(line) == set()


def lose_all_of_it(state, _beside):
    shutil.rmtree(state.parent)


def lose_both(state, beside):
    shutil.rmtree(state.parent)
    beside.unlink()


def cut(state, beside):
    beside.unlink()
    os.truncate(state, state.stat().st_size // 2)


def forget_in_it(state, beside):
    beside.unlink()
    state.write_text(json.dumps({**json.loads(state.read_bytes()), "unknown": {}}))


def put_another_records_there(state, beside):
    beside.unlink()
    state.write_text(json.dumps({**json.loads(state.read_bytes()), "recid": 1}))


LOSSES = (
    lose_both,
    *(
        pytest.param(way, marks=pytest.mark.long)
        for way in (lose_all_of_it, cut, forget_in_it, put_another_records_there)
    ),
)


def lose(line, way):
    folder = line.flow.folder
    way(folder / f"data/{line.recid}/deposit.json", folder / f"results/{line.recid}/unanswered.json")


@pytest.mark.parametrize("way", LOSSES)
def test_a_second_draft_is_told_before_publishing_also_where_it_is_lost_what_was_asked(line, way):
    line.flow.config["repository"] |= {"settle_s": 0.5, "finish": "draft"}
    line.fault("create", **late(10))
    assert line.run(), line.told
    used, other = sorted(line.held(expected=2), key=lambda record: not record.complete)
    eventually(lambda: len(line.found()) == 2)
    lose(line, way)
    if way is lose_all_of_it:
        assert f"asked for of {line.recid} (creation, last at 20" in checked_again(line)
    line.flow.config["repository"]["finish"] = "publish"
    assert not line.run(), line.told
    line.assert_failed("publish_record", used.id, other.id)
    assert line.run(with_words_of_message=REMOVE), line.told
    line.assert_right(is_published=True)


@pytest.mark.parametrize("way", LOSSES)
def test_content_that_comes_late_is_waited_for_also_where_it_is_lost_what_was_asked(line, way):
    line.flow.config["repository"]["settle_s"] = 20
    line.run_until_killed_by(line.fault("content", **late(14)))
    lose(line, way)
    assert line.run(), line.told
    line.assert_right()
