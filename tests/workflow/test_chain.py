"""The whole chain, run as a user runs it, against the embedded sandbox."""

import hashlib
import json
import os
import signal
import subprocess
import time
import zipfile

import pandas as pd
import pytest

from workflow.conftest import first_record

COLLISION, MANUAL, MANY_FILES, NO_FILES = 81642, 80505, 81147, 81494


def assert_ok(done):
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.smoke
def test_demo_records_arrive_proven_a_second_run_does_nothing_and_figures_and_report_are_made(flow):
    flow.want(COLLISION, MANUAL, MANY_FILES, NO_FILES)
    assert_ok(flow.run())
    stats = flow.stats()
    assert set(stats["status"]) == {"ok"}
    assert stats.loc[MANY_FILES, "zip_used"]
    assert stats.loc[MANY_FILES, "bundle_count"] == 1
    assert stats.loc[NO_FILES, "file_count"] == 0
    assert not stats["published"].any()
    files = pd.read_parquet(flow.folder / "results" / "files.parquet")
    assert files["verified"].all()
    assert files["md5"].str.fullmatch("[0-9a-f]{32}").all()
    assert len(files) == stats["file_count"].sum()
    for recid in (COLLISION, MANUAL, MANY_FILES):
        package = {entry["key"]: entry for entry in flow.receipt(recid, "package")["uploads"]}
        upload = flow.receipt(recid, "upload")
        assert {file["key"] for file in upload["files"]} == {*package, f"{recid}_manifest.json"}
        for file in upload["files"]:
            path = package[file["key"]]["path"] if file["key"] in package else f"attachments/{file['key']}"
            local = (flow.folder / "data" / str(recid) / path).read_bytes()
            assert hashlib.md5(local).hexdigest() == file["md5"]
    bundle = next(entry for entry in flow.receipt(MANY_FILES, "package")["uploads"] if entry["kind"] == "bundle")
    with zipfile.ZipFile(flow.folder / "data" / str(MANY_FILES) / bundle["path"]) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(bundle["members"]) + 1
    asked, jobs = len(flow.requests()), len(flow.jobs())
    again = flow.run()
    assert_ok(again)
    assert "Nothing to be done" in again.stdout + again.stderr
    assert (len(flow.requests()), len(flow.jobs())) == (asked, jobs)
    assert (flow.folder / "results" / "figures" / "records_by_outcome.svg").stat().st_size > 1000
    assert_ok(flow.run("--report", "results/report.html"))
    report = (flow.folder / "results" / "report.html").read_text(encoding="utf-8")
    assert "records_by_outcome" in report


def test_one_record_by_its_target(flow):
    flow.want(COLLISION, MANUAL)
    assert_ok(flow.run(f"results/{MANUAL}/stats.json"))
    assert flow.receipt(MANUAL, "stats")["status"] == "ok"
    assert not (flow.folder / "results" / str(COLLISION)).exists()


def test_a_record_that_is_not_in_the_list_by_its_target_and_what_was_wrong_of_it_is_made_anew_too(flow):
    flow.want(COLLISION, MANUAL)
    flow.want(COLLISION)
    assert_ok(flow.run(f"results/{MANUAL}/stats.json"))
    results = flow.folder / "results" / str(MANUAL)
    (results / "package.json").write_text("{")
    (results / "stats.json").unlink()
    (results / "upload.json").unlink()
    failed = flow.run(f"results/{MANUAL}/stats.json")
    assert failed.returncode != 0
    assert "run again, it is made anew" in failed.stderr
    assert_ok(flow.run(f"results/{MANUAL}/stats.json"))
    assert flow.receipt(MANUAL, "stats")["status"] == "ok"


def test_prioritised_records_go_first(flow):
    flow.want(MANUAL, COLLISION, 81592, priorities={81592: 5})
    assert_ok(flow.run(cores=1))
    finished = [recid for recid, step in flow.jobs() if step == "record_stats"]
    assert finished[0] == 81592


@pytest.mark.smoke
def test_a_wrong_checksum_fails_its_record_alone_and_a_correction_reruns_it_alone(flow):
    flow.want(COLLISION, MANUAL)
    good = flow.metadata(MANUAL)
    bad = json.loads(json.dumps(good))
    first_record(bad)["files"][0]["checksum"] = "adler32:00000001"
    flow.write_metadata(MANUAL, bad)
    done = flow.run()
    assert done.returncode != 0
    stats = flow.stats()
    assert dict(stats["status"]) == {COLLISION: "ok", MANUAL: "failed"}
    assert stats.loc[MANUAL, "step"] == "download_files"
    assert "00000001" in stats.loc[MANUAL, "error"]
    assert flow.receipt(MANUAL, "failure")["status"] == "failed"
    assert not (flow.folder / "results" / str(MANUAL) / "stats.json").exists()
    assert not (flow.folder / "results" / str(MANUAL) / "download.json").exists()
    before = len(flow.jobs())
    flow.write_metadata(MANUAL, good)
    assert_ok(flow.run())
    rerun = flow.jobs()[before:]
    assert {recid for recid, _ in rerun} == {MANUAL}
    assert dict(flow.stats()["status"]) == {COLLISION: "ok", MANUAL: "ok"}


