"""Records whose files are on tape are no failures: they wait, are told everywhere, and go on once they are staged."""

import csv
import json
import subprocess
import sys

from generated_records import put_below, redirect, write_records
from record_portal import record_portal

from workflow.conftest import ROOT
from workflow.test_chain import assert_ok


def table(flow, name):
    with (flow.folder / "results" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_record_on_tape_waits_is_told_everywhere_and_is_carried_once_it_is_staged(flow):
    far = flow.folder / "far"
    write_records(flow.folder / "made", {7001: [100], 7002: [50, 60]}, put=put_below(far))
    records = {recid: json.loads((flow.folder / "made" / f"{recid}.json").read_bytes()) for recid in (7001, 7002)}
    on_tape = records[7002] | {"availability": "ondemand"}
    flow.want(7001, 7002)
    with record_portal({7001: records[7001], 7002: on_tape}) as portal:
        flow.config = {
            "source": {"redirects": redirect(far)}, "metadata": {"portal": portal.url},
            "progress": {"every_s": 60, "prometheus": "ferry.prom"},
        }  # fmt: skip
        planned = flow.run("plan")
        assert_ok(planned)
        page = f"{portal.url}/record/7002"
        assert f"to be staged     1 record (7002), 2 files on tape, 110 B: ask for each at its page, as {page}" in (
            planned.stdout
        )
        assert "records          2, of which 0 cannot succeed as is" in planned.stdout
        assert "cannot succeed   " not in planned.stdout
        done = flow.run()
        assert done.returncode == 1, "not every wanted record is ok"
        assert "ferry: 1 ok, 0 failed, 0 to go, of 2 records; 1 to be staged" in done.stderr
        assert f"  7002  to be staged: ask at {page}" in done.stderr
        assert f"7002 download_files: to be staged: ask at {page}" in done.stderr
        assert "OnTapeError" not in done.stderr
        rows = {row["recid"]: row for row in table(flow, "stats.csv")}
        assert [(row["status"], row["step"], row["error_type"]) for row in rows.values()] == [
            ("ok", "", ""), ("skipped", "download_files", "OnTapeError")
        ]  # fmt: skip
        assert table(flow, "failures.csv") == []
        assert not (flow.folder / "results" / "7002" / "failure.json").exists()
        overview = (flow.folder / "results" / "overview.html").read_text(encoding="utf-8")
        assert "1 of 2 records arrived complete; 1 to be staged" in overview
        assert f"to be staged: ask at {page};" in overview
        status = [sys.executable, str(ROOT / "scripts" / "status.py"), "--folder", str(flow.folder)]
        found = json.loads(subprocess.run([*status, "--json"], capture_output=True, check=True).stdout)
        assert {name: found[name] for name in ("ok", "failed", "skipped", "to_stage", "to_go")} == {
            "ok": 1, "failed": 0, "skipped": 0, "to_stage": 1, "to_go": 0
        }  # fmt: skip
        assert (
            "1 to be staged, 0 to go, of 2" in subprocess.run(status, capture_output=True, check=True).stdout.decode()
        )
        assert 'ferry_records{status="to_stage"} 1\n' in (flow.folder / "ferry.prom").read_text()
        before = len(portal.asked)
        assert flow.run().returncode == 1
        assert portal.asked[before:] == ["/api/records/7002"], "whether it is online by now"
        portal.change(7002, records[7002], "2026-01-01T00:00:00+00:00")
        assert_ok(flow.run())
    assert {row["status"] for row in table(flow, "stats.csv")} == {"ok"}
