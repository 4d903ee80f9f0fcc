"""A job outlasts a repository that is away, and no trouble of its own record."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from ferry.errors import PermanentError, TransientError
from ferry.flags import STOPPED, RunFlags
from ferry.run.outage import FORGOTTEN_S, Outages, read_absence


class Away:
    """A repository that is away between two times, asked by jobs with a clock of their own."""

    def __init__(self, folder: Path, *, begins: float, ends: float) -> None:
        self.flags, self.now = RunFlags(run_id="r", directory=folder), 0.0
        self.begins, self.ends, self.tries, self.asked = begins, ends, 0, 0

    @property
    def is_there(self) -> bool:
        return not self.begins <= self.now < self.ends

    async def answers(self) -> bool:
        self.asked += 1
        return self.is_there

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def work(self) -> str:
        self.tries += 1
        if not self.is_there:
            raise TransientError("no connection")
        return "done"

    async def work_again(self) -> str:
        """Fail once for what is over, so that it is seen to be."""
        self.tries, self.now = self.tries + 1, self.now + 1
        if self.tries == 1:
            raise TransientError("no connection")
        return "done"

    def outlast(self, act=None, *, give_up_after_s: float = 3600.0) -> str:
        outages = Outages(self.answers, self.flags, give_up_after_s, sleep=self.sleep, clock=lambda: self.now)
        return asyncio.run(outages.outlast(act or self.work))


def told_waits(caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_job_waits_for_a_repository_that_is_away_and_does_the_same_again(tmp_path, caplog):
    there = Away(tmp_path, begins=0, ends=75)
    assert there.outlast() == "done"
    assert there.tries == 2
    assert 75 <= there.now < 140, "pauses of 5, 10, 20, 40 and 60 s"
    assert told_waits(caplog) == ["no connection; looking whether the repository answers at all"]
    assert read_absence(there.flags, now=there.now).back == there.now


def test_the_others_learn_how_long_it_is_away(tmp_path):
    there = Away(tmp_path, begins=0, ends=1000)
    found = []

    async def sleep(seconds: float) -> None:
        there.now += seconds
        found.append(read_absence(there.flags, now=there.now))

    there.sleep = sleep
    there.outlast()
    assert {(absence.since, absence.why, absence.back) for absence in found} == {(0.0, "no connection", None)}


def test_a_job_that_waits_goes_on_as_soon_as_another_has_had_an_answer(tmp_path):
    there, other = Away(tmp_path, begins=0, ends=78), Away(tmp_path, begins=0, ends=78)

    async def sleep(seconds: float) -> None:
        there.now += seconds
        if there.now == 80:  # in a pause until 135
            other.now = 80
            await Outages(other.answers, other.flags, 3600, clock=lambda: other.now).outlast(other.work_again)

    there.sleep = sleep
    assert there.outlast() == "done"
    assert (there.now, there.asked) == (80, 5), "after 0, 5, 15, 35 and 75 s"


def test_a_record_whose_trouble_is_its_own_fails_at_once(tmp_path):
    there = Away(tmp_path, begins=0, ends=0)

    async def fail() -> str:
        there.tries += 1
        raise TransientError("the repository failed (500)")

    with pytest.raises(TransientError):
        there.outlast(fail)
    assert (there.tries, there.asked, there.now) == (1, 1, 0)


def test_what_began_while_it_was_away_is_tried_once_more_though_it_answers_by_now(tmp_path):
    there = Away(tmp_path, begins=0, ends=75)
    there.outlast()
    tries = []

    async def fail() -> str:
        tries.append(there.now)
        raise TransientError("no answer within 120 s")

    there.now = 10.0  # when it began; the one before has seen it come back later
    with pytest.raises(TransientError):
        there.outlast(lambda: fail_later(there, fail))
    assert len(tries) == 2


async def fail_later(there: Away, fail) -> str:
    there.now += 200
    return await fail()


def test_it_gives_up_when_the_absence_has_lasted_too_long_whoever_has_seen_it_first(tmp_path):
    there = Away(tmp_path, begins=0, ends=10_000)
    with pytest.raises(TransientError):
        there.outlast(give_up_after_s=600)
    assert there.now == 600
    with pytest.raises(TransientError):
        there.outlast(give_up_after_s=600)
    assert there.now == 600, "the next job does not begin to wait anew"


def test_an_absence_that_nobody_has_seen_to_for_long_says_nothing_of_the_next(tmp_path):
    there = Away(tmp_path, begins=0, ends=10_000)
    with pytest.raises(TransientError):
        there.outlast(give_up_after_s=100)  # its job is killed, so to say
    there.begins, there.ends = 6000, 6050
    there.now = 6000
    assert there.now - 100 > FORGOTTEN_S
    assert there.outlast(give_up_after_s=100) == "done"


def test_nothing_is_waited_for_where_nothing_is_to_be_and_when_the_run_is_stopped(tmp_path):
    there = Away(tmp_path, begins=0, ends=75)
    with pytest.raises(TransientError):
        there.outlast(give_up_after_s=0)
    assert there.asked == 0
    there.flags.set(STOPPED, "told to end")
    with pytest.raises(TransientError):
        there.outlast()
    assert there.now == 0


def test_what_will_not_pass_is_raised_at_once(tmp_path):
    there = Away(tmp_path, begins=0, ends=75)

    async def fail() -> str:
        raise PermanentError("refused")

    with pytest.raises(PermanentError):
        there.outlast(fail)
    assert there.asked == 0
