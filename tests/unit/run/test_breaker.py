"""A run is stopped when most of the last records failed for one reason that is not their own."""

import json

import pytest

from ferry import journal
from ferry.errors import IntegrityError, MetadataError, TransientError
from ferry.jsonl import append
from ferry.repository.errors import DeniedError, error_for_response
from ferry.run.breaker import CircuitBreaker, Outcome, outcome_of, reason_to_stop

DOWN = ("upload_record", "TransientError")


def ended(recid, step="upload_record", error=None):
    start = journal.start_event(run_id="r", recid=recid, step=step, attempt=1)
    return journal.end_event(start, error=error)


def failures(count, reason=DOWN, first=1):
    return [Outcome(recid, reason, f"trouble {recid}") for recid in range(first, first + count)]


def test_most_of_the_last_records_stop_the_run_and_the_last_one_is_told():
    told = reason_to_stop(failures(8), of_last=10, failed=8)
    assert told == "8 of the last 8 records failed in upload_record (TransientError); the last one: trouble 8"


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
    assert reason_to_stop(outcomes, of_last=10, failed=8) is None


def test_a_record_that_fails_again_and_again_counts_once():
    assert reason_to_stop(failures(1) * 20, of_last=10, failed=8) is None


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


def test_only_what_ends_after_the_start_counts_and_a_line_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "attempts.jsonl"
    for recid in range(10):
        append(path, ended(recid, error=TransientError("of an earlier run")))
    reasons = []
    breaker = CircuitBreaker(attempts_file=path, of_last=4, failed=3, stop=reasons.append)
    assert breaker.look() is None
    for recid in (1, 2):
        append(path, ended(recid, error=TransientError("no answer")))
    last = json.dumps(ended(3, error=TransientError("no answer"))).encode() + b"\n"
    with path.open("ab") as stream:
        stream.write(last[:50])
    assert breaker.look() is None
    with path.open("ab") as stream:
        stream.write(last[50:])
    assert breaker.look().startswith("3 of the last 3 records failed")


def test_the_thread_stops_the_run_once(tmp_path):
    path, reasons = tmp_path / "attempts.jsonl", []
    breaker = CircuitBreaker(attempts_file=path, of_last=2, failed=2, stop=reasons.append, every_s=0.01).start()
    for recid in (1, 2, 3):
        append(path, ended(recid, error=TransientError("no answer")))
    breaker._thread.join(5)
    breaker.end()
    assert len(reasons) == 1


def test_zero_means_never(tmp_path):
    path, reasons = tmp_path / "attempts.jsonl", []
    breaker = CircuitBreaker(attempts_file=path, of_last=1, failed=0, stop=reasons.append, every_s=0.01).start()
    append(path, ended(1, error=TransientError("no answer")))
    breaker.end()
    assert reasons == []
