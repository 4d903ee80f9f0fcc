"""Each kind of request of a deposit, hit once by each kind of fault: the record is whole, and there once."""

import pytest

from servers.deposit_faults.cargo import STALL_S, Cargo, Carried
from servers.faults import Fault, refusal
from servers.raw_api import Draft

REQUESTS = {
    "search": {"method": "GET", "path": r"/api/user/records\?"},
    "create": {"method": "POST", "path": r"/api/records(\?|$)"},
    "list": {"method": "GET", "path": r"/draft/files(\?|$)"},
    "init": {"method": "POST", "path": r"/draft/files(\?|$)"},
    "content": {"method": "PUT", "path": r"large\.al/content$"},
    "commit": {"method": "POST", "path": r"large\.al/commit$"},
    "publish": {"method": "POST", "path": r"/actions/publish$"},
    "read": {"method": "GET", "path": r"/api/records/[^/]+(/draft)?(\?|$)"},
}


def gateway_timeout(answer):
    """Answer as a gateway does that has lost patience with a repository that then does what it was asked."""
    answer.status, answer.body = 504, b"<html>Gateway Timeout</html>"
    answer.headers["Content-Type"] = "text/html"


LATER = "answer later than the stall limit"
FAULTS = {
    "reset before it arrives": {"reset": True},
    "503 instead": {"status": 503, "body": b'{"status": 503, "message": "busy"}'},
    "500 without a body": {"status": 500},
    "answer lost": {"drop_answer": True},
    "answer cut": {"cut_answer_at": 30},
    "504 after the effect": {"change": gateway_timeout},
    LATER: {"hold_answer_s": STALL_S + 1},
}


SMOKE = "answer lost"


@pytest.mark.parametrize("how", [pytest.param(how, marks=pytest.mark.smoke if how == SMOKE else ()) for how in FAULTS])
@pytest.mark.parametrize("what", REQUESTS)
def test_one_failure_of_any_request_changes_nothing_in_the_end(line, what, how):
    cargo = Cargo()
    if how == LATER:
        line.carrier.stall_s = STALL_S
    fault = Fault(how, **REQUESTS[what], **FAULTS[how])
    outcome = line.attempt(cargo, fault)
    assert fault.fired == 1
    assert isinstance(outcome, Carried), outcome
    line.settle(cargo)


def test_a_publication_that_is_done_while_the_next_attempt_reads_the_draft_is_found(line):
    refused = Fault("publish", **REQUESTS["publish"], **refusal(504, "Gateway Timeout"))

    def publish(answer):
        published = Draft(line.truth.api, answer.json["id"]).publish()
        assert published.status_code == 202, published.text

    read = Fault("read", method="GET", path=r"/draft(\?|$)", when=lambda _: bool(refused.fired), change=publish)
    cargo = Cargo()
    outcome = line.attempt(cargo, refused, read)
    assert (refused.fired, read.fired) == (1, 1)
    assert isinstance(outcome, Carried), outcome
    line.settle(cargo)
