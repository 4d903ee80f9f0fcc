"""What happens between two runs: receipts that are lost, records that change, runs that end in the middle."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import time
import zlib
from datetime import UTC, datetime

import pytest
from generated_records import content, put_below, redirect, write_records

from ferry.run.status import read_status
from workflow.test_chain import assert_ok

RECID, OTHER = 7001, 7002


@pytest.fixture
def carried(flow):
    """Give a flow that has carried one record of two files, of two records that are there."""
    write_records(flow.folder / "metadata", {RECID: [100, 50], OTHER: [70]}, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}}
    flow.want(RECID)
    assert_ok(carry(flow))
    return flow


def carry(flow, *arguments, recids=(RECID,)):
    """Run for these records alone: tables and figures of all take most of the time of so small a run."""
    return flow.run(*arguments, *(f"results/{recid}/stats.json" for recid in recids))


def mend(flow, found):
    """Do what a check has said."""
    (command,) = [line.partition(": ")[2] for line in found.stderr.splitlines() if line.startswith("  to mend all of")]
    return subprocess.run(command, shell=True, cwd=flow.folder, capture_output=True, text=True, check=False)


def test_a_run_that_only_looks_leaves_the_status_of_the_last_one_that_carried(carried):
    def told():
        return read_status(carried.folder, now=datetime.now(UTC))

    before = told()
    assert (len(before.standing.plan.recids), len(before.standing.ok), before.is_going_on) == (1, 1, False)
    carried.want(RECID, OTHER)
    for look in ("check", "preflight", "mend"):
        assert_ok(carried.run(look))
        assert told() == before


def test_an_upload_that_was_asked_for_by_itself_leaves_no_record_to_go(carried):
    done = carried.run("--force", f"results/{RECID}/upload.json", "--quiet", "all")
    assert "ferry: 1 ok, 0 failed, 0 to go, of 1 records" in done.stderr
    found = read_status(carried.folder, now=datetime.now(UTC)).standing
    assert (len(found.ok), found.to_go) == (1, [])


def status_of(flow, recid=RECID):
    return flow.stats().loc[recid, "status"]


@pytest.mark.parametrize(("name", "torn"), [("source", False), ("mapping", False), ("package", True)])
def test_a_receipt_that_is_lost_or_torn_is_found_by_the_check_whose_command_mends_it_and_nothing_is_moved(
    carried, name, torn
):
    before, stats = carried.receipt(RECID, "upload"), carried.receipt(RECID, "stats")
    path = carried.folder / f"results/{RECID}/{name}.json"
    if torn:
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.unlink()
    found = carried.run("check")
    assert found.returncode != 0
    with (carried.folder / "results" / "check.csv").open(encoding="utf-8") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream)}
    row = rows[f"results/{RECID}/{name}.json"]
    assert row["recid"] == str(RECID)
    assert f"results/{RECID}/{name}.json: {row['problem']}" in found.stderr
    mended = mend(carried, found)
    assert_ok(mended)
    assert_ok(carried.run("check"))
    assert carried.receipt(RECID, "upload") == before
    again = carried.receipt(RECID, "stats")
    moved = ("download_moved_bytes", "upload_moved_bytes")
    assert again["run_id"] != stats["run_id"]
    assert [again[name] for name in moved] == [stats[name] for name in moved]


def test_a_record_whose_receipt_is_lost_is_not_called_ok_by_the_tables_of_a_later_run(carried):
    (carried.folder / f"results/{RECID}/source.json").unlink()
    carried.want(RECID, OTHER)
    assert carried.run().returncode != 0
    stats = carried.stats()
    assert dict(stats["status"]) == {RECID: "failed", OTHER: "ok"}
    assert "run again, it is made anew" in stats.loc[RECID, "error"]
    assert_ok(carried.run())
    assert set(carried.stats()["status"]) == {"ok"}
    assert "Nothing to be done" in carried.run().stderr


def test_a_file_that_is_gone_before_it_was_uploaded_comes_again_with_the_upload(carried):
    before = carried.receipt(RECID, "upload")
    results, data = carried.folder / f"results/{RECID}", carried.folder / f"data/{RECID}"
    lost = next(path for path in (data / "files").rglob("*") if path.is_file())
    # given.json too: what is known to have arrived needs no bytes
    for path in (lost, data / "deposit.json", *(results / f"{name}.json" for name in ("given", "upload", "stats"))):
        path.unlink()
    assert_ok(carry(carried))
    assert lost.exists()
    assert carried.receipt(RECID, "upload") == before


def test_a_run_that_ends_between_the_steps_of_a_changed_record_does_not_call_it_ok(carried):
    assert_ok(carried.run())
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
    uploaded: set[str] = set()
    if (carried.folder / f"results/{RECID}/upload.json").exists():
        uploaded = {file["key"] for file in carried.receipt(RECID, "upload")["files"]}
    assert (status_of(carried) == "ok") == ("new.al" in uploaded)
    assert_ok(carried.run())
    assert status_of(carried) == "ok"
    assert "new.al" in {file["key"] for file in carried.receipt(RECID, "upload")["files"]}


def test_a_record_whose_files_are_all_taken_away_keeps_none_in_the_repository(carried):
    carried.write_metadata(RECID, {**carried.metadata(RECID), "files": []})
    assert_ok(carry(carried))
    repository = carried.folder / "data/sandbox/repository"
    record = json.loads(next((repository / "records").glob("*.json")).read_bytes())
    assert record["draft"]["files_enabled"] is False
    assert not list((repository / "buckets" / record["draft"]["bucket"]).glob("*.json"))


def access(flow):
    """Return what the repository says of who may see the record."""
    folder = flow.folder / "data/sandbox/repository/records"
    return json.loads(next(folder.glob("*.json")).read_bytes())["draft"]["access"]["record"]


def test_changed_settings_of_the_mapping_reach_what_was_carried_and_send_no_file_on_the_way_back_too(carried):
    moved = carried.receipt(RECID, "stats")["upload_moved_bytes"]
    assert access(carried) == "public"
    for setting in ("restricted", "public", "restricted"):
        before = len(carried.jobs())
        carried.config["transform"] = {"access": setting}
        assert_ok(carry(carried))
        assert access(carried) == setting
        assert {step for _, step in carried.jobs()[before:]} == {"transform_record", "upload_record", "record_stats"}
    assert carried.receipt(RECID, "stats")["upload_moved_bytes"] == moved
    carried.config["transform"] = {"access": "public"}
    assert "output: results/7001/record.json" in carry(carried, "--dry-run").stdout
    carried.config["transform"] = {"access": "restricted"}
    assert "Nothing to be done" in carry(carried, "--dry-run").stdout, "a dry run is not yet a change"


def test_settings_that_are_changed_back_after_a_failure_are_deposited(carried):
    carried.config["transform"] = {"access": "restricted"}
    assert_ok(carry(carried))
    assert access(carried) == "restricted"
    del carried.config["transform"]
    in_the_way = carried.folder / f"results/{RECID}/record.json.part"
    in_the_way.mkdir()
    assert carry(carried).returncode != 0
    assert carried.receipt(RECID, "failure")["step"] == "transform_record"
    assert access(carried) == "restricted"
    in_the_way.rmdir()
    assert_ok(carry(carried))
    assert access(carried) == "public"


def test_changed_settings_of_packages_reach_what_was_carried_and_only_what_differs_goes_up_again(carried):
    recids = (RECID, OTHER)
    carried.want(*recids)
    assert_ok(carry(carried, recids=recids))
    uploads = {recid: carried.receipt(recid, "upload")["files"] for recid in recids}
    moved = {recid: carried.receipt(recid, "stats")["upload_moved_bytes"] for recid in recids}
    carried.config["package"] = {"max_files": 1}  # that of one file stays as it is
    assert_ok(carry(carried, recids=recids))
    assert f"{RECID}_bundle.zip" in {file["key"] for file in carried.receipt(RECID, "upload")["files"]}
    assert carried.receipt(OTHER, "upload")["files"] == uploads[OTHER]
    now = {recid: carried.receipt(recid, "stats")["upload_moved_bytes"] for recid in recids}
    assert (now[RECID] > moved[RECID], now[OTHER]) == (True, moved[OTHER])
    del carried.config["package"]
    assert_ok(carry(carried, recids=recids))
    assert carried.receipt(RECID, "upload")["files"] == uploads[RECID]


@pytest.fixture
def half_carried(flow):
    """Give a flow that has carried one record of two; the files of the other are not where they are said to be."""
    write_records(flow.folder / "metadata", {RECID: [100], OTHER: [70]}, put=put_below(flow.folder / "far"))
    next((flow.folder / f"far/generated/{OTHER}").iterdir()).unlink()
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}, "download": {"attempts": 1}}
    flow.want(RECID, OTHER)
    assert flow.run().returncode != 0
    return flow


def make_good(flow):
    """Put the file where it is said to be that made the record fail."""
    path = f"generated/{OTHER}/f00000.al"
    put_below(flow.folder / "far")(path, content(path, 70))


def left_of(flow):
    """Return each file of a run with its hash and time; the test's own and Snakemake's own notes are no part of it."""
    not_ours = {".snakemake", "flow.yaml"}
    paths = sorted(path for path in flow.folder.rglob("*") if path.is_file() and not not_ours.intersection(path.parts))
    return {path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in paths}


@pytest.mark.parametrize("changed", [None, "settings", "a torn receipt"])
def test_a_dry_run_shows_what_failed_and_changes_nothing(half_carried, changed):
    if changed == "settings":
        half_carried.config["transform"] = {"access": "restricted"}
    elif changed:
        os.truncate(half_carried.folder / f"results/{RECID}/upload.json", 20)
    before = left_of(half_carried)
    dry = half_carried.run("--dry-run")
    assert_ok(dry)
    assert f"output: results/{OTHER}/download.json" in dry.stdout
    assert (f"output: results/{RECID}/upload.json" in dry.stdout) == (changed == "settings")
    after = left_of(half_carried)
    assert [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)] == []


def test_tables_of_a_failed_run_have_true_times_and_are_made_again_though_no_record_has_changed(half_carried):
    tables = [half_carried.folder / "results" / name for name in ("stats.parquet", "coverage.csv", "failures.csv")]
    receipt = half_carried.folder / f"results/{RECID}/stats.json"
    assert min(path.stat().st_mtime for path in tables) > receipt.stat().st_mtime
    assert dict(half_carried.stats()["status"]) == {RECID: "ok", OTHER: "failed"}
    half_carried.want(RECID)
    before = [path.stat().st_mtime for path in tables]
    assert_ok(half_carried.run())
    assert all(path.stat().st_mtime > earlier for path, earlier in zip(tables, before, strict=True))
    assert dict(half_carried.stats()["status"]) == {RECID: "ok"}
    half_carried.want(RECID, OTHER)
    make_good(half_carried)
    assert_ok(half_carried.run())
    assert dict(half_carried.stats()["status"]) == {RECID: "ok", OTHER: "ok"}
    assert "Nothing to be done" in half_carried.run("--dry-run").stdout


def test_a_failed_record_is_done_again_by_its_target_alone(half_carried):
    assert half_carried.receipt(OTHER, "failure")["step"] == "download_files"
    again = half_carried.run(f"results/{OTHER}/stats.json")
    assert again.returncode != 0, "a failure is not taken for something that is done"
    make_good(half_carried)
    before = len(half_carried.jobs())
    assert_ok(half_carried.run(f"results/{OTHER}/stats.json"))
    assert {recid for recid, _ in half_carried.jobs()[before:]} == {OTHER}
    assert half_carried.receipt(OTHER, "stats")["status"] == "ok"
    assert not (half_carried.folder / f"results/{OTHER}/failure.json").exists()


def test_what_failed_is_told_though_the_tables_cannot_be_made(half_carried):
    table = half_carried.folder / "results" / "stats.parquet"
    table.unlink()
    (table / "in the way").mkdir(parents=True)
    done = half_carried.run()
    assert done.returncode != 0
    assert "ferry: the tables could not be made: " in done.stderr
    assert "stats.parquet" in done.stderr
    assert "ferry: 1 ok, 1 failed, 0 to go, of 2 records" in done.stderr


def test_a_failed_record_that_is_wanted_no_more_is_in_no_table(half_carried):
    assert dict(half_carried.stats()["status"]) == {RECID: "ok", OTHER: "failed"}
    half_carried.want(RECID)
    assert_ok(half_carried.run("--report", "results/report.html"))
    assert_ok(half_carried.run())
    assert dict(half_carried.stats()["status"]) == {RECID: "ok"}
    assert str(OTHER) not in (half_carried.folder / "results/failures.csv").read_text(encoding="utf-8")


def test_tables_that_were_made_well_before_a_failure_do_not_keep_the_failed_record(carried):
    record = carried.metadata(OTHER)
    record["files"][0]["checksum"] = "adler32:00000001"
    carried.write_metadata(OTHER, record)
    carried.want(RECID, OTHER)
    assert carried.run().returncode != 0
    carried.want(RECID)  # just as when the tables were made well
    assert_ok(carried.run())
    assert dict(carried.stats()["status"]) == {RECID: "ok"}
    coverage = (carried.folder / "results/coverage.csv").read_text(encoding="utf-8")
    assert_ok(carried.run("--forcerun", "aggregate_metadata"))
    assert (carried.folder / "results/coverage.csv").read_text(encoding="utf-8") == coverage
