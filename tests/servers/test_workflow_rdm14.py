"""The workflow against an InvenioRDM 14 as it comes: what is too large for one request, and bundles that open."""

import zlib

import pytest
from generated_records import put_below, redirect, write_records

from servers.depositing import own_recid
from servers.raw_api import Api
from workflow.conftest import Flow

pytestmark = [pytest.mark.rdm, pytest.mark.timeout(900)]


def test_a_large_file_and_browsable_bundles_are_carried_published_and_open(invenio14, tmp_path):
    flow = Flow(folder=tmp_path, environment={"NRP_TOKEN": invenio14.token})
    flow.config = {
        "source": {"redirects": redirect(tmp_path / "far")},
        "repository": {"url": invenio14.url, "finish": "publish"},
        "package": {"browsable": True, "browsable_limits": {"uncompressed_bytes": 130_000_000}},
    }
    large, bundled = own_recid(), own_recid()
    sizes = {large: [120_000_000, 50], bundled: [20_000_000] * 7 + [10] * 20}
    write_records(tmp_path / "metadata", sizes, put=put_below(tmp_path / "far"))
    flow.want(*sizes)
    planned = flow.run("plan")
    assert "2 bundles, for 1 upload and 2 requests more; 0 records not or in part" in planned.stdout
    done = flow.run(cores=2, timeout_s=800)
    assert done.returncode == 0, done.stdout + done.stderr
    stats = flow.stats()
    assert set(stats["status"]) == {"ok"}
    assert stats["published"].all()
    api = Api(invenio14.url, invenio14.token)
    record = f"/api/records/{flow.receipt(bundled, 'published')['record_id']}"
    bundles = [upload for upload in flow.receipt(bundled, "package")["uploads"] if upload["kind"] == "bundle"]
    assert [len(bundle["members"]) for bundle in bundles] == [6, 21]
    for bundle in bundles:
        entries = api.call("GET", f"{record}/files/{bundle['key']}/container").json()["entries"]
        assert {entry["key"] for entry in entries} == {"MANIFEST", *(member["key"] for member in bundle["members"])}
    member = bundles[1]["members"][-1]
    content = api.call("GET", f"{record}/files/{bundles[1]['key']}/container/{member['key']}").content
    assert (len(content), f"{zlib.adler32(content):08x}") == (member["size_bytes"], member["adler32"])
