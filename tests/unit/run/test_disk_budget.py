"""Room under data/: never more than the budget, nobody waits for ever, and a dead job holds nobody up."""

import json
import os
import socket
import subprocess
import sys

import pytest

from ferry.bundle.plan import PackageSettings
from ferry.bundle.sizes import most_disk_bytes
from ferry.errors import ConfigError, PermanentError, TransientError
from ferry.run.disk_budget import PATIENCE_S, DiskBudget, refuse_too_few_cores


class Clock:
    """A clock that goes on by what is slept; `at_sleep` happens in every pause."""

    def __init__(self):
        self.now = 0.0
        self.at_sleep = lambda: None

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.at_sleep()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def storage(tmp_path, clock):
    return DiskBudget(tmp_path / "storage.json", sleep=clock.sleep, clock=clock)


def test_what_fits_is_held_and_given_back(storage):
    assert storage.reserve(recid=1, size_bytes=60, max_bytes=100) == 0
    assert storage.reserve(recid=2, size_bytes=40, max_bytes=100) == 0
    storage.release(recid=1)
    assert {recid: entry["bytes"] for recid, entry in storage.held().items()} == {2: 40}


def test_notes_that_stay_take_room_once(storage):
    storage.reserve(recid=1, size_bytes=60, max_bytes=100)
    storage.release(recid=1, notes_bytes=5)
    storage.release(recid=1, notes_bytes=5)
    with pytest.raises(TransientError, match=r"for 96 bytes, found 95 of 100 .* 5 bytes by notes on others"):
        storage.reserve(recid=2, size_bytes=96, max_bytes=100)
    storage.reserve(recid=2, size_bytes=35, max_bytes=100)
    for _ in range(2):  # again after a kill
        storage.reserve(recid=1, size_bytes=65, max_bytes=100, notes_bytes=5)
    storage.release(recid=1, notes_bytes=6)
    storage.end(recid=2, failed=True)
    with pytest.raises(TransientError, match="found 59 of 100"):
        storage.reserve(recid=3, size_bytes=60, max_bytes=100)


def test_a_record_that_does_not_fit_waits_until_another_has_gone(storage, clock):
    storage.reserve(recid=1, size_bytes=60, max_bytes=100)
    storage.begin(recid=1)

    def go_after_ten_minutes():
        if clock.now > 600:
            storage.release(recid=1)

    clock.at_sleep = go_after_ten_minutes
    assert storage.reserve(recid=2, size_bytes=50, max_bytes=100) == pytest.approx(600, abs=2)
    assert list(storage.held()) == [2]


def test_taking_again_after_a_kill_does_not_count_twice(storage):
    storage.reserve(recid=1, size_bytes=60, max_bytes=100)
    storage.reserve(recid=1, size_bytes=60, max_bytes=100)
    assert storage.held()[1]["bytes"] == 60


def test_a_record_larger_than_the_budget_is_refused_with_both_numbers(storage):
    with pytest.raises(PermanentError, match=r"record 1: expected at most 100 bytes .* found that it takes 101"):
        storage.reserve(recid=1, size_bytes=101, max_bytes=100)
    assert storage.held() == {}


@pytest.mark.parametrize(("streamed_bytes", "advised"), [(None, False), (101, False), (60, True)])
def test_streaming_is_advised_only_where_it_would_do(storage, streamed_bytes, advised):
    with pytest.raises(PermanentError) as refused:
        storage.reserve(recid=1, size_bytes=110, max_bytes=100, streamed_bytes=streamed_bytes)
    assert ("package.mode: stream" in str(refused.value)) is advised


@pytest.mark.parametrize("way", ["mend them and run again", r"remove their data/<recid>", "raise the budget"])
def test_where_only_failed_records_hold_room_a_waiting_one_fails_at_once_until_one_does_what_that_says(
    storage, clock, tmp_path, way
):
    for recid in (1, 2):
        (tmp_path / str(recid)).mkdir()
        storage.reserve(recid=recid, size_bytes=50, max_bytes=100)
        storage.end(recid=recid, failed=True)
    with pytest.raises(TransientError, match=rf"expected room for 10 bytes, found 0 of 100 .*\(1, 2\).*{way}"):
        storage.reserve(recid=3, size_bytes=10, max_bytes=100)
    assert clock.now == 0
    if way.startswith("mend"):
        storage.begin(recid=1)
        storage.release(recid=1)
    elif way.startswith("remove"):
        (tmp_path / "1").rmdir()
        storage.reconcile(jobs_may_run=False)  # the next run
    storage.reserve(recid=3, size_bytes=10, max_bytes=110 if way.startswith("raise") else 100)
    assert clock.now == 0


def test_a_failed_record_that_is_tried_again_counts_as_worked_on(storage, clock):
    storage.reserve(recid=1, size_bytes=100, max_bytes=100)
    storage.end(recid=1, failed=True)
    storage.begin(recid=1)
    clock.at_sleep = lambda: storage.release(recid=1)
    storage.reserve(recid=2, size_bytes=10, max_bytes=100)
    assert list(storage.held()) == [2]


def test_a_holder_whose_job_was_killed_is_not_waited_for_for_ever(storage, clock, tmp_path):
    storage.reserve(recid=1, size_bytes=100, max_bytes=100)
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    ledger = json.loads((tmp_path / "storage.json").read_bytes())
    place = ledger["records"]["1"]["jobs"][0].rpartition(":")[0]
    ledger["records"]["1"]["jobs"] = [f"{place}:{gone.pid}"]
    (tmp_path / "storage.json").write_text(json.dumps(ledger))
    with pytest.raises(TransientError, match="failed or were left"):
        storage.reserve(recid=2, size_bytes=10, max_bytes=100)
    assert clock.now == pytest.approx(PATIENCE_S, abs=2)


