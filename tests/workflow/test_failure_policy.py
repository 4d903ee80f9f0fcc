"""A run that cannot get on stops, one that is told to stop does, and a plain rerun goes on from there."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from generated_records import put_below, redirect, write_records

from ferry.repository.rate_limit import Limit, RateLimiter
from ferry.run.open_repository import pace_path
from ferry.run.status import read_status
from ferry.waiting import RATE_LIMIT
from sandbox import launcher
from workflow.conftest import ROOT
from workflow.test_chain import COLLISION, MANUAL, assert_ok, first_record

RECIDS = range(7000, 7024)  # 24


@pytest.fixture
def repository(tmp_path):
    """Give a repository of the test's own, which a test may stop and start again on its port."""
    held = [launcher.start(tmp_path / "repository")]
    yield held
    held[-1].stop()


@pytest.fixture
def many(flow, repository):
    """Give a flow with small records that go to that repository."""
    sizes = {recid: [2000, 300] for recid in RECIDS}
    flow.folder /= "run"
    flow.folder.mkdir()
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "repository": {"url": repository[0].url},
    }
    flow.environment = {"NRP_TOKEN": repository[0].token}
    flow.want(*RECIDS)
    return flow


def receipts(flow):
    return list(flow.folder.glob("results/*/upload.json"))


def steps_begun(flow, step):
    """Return how many records have begun the step."""
    journals = [path.read_text(encoding="utf-8") for path in flow.folder.glob("logs/*/journal.jsonl")]
    return sum(f'"step":"{step}"' in text for text in journals)


