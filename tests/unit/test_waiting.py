"""What a job waits for is told while it does, and no longer."""

import json
import time
from pathlib import Path

import pytest

from ferry.errors import TransientError
from ferry.retry import retried
from ferry.waiting import ANOTHER_TRY, RATE_LIMIT, ROOM, Wait, read_wait, waiting, waits_told


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


def test_a_short_wait_and_one_of_no_job_are_told_to_nobody(note: Path, tmp_path: Path):
    with waiting(RATE_LIMIT, 0.2):
        assert not note.exists()
    with waits_told(tmp_path / "other.waits"):
        pass
    with waiting(RATE_LIMIT, 60):
        assert list(tmp_path.iterdir()) == []


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
