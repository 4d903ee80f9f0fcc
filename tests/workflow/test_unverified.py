"""Files of which nothing says what they must be: not carried unless that is allowed, and then never told as proven."""

import csv
import subprocess
import sys

from workflow.conftest import ROOT, first_record
from workflow.test_chain import MANUAL, assert_ok


def status_of(flow):
    command = [sys.executable, ROOT / "scripts" / "status.py"]
    return subprocess.run(command, cwd=flow.folder, capture_output=True, text=True, check=True).stdout


def test_a_record_that_nothing_proves_is_not_published_until_that_is_allowed_and_is_then_told_as_unverified(flow):
    flow.want(MANUAL)
    document = flow.metadata(MANUAL)
    first_record(document)["files"] = []
    first_record(document).pop("distribution", None)
    flow.write_metadata(MANUAL, document)
    folder = flow.folder / "disk" / str(MANUAL)
    folder.mkdir(parents=True)
    for number in range(25):
        (folder / f"{number}.al").write_bytes(b"raw")
    flow.config = {"source": {"data_root": "disk"}, "repository": {"finish": "publish"}}
    refused = flow.run()
    assert refused.returncode != 0
    assert "found 25 files and no manifest beside them" in refused.stdout + refused.stderr
    assert not flow.stats().loc[MANUAL, "published"]

    flow.config["source"]["allow_unverified"] = True
    done = flow.run()
    assert_ok(done)
    told = done.stdout + done.stderr
    assert "ferry: 1 ok (1 unverified), 0 failed, 0 to go, of 1 records" in told
    assert (
        f"ferry: 1 of those ok are unverified: they hold files that no checksum proves, as allowed\n  {MANUAL}  "
        in told
    )
    assert f"{MANUAL}  0 of 25 files proven" in told
    assert "1 ok (1 unverified), 0 failed" in status_of(flow)
    row = flow.stats().loc[MANUAL]
    assert (row["status"], bool(row["published"]), row["verified_count"], row["file_count"]) == ("ok", True, 0, 25)
    results = flow.folder / "results"
    overview = (results / "overview.html").read_text(encoding="utf-8")
    assert "<h1>1 of 1 record arrived complete, 1 of them unverified</h1>" in overview
    assert 'style="flex:1;background:#e8a33d"' in overview
    assert '"ok, unverified"' in (results / "tables" / "records.html").read_text(encoding="utf-8")
    for figure in ("records_by_outcome", "bytes_by_outcome"):
        with (results / "figures" / f"{figure}.csv").open(encoding="utf-8", newline="") as stream:
            [flow_of_record] = csv.DictReader(stream)
        assert (flow_of_record["outcome"], flow_of_record["status"]) == ("published, unverified", "unverified")
    assert "#e8a33d" in (results / "figures" / "records_by_outcome.svg").read_text(encoding="utf-8")
