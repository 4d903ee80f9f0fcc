"""A run is stopped when most of the last records failed for one reason that is not their own."""

import json
from dataclasses import asdict

import pytest

from ferry import journal
from ferry.errors import IntegrityError, MetadataError, StoppedError, TransientError
from ferry.flags import AWAY, STOPPED, RunFlags
from ferry.jsonl import append
from ferry.repository.errors import DeniedError, error_for_response
from ferry.run.breaker import FIRST_PAUSE_S, CircuitBreaker, Outcome, outcome_of, trouble_among
from ferry.run.hold import wait_while_held
from ferry.run.outage import Absence

DOWN = ("upload_record", "TransientError")


def ended(recid, step="upload_record", error=None):
    start = journal.start_event(run_id="r", recid=recid, step=step, attempt=1)
    return journal.end_event(start, error=error)


def failures(count, reason=DOWN, first=1):
    return [Outcome(recid, reason, f"trouble {recid}") for recid in range(first, first + count)]


def test_most_of_the_last_records_stop_the_run_and_the_last_one_is_told():
    told = trouble_among(failures(8), of_last=10, failed=8)
    assert told.text == "8 of the last 8 records failed in upload_record (TransientError); the last one: trouble 8"


@pytest.mark.parametrize(
    "outcomes",
    [
        failures(7),
        [*failures(8), *(Outcome(recid) for recid in range(20, 23))],  # records arrive again
        [*failures(7), *failures(7, reason=("download_files", "TransientError"), first=30)],
        [Outcome(recid) for recid in range(20)],
    ],
)
def test_fewer_failures_or_different_ones_or_later_successes_do_not(outcomes):
    assert trouble_among(outcomes, of_last=10, failed=8) is None


def test_a_record_that_fails_again_and_again_counts_once():
    assert trouble_among(failures(1) * 20, of_last=10, failed=8) is None


def test_a_record_counts_when_it_fails_or_is_done_and_not_in_between():
    assert outcome_of(ended(5, step="read_record")) is None
    assert outcome_of(ended(5, step="record_stats")) == Outcome(5)
    assert outcome_of(ended(5, error=TransientError("no answer"))) == Outcome(5, DOWN, "no answer")
    assert outcome_of(ended(5, error=DeniedError("401"))).reason == ("upload_record", "DeniedError")
    no_workflow = error_for_response("create a draft", 400, "Workflow no-such does not exist in the configuration.")
    assert outcome_of(ended(5, error=no_workflow)).reason == ("upload_record", "ConfigError")


@pytest.mark.parametrize("error", [IntegrityError("x"), MetadataError("x")])
def test_what_is_wrong_with_a_record_itself_stops_nothing(error):
    assert outcome_of(ended(5, error=error)) == Outcome(5)


class Watched:
    """A breaker over a file of attempts, with a clock of its own, and what it has said and done."""

    def __init__(self, folder, *, give_up_after_s=0.0, of_last=4, failed=3, every_s=1.0):
        self.path, self.now, self.said, self.stopped = folder / "attempts.jsonl", 0.0, [], []
        self.flags = RunFlags(run_id="r", directory=folder / "flags")
        self.limits = {"of_last": of_last, "failed": failed, "give_up_after_s": give_up_after_s, "every_s": every_s}
        self.breaker = None

    def begin(self):
        self.breaker = CircuitBreaker(
            attempts_file=self.path, flags=self.flags, stop=self.stopped.append, say=self.said.append,
            clock=lambda: self.now, wall_clock=lambda: self.now, **self.limits,
        )  # fmt: skip
        return self

    def end(self, *recids, error=None, step="upload_record"):
        for recid in recids:
            append(self.path, ended(recid, step=step, error=error))

    def look(self, *, after_s=0.0):
        self.now += after_s
        return self.breaker.look()

    def passes(self, step="upload_record"):
        """Tell whether a job of the step may go on now."""

        class StillHeldError(Exception):
            pass

        def sleep(_):
            raise StillHeldError

        try:
            wait_while_held(step, flags=self.flags, sleep=sleep)
        except StillHeldError:
            return False
        return True


def test_only_what_ends_after_the_start_counts_and_a_line_is_read_when_it_is_whole(tmp_path):
    run = Watched(tmp_path)
    run.end(*range(10), error=TransientError("of an earlier run"))
    run.begin()
    assert not run.look()
    run.end(1, 2, error=TransientError("no answer"))
    last = json.dumps(ended(3, error=TransientError("no answer"))).encode() + b"\n"
    with run.path.open("ab") as stream:
        stream.write(last[:50])
    assert not run.look()
    with run.path.open("ab") as stream:
        stream.write(last[50:])
    assert run.look()
    assert run.stopped[0].startswith("3 of the last 3 records failed")


