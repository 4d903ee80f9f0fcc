"""What happens between two runs: receipts that are lost, records that change, runs that end in the middle."""

import json
import os
import signal
import subprocess
import time
import zlib

import pytest
from generated_records import put_below, redirect, write_records

from ferry.run.run import lock_folder
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


def test_a_file_that_is_gone_before_it_was_uploaded_comes_again_when_its_receipt_is_deleted_as_told(carried):
    before = carried.receipt(RECID, "upload")
    results, data = carried.folder / f"results/{RECID}", carried.folder / f"data/{RECID}"
    lost = next(path for path in (data / "files").rglob("*") if path.is_file())
    for path in (lost, data / "deposit.json", results / "upload.json", results / "stats.json"):
        path.unlink()
    failed = carried.run()
    assert failed.returncode != 0
    assert "found no file; delete the record's package receipt (of a loose file the download receipt)" in failed.stderr
    (results / "download.json").unlink()
    assert_ok(carried.run())
    assert status_of(carried) == "ok"
    assert carried.receipt(RECID, "upload") == before


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


def test_changed_settings_of_the_mapping_reach_what_was_carried_and_send_no_file(carried):
    def access():
        folder = carried.folder / "data/sandbox/repository/records"
        return json.loads(next(folder.glob("*.json")).read_bytes())["draft"]["access"]["record"]

    assert access() == "public"
    moved = carried.stats().loc[RECID, "upload_moved_bytes"]
    before = len(carried.jobs())
    carried.config["transform"] = {"access": "restricted"}
    assert_ok(carried.run())
    assert access() == "restricted"
    assert {step for _, step in carried.jobs()[before:]} == {"transform_record", "upload_record", "record_stats"}
    assert carried.stats().loc[RECID, "upload_moved_bytes"] == moved
    assert "Nothing to be done" in carried.run("--dry-run").stdout
    carried.config["transform"] = {"access": "public"}
    assert "output: results/7001/record.json" in carried.run("--dry-run").stdout
    carried.config["transform"] = {"access": "restricted"}
    assert "Nothing to be done" in carried.run("--dry-run").stdout, "a dry run is not yet a change"


def test_what_was_carried_before_the_settings_were_kept_is_not_carried_again(carried):
    settings = carried.folder / "results" / "transform.json"
    settings.unlink()
    carried.config["transform"] = {"access": "restricted"}
    assert "Nothing to be done" in carried.run("--dry-run").stdout
    carried.config["transform"] = {"access": "public"}
    assert "output: results/7001/record.json" in carried.run("--dry-run").stdout
    carried.config["transform"] = {"access": "restricted"}
    assert "Nothing to be done" in carried.run("--dry-run").stdout


@pytest.fixture
def half_carried(flow):
    """Give a flow that has carried one record of two; the files of the other are not where they are said to be."""
    write_records(flow.folder / "metadata", {RECID: [100], OTHER: [70]}, put=put_below(flow.folder / "far"))
    next((flow.folder / f"far/generated/{OTHER}").iterdir()).unlink()
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}, "download": {"attempts": 1}}
    flow.want(RECID, OTHER)
    assert flow.run().returncode != 0
    return flow


def left_of(flow):
    """Return each file of results/ with its content and time."""
    paths = sorted(path for path in (flow.folder / "results").rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


@pytest.mark.parametrize("torn", [False, True])
def test_a_dry_run_shows_what_failed_and_changes_nothing(half_carried, torn):
    if torn:
        os.truncate(half_carried.folder / f"results/{RECID}/upload.json", 20)
    before = left_of(half_carried)
    dry = half_carried.run("--dry-run")
    assert_ok(dry)
    assert f"output: results/{OTHER}/download.json" in dry.stdout
    assert (f"output: results/{RECID}/upload.json" in dry.stdout) == torn
    after = left_of(half_carried)
    assert [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)] == []


def test_a_dry_run_beside_a_run_leaves_that_one_its_files(half_carried):
    os.truncate(half_carried.folder / f"results/{RECID}/upload.json", 20)
    with lock_folder(half_carried.folder / "logs/run.lock"):
        dry = half_carried.run("--dry-run")
    assert_ok(dry)
    assert f"output: results/{RECID}/upload.json" not in dry.stdout


def test_what_failed_is_told_though_the_tables_cannot_be_made(half_carried):
    table = half_carried.folder / "results" / "stats.parquet"
    table.unlink()
    (table / "in the way").mkdir(parents=True)
    done = half_carried.run()
    assert done.returncode != 0
    assert "ferry: the tables could not be made: " in done.stderr
    assert "stats.parquet" in done.stderr
    assert "ferry: 1 ok, 1 failed, 0 not reached, of 2 records" in done.stderr


def test_a_failed_record_that_is_wanted_no_more_is_in_no_table(half_carried):
    assert dict(half_carried.stats()["status"]) == {RECID: "ok", OTHER: "failed"}
    half_carried.want(RECID)
    assert_ok(half_carried.run("--report", "results/report.html"))
    assert_ok(half_carried.run())
    assert dict(half_carried.stats()["status"]) == {RECID: "ok"}
    assert str(OTHER) not in (half_carried.folder / "results/failures.csv").read_text(encoding="utf-8")
