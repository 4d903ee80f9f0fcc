"""What a job waits for is told while it does, and no longer."""

import json
import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import ferry.waiting
from ferry.errors import TransientError
from ferry.retry import retried
from ferry.waiting import ANOTHER_TRY, PORTAL, RATE_LIMIT, REPOSITORY, ROOM, Wait, read_wait, waiting, waits_told


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ferry.waiting, "_told", ferry.waiting._Told())


@pytest.fixture
def note(tmp_path: Path):
    path = tmp_path / "upload_record.waits"
    with waits_told(path):
        yield path


def test_a_wait_is_told_with_its_end_and_gone_when_it_is_over(note: Path):
    with waiting(RATE_LIMIT, 60):
        wait = read_wait(note)
        assert wait is not None
        assert (wait.reason, wait.until) == (RATE_LIMIT, pytest.approx(time.time() + 60, abs=5))
    assert not note.exists()


def test_of_waits_at_the_same_time_the_longest_is_told(note: Path):
    with waiting(RATE_LIMIT, 60):
        with waiting(ROOM):
            assert read_wait(note) == Wait(ROOM)
        with waiting(ANOTHER_TRY, 5):
            assert read_wait(note).reason == RATE_LIMIT


def test_a_short_wait_is_told_to_nobody(note: Path):
    with waiting(RATE_LIMIT, 0.2):
        assert not note.exists()


def test_what_has_no_log_says_on_the_terminal_what_it_waits_for_until_when_and_once(tmp_path: Path, capsys):
    """`plan` said nothing for half a minute while the portal refused."""

    def fail() -> None:
        raise TransientError("https://portal.example: refused")

    began = datetime.now().astimezone()
    with pytest.raises(TransientError):
        retried(fail, attempts=5, sleep=lambda _: None, waits_for=PORTAL)
    (line,) = capsys.readouterr().err.splitlines()
    said = re.fullmatch(r"ferry: waiting for the portal to answer until (\S+): https://portal.example: refused", line)
    ends = {f"{began + timedelta(seconds=seconds):%H:%M:%S}" for seconds in range(30, 35)}
    assert said is not None
    assert said[1] in ends, "pauses of 2, 4, 8 and 16 s"
    assert list(tmp_path.iterdir()) == []


def test_what_answers_again_at_some_time_is_told_with_the_end_of_all_tries(note: Path):
    with waiting(REPOSITORY, 8, most_s=600):
        assert read_wait(note).until == pytest.approx(time.time() + 600, abs=5)
    with waiting(ANOTHER_TRY, 8, most_s=600):
        assert read_wait(note).until == pytest.approx(time.time() + 8, abs=5)


def test_a_run_that_begins_says_it_and_leaves_a_note(tmp_path: Path, capsys):
    said: list[str] = []
    with waits_told(tmp_path / "run.waits", say=said.append), waiting(ROOM, why="it is full"):
        assert read_wait(tmp_path / "run.waits") == Wait(ROOM)
    assert said == ["waiting for room on the disk: it is full"]
    assert capsys.readouterr().err == ""


def test_the_note_of_one_that_was_killed_tells_nothing_of_the_next(tmp_path: Path):
    (tmp_path / "x.waits").write_text('{"reason": "the rate limit", "until": null}')
    with waits_told(tmp_path / "x.waits"):
        assert read_wait(tmp_path / "x.waits") is None


def test_a_pause_before_another_try_is_a_wait(note: Path):
    told = []

    def fail() -> None:
        raise TransientError("no answer")

    with pytest.raises(TransientError):
        retried(fail, attempts=2, sleep=lambda _: told.append(read_wait(note)))
    assert [wait.reason for wait in told] == [ANOTHER_TRY]


@pytest.mark.parametrize("text", ["", '{"reason": "x', "[]", '{"other": 1}'])
def test_a_note_that_is_being_written_is_none(tmp_path: Path, text: str):
    (tmp_path / "note").write_text(text)
    assert read_wait(tmp_path / "note") is None
    assert read_wait(tmp_path / "none") is None
    (tmp_path / "note").write_text(json.dumps({"reason": ROOM, "until": None}))
    assert read_wait(tmp_path / "note") == Wait(ROOM)
