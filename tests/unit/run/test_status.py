import csv
import fcntl
import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ferry.errors import PermanentError
from ferry.flags import AWAY, ENDED, ENDS, STOPPED, RunFlags
from ferry.journal import Moment, end_event, start_event
from ferry.jsonl import append
from ferry.receipts import write_json, write_receipt
from ferry.report.failures import write_failures
from ferry.report.stats_log import latest_rows, tell_failed
from ferry.run.closing import closing_lines
from ferry.run.outage import Absence
from ferry.run.plan import RunPlan, least_seconds, write_plan
from ferry.run.progress import ProgressReporter
from ferry.run.selection import read_wanted
from ferry.run.standing import Standing, tell_silent_ends, write_live_tables
from ferry.run.status import Running, Status, read_status
from ferry.run.status_text import prometheus_text, status_json, status_line, status_page, write_prometheus
from ferry.run.termination import Terminated
from ferry.waiting import RATE_LIMIT, REPOSITORY, USED_UP, Wait

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime.now(UTC)
BEGAN = NOW - timedelta(seconds=100)
ALL = frozenset([1, 2, 3, 4, 5])
PLAN = RunPlan("run2", sorted(ALL), publish=False, to_do=ALL, started_at=BEGAN.isoformat())


def moment(seconds_ago: float) -> Moment:
    return Moment((NOW - timedelta(seconds=seconds_ago)).isoformat(), 1000 - seconds_ago, "one")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of five records: one done, one failed, one uploading, two not begun; another failed in the run before."""
    began = {"run_id": "run2", "started_at": BEGAN.isoformat(), "target": None}
    write_json(tmp_path / "logs" / "run.json", began)
    write_plan(PLAN, tmp_path / "logs" / "plan.json")
    results = tmp_path / "results"
    told = [(4, "failed", "run1"), (2, "failed", "run2"), (1, "failed", "run1"), (1, "ok", "run2")]
    for recid, status, run_id in told:
        row = {"recid": recid, "status": status, "run_id": run_id, "step": "x", "error_type": "E", "error": "why"}
        row |= {"attempts": 1, "ended_at": None, "title": None}
        append(results / "stats.jsonl", row | {"log": f"logs/{recid}/x.log"})
    for recid, step, moved in ((1, "download_files", 50), (1, "upload_record", 40), (1, "record_stats", 0)):
        opened = start_event(run_id="run2", recid=recid, step=step, attempt=1, now=moment(60))
        append(results / "attempts.jsonl", end_event(opened, measured={"bytes_moved": moved}, now=moment(20)))
    old = start_event(run_id="run1", recid=4, step="upload_record", attempt=1, now=moment(5000))
    append(results / "attempts.jsonl", end_event(old, measured={"bytes_moved": 999}, now=moment(4000)))
    append(tmp_path / "logs/3/journal.jsonl", old | {"recid": 3})  # killed in the run before
    append(
        tmp_path / "logs/3/journal.jsonl",
        start_event(run_id="run2", recid=3, step="upload_record", attempt=2, now=moment(30)),
    )
    return tmp_path


@pytest.fixture
def going_on(folder: Path):
    with (folder / "logs" / "run.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield folder


def source_of(recid: int) -> dict:
    """Return a receipt `source` of a record without files."""
    return {"recid": recid, "origin": f"metadata/{recid}.json", "record": {"title": "t"}, "files": []}


def counts(status: Status) -> tuple[int, int, int, int]:
    """Return how many records are ok, failed, skipped and to go."""
    found = status.standing
    return len(found.ok), len(found.failed), len(found.left_out), status.to_go


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


WATCH = [sys.executable, str(Path(__file__).parents[3] / "scripts" / "status.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "scripts")}


def test_ctrl_c_ends_a_watch_without_a_word(going_on: Path):
    (going_on / "results" / "stats.jsonl").unlink()  # its rows here have not all columns
    # a program that was begun in the background of a shell is deaf to Ctrl-C, and so are its children
    command = ["env", "--default-signal=INT", *WATCH, "--folder", str(going_on), "--every", "60"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert (watch.stderr.read(), watch.wait(20)) == (b"", 0)


@pytest.mark.parametrize("shell", ["{} >&-", "{} | true"])
def test_a_terminal_that_has_gone_is_no_error(folder: Path, shell: str):
    (folder / "results" / "stats.jsonl").unlink()
    command = shell.format(shlex.join([*WATCH, "--folder", str(folder)]))
    line = ["/bin/bash", "-c", f"set -o pipefail; {command}"]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("every", ["0", "-1", "nan"])
def test_a_watch_needs_seconds_to_wait(folder: Path, every: str):
    command = [*WATCH, "--folder", str(folder), "--every", every]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1].count("expected seconds above 0")) == (2, 1)


def test_a_run_that_goes_on_is_counted_from_outside(going_on: Path):
    status = read_status(going_on, now=NOW)
    assert status is not None
    assert status.is_going_on
    assert counts(status) == (1, 2, 0, 2)
    assert status.again == 1  # that of the run before
    assert [(job.recid, job.step, round(job.since_s)) for job in status.running] == [(3, "upload_record", 30)]
    assert (status.bytes_down, status.bytes_up, status.elapsed_s) == (50, 40, pytest.approx(100))
    assert status.left_s == pytest.approx(220)  # two records, and one once more, at one in 80 s; 20 s ago


def test_a_job_that_was_killed_does_not_run_and_one_on_another_machine_is_believed(going_on: Path):
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    began = start_event(run_id="run2", recid=2, step="upload_record", attempt=1, now=moment(30))
    append(going_on / "logs/2/journal.jsonl", began | {"pid": killed.pid})
    append(going_on / "logs/5/journal.jsonl", began | {"recid": 5, "pid": killed.pid, "host": "another"})
    assert [job.recid for job in read_status(going_on, now=NOW).running] == [
        3,
        5,
    ]


def test_a_record_that_is_to_be_done_again_is_not_ok_by_the_word_of_an_earlier_run(going_on: Path):
    row = {"recid": 5, "status": "ok", "run_id": "run1"}
    append(going_on / "results" / "stats.jsonl", row)
    plan = replace(PLAN, publish=True, to_do=ALL - {5})
    write_plan(plan, going_on / "logs" / "plan.json")
    assert counts(read_status(going_on, now=NOW))[0] == 2
    plan = replace(plan, to_do=ALL)
    write_plan(plan, going_on / "logs" / "plan.json")
    assert counts(read_status(going_on, now=NOW))[0] == 1
    (going_on / "rows.jsonl").write_text(json.dumps(row) + "\n")
    lines = closing_lines([5], plan=plan, stats_log=going_on / "rows.jsonl")
    assert lines[0] == "ferry: 0 ok, 0 failed, 1 to go, of 1 records"


def test_thousands_are_written_alike_while_a_run_goes_on_and_when_it_ends(tmp_path: Path):
    lines = closing_lines(range(1, 1501), plan=replace(PLAN, to_do=frozenset()), stats_log=tmp_path / "none.jsonl")
    assert lines[0] == "ferry: 0 ok, 0 failed, 1,500 to go, of 1,500 records"


def test_the_next_part_of_a_bulk_run_forgets_no_failure_of_the_one_before(going_on: Path):
    """`289 ok, 11 failed` became `319 ok, 2 failed` in the status, its line and Prometheus' file."""
    write_plan(replace(PLAN, to_do=frozenset([2, 3, 5])), going_on / "logs" / "plan.json")
    status = read_status(going_on, now=NOW)
    assert counts(status) == (1, 2, 0, 2)
    assert status.again == 0, "4 is no record of this part"
    assert '{status="failed"} 2\n' in prometheus_text(status)


