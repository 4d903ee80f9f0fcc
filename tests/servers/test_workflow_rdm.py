"""The same workflow, changed only by a config file: a real XRootD server, a real InvenioRDM, real records."""

import hashlib
import json
import urllib.parse
import urllib.request

import pandas as pd
import pytest

import small_records
from servers.xrootd_server import need_xrootd, running_server
from workflow.conftest import Flow

pytestmark = [pytest.mark.rdm, pytest.mark.xrootd, pytest.mark.timeout(1500)]

RECIDS = sorted(int(path.stem) for path in small_records.RECORDS.glob("*.json"))


@pytest.fixture
def xrootd():
    need_xrootd()
    with running_server() as server:
        yield server


def get(invenio, path):
    request = urllib.request.Request(
        f"{invenio.url}{path}",
        headers={"Authorization": f"Bearer {invenio.token}", "Accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_real_records_become_published_records_whose_md5_are_those_of_the_local_files(invenio, xrootd, tmp_path):
    assert len(RECIDS) >= 20
    flow = Flow(folder=tmp_path, environment={"NRP_TOKEN": invenio.token})
    flow.config = {
        "source": {"redirects": {small_records.SOURCE_PREFIX: xrootd.prefix}},
        "repository": {"url": invenio.url, "finish": "publish"},
        "package": {"max_files": 9},
    }
    for recid in RECIDS:
        document = small_records.with_small_files(
            small_records.load(recid), lambda path, data: xrootd.put(path.removeprefix("eos/opendata/"), data)
        )
        flow.write_metadata(recid, document)
    flow.want(*RECIDS)
    done = flow.run(cores=4, timeout_s=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    stats = flow.stats()
    assert set(stats["status"]) == {"ok"}
    assert stats["published"].all()
    assert stats["zip_used"].any()
    compared = 0
    for recid in RECIDS:
        published = flow.receipt(recid, "published")
        package = flow.receipt(recid, "package")["uploads"]
        listed = {}
        if package:
            entries = get(invenio, f"/api/records/{published['record_id']}/files")["entries"]
            listed = {entry["key"]: (entry["size"], entry["checksum"]) for entry in entries}
        expected = {}
        paths = {upload["key"]: upload["path"] for upload in package}
        if package:
            paths[f"{recid}_manifest.json"] = f"attachments/{recid}_manifest.json"
        for key, path in paths.items():
            data = (flow.folder / "data" / str(recid) / path).read_bytes()
            expected[key] = (len(data), f"md5:{hashlib.md5(data).hexdigest()}")
        assert listed == expected
        compared += len(expected)
    assert compared > 40
    files = pd.read_parquet(flow.folder / "results" / "files.parquet")
    assert files["verified"].all()
    again = flow.run(cores=4)
    assert "Nothing to be done" in again.stdout + again.stderr
    for recid in RECIDS:
        query = urllib.parse.quote(f'metadata.identifiers.identifier:"https://opendata.cern.ch/record/{recid}"')
        assert get(invenio, f"/api/user/records?q={query}")["hits"]["total"] == 1
    for path in flow.folder.rglob("*"):
        assert not path.is_file() or invenio.token.encode() not in path.read_bytes(), path
