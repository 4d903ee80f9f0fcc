"""A run from an empty folder finds one's own drafts and records in a real NRP repository, and writes nothing there."""

import json
import shutil
import time

import pytest

import small_records
from servers.fault_proxy import fault_proxy
from servers.raw_api import Api
from workflow.conftest import Flow

pytestmark = [pytest.mark.nrp, pytest.mark.timeout(900)]

REAL = (81642, 80502)
"""A record of data and one of documents."""


FINISHED = {"draft": "draft", "publish": "published"}
"""What becomes of a record for which nobody else has to decide."""


@pytest.fixture
def recids():
    """Recids that no other test carries into the same repository."""
    first = 9_200_000 + time.time_ns() // 10**8 % 99_000
    return {first + place: real for place, real in enumerate(REAL)}


@pytest.fixture
def line(nrp):
    """A way to the repository on which every request is noted."""
    with fault_proxy(nrp.url) as proxy:
        yield proxy


def new_folder(folder, recids, *, url, token, repository):
    """Make a working folder with nothing in it but the metadata, the configuration and, elsewhere, the files."""
    flow = Flow(folder=folder, environment={"NRP_TOKEN": token})
    far = folder.parent / f"{folder.name}-far"
    flow.config = {
        "source": {"redirects": {small_records.SOURCE_PREFIX: f"file://{far}/"}},
        "transform": {"profile": "ccmm1"},
        "repository": {"url": url, **repository},
    }

    def put(path, content):
        (far / path).parent.mkdir(parents=True, exist_ok=True)
        (far / path).write_bytes(content)

    folder.mkdir()
    for recid, real in recids.items():
        document = small_records.with_small_files(small_records.load(real), put)
        document.get("metadata", document)["recid"] = recid
        flow.write_metadata(recid, {**document, "id": recid} if "metadata" in document else document)
    flow.want(*recids)
    return flow


def carried(flow):
    """Run the workflow; return recid -> id of its record, all of them ok."""
    done = flow.run(timeout_s=600)
    assert done.returncode == 0, done.stdout + done.stderr
    stats = flow.stats()
    assert set(stats["status"]) == {"ok"}
    return stats["record_id"].to_dict()


def states(flow, recids):
    """Return what became of the records, by their receipts."""
    receipts = [flow.folder / "results" / str(recid) / "published.json" for recid in recids]
    return {json.loads(each.read_bytes())["state"] if each.exists() else "draft" for each in receipts}


def writing(line):
    """Return what was asked but to read."""
    return [(each.method, each.path) for each in line.log if each.method not in ("GET", "HEAD")]


def held(nrp, token, recid):
    """Return id -> what a user's own listing shows of each record of a recid, its revision among it."""
    query = {"q": f"metadata.recid:{recid}", "shared_with_me": "false"}
    hits = Api(nrp.url, token).call("GET", "/api/user/records", params=query).json()["hits"]["hits"]
    return {hit["id"]: {name: hit[name] for name in ("revision_id", "status", "updated")} for hit in hits}


@pytest.mark.parametrize(
    "repository",
    [
        {"finish": "publish", "model": "particles"},
        {"finish": "publish", "model": None},
        {"finish": "draft", "model": "particles"},
        {"finish": "draft", "model": None},
        {"finish": "publish", "model": "particles", "workflow": "reviewed"},
        {"finish": "review", "model": None, "community": "delphi", "workflow": "community"},
    ],
    ids=lambda each: ", ".join(f"{name} {value}" for name, value in each.items()),
)
def test_a_run_from_an_empty_folder_writes_nothing_and_finds_the_same_records(nrp, line, recids, tmp_path, repository):
    flow = new_folder(tmp_path / "flow", recids, url=line.url, token=nrp.token, repository=repository)
    before = carried(flow)
    assert len(writing(line)) > 0
    shown = {recid: held(nrp, nrp.token, recid) for recid in recids}
    assert {recid: list(each) for recid, each in shown.items()} == {recid: [before[recid]] for recid in recids}
    finished = states(flow, recids)
    assert finished == {"in_review" if "workflow" in repository else FINISHED[repository["finish"]]}
    for name in ("results", "data"):
        shutil.rmtree(flow.folder / name)
    seen = len(writing(line))
    assert carried(flow) == before
    assert states(flow, recids) == finished
    assert writing(line)[seen:] == []
    assert {recid: held(nrp, nrp.token, recid) for recid in recids} == shown


def test_records_of_another_user_with_the_same_identifiers_are_neither_claimed_nor_touched(nrp, line, recids, tmp_path):
    published = {"finish": "publish", "model": nrp.model}
    (theirs, _), (drafted, _) = recids.items()
    other = {"url": nrp.url, "token": nrp.other_token}
    carried(new_folder(tmp_path / "theirs", {theirs: REAL[0]}, **other, repository=published))
    carried(new_folder(tmp_path / "drafts", {drafted: REAL[1]}, **other, repository={**published, "finish": "draft"}))
    before = {recid: held(nrp, nrp.other_token, recid) for recid in recids}
    assert all(len(each) == 1 for each in before.values())
    flow = new_folder(tmp_path / "flow", recids, url=line.url, token=nrp.token, repository=published)
    ours = carried(flow)
    for recid in recids:
        assert list(held(nrp, nrp.token, recid)) == [ours[recid]]
        assert ours[recid] not in before[recid]
    assert {recid: held(nrp, nrp.other_token, recid) for recid in recids} == before
    foreign = {record_id for each in before.values() for record_id in each}
    assert not [path for _, path in writing(line) if any(record_id in path for record_id in foreign)]
    for name in ("results", "data"):
        shutil.rmtree(flow.folder / name)
    seen = len(writing(line))
    assert carried(flow) == ours
    assert writing(line)[seen:] == []