def test_between_two_parts_of_a_bulk_run_it_goes_on(folder: Path):
    with (folder / "logs" / "bulk.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert read_status(folder, now=NOW).is_going_on
    assert not read_status(folder, now=NOW).is_going_on


def test_the_tables_of_a_run_that_goes_on_say_what_its_status_says(going_on: Path):
    results = going_on / "results"
    status = read_status(going_on, now=NOW)
    write_live_tables(status.standing, results)
    assert Counter(row["status"] for row in table(results / "stats.csv")) == {"ok": 1, "failed": 2, "skipped": 2}
    assert [row["recid"] for row in table(results / "stats.csv")] == ["1", "2", "3", "4", "5"]
    failures = table(results / "failures.csv")
    assert [(row["recid"], row["error"]) for row in failures] == [("2", "why"), ("4", "why; to be tried again")]
    assert all((results / name).stat().st_mtime > BEGAN.timestamp() for name in ("stats.csv", "failures.csv"))


def test_what_left_no_word_is_told_when_its_run_ends(folder: Path):
    """A killed job writes nothing; a run that was asked for an upload alone leaves no stats of it."""
    tell_silent_ends(PLAN, results_dir=folder / "results", logs_dir=folder / "logs")
    rows = latest_rows(folder / "results" / "stats.jsonl")
    assert {recid for recid, row in rows.items() if row["status"] == "failed"} == {2, 3, 4}
    assert rows[3]["error_type"] == "Killed"
    assert (folder / "results" / "3" / "failure.json").exists()


def test_what_was_at_work_when_a_run_was_stopped_is_still_to_go_wherever_it_is_told(folder: Path):
    """A job that is told to end may be the first to know: what it has told is told anew when the run ends."""
    opened = start_event(run_id="run2", recid=3, step="upload_record", attempt=2, now=moment(30))
    (folder / "logs/3/journal.jsonl").unlink()
    append(folder / "logs/3/journal.jsonl", opened)
    append(folder / "logs/3/journal.jsonl", end_event(opened, error=Terminated(signal.SIGTERM), now=moment(20)))
    results, logs = folder / "results", folder / "logs"
    tell_failed(recid=3, journal=logs / "3" / "journal.jsonl", run_id="run2", results_dir=results)
    assert latest_rows(results / "stats.jsonl")[3]["error_type"] == "Terminated"
    assert (results / "3" / "failure.json").exists()
    RunFlags(run_id="run2", directory=logs / "flags").set(STOPPED, "told to end (SIGTERM)")

    tell_silent_ends(PLAN, results_dir=results, logs_dir=logs)

    status = read_status(folder, now=NOW)
    assert (counts(status), [row["recid"] for row in status.standing.interrupted]) == ((1, 2, 0, 2), [3])
    assert "1 ok, 2 failed, 0 jobs running, 2 to go (1 interrupted), of 5" in status_line(status)
    assert '{status="to_go"} 2\n' in prometheus_text(status)
    assert "ferry_records_interrupted 1\n" in prometheus_text(status)
    assert json.loads(status_json(status))["interrupted"] == 1
    lines = closing_lines(PLAN.recids, plan=PLAN, stats_log=results / "stats.jsonl")
    assert lines[0] == "ferry: 1 ok, 2 failed, 2 to go (1 interrupted), of 5 records"
    write_live_tables(status.standing, results)
    row = table(results / "stats.csv")[2]
    assert (row["status"], row["step"], row["error_type"]) == ("skipped", "upload_record", "Interrupted")
    assert [row["recid"] for row in table(results / "failures.csv")] == ["2", "4"]
    assert not (results / "3" / "failure.json").exists()


def test_what_was_at_work_when_a_run_was_killed_is_told_by_whoever_is_left(folder: Path):
    tell_silent_ends(PLAN, is_gone=True, results_dir=folder / "results", logs_dir=folder / "logs")
    row = latest_rows(folder / "results" / "stats.jsonl")[3]
    assert (row["status"], row["error_type"]) == ("skipped", "Interrupted")
    again = replace(PLAN, run_id="run3")
    write_plan(again, folder / "logs" / "plan.json")
    assert read_status(folder, now=NOW).standing.interrupted == [], "the next run has it still to do"


def test_what_was_at_work_when_a_run_was_killed_with_all_that_could_tell_is_in_its_status(folder: Path):
    path = folder / "logs/3/journal.jsonl"
    path.unlink()
    at_work = start_event(run_id="run2", recid=3, step="upload_record", attempt=2, now=moment(30))
    append(path, at_work | {"host": "elsewhere"})
    status = read_status(folder, now=NOW)
    assert status.standing.interrupted == [], "it may still be at work there"
    assert "run run2 was killed or refused, or runs on another machine" in status_page(status)

    append(path, at_work | {"host": socket.gethostname(), "pid": 2**22 + 1, "attempt": 3})
    path.write_text(path.read_text(encoding="utf-8").splitlines()[1] + "\n", encoding="utf-8")
    before = path.read_bytes(), (folder / "results" / "stats.jsonl").read_bytes()
    status = read_status(folder, now=NOW)
    assert [(row["recid"], row["error_type"]) for row in status.standing.interrupted] == [(3, "Interrupted")]
    assert (counts(status), status.running) == ((1, 2, 0, 2), [])
    assert "2 to go (1 interrupted), of 5" in status_page(status)
    assert json.loads(status_json(status))["interrupted"] == 1
    assert (path.read_bytes(), (folder / "results" / "stats.jsonl").read_bytes()) == before, "it only looks"

    RunFlags(run_id="run2", directory=folder / "logs" / "flags").set(ENDED, "")
    assert "run run2 is over" in status_page(read_status(folder, now=NOW))


def test_what_failed_before_and_has_got_further_is_no_failure_when_a_run_is_stopped(folder: Path):
    opened = start_event(run_id="run2", recid=4, step="read_record", attempt=2, now=moment(30))
    append(folder / "logs/4/journal.jsonl", opened)
    append(folder / "logs/4/journal.jsonl", end_event(opened, now=moment(20)))
    write_receipt(folder / "results/4/source.json", "source", source_of(4))
    (folder / "results/4/failure.json").write_text("{}")
    tell_silent_ends(PLAN, results_dir=folder / "results", logs_dir=folder / "logs")
    row = latest_rows(folder / "results" / "stats.jsonl")[4]
    assert (row["status"], row["step"]) == ("skipped", "download_files")
    assert not (folder / "results/4/failure.json").exists()


def test_a_record_that_was_asked_for_beside_the_list_is_told_too(folder: Path):
    lines = closing_lines([1, 3], plan=PLAN, stats_log=folder / "results" / "stats.jsonl")
    assert [line for line in lines if line.startswith("ferry: ")] == [
        "ferry: 1 ok, 0 failed, 1 to go, of 2 records",
        "ferry: 0 ok, 2 failed, 1 to go, of 3 records that are not in the list",
    ]


def test_a_run_that_is_over_runs_nothing_and_its_time_stands_still(folder: Path):
    status = read_status(folder, now=NOW + timedelta(days=1))
    assert status is not None
    assert (status.is_going_on, status.running, status.left_s) == (False, [], None)
    assert status.elapsed_s == pytest.approx(80)
    assert {row["recid"] for row in status.standing.failed} == {2, 4}
    assert status.again == 0


def test_looking_on_writes_nothing_and_takes_no_lock(folder: Path):
    (folder / "logs" / "run.lock").write_text("1\n")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}
    read_status(folder, now=NOW)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")} == before
    source = (Path(__file__).parents[3] / "scripts" / "ferry" / "run" / "status.py").read_text()
    assert "import fcntl" not in source


