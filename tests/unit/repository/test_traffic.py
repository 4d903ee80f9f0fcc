"""Which requests are counted as those of which nobody knows what came."""

import contextlib

import aiohttp
import pytest

from ferry.repository.traffic import RequestStats


def counted(method, *, status=None, error=None, may_repeat=False):
    """Return how many requests are counted as unknown after one that ends so."""
    stats = RequestStats()
    with (
        contextlib.suppress(type(error) if error else ()),
        stats.noting_outcome(method, may_repeat=may_repeat) as outcome,
    ):
        outcome.status = status
        if error is not None:
            raise error
    return stats.unknown


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 403, 404, 409, 412, 413, 429, 501])
def test_an_answer_that_says_what_came_of_it_is_known(status):
    assert counted("POST", status=status) == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [500, 502, 503, 504, None])
def test_no_answer_or_one_of_a_gateway_is_unknown(method, status):
    assert counted(method, status=status) == 1


def test_an_answer_that_broke_off_is_unknown_where_it_was_good():
    broken = aiohttp.ClientPayloadError()
    assert counted("POST", status=201, error=broken) == 1
    assert counted("POST", status=400, error=broken) == 0


def test_what_was_never_sent_or_changes_nothing_is_known():
    assert counted("POST", error=aiohttp.ConnectionTimeoutError()) == 0
    assert counted("GET", status=504) == 0
    assert counted("GET", error=aiohttp.ServerDisconnectedError()) == 0


def test_a_commit_that_was_lost_does_no_harm_however_late_and_content_does():
    lost = aiohttp.ServerDisconnectedError()
    assert counted("POST", error=lost, may_repeat=True) == 0
    assert counted("PUT", error=lost, may_repeat=True) == 1


def test_a_request_that_is_ended_under_way_is_unknown():
    assert counted("PUT", error=KeyboardInterrupt()) == 1