def test_the_thread_stops_the_run_once(tmp_path):
    run = Watched(tmp_path, of_last=2, failed=2, every_s=0.01).begin()
    run.breaker.start()
    run.end(1, 2, 3, error=TransientError("no answer"))
    run.breaker._thread.join(5)
    run.breaker.end()
    assert len(run.stopped) == 1


def test_zero_means_never(tmp_path):
    run = Watched(tmp_path, of_last=1, failed=0, every_s=0.01).begin()
    run.breaker.start()
    run.end(1, error=TransientError("no answer"))
    run.breaker.end()
    assert run.stopped == []


def held(folder):
    """Give a run whose uploads are held back: the repository does not answer."""
    run = Watched(folder, give_up_after_s=7200).begin()
    run.end(1, 2, 3, error=TransientError("no answer"))
    assert not run.look()
    return run


def test_what_does_not_answer_holds_its_step_back_and_no_other(tmp_path):
    run = held(tmp_path)
    assert (run.passes(), run.passes("download_files")) == (False, True)
    assert run.said[0].startswith("upload_record waits, a few records try again in 30 s: 3 of the last 3 records")
    assert run.stopped == []


def test_after_a_pause_two_try_and_when_one_gets_through_all_go_on(tmp_path):
    run = held(tmp_path)
    assert not run.look(after_s=FIRST_PAUSE_S)
    assert [run.passes() for _ in range(3)] == [True, True, False]
    run.end(4)
    assert not run.look(after_s=5)
    assert run.passes()
    assert run.said[-1] == "upload_record goes on, 35 s later"
    run.end(5, 6, error=TransientError("no answer"))
    assert not run.look()
    assert run.passes(), "what was before does not count any more"


def test_when_none_gets_through_the_next_pause_is_longer(tmp_path):
    run = held(tmp_path)
    run.look(after_s=FIRST_PAUSE_S)
    run.end(4, 5, error=TransientError("no answer"))
    run.look()
    assert not run.passes()
    run.look(after_s=FIRST_PAUSE_S)
    assert not run.passes()
    run.look(after_s=FIRST_PAUSE_S)
    assert run.passes()


def test_those_that_try_and_never_end_keep_nobody_from_trying(tmp_path):
    run = held(tmp_path)
    run.look(after_s=FIRST_PAUSE_S)
    assert [run.passes() for _ in range(3)] == [True, True, False]
    run.look(after_s=600)
    assert run.passes()


def test_a_run_ends_when_nothing_got_through_for_long_and_who_waits_is_told(tmp_path):
    run = held(tmp_path)
    assert not run.look(after_s=7200)
    assert run.look(after_s=1)
    assert run.stopped[0].startswith("for 2 h nothing got through; 3 of the last 3 records failed in upload_record")
    assert [run.passes() for _ in range(3)] == [True, True, False]
    run.flags.set(STOPPED, run.stopped[0])
    with pytest.raises(StoppedError, match="for 2 h nothing got through"):
        wait_while_held("upload_record", flags=run.flags, sleep=lambda _: None)


def test_what_does_not_pass_by_itself_ends_the_run_at_once(tmp_path):
    run = Watched(tmp_path, give_up_after_s=7200).begin()
    run.end(1, 2, 3, error=DeniedError("401"))
    assert run.look()
    assert len(run.stopped) == 1


def note_absence(run, *, since, seen, back=None):
    absence = Absence(since=since, seen=seen, why="no connection", back=back)
    run.flags.set(AWAY, json.dumps(asdict(absence)), replace=True)


def test_a_repository_that_goes_away_and_comes_back_is_told_once_each(tmp_path):
    run = Watched(tmp_path, give_up_after_s=3600).begin()
    note_absence(run, since=0, seen=0)
    assert not run.look()
    note_absence(run, since=0, seen=60)
    assert not run.look(after_s=60)
    note_absence(run, since=0, seen=60, back=75)
    assert not run.look(after_s=15)
    assert not run.look(after_s=15)
    waits, goes_on = run.said
    assert waits.startswith("jobs wait for the repository to answer until ")
    assert waits.endswith(" at most: no connection")
    assert goes_on == "the repository answers again, 1 min 15 s later"


def test_a_repository_that_is_away_for_too_long_ends_the_run_also_where_no_failures_are_counted(tmp_path):
    run = Watched(tmp_path, give_up_after_s=3600, failed=0).begin()
    note_absence(run, since=0, seen=3590)
    assert not run.look(after_s=3595)
    assert run.look(after_s=5)
    assert run.stopped == ["for 1 h the repository did not answer: no connection"]