def test_a_folder_without_a_run_has_no_status(tmp_path: Path):
    assert read_status(tmp_path, now=NOW) is None


def test_where_the_rows_are_lost_the_receipts_are_counted(going_on: Path):
    (going_on / "results" / "stats.jsonl").unlink()
    write_json(going_on / "results" / "1" / "stats.json", {"status": "ok"})
    status = read_status(going_on, now=NOW)
    assert status is not None
    assert counts(status)[0] == 1


def test_lines_that_are_being_written_disturb_nobody(going_on: Path):
    for name in ("stats.jsonl", "attempts.jsonl"):
        with (going_on / "results" / name).open("a") as stream:
            stream.write('{"run_id": "run2", "rec')
    status = read_status(going_on, now=NOW)
    assert status is not None
    assert (len(status.standing.ok), status.bytes_up) == (1, 40)


_FAILED = {
    "recid": 7, "status": "failed", "step": "upload_record", "error_type": "E", "error": "a\nb", "attempts": 3,
    "ended_at": None, "log": "logs/7/upload_record.log", "title": None,
}  # fmt: skip
STANDING = Standing(
    plan=RunPlan("run2", range(1, 12712), publish=False, command="snakemake --cores 8"),
    ok=[{"recid": recid} for recid in range(1000, 1290)], failed=[_FAILED], left_out=[], to_go=range(12420),
)  # fmt: skip
STATUS = Status(
    standing=STANDING, running=[Running(9, "upload_record", 75)], is_going_on=True, elapsed_s=100, done_in_run=290,
    bytes_down=2000, bytes_up=5_000_000, last_done_s=100,
)  # fmt: skip


