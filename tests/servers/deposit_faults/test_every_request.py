"""Each kind of request of a deposit, hit once by each kind of fault: the record is whole, and there once."""

import pytest

from servers.deposit_faults.cargo import STALL_S, Cargo, Carried
from servers.faults import Fault

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


FAULTS = {
    "reset before it arrives": {"reset": True},
    "503 instead": {"status": 503, "body": b'{"status": 503, "message": "busy"}'},
    "500 without a body": {"status": 500},
    "answer lost": {"drop_answer": True},
    "answer cut": {"cut_answer_at": 30},
    "504 after the effect": {"change": gateway_timeout},
    "answer later than the stall limit": {"hold_answer_s": STALL_S + 1},
}


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("what", REQUESTS)
def test_one_failure_of_any_request_changes_nothing_in_the_end(line, what, how):
    cargo = Cargo()
    fault = Fault(how, **REQUESTS[what], **FAULTS[how])
    outcome = line.attempt(cargo, fault)
    assert fault.fired == 1
    assert isinstance(outcome, Carried), outcome
    line.settle(cargo)
