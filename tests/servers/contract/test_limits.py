"""Sizes, quota and rate limits."""

import pytest

from servers.raw_api import Api


def status_of_announced(draft, key, announced):
    """Announce a body and send none of it: the limits answer before it is read."""
    connection = draft.begin_put(f"{draft.file(key)}/content", announced=announced, sent=b"")
    try:
        return int(connection.recv(100).split()[1])
    finally:
        connection.close()


def test_a_file_over_the_limit_is_refused_before_a_byte_is_read(server, draft):
    draft.init("huge")
    assert status_of_announced(draft, "huge", server.max_file_bytes + 1) == 413
    assert draft.entry("huge").json()["status"] == "pending"


def test_a_file_over_the_quota_is_refused_and_its_entry_stays(server, draft):
    draft.init("large")
    assert status_of_announced(draft, "large", server.quota_bytes + 1) == server.flavour.over_quota
    assert draft.entry("large").json()["status"] == "pending"


def test_every_answer_tells_of_the_rate_limit(api, draft, flavour):
    answers = {draft.get(): flavour.requests_per_minute, draft.entry("unknown"): flavour.requests_per_minute}
    for answer, limit in {**answers, api.call("GET", "/"): 500}.items():
        assert answer.headers["X-RateLimit-Limit"] == str(limit)
        assert 0 < int(answer.headers["X-RateLimit-Remaining"]) < limit
        assert 0 < int(answer.headers["Retry-After"]) <= 61


@pytest.mark.slow
def test_the_rate_limit_counts_a_user_agent_not_a_token(server, api, flavour):
    greedy = Api(server.url, server.token, name="greedy")
    term = f"/api/vocabularies/languages/{flavour.words.english}"
    answers = [greedy.call("GET", term) for _ in range(flavour.requests_per_minute + 2)]
    if all(answer.status_code == 200 for answer in answers):
        pytest.skip("this machine is too slow to make so many requests in a minute")
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json() == {"message": f"{flavour.requests_per_minute} per 1 minute", "status": 429}
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert api.call("GET", term).status_code == 200
