"""A dataset of one's own in a real InvenioRDM and a real NRP repository: as it was written, and found again."""

import hashlib
import json
import shutil
import time

import pytest
from own_records import own_record

import small_records
from ferry.mapping.diff import diff_records
from servers.raw_api import Api
from workflow.conftest import Flow

pytestmark = pytest.mark.timeout(900)

FILES = {
    "night 1/camera A/raw/frame 001.fits": b"frame one",
    "night 1/kamera \u010c/raw/sn\u00edmek \u010d. 1.fits": b"frame two",
    "READ ME.txt": b"",
}


def dataset(folder, number, *, url, token, profile, repository):
    """Lay out a dataset with its manifest, its metadata and the configuration of a run over it."""
    flow = Flow(folder=folder, environment={"NRP_TOKEN": token})
    flow.config = {
        "metadata": {"origin": "own", "identifier_prefix": "https://data.example.org/own-dataset/"},
        "source": {"data_root": "disk"},
        "transform": {"profile": profile},
        "repository": {"url": url, "finish": "publish", **repository},
    }
    folder.mkdir()
    lines = []
    for name, content in FILES.items():
        path = folder / "disk" / str(number) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    (folder / "disk" / str(number) / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    flow.write_metadata(number, _metadata(profile))
    flow.want(number)
    return flow


def _metadata(profile):
    document = own_record(profile=profile)
    del document["metadata"]["identifiers"]  # a DOI of somebody else's prefix is a record's own in some repositories
    return document


def carried(flow, number):
    done = flow.run(timeout_s=600)
    assert done.returncode == 0, done.stdout + done.stderr
    row = flow.stats().loc[number]
    assert (row["status"], bool(row["published"]), row["verified_count"]) == ("ok", True, len(FILES))
    return row["record_id"]


def check(api, flow, number, *, path):
    """Carry it; see that it is what was written; lose all that is remembered, and find it again."""
    record_id = carried(flow, number)
    shown = api.call("GET", f"{path}/{record_id}").json()
    wrote = flow.metadata(number)["metadata"]
    identity = {"identifier": f"https://data.example.org/own-dataset/{number}", "scheme": "url"}
    assert [{name: entry[name] for name in identity} for entry in shown["metadata"]["identifiers"]] == [identity]
    for name in ("title", "publisher", "publication_date", "version"):
        assert shown["metadata"][name] == wrote[name]
    assert [each["id"].lower() for each in shown["metadata"]["rights"]] == [
        each["id"].lower() for each in wrote["rights"]
    ]
    assert diff_records(flow.receipt(number, "record"), shown) == []
    assert "opendata.cern.ch" not in json.dumps(shown["metadata"])
    assert "recid" not in shown["metadata"]
    revision = shown["revision_id"]
    for name in ("results", "data"):
        shutil.rmtree(flow.folder / name)
    assert carried(flow, number) == record_id
    again = api.call("GET", f"{path}/{record_id}").json()
    assert again["revision_id"] == revision
    return record_id


def new_number():
    """Return a number that no other test carries into the same repository."""
    return 9_300_000 + time.time_ns() // 10**8 % 99_000


@pytest.mark.rdm
def test_a_dataset_of_ones_own_is_in_invenio_rdm_what_was_written_and_is_found_again(invenio, tmp_path):
    number = new_number()
    where = {"url": invenio.url, "token": invenio.token}
    flow = dataset(tmp_path / "flow", number, **where, profile="rdm-plain", repository={})
    check(Api(invenio.url, invenio.token), flow, number, path="/api/records")


@pytest.mark.nrp
def test_a_dataset_of_ones_own_is_in_nrp_what_was_written_and_is_not_the_portals_of_the_same_number(nrp, tmp_path):
    number = new_number()
    where = {"url": nrp.url, "token": nrp.token}
    portals = Flow(folder=tmp_path / "portals", environment={"NRP_TOKEN": nrp.token})
    portals.folder.mkdir()
    far = tmp_path / "far"

    def put(path, content):
        (far / path).parent.mkdir(parents=True, exist_ok=True)
        (far / path).write_bytes(content)

    document = small_records.with_small_files(small_records.load(81642), put)
    bare = document.get("metadata", document)
    portals.write_metadata(number, {**bare, "recid": number})
    portals.want(number)
    portals.config = {
        "source": {"redirects": {small_records.SOURCE_PREFIX: f"file://{far}/"}},
        "transform": {"profile": "ccmm1"},
        "repository": {"url": nrp.url, "finish": "publish", "model": nrp.model},
    }
    done = portals.run(timeout_s=600)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = portals.stats().loc[number, "record_id"]
    flow = dataset(tmp_path / "flow", number, **where, profile="ccmm1", repository={"model": nrp.model})
    api = Api(nrp.url, nrp.token)
    assert check(api, flow, number, path=f"/api/{nrp.model}") != theirs
    assert api.call("GET", f"/api/{nrp.model}/{theirs}").json()["metadata"]["recid"] == number
    assert api.call("GET", f"/api/{nrp.model}/{theirs}").json()["metadata"]["experiment"]["id"] == "DELPHI"