def test_one_line_says_what_is_done_at_which_rate_and_how_long_it_will_take():
    assert status_line(STATUS) == (
        "ferry: 290 ok, 1 failed, 1 job running, 12,420 to go, of 12,711; 5 MB up at 50 kB/s; about 1 h 11 min left"
    )


def test_what_is_done_after_the_last_record_is_told_too():
    """The line was told again and again, with nothing to go and no job, as if the run stood still."""
    through = replace(STATUS, standing=replace(STANDING, to_go=[]), running=[])
    assert status_line(through).endswith("0 to go, of 12,711; tables, figures and pages follow; 5 MB up at 50 kB/s")
    assert "follow" not in status_line(replace(through, is_going_on=False))


def test_jobs_that_wait_are_told_with_what_for_and_until_when(going_on: Path):
    """At the repository's rate limit a run stood still with nothing said."""
    note = going_on / "logs" / "3" / "upload_record.waits"
    note.write_text(json.dumps({"reason": RATE_LIMIT, "until": NOW.timestamp() + 40}))
    status = read_status(going_on, now=NOW)
    until = f"{(NOW + timedelta(seconds=40)).astimezone():%H:%M:%S}"
    assert f"; waiting: 1 for the rate limit until {until}" in status_line(status)
    assert f"\nwaiting  1 for the rate limit until {until}\n" in status_page(status)
    assert 'ferry_jobs{step="upload_record",waits_for="the rate limit"} 1\n' in prometheus_text(status)