@pytest.mark.parametrize(
    ("text", "told"),
    [("{not json", "JSON"), ('{"recid": "1", "title": "x"}', "recid"), ("[]", "object")],
)
def test_a_bad_metadata_file_fails_its_record_and_is_told(flow, text, told):
    flow.want(MANUAL, 81592)
    (flow.folder / "metadata" / f"{MANUAL}.json").write_text(text, encoding="utf-8")
    done = flow.run()
    assert done.returncode != 0
    stats = flow.stats()
    assert dict(stats["status"]) == {MANUAL: "failed", 81592: "ok"}
    assert stats.loc[MANUAL, "step"] == "read_record"
    assert told in stats.loc[MANUAL, "error"]
    assert f"{MANUAL}.json" in stats.loc[MANUAL, "error"]


@pytest.mark.smoke
def test_bad_configuration_stops_before_any_job(flow):
    flow.want(MANUAL)
    flow.config = {"package": {"max_fles": 3}}
    done = flow.run()
    assert done.returncode != 0
    assert "unknown key 'max_fles'; did you mean 'max_files'?" in done.stdout + done.stderr
    assert not (flow.folder / "results").exists()


@pytest.mark.smoke
def test_a_recid_that_is_no_number_or_stands_twice_stops_before_any_job(flow):
    for text, told in (("recid\nabc\n", "line 2"), ("recid\n5\n5\n", "stands in line 2 already")):
        (flow.folder / "records.csv").write_text(text, encoding="utf-8")
        done = flow.run()
        assert done.returncode != 0
        assert told in done.stdout + done.stderr
        assert not (flow.folder / "results").exists()


@pytest.mark.smoke
def test_a_missing_token_stops_before_any_job(flow):
    flow.want(MANUAL)
    flow.config = {"repository": {"url": "http://127.0.0.1:9"}}
    flow.environment = {"NRP_TOKEN": "", "NRP_CMD_CONFIG_PATH": str(flow.folder / "none.json")}
    done = flow.run()
    assert done.returncode != 0
    assert "NRP_TOKEN" in done.stdout + done.stderr
    assert not (flow.folder / "results" / str(MANUAL)).exists()


def test_publishing_happens_where_it_is_asked_for(flow):
    flow.want(MANUAL)
    assert_ok(flow.run())
    flow.config = {"repository": {"finish": "publish"}}
    assert_ok(flow.run())
    published = flow.receipt(MANUAL, "published")
    assert published["state"] == "published"
    assert published["record_id"] == flow.receipt(MANUAL, "upload")["record_id"]
    assert flow.stats().loc[MANUAL, "published"]
    # the receipts are lost: the record is found again, adopted, and nothing is sent or doubled
    for lost in ("upload.json", "published.json"):
        (flow.folder / "results" / str(MANUAL) / lost).unlink()
    (flow.folder / "data" / str(MANUAL) / "deposit.json").unlink()
    before = len(flow.requests())
    assert_ok(flow.run())
    assert flow.receipt(MANUAL, "upload")["record_id"] == published["record_id"]
    assert {request["method"] for request in flow.requests()[before:]} == {"GET"}


def test_data_on_disk_is_a_source_too(flow):
    flow.want(MANUAL)
    document = flow.metadata(MANUAL)
    first_record(document)["files"] = []
    first_record(document).pop("distribution", None)
    flow.write_metadata(MANUAL, document)
    folder = flow.folder / "disk" / str(MANUAL) / "dataset1" / "run 1"
    folder.mkdir(parents=True)
    (folder / "a.al").write_bytes(b"raw" * 500)
    flow.config = {"source": {"data_root": "disk", "allow_unverified": True}}
    assert_ok(flow.run())
    own = {f"{MANUAL}.json", f"{MANUAL}_manifest.json"}
    (file,) = [file for file in flow.receipt(MANUAL, "upload")["files"] if file["key"] not in own]
    assert file["md5"] == hashlib.md5(b"raw" * 500).hexdigest()
    assert file["key"] == "dataset1/run 1/a.al"
    assert (folder / "a.al").exists()


