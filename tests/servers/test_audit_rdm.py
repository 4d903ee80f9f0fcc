"""`snakemake audit` against a real repository: what was carried is as proven, read back too; and what is not shows."""

import secrets

import pytest
from generated_records import put_below, redirect, write_records

from servers.raw_api import Api
from workflow.conftest import Flow
from workflow.test_audit import rows
from workflow.test_chain import assert_ok

pytestmark = [pytest.mark.rdm, pytest.mark.timeout(900)]


def test_what_was_carried_is_as_proven_and_read_back_by_the_members_that_the_repository_gives(invenio14, tmp_path):
    flow = Flow(folder=tmp_path, environment={"NRP_TOKEN": invenio14.token})
    loose = 10_000_000 + secrets.randbelow(2_000_000_000)
    bundled, draft = loose + 1, loose + 2
    sizes = {loose: [100, 50], bundled: [4000] * 30, draft: [70]}
    write_records(tmp_path / "metadata", sizes, put=put_below(tmp_path / "far"))
    flow.config = {
        "source": {"redirects": redirect(tmp_path / "far")},
        "package": {"max_files": 10},
        "repository": {"url": invenio14.url, "finish": "publish"},
        "audit": {"read_back": 0.2, "seed": 3},
    }
    flow.want(loose, bundled)
    assert_ok(flow.run(timeout_s=600))
    flow.run("audit", timeout_s=600)  # records of other tests there are dark: their identifiers are the portal's too
    assert {(row["recid"], row["result"]) for row in found(flow, sizes)} == {(str(loose), "ok"), (str(bundled), "ok")}
    read = [file["key"] for file in flow.receipt(bundled, "proof")["files"] if file["confirmed_by"] == "read_back"]
    assert 0 < len(read) < 30
    flow.config["audit"] = {"read_back": "all"}
    flow.run("audit", timeout_s=600)
    assert {row["result"] for row in found(flow, sizes)} == {"ok"}
    proofs = [flow.receipt(recid, "proof") for recid in (loose, bundled)]
    assert {each["confirmed_by"] for proof in proofs for each in (*proof["files"], *proof["uploads"])} == {"read_back"}
    assert_ok(flow.run("check"))

    flow.config["repository"]["finish"] = "draft"
    flow.want(draft)
    assert_ok(flow.run(timeout_s=600))
    flow.run("audit", timeout_s=600)
    assert [row["result"] for row in found(flow, [draft])] == ["ok"]
    record_id = flow.receipt(draft, "upload")["record_id"]
    api = Api(invenio14.url, invenio14.token)
    api.call("DELETE", f"/api/records/{record_id}/draft/files/f00000.al")
    flow.run("audit", timeout_s=600)
    assert ("lost", "file f00000.al") in {(row["result"], row["what"]) for row in found(flow, [draft])}
    api.call("DELETE", f"/api/records/{record_id}/draft")
    flow.run("audit", timeout_s=600)
    assert [(row["result"], row["what"]) for row in found(flow, [draft])] == [("lost", "record")]


def found(flow, recids):
    """Return the rows of these records in the last audit."""
    return [row for row in rows(flow) if int(row["recid"]) in set(recids)]
