import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry import journal, jsonl
from ferry.errors import TransientError
from ferry.journal import Moment, attempts, end_event, next_attempt, read, start_event
from ferry.jsonl import append

NOON = Moment(at="2025-11-24T12:00:00.000+00:00", monotonic_s=100.0, boot_id="one")
HOUR_BACK = Moment(at="2025-11-24T11:00:05.000+00:00", monotonic_s=105.5, boot_id="one")


def start(step="download_files", attempt=1, now=NOON):
    return start_event(run_id="run1", recid=81494, step=step, attempt=attempt, now=now)


def test_an_attempt_that_ended_is_joined_from_its_two_lines(tmp_path: Path):
    path = tmp_path / "81494" / "journal.jsonl"
    opened = start()
    append(path, opened)
    append(path, end_event(opened, measured={"bytes_moved": 7, "rate_wait_s": 0.5}, now=HOUR_BACK))

    (attempt,) = attempts(read(path))

    assert (attempt.recid, attempt.step, attempt.attempt, attempt.status) == (81494, "download_files", 1, "ok")
    assert attempt.measured == {"bytes_moved": 7, "rate_wait_s": 0.5}
    assert (attempt.error, attempt.error_type) == (None, None)


def test_a_duration_is_true_when_the_wall_clock_goes_back_an_hour(tmp_path: Path):
    ended = end_event(start(), now=HOUR_BACK)
    (attempt,) = attempts([start(), ended])
    assert attempt.duration_s == 5.5
    assert attempt.ended_at < attempt.started_at


def test_a_monotonic_clock_of_another_machine_makes_no_negative_duration():
    other = Moment(at=NOON.at, monotonic_s=3.0, boot_id="two")
    assert end_event(start(), now=other)["duration_s"] == 0.0


def test_a_failure_keeps_the_kind_of_the_error_and_its_message():
    (attempt,) = attempts([start(), end_event(start(), error=TransientError("PUT: 503"), now=HOUR_BACK)])
    assert (attempt.status, attempt.error_type, attempt.error) == ("failed", "TransientError", "PUT: 503")


def test_an_attempt_without_an_end_is_unfinished():
    assert [attempt.status for attempt in attempts([start()])] == ["unfinished"]


def test_attempts_are_counted_over_the_runs_and_by_step(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    assert next_attempt(path, "download_files") == 1
    append(path, start())
    append(path, start("upload_record"))
    append(path, start(attempt=2))
    assert next_attempt(path, "download_files") == 3
    assert next_attempt(path, "package_files") == 1


@given(cut=st.integers(min_value=1))
def test_a_torn_last_line_is_left_out_and_takes_no_other_line_with_it(tmp_path_factory, cut: int):
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    append(path, start("read_record"))
    whole = path.stat().st_size
    append(path, start("download_files"))
    torn = path.stat().st_size - whole
    os.truncate(path, whole + cut % torn)

    append(path, start("upload_record"))

    steps = [event["step"] for event in read(path)]
    assert [step for step in steps if step != "download_files"] == ["read_record", "upload_record"]


@given(garbage=st.binary(max_size=200))
def test_whatever_stands_in_a_journal_reading_it_never_fails(tmp_path_factory, garbage: bytes):
    path = tmp_path_factory.mktemp("garbage") / "journal.jsonl"
    path.write_bytes(garbage)
    append(path, start())
    assert read(path)[-1]["step"] == "download_files"


@pytest.mark.parametrize("line", ["[1]", "{}", '{"event": "end"}', '{"event":"start","step":3,"recid":1}', "[" * 9999])
def test_a_line_that_is_no_event_is_left_out(tmp_path: Path, line: str):
    path = tmp_path / "journal.jsonl"
    path.write_text(line + "\n")
    assert read(path) == []


def test_strange_values_in_an_event_give_an_attempt_and_no_error():
    event = {**end_event(start(), now=HOUR_BACK), "duration_s": "x", "error": "boom", "measured": [1], "attempt": None}
    (attempt,) = attempts([event])
    assert (attempt.duration_s, attempt.error, attempt.measured, attempt.attempt) == (None, None, {}, 1)


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "journal.jsonl"
    append(path, start())
    before = path.read_bytes()
    really_write = os.write
    written = []

    def fill(descriptor, data):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(really_write(descriptor, data[:10]))
        return written[0]

    monkeypatch.setattr(jsonl.os, "write", fill)
    with pytest.raises(OSError, match="No space left"):
        append(path, start(attempt=2))
    assert path.read_bytes() == before
    assert written == [10]


def test_a_refused_write_is_an_error_that_names_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jsonl.os, "write", refuse)
    with pytest.raises(OSError, match="No space left"):
        append(tmp_path / "journal.jsonl", start())


_WRITER = """
import sys
from pathlib import Path
from ferry.journal import start_event
from ferry.jsonl import append
name = sys.argv[2]
for number in range(1, 10**6 if name == "victim" else 301):
    append(Path(sys.argv[1]), start_event(run_id=name, recid=1, step="upload_record", attempt=number))
    if number == 3:
        print("going", flush=True)
"""


def test_writers_beside_each_other_and_one_killed_lose_no_line_of_the_others(tmp_path: Path):
    path = tmp_path / "attempts.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(Path(journal.__file__).parents[1])}

    def writer(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _WRITER, str(path), name]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)

    victim = writer("victim")
    assert victim.stdout.readline() == b"going\n"
    others = [writer("a"), writer("b")]
    for other in others:
        assert other.stdout.readline() == b"going\n"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert [other.wait() for other in others] == [0, 0]
    for process in (victim, *others):
        process.stdout.close()

    numbers = {name: [event["attempt"] for event in read(path) if event["run_id"] == name] for name in ("a", "b")}
    assert numbers == {"a": list(range(1, 301)), "b": list(range(1, 301))}
    lines = path.read_text().splitlines()
    assert all(json.loads(line)["event"] == "start" for line in lines[:-1])


def test_an_attempt_that_ended_well_is_long_ago_and_one_that_did_not_is_when_it_was_last_heard_of(tmp_path):
    path = tmp_path / "journal.jsonl"

    def begin(attempt):
        start = journal.start_event(run_id="r", recid=1, step="upload_record", attempt=attempt)
        append(path, start)
        return start

    first = begin(1)
    assert journal.tried_before(path, "upload_record") is None
    append(path, journal.end_event(first))
    second = begin(2)
    assert journal.tried_before(path, "upload_record") == journal.LONG_AGO
    begin(3)  # the second one was killed
    assert journal.tried_before(path, "upload_record") == second["at"]