def test_the_end_is_not_sooner_than_the_limits_of_requests_allow():
    """What may leave at once leaves at once: only a list of more than that is bound by a limit."""
    limits = [(500, 60.0), (5000, 3600.0)]
    limited = replace(STANDING, plan=replace(STANDING.plan, limits=limits))
    assert STATUS.left_s == pytest.approx(12420 / 290 * 100)
    requests = 2900 + 12420 * 10
    assert replace(STATUS, standing=limited, requests=2900).left_s == pytest.approx(requests // 5000 * 3600 - 100)
    short = replace(limited, to_go=range(29))
    assert replace(STATUS, standing=short, requests=2900).left_s == pytest.approx(60 * (3190 // 500) - 100)
    assert replace(STATUS, standing=short, requests=290).left_s == pytest.approx(10)
    assert [least_seconds(number, limits) for number in (0, 500, 501, 5000, 5001)] == [0, 0, 60, 540, 3600]


@pytest.mark.parametrize(
    ("reason", "left", "told"),
    [
        (RATE_LIMIT, [420, 400, 380], "about 6 min 20 s left"),
        (REPOSITORY, [440, 440, 440], "about 7 min 20 s left once that answers"),
    ],
)
def test_what_is_left_grows_in_no_wait(reason: str, left: list[float], told: str):
    """It grew by a second each second that a run stood still."""
    waiting = Running(9, "upload_record", 75, Wait(reason, NOW.timestamp() + 60))
    status = replace(STATUS, standing=replace(STANDING, to_go=range(1276)), running=[waiting])
    waited = [replace(status, elapsed_s=100 + seconds) for seconds in (20, 40, 60)]
    assert [each.left_s for each in waited] == pytest.approx(left)
    assert status_line(waited[-1]).endswith(f"; {told}")


def test_a_short_rest_is_not_over_before_the_wait_that_all_jobs_are_in(going_on: Path):
    """It grew once the wait was longer than what was left."""
    note = going_on / "logs" / "3" / "upload_record.waits"
    note.write_text(json.dumps({"reason": RATE_LIMIT, "until": NOW.timestamp() + 400}))
    later = [read_status(going_on, now=NOW + timedelta(seconds=seconds)).left_s for seconds in (0, 200, 390)]
    assert later == pytest.approx([400, 200, 10])


def test_the_repositorys_own_limit_is_known_by_what_it_has_let_through():
    """Only the configured limits counted: 290 records in an hour that takes no more were told as 290 in 100 s."""
    waiting = Running(9, "upload_record", 75, Wait(USED_UP, NOW.timestamp() + 3500))
    status = replace(STATUS, running=[waiting], wait_left_s=3500)
    assert status.left_s == pytest.approx(3500 + 3600 * (12420 - 290) / 290)
    short = replace(status, standing=replace(STANDING, to_go=range(29)))
    assert short.left_s == pytest.approx(3500)
    at_work = replace(status, running=[waiting, Running(10, "upload_record", 1)])
    assert at_work.left_s == pytest.approx(12420 / 290 * 100), "something still gets through"


def test_the_time_that_a_repository_was_away_is_none_of_the_pace(going_on: Path):
    flags = RunFlags(run_id="run2", directory=going_on / "logs" / "flags")
    before = read_status(going_on, now=NOW).left_s
    now = NOW.timestamp()
    absence = Absence(now - 50, now - 30, "gone", back=now - 25, earlier=((now - 90, now - 75),))
    flags.set(AWAY, json.dumps(asdict(absence)))
    status = read_status(going_on, now=NOW)
    assert (status.last_done_s, status.stood_still_s) == pytest.approx((40, 40))
    assert (before, status.left_s) == pytest.approx((3 * 80 - 20, 3 * 40 - 20))
    began = {"run_id": "run2", "started_at": "", "target": None, "ready_after_s": 8}
    write_json(going_on / "logs/run.json", began)
    assert read_status(going_on, now=NOW).left_s == pytest.approx(3 * 32 - 20), "it waited before its jobs began"


def test_what_a_part_of_a_bulk_run_has_failed_is_to_be_tried_again_wherever_it_is_told(going_on: Path):
    """The run of all that follows tries it once more, if that may help: it was told as failed, and no more."""
    plan = replace(PLAN, to_do=frozenset([2, 3, 5]), is_part=True, after=["run1"])
    write_plan(plan, going_on / "logs" / "plan.json")
    status = read_status(going_on, now=NOW)
    assert "2 failed (2 to be tried again)" in status_line(status)
    assert status_page(status).count("why; to be tried again") == 2
    assert "\nferry_records_to_retry 2\n" in prometheus_text(status)
    write_live_tables(status.standing, going_on / "results")
    for name in ("stats.csv", "failures.csv"):
        errors = [row["error"] for row in table(going_on / "results" / name) if row["recid"] in {"2", "4"}]
        assert errors == ["why; to be tried again"] * 2
    lines = closing_lines(sorted(ALL), plan=plan, stats_log=going_on / "results" / "stats.jsonl")
    assert lines[0] == "ferry: 1 ok, 2 failed (2 to be tried again), 2 to go, of 5 records"
    assert [line.split()[0] for line in lines[1:]] == ["2", "log:", "and"], "4 was told at the end of its own part"
    assert lines[-1] == "  and 1 more in results/failures.csv"
    lines = closing_lines(sorted(ALL), plan=PLAN, stats_log=going_on / "results" / "stats.jsonl")
    assert lines[0] == "ferry: 1 ok, 2 failed, 2 to go, of 5 records"
    opened = start_event(run_id="run1", recid=4, step="x", attempt=1, now=moment(900))
    append(going_on / "logs/4/journal.jsonl", end_event(opened, error=PermanentError("no"), now=moment(890)))
    assert read_status(going_on, now=NOW).again == 1, "4 has failed for good in a part before"
    write_plan(replace(plan, after=[]), going_on / "logs" / "plan.json")
    assert read_status(going_on, now=NOW).again == 2, "and in another bulk run"


def test_while_tables_are_made_at_the_end_nothing_is_to_be_tried_again_and_that_is_said(going_on: Path):
    """After SIGTERM of `make bulk` 6 failures were to be tried again, by nobody; the making of tables was silent."""
    plan = replace(PLAN, to_do=frozenset([2, 3, 5]), is_part=True, after=["run1"])
    write_plan(plan, going_on / "logs" / "plan.json")
    RunFlags(run_id="run2", directory=going_on / "logs" / "flags").set(ENDS, "")
    status = read_status(going_on, now=NOW)
    assert (status.is_going_on, status.again, status.left_s) == (True, 0, None)
    assert "; tables, figures and pages follow" in status_line(status)
    assert "\nend      tables, figures and pages follow\n" in status_page(status)
    assert "to be tried again" not in status_page(status)
    assert json.loads(status_json(status))["is_closing"]
    assert "\nferry_records_to_retry 0\n" in prometheus_text(status)
    lines = closing_lines(sorted(ALL), plan=plan, is_over=True, stats_log=going_on / "results" / "stats.jsonl")
    assert lines[0] == "ferry: 1 ok, 2 failed, 2 to go, of 5 records"
    assert [line.split()[0] for line in lines[1:]] == ["2", "log:", "4", "log:", "again,"]


def test_a_run_that_begins_and_waits_is_told_as_that(going_on: Path):
    write_json(going_on / "logs/run.json", {"run_id": "run2", "started_at": "", "target": None, "is_ready": False})
    (going_on / "logs/run.waits").write_text(json.dumps({"reason": REPOSITORY, "until": NOW.timestamp() + 40}))
    status, until = read_status(going_on, now=NOW), f"{(NOW + timedelta(seconds=40)).astimezone():%H:%M:%S}"
    wait = f"the run, which begins, for the repository to answer until {until}"
    assert status_page(status).startswith("run run2 begins, ")
    assert f"\nwaiting  {wait}\n" in status_page(status)
    assert f"; waiting: {wait}" in status_line(status)
    assert 'ferry_run_beginning{waits_for="the repository to answer"} 1\n' in prometheus_text(status)
    write_json(going_on / "logs/run.json", {"run_id": "run2", "started_at": "", "target": None, "is_ready": True})
    assert "begins" not in status_page(read_status(going_on, now=NOW))


def test_what_is_in_review_is_told_wherever_the_run_is(tmp_path: Path):
    ok = [{"recid": recid, "state": "in_review" if recid < 1200 else "draft"} for recid in range(1290)]
    waiting = replace(STATUS, standing=replace(STANDING, ok=ok))
    assert status_line(waiting).startswith("ferry: 1,290 ok (1,200 in review), 1 failed")
    assert "records  1,290 ok (1,200 in review), 1 failed" in status_page(waiting)
    assert "\nferry_records_in_review 1200\n" in prometheus_text(waiting)
    rows = [
        {"recid": recid, "status": "ok", "state": "in_review", "review_url": f"https://r.example/{recid}"}
        for recid in range(1, 24)
    ] + [{"recid": 24, "status": "ok", "state": "published", "review_url": None}]
    log = tmp_path / "rows.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = closing_lines(range(1, 25), plan=RunPlan("r", range(1, 25), publish=True), stats_log=log)
    assert lines[0] == "ferry: 24 ok, 0 failed, 0 to go, of 24 records"
    assert lines[1] == "ferry: 23 of those ok are in review: somebody has still to decide; each run asks again"
    assert lines[2] == "  1  https://r.example/1"
    assert lines[-1] == "  and 3 more in results/stats.csv"
    assert len(lines) == 2 + 20 + 1


def test_failures_have_a_heading_where_another_list_comes_before_them(tmp_path: Path):
    """They stood below `2 records to be staged` as if they were on tape too."""
    to_stage = {"recid": 1, "status": "skipped", "error_type": "OnTapeError", "error": "ask at https://p.example/1"}
    log = tmp_path / "rows.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in (to_stage, _FAILED)))
    lines = closing_lines([1, 7], plan=RunPlan("r", [1, 7], publish=True), stats_log=log)
    assert [line.split(":")[0] for line in lines[1:5]] == [
        "ferry", "  1  ask at https", "ferry", "  7  upload_record, attempt 3"
    ]  # fmt: skip
    assert lines[3] == "ferry: 1 failed:"


def test_a_reason_that_is_cut_short_says_so(tmp_path: Path):
    """It ended in the middle of a word: `or give the folder as source.data_`."""
    reason = f"{'x' * 295} or give the folder as source.data_root"
    to_stage = {"recid": 1, "status": "skipped", "error_type": "OnTapeError", "error": reason}
    log = tmp_path / "rows.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in (to_stage, _FAILED | {"error": reason})))
    lines = closing_lines([1, 7], plan=RunPlan("r", [1, 7], publish=True), stats_log=log)
    told = [line for line in lines if "xxx" in line]
    assert [line.partition("xxx")[2].strip("x") for line in told] == [" or…"] * 2


def test_what_a_repository_says_begins_no_line_of_its_own_among_the_closing_ones(tmp_path: Path):
    address = "https://r.example/1\nferry: 9 ok, 0 failed\x1b[2J"
    row = {"recid": 1, "status": "ok", "state": "in_review", "review_url": address, "kept_fields": ["a\n\nferry: b"]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    lines = closing_lines([1], plan=RunPlan("r", [1], publish=True), stats_log=tmp_path / "rows.jsonl")
    assert "  1  https://r.example/1 ferry: 9 ok, 0 failed\\x1b[2J" in lines
    assert lines[-1] == "  1  a ferry: b"


def test_the_page_names_what_runs_and_what_failed():
    page = status_page(STATUS)
    assert "  9  upload_record for 1 min 15 s\n" in page
    assert "  7  upload_record, attempt 3: E: a b\n" in page
    assert "\n    log: logs/7/upload_record.log\n  again, only what is missing: snakemake --cores 8\n" in page


def test_the_status_is_one_object_for_programs(going_on: Path):
    command = [*WATCH, "--folder", str(going_on), "--json"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    counted = {name: found[name] for name in ("wanted", "ok", "failed", "skipped", "to_go", "to_retry", "is_going_on")}
    assert counted == {
        "wanted": 5, "ok": 1, "failed": 2, "skipped": 0, "to_go": 2, "to_retry": 1, "is_going_on": True,
    }  # fmt: skip
    assert [(job["recid"], job["step"], job["wait"]) for job in found["running"]] == [(3, "upload_record", None)]
    assert [row["recid"] for row in found["failures"]] == [2, 4]


def test_the_failures_are_a_master_list_whatever_was_said_of_them(tmp_path: Path):
    write_failures(tmp_path, [_FAILED, {**_FAILED, "recid": 8, "error": 'a "b\n\nc'}])
    assert read_wanted(list_path=tmp_path / "failures.csv", recids=[]).recids == [7, 8]


def test_the_page_says_where_the_failures_are_that_it_does_not_show():
    many = replace(STATUS, standing=replace(STANDING, failed=[_FAILED] * 15))
    assert "\n  and 5 more in results/failures.csv\n" in status_page(many)


def test_the_text_file_for_prometheus_has_each_metric_with_its_type(tmp_path: Path):
    write_prometheus(tmp_path / "metrics" / "ferry.prom", STATUS)
    lines = (tmp_path / "metrics" / "ferry.prom").read_text().splitlines()
    assert 'ferry_records{status="to_go"} 12420' in lines
    assert 'ferry_moved_bytes{direction="up"} 5000000' in lines
    names = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    assert names == {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert prometheus_text(STATUS).endswith("\n")
    assert [path.name for path in (tmp_path / "metrics").iterdir()] == ["ferry.prom"]


def test_a_line_is_told_again_and_again_until_the_run_ends(tmp_path: Path):
    stream, told = io.StringIO(), threading.Event()
    calls = []

    def read() -> Status:
        calls.append(1)
        if len(calls) == 3:
            told.set()
        return STATUS

    prometheus = tmp_path / "ferry.prom"
    teller = ProgressReporter(every_s=0.01, stream=stream, prometheus=prometheus, read=read).start()
    assert told.wait(timeout=10)
    teller.stop()
    teller.tell_now()
    count = len(calls)
    assert stream.getvalue().count("ferry: 290 ok") == count - 1  # the last one is for Prometheus alone
    assert prometheus.exists()


def test_with_no_seconds_nothing_is_told(tmp_path: Path):
    teller = ProgressReporter(every_s=0, stream=io.StringIO(), read=lambda: pytest.fail("was read")).start()
    teller.stop()


def test_a_file_that_cannot_be_read_now_ends_no_run():
    def read() -> Status:
        raise PermissionError("no")

    ProgressReporter(every_s=1, stream=io.StringIO(), read=read).tell()


def test_errors_of_the_product_are_not_hidden():
    def read() -> Status:
        raise PermanentError("a mistake")

    with pytest.raises(PermanentError):
        ProgressReporter(every_s=1, stream=io.StringIO(), read=read).tell()


def test_the_plan_holds_numbers_only(folder: Path):
    assert json.loads((folder / "logs" / "plan.json").read_text())["recids"] == [1, 2, 3, 4, 5]
