"""Faults 24, 29 and 30: a repository that is down, that has limits, or that takes the token no more."""

import pytest

from ferry.errors import PermanentError, TransientError
from servers.deposit_faults.cargo import Cargo, Carried
from servers.faults import Fault, refusal


def test_a_repository_that_stays_down_is_given_up_after_a_bounded_number_of_requests(line):
    cargo = Cargo()
    outcome = line.attempt(cargo, Fault("down", **refusal(503, "busy"), times=None))
    assert isinstance(outcome, TransientError)
    assert len(line.proxy.log) <= line.carrier.settings.attempts
    line.settle(cargo)


def test_a_repository_that_goes_down_in_mid_record_is_given_up_and_gone_on_with_later(line):
    cargo = Cargo({f"f{number}": bytes([number]) * 1000 for number in range(8)})
    first = Fault("down", method="POST", path="/commit$", nth=4, **refusal(503, "busy"), times=None)
    rest = Fault("down", **refusal(503, "busy"), times=None, when=lambda _: first.fired > 0)
    assert isinstance(line.attempt(cargo, first, rest), TransientError)
    done = [each.path for each in line.sent("/commit") if each.upstream_status == 200]
    assert len(done) == 3
    before = len(line.proxy.log)
    line.settle(cargo)
    sent_again = {each.path.replace("/content", "/commit") for each in line.proxy.log[before:] if each.method == "PUT"}
    assert not sent_again & set(done)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (413, "The data value transmitted exceeds the capacity limit.", "413|exceeds the capacity limit"),
        (400, "Bucket quota exceeded.", "quota exceeded"),
        (400, "Filename is too long.", "too long"),
    ],
)
def test_content_over_a_limit_is_refused_at_once_and_the_limit_is_named(line, status, message, told):
    cargo = Cargo()
    over = Fault("over", method="PUT", path=r"large\.al/content$", **refusal(status, message), times=None)
    outcome = line.attempt(cargo, over)
    assert isinstance(outcome, PermanentError)
    with pytest.raises(PermanentError, match=told):
        raise outcome
    assert over.fired == 1
    assert line.sent("/actions/publish") == []
    line.settle(cargo)


def test_more_files_than_a_record_takes_are_refused_before_any_content_is_sent(line):
    cargo = Cargo({f"f{number:03d}": b"x" for number in range(101)})
    outcome = line.attempt(cargo)
    assert isinstance(outcome, PermanentError)
    assert "max" in str(outcome) or "100" in str(outcome)
    assert line.sent("/content") == []
    assert len(line.proxy.log) < 20


@pytest.mark.parametrize("key", ["new\nline", "k" * 256, "/abs"])
def test_a_key_that_can_be_announced_and_never_used_fails_with_the_first_answer_that_says_so(line, key):
    cargo = Cargo({key: b"content", "a": b"1"})
    # the real server answers the head alone and hangs up: a body on its way by then would take the answer with it
    late = Fault("late body", method="PUT", path="/content$", hold_upload_s=0.5, times=None)
    outcome = line.attempt(cargo, late)
    assert isinstance(outcome, PermanentError)
    refused = [each for each in line.sent("/content") if not each.path.endswith("/a/content")]
    assert len([each for each in refused if each.status is not None]) == 1
    assert line.sent("/actions/publish") == []


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("nth", [1, 4, 8])
def test_a_token_that_is_taken_no_more_stops_the_asking_and_is_named(line, status, nth):
    cargo = Cargo({f"f{number}": bytes([number]) * 1000 for number in range(12)})
    revoked = Fault("revoked", path="/api/", nth=nth, **refusal(status, "Permission denied."), times=None)
    outcome = line.attempt(cargo, revoked)
    assert isinstance(outcome, PermanentError)
    assert "NRP_TOKEN" in str(outcome)
    assert revoked.fired <= line.carrier.settings.parallel_files  # those that were on their way
    assert isinstance(line.attempt(cargo), Carried)
    line.settle(cargo)