def drafts_made(repository):
    lines = (repository.directory / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    made = [line for line in map(json.loads, lines) if (line["method"], line["path"]) == ("POST", "/api/records")]
    return sum(line["status"] == 201 for line in made)


def stop_after_three_records(flow, repository, *, down_s, meanwhile=lambda: None):
    """Run until three records are up, stop the repository, start it again after so long; return how the run ended."""

    def disturb():
        while len(receipts(flow)) < 3 and not ended.wait(0.1):
            pass
        repository[0].stop()
        meanwhile()
        ended.wait(down_s)
        repository.append(launcher.start(repository[0].directory))

    ended = threading.Event()
    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        return flow.run(timeout_s=900)
    finally:
        ended.set()
        disturbing.join()


def assert_complete(flow, repository, *, records=24):
    assert_ok(flow.run())
    assert set(flow.stats()["status"]) == {"ok"}
    assert drafts_made(repository[-1]) == records


def test_a_run_stops_when_the_repository_is_gone_and_a_plain_rerun_completes_it(many, repository):
    many.config |= {"breaker": {"of_last": 4, "failed": 3, "give_up_after_s": 0}, "upload": {"attempts": 2}}
    done = stop_after_three_records(many, repository, down_s=600)
    told = done.stdout + done.stderr
    assert done.returncode != 0
    assert re.search(r"ferry: the run was stopped: [34] of the last 4 records failed in upload_record \(Tra", told)
    assert "run the same command again" in told
    assert steps_begun(many, "upload_record") < len(RECIDS)
    assert ", 0 to go, of" not in told
    assert_complete(many, repository)


@pytest.mark.timeout(400)
def test_a_run_goes_on_by_itself_when_its_repository_is_back_and_nothing_is_failed_for_it(many, repository):
    many.config |= {"upload": {"attempts": 2}}
    done = stop_after_three_records(many, repository, down_s=20)
    told = done.stdout + done.stderr
    assert "ferry: jobs wait for the repository to answer until " in told
    assert "ferry: the repository answers again, " in told
    assert "ferry: 24 ok, 0 failed, 0 to go, of 24 records" in told
    assert done.returncode == 0
    assert drafts_made(repository[-1]) == 24


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_run_survives_five_minutes_without_its_repository_or_stops_and_a_plain_rerun_completes_it(many, repository):
    done = stop_after_three_records(many, repository, down_s=300)
    told = done.stdout + done.stderr
    assert done.returncode == 0 or re.search(
        r"ferry: the run was stopped: (8|9|10) of the last 10 records failed", told
    )
    assert_complete(many, repository)


def test_a_token_that_is_refused_from_now_on_stops_the_run_and_a_good_one_completes_it(many, repository):
    many.config |= {"breaker": {"of_last": 4, "failed": 3}}
    done = stop_after_three_records(many, repository, down_s=0, meanwhile=(repository[0].directory / "token").unlink)
    assert done.returncode != 0
    assert "failed in upload_record (DeniedError)" in done.stdout + done.stderr
    assert steps_begun(many, "upload_record") < len(RECIDS)
    many.environment = {"NRP_TOKEN": repository[-1].token}
    assert_complete(many, repository)


def test_a_token_that_is_refused_when_the_run_begins_ends_it_before_a_record_is_touched(many, repository):
    many.environment = {"NRP_TOKEN": "of-yesterday"}
    done = many.run()
    assert done.returncode != 0
    assert "NOT  token" in done.stdout + done.stderr
    assert steps_begun(many, "read_record") == 0


def test_a_run_that_stands_at_its_rate_limit_says_so(flow):
    flow.want(80512)
    flow.config = {"repository": {"requests_per_minute": 10}, "progress": {"every_s": 0.5}}
    with subprocess.Popen(flow.command("--quiet", "all"), stderr=subprocess.PIPE, text=True) as run:
        for line in run.stderr:
            if "waiting: 1 for the rate limit until " in line:
                run.terminate()
                break
        else:
            pytest.fail("it was not told")
        run.stderr.read()
    assert "waiting for the rate limit" in (flow.folder / "logs" / "80512" / "upload_record.log").read_text()
    assert not list(flow.folder.glob("logs/*/*.waits"))


def test_a_run_that_begins_at_its_rate_limit_says_so_is_the_one_that_is_told_of_and_ends_at_sigterm(flow):
    """It stood still for up to a minute without a word, deaf, and the status told of the run before."""
    flow.want(80512)
    flow.config = {"repository": {"requests_per_minute": 1}, "progress": {"prometheus": "ferry.prom"}}
    used_up = RateLimiter(path=flow.folder / pace_path("sandbox", across_nodes=False), limits=[Limit(1, 60)])
    assert used_up.take_slot().is_taken
    used_up.close()
    with subprocess.Popen(flow.command("--quiet", "all"), stderr=subprocess.PIPE, text=True) as run:
        for line in run.stderr:
            if line.startswith("ferry: the run begins, waiting for the rate limit until "):
                break
        else:
            pytest.fail("it was not told")
        told, metrics = read_status(flow.folder, now=datetime.now(UTC)), flow.folder / "ferry.prom"
        while not metrics.exists():
            time.sleep(0.1)
        began = time.monotonic()
        run.terminate()
        said = run.stderr.read()
    assert time.monotonic() - began < 10
    assert run.returncode == 128 + signal.SIGTERM
    assert "ferry: the run was stopped before it had begun: told to end (SIGTERM)" in said
    assert "Traceback" not in said
    assert (told.begins, told.wait.reason, told.to_go) == (True, RATE_LIMIT, 1)
    assert 'ferry_run_beginning{waits_for="the rate limit"} 1' in metrics.read_text(encoding="utf-8")


def test_a_record_that_snakemake_itself_fails_has_a_reason(flow):
    flow.want(81494)
    metadata = flow.folder / "metadata" / "81494.json"
    tomorrow_s = time.time() + 86400
    os.utime(metadata, (tomorrow_s, tomorrow_s))
    done = flow.run("--quiet", "all")
    assert done.returncode != 0
    assert "ferry: 0 ok, 1 failed, 0 to go, of 1 records" in done.stderr
    (row,) = csv.DictReader((flow.folder / "results" / "failures.csv").read_text(encoding="utf-8").splitlines())
    assert (row["recid"], row["step"]) == ("81494", "read_record")
    assert "time of a file in the future" in row["error"]
    os.utime(metadata)
    assert flow.run().returncode == 0


def test_sigterm_ends_a_run_within_ten_seconds_and_a_plain_rerun_completes_it(many, repository):
    many.config |= {"upload": {"bytes_per_s": 1000, "order": "smallest_first"}}
    many.config["repository"] |= {"settle_s": 2}  # nothing comes late here of what the end cuts off
    write_records(many.folder / "metadata", {7000: [300, 200_000]}, put=put_below(many.folder / "far"))
    many.want(7000, 7001)
    command, environment = many.command(), {**os.environ, **many.environment}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not steps_begun(many, "upload_record") and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)  # the upload is under way
    began = time.monotonic()
    run.send_signal(signal.SIGTERM)
    told, _ = run.communicate(timeout=60)
    elapsed_s = time.monotonic() - began
    assert run.returncode not in (0, None)
    assert elapsed_s < 10, told
    assert "ferry: the run was stopped: told to end (SIGTERM)" in told
    events = [json.loads(line) for line in (many.folder / "results" / "attempts.jsonl").read_text().splitlines()]
    assert "Terminated" in {event["error"]["type"] for event in events if event["error"]}
    assert not (many.folder / "results" / "stats.parquet").exists(), "tables of thousands of records take longer"
    many.config.pop("upload")
    assert_complete(many, repository, records=2)


def test_the_list_of_what_failed_is_a_master_list_and_nothing_else_is_done(flow):
    flow.want(COLLISION, MANUAL)
    good = flow.metadata(MANUAL)
    bad = json.loads(json.dumps(good))
    first_record(bad)["files"][0]["checksum"] = "adler32:00000001"
    flow.write_metadata(MANUAL, bad)
    assert flow.run().returncode == 1
    flow.write_metadata(MANUAL, good)
    before = len(flow.jobs())
    flow.config = {"records": {"list": "results/failures.csv"}}
    assert_ok(flow.run())
    assert {recid for recid, _ in flow.jobs()[before:]} == {MANUAL}
    assert list(flow.stats().index) == [MANUAL]
    tables = {path: path.read_bytes() for path in flow.folder.glob("results/stats.*")}
    emptied = flow.run()
    assert_ok(emptied)
    assert "ferry: nothing to be done: results/failures.csv lists no record\n" in emptied.stderr
    assert "Nothing to be done" in emptied.stdout + emptied.stderr
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), *flow.command()[3:]]
    done = subprocess.run(command, cwd=flow.folder, capture_output=True, text=True, check=False)
    told = "bulk.py: nothing to be done: results/failures.csv lists no record\n"
    assert (done.returncode, done.stdout + done.stderr) == (0, told)
    assert {path: path.read_bytes() for path in tables} == tables
    flow.config = {}
    assert_ok(flow.run())
    assert sorted(flow.stats().index) == sorted([COLLISION, MANUAL])
