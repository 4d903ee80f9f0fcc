"""Thirty records of DELPHI into the particles model of a real NRP repository, each generation of it."""

import json
import secrets
import urllib.request
from pathlib import Path

import delphi_records
import pytest
from delphi_records import AUTHORS, BUNDLED, PARENTS, SEVERAL_YEARS

from ferry.mapping.diff import diff_records
from workflow.conftest import Flow

pytestmark = [pytest.mark.nrp, pytest.mark.timeout(1500)]

BASES = [
    pytest.param("nrp", "ccmm1", id="ccmm1"),
    pytest.param("nrp_ccmm2", "ccmm2", id="ccmm2", marks=pytest.mark.long),
    pytest.param("nrp_rdm", "rdm", id="rdm", marks=pytest.mark.long),
]


@pytest.fixture
def shift():
    """A repository that runs already holds the records of earlier runs."""
    return 1_000_000 * (1 + secrets.randbelow(2000))


def get(server, path):
    request = urllib.request.Request(
        f"{server.url}{path}", headers={"Authorization": f"Bearer {server.token}", "Accept": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def carrying(server, profile, folder, *, shift):
    """A workflow that publishes the thirty records there."""
    source = folder / "source"

    def put(path, content):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)

    flow = Flow(folder=folder / "flow", environment={"NRP_TOKEN": server.token})
    flow.folder.mkdir()
    flow.config = {
        "source": {"redirects": {delphi_records.SOURCE_PREFIX: f"file://{source}/"}},
        "transform": {"profile": profile},
        "repository": {"url": server.url, "model": "particles", "finish": "publish"},
    }
    for recid, document in delphi_records.documents(shift=shift, put=put).items():
        flow.write_metadata(recid, document)
    flow.want(*(shift + recid for recid in delphi_records.RECIDS))
    return flow


@pytest.mark.parametrize(("fixture", "profile"), BASES)
def test_thirty_records_are_published_and_every_field_is_read_back_as_it_was_set(
    request: pytest.FixtureRequest, fixture: str, profile: str, tmp_path: Path, shift: int
) -> None:
    server = request.getfixturevalue(fixture)
    assert len(delphi_records.RECIDS) == 30
    flow = carrying(server, profile, tmp_path, shift=shift)
    done = flow.run(cores=4, timeout_s=1400)
    assert done.returncode == 0, done.stdout + done.stderr
    stats = flow.stats()
    assert len(stats) == 30
    assert set(stats["status"]) == {"ok"}
    assert stats["published"].all()
    wrong = {}
    live = {}
    for recid in delphi_records.RECIDS:
        ours = flow.receipt(shift + recid, "record")
        live[recid] = get(server, f"/api/particles/{flow.receipt(shift + recid, 'published')['record_id']}")
        found = diff_records(ours, live[recid])
        if found or live[recid].get("errors") or live[recid]["is_draft"] or not live[recid]["is_published"]:
            wrong[recid] = (found, live[recid].get("errors"))
        assert live[recid]["metadata"]["recid"] == shift + recid
        assert live[recid]["files"]["enabled"] == (recid not in (AUTHORS, *PARENTS))
    assert wrong == {}
    assert len(live[AUTHORS]["metadata"]["creators"]) == 1048
    created = [
        entry["date"] for entry in live[SEVERAL_YEARS]["metadata"]["dates"] if entry["type"]["id"].lower() == "created"
    ]
    assert created == (["1998/2000"] if profile == "ccmm2" else ["1998", "2000"])
    assert stats.loc[shift + BUNDLED, "zip_used"]
    query = f"/api/user/records?q=metadata.recid:{shift + SEVERAL_YEARS}"
    assert get(server, query)["hits"]["total"] == 1, "what is not indexed is found by no search"
    again = flow.run(cores=2)
    assert "Nothing to be done" in again.stdout + again.stderr