def test_a_token_is_found_in_nothing_that_is_written(flow):
    canary = "canary-7f3a91c2d5"
    flow.want(MANUAL)
    flow.environment = {"NRP_TOKEN": canary}
    assert_ok(flow.run())
    assert_ok(flow.run("--report", "results/report.html"))
    written = [path for path in flow.folder.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if canary.encode() in path.read_bytes()] == []


def test_the_caps_are_kept_and_giants_do_not_go_up_together(flow):
    recids = (80505, 80512, 81400, 81592, 81642, 83243)
    flow.want(*recids)
    flow.config = {"upload": {"bytes_per_slot": 100_000, "max_slots": 24}}
    assert_ok(flow.run("--resources", "download_slots=2", "zip_slots=1", "upload_slots=40", cores=8))
    attempts = pd.read_parquet(flow.folder / "results" / "attempts.parquet")

    def most(step, weight):
        chosen = attempts[attempts["step"] == step]
        changes = [(row.started_at, weight(row.recid)) for row in chosen.itertuples()]
        changes += [(row.ended_at, -weight(row.recid)) for row in chosen.itertuples()]
        total = peak = 0
        for _, change in sorted(changes):
            total += change
            peak = max(peak, total)
        return peak

    def slots(recid):
        size = sum(upload["size_bytes"] for upload in flow.receipt(recid, "package")["uploads"])
        return max(1, min(24, -(-size // 100_000)))

    assert sum(slots(recid) == 24 for recid in recids) >= 2
    assert most("download_files", lambda _: 1) <= 2
    assert most("package_files", lambda _: 1) <= 1
    assert most("upload_record", slots) <= 40


@pytest.mark.smoke
def test_a_killed_run_leaves_no_sandbox_and_a_plain_rerun_completes_it(flow):
    flow.want(COLLISION, MANUAL, MANY_FILES)
    run = subprocess.Popen(
        flow.command(cores=1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    endpoint = flow.folder / "data" / "sandbox" / "repository" / "endpoint.json"
    deadline = time.monotonic() + 60
    while not list(flow.folder.glob("results/*/download.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert endpoint.exists()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    os.killpg(run.pid, signal.SIGKILL) if _group_lives(run.pid) else None
    assert_ok(flow.run())
    assert set(flow.stats()["status"]) == {"ok"}
    records = [request for request in flow.requests() if request["method"] == "POST"]
    created = [request for request in records if request["path"].split("?")[0] == "/api/records"]
    assert len(created) == 3
    time.sleep(0.5)
    assert not endpoint.exists()


def _group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_stats_grow_by_whole_lines_through_kills_and_runs(flow):
    recids = [COLLISION, MANUAL, MANY_FILES]
    flow.want(*recids)
    broken = flow.metadata(MANUAL)
    first_record(broken)["files"][0]["checksum"] = "adler32:00000001"
    flow.write_metadata(MANUAL, broken)
    log = flow.folder / "results" / "stats.jsonl"
    runs_told, before = set(), b""
    for _ in range(2):
        run = subprocess.Popen(
            flow.command(cores=1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 100
        while not (log.exists() and log.stat().st_size > len(before)) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        after = log.read_bytes()
        assert after.startswith(before)
        added = [json.loads(line) for line in after[len(before) :].splitlines()]
        assert added
        assert {row["recid"] for row in added} <= set(recids)
        (run_id,) = {row["run_id"] for row in added}
        runs_told.add(run_id)
        before = after
    assert len(runs_told) == 2
    assert flow.run().returncode != 0
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(row["recid"], row["status"]) for row in rows] == [
        (COLLISION, "ok"),
        (MANUAL, "failed"),
        (MANY_FILES, "ok"),
    ]


def test_a_second_run_on_the_same_folder_refuses(flow):
    flow.want(COLLISION, MANUAL, MANY_FILES)
    first = subprocess.Popen(flow.command(cores=1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(flow.folder.glob("results/*/source.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    second = flow.run()
    assert second.returncode != 0
    assert "another run works here" in second.stdout + second.stderr
    assert first.wait(timeout=200) == 0


def test_receipts_of_another_repository_are_refused(flow):
    flow.want(MANUAL)
    assert_ok(flow.run())
    flow.want(MANUAL, 81592)
    flow.config = {"repository": {"url": "http://127.0.0.1:9"}}
    flow.environment = {"NRP_TOKEN": "x"}
    done = flow.run()
    assert done.returncode != 0
    assert "another folder for another repository" in done.stdout + done.stderr
