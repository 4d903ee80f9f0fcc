"""What happens between two runs: receipts that are lost, records that change, runs that end in the middle."""

import json
import os
import signal
import subprocess
import time
import zlib

import pytest
from generated_records import put_below, redirect, write_records

from workflow.test_chain import assert_ok

RECID, OTHER = 7001, 7002


@pytest.fixture
def carried(flow):
    """Give a flow that has carried one record of two files, of two records that are there."""
    write_records(flow.folder / "metadata", {RECID: [100, 50], OTHER: [70]}, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}}
    flow.want(RECID)
    assert_ok(flow.run())
    return flow


def status_of(flow, recid=RECID):
    return flow.stats().loc[recid, "status"]


@pytest.mark.parametrize(("name", "torn"), [("source", False), ("package", True)])
def test_a_receipt_that_is_lost_or_torn_is_made_again_and_nothing_is_moved(carried, name, torn):
    before = carried.receipt(RECID, "upload")
    moved = carried.stats().loc[RECID, ["download_moved_bytes", "upload_moved_bytes"]].tolist()
    path = carried.folder / f"results/{RECID}/{name}.json"
    if torn:
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.unlink()
    assert_ok(carried.run())
    carried.want(RECID, OTHER)
    assert_ok(carried.run())
    assert dict(carried.stats()["status"]) == {RECID: "ok", OTHER: "ok"}
    assert carried.receipt(RECID, "upload") == before
    assert carried.stats().loc[RECID, ["download_moved_bytes", "upload_moved_bytes"]].tolist() == moved


def test_a_run_that_ends_between_the_steps_of_a_changed_record_does_not_call_it_ok(carried):
    record, data = carried.metadata(RECID), b"a file that is new"
    (carried.folder / f"far/generated/{RECID}/new.al").write_bytes(data)
    uri = f"root://eospublic.cern.ch//eos/opendata/generated/{RECID}/new.al"
    record["files"].append({"uri": uri, "size": len(data), "checksum": f"adler32:{zlib.adler32(data):08x}"})
    carried.write_metadata(RECID, record)
    before = len(carried.jobs())
    with subprocess.Popen(
        carried.command(cores=1), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        deadline = time.monotonic() + 60
        while not any(step == "download_files" for _, step in carried.jobs()[before:]):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(run.pid, signal.SIGINT)
    uploaded = {file["key"] for file in carried.receipt(RECID, "upload")["files"]}
    assert (status_of(carried) == "ok") == ("new.al" in uploaded)
    assert_ok(carried.run())
    assert status_of(carried) == "ok"
    assert "new.al" in {file["key"] for file in carried.receipt(RECID, "upload")["files"]}


def test_a_record_whose_files_are_all_taken_away_keeps_none_in_the_repository(carried):
    carried.write_metadata(RECID, {**carried.metadata(RECID), "files": []})
    assert_ok(carried.run())
    repository = carried.folder / "data/sandbox/repository"
    record = json.loads(next((repository / "records").glob("*.json")).read_bytes())
    assert record["draft"]["files_enabled"] is False
    assert not list((repository / "buckets" / record["draft"]["bucket"]).glob("*.json"))