def test_without_a_budget_there_is_no_ledger(storage, tmp_path):
    storage.begin(recid=1)
    storage.end(recid=1, failed=True)
    storage.release(recid=1)
    assert storage.held() == {}
    assert list(tmp_path.iterdir()) == []


def test_many_jobs_at_once_never_hold_more_than_the_budget(tmp_path):
    script = (
        "import sys; from pathlib import Path; from ferry.run.disk_budget import DiskBudget\n"
        "storage = DiskBudget(Path(sys.argv[1]), sleep=lambda s: __import__('time').sleep(0.001))\n"
        "for recid in range(int(sys.argv[2]), int(sys.argv[2]) + 15):\n"
        "    storage.reserve(recid=recid, size_bytes=40, max_bytes=100)\n"
        "    assert sum(entry['bytes'] for entry in storage.held().values()) <= 100\n"
        "    storage.release(recid=recid)\n"
    )
    path = tmp_path / "storage.json"
    scripts = str(next(p for p in sys.path if p.endswith("scripts")))
    jobs = [
        subprocess.Popen([sys.executable, "-c", script, path, str(first)], env={"PYTHONPATH": scripts})
        for first in (100, 200, 300, 400)
    ]
    assert [job.wait(timeout=60) for job in jobs] == [0, 0, 0, 0]
    assert DiskBudget(path).held() == {}


FILES = [{"key": f"f{number:02}.al", "size_bytes": 1_000_000} for number in range(30)]


def test_a_bundled_record_takes_its_bytes_twice_a_streamed_or_loose_one_once():
    settings = {"max_files": 20}
    written = most_disk_bytes(files=FILES, settings=PackageSettings(**settings))
    streamed = most_disk_bytes(files=FILES, settings=PackageSettings(**settings, mode="stream"))
    loose = most_disk_bytes(files=FILES, settings=PackageSettings(max_files=30))
    lying_there = most_disk_bytes(files=FILES, settings=PackageSettings(**settings), fetched=False)
    assert 60_000_000 <= written < 60_100_000
    assert 30_000_000 <= streamed < 30_100_000
    assert 30_000_000 <= loose < 30_100_000
    assert 30_000_000 <= lying_there < 30_100_000


def test_texts_of_a_streamed_bundle_take_room_for_what_is_packed_of_them():
    files = [{"key": f"f{number:02}.txt", "size_bytes": 1_000_000} for number in range(30)]
    assert most_disk_bytes(files=files, settings=PackageSettings(mode="stream")) >= 60_000_000


def test_a_job_that_a_killed_run_left_is_forgotten_though_its_process_id_lives_again(storage, clock, tmp_path):
    entry = {"bytes": 90, "failed": False, "jobs": [f"{socket.gethostname()}:{os.getpid()}", "a-container-that-was:1"]}
    (tmp_path / "storage.json").write_text(json.dumps({"records": {"1": entry}, "notes_bytes": 0}))
    (tmp_path / "1").mkdir()
    storage.reconcile(jobs_may_run=False)
    with pytest.raises(TransientError, match=r"failed or were left \(1\)"):
        storage.reserve(recid=2, size_bytes=50, max_bytes=100)
    assert clock.now <= 2 * PATIENCE_S


def test_what_a_run_without_a_budget_has_left_is_held(storage, tmp_path):
    for recid, name, size in [(1, "files/a", 60), (1, "deposit.json", 7), (2, "deposit.json", 5)]:
        path = tmp_path / str(recid) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    (tmp_path / "own").write_bytes(bytes(1000))
    os.link(tmp_path / "own", tmp_path / "1" / "files" / "linked")
    storage.reconcile(jobs_may_run=False)
    with pytest.raises(TransientError, match=r"for 30 bytes, found 28 of 100 .*\(1\), and 5 bytes by notes"):
        storage.reserve(recid=3, size_bytes=30, max_bytes=100)
    storage.release(recid=1, notes_bytes=7)
    storage.reserve(recid=3, size_bytes=88, max_bytes=100)


@pytest.mark.parametrize(("jobs_may_run", "left"), [(False, [2]), (True, [1, 2])])
def test_a_record_whose_folder_is_gone_holds_nothing_unless_it_may_be_at_work(storage, tmp_path, jobs_may_run, left):
    for recid in (1, 2):
        storage.reserve(recid=recid, size_bytes=50, max_bytes=100)
    (tmp_path / "2").mkdir()
    storage.reconcile(jobs_may_run=jobs_may_run)
    assert list(storage.held()) == left


@pytest.mark.parametrize(("threads", "cores"), [(1, 1), (1, 2), (2, 6)])
def test_cores_that_let_a_record_be_packed_while_others_wait_are_enough(threads, cores):
    refuse_too_few_cores(package_threads=threads, cores=cores, download_slots=4)


def test_cores_that_waiting_downloads_may_hold_all_are_too_few():
    with pytest.raises(
        ConfigError, match=r"package\.threads: expected 1 .* on 5 cores.* found 2; or run with --cores 6"
    ):
        refuse_too_few_cores(package_threads=2, cores=5, download_slots=4)
