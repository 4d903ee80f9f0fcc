"""How long to wait and whether to ask again is read from the answer, not guessed."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ferry.errors import ConfigError, TransientError
from ferry.repository.errors import (
    LONGEST_WAIT_S,
    ConflictError,
    DeniedError,
    FailedError,
    NotFoundError,
    RefusedError,
    TooLargeError,
    error_for_response,
    first_line,
    raise_for_errors,
    retry_after_s,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def date(seconds):
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "-3"}, 0),
        ({"Retry-After": date(42)}, 42),
        ({"Retry-After": date(-42)}, 0),
        ({"Retry-After": date(5000 + 42), "Date": date(5000)}, 42),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW.timestamp() + 30)}, 30),
        ({"X-RateLimit-Reset": str(NOW.timestamp() + 30 + 900), "Date": date(900)}, 30),
        ({"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": str(NOW.timestamp() + 30)}, None),
        ({"Retry-After": "999999999"}, LONGEST_WAIT_S),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"X-RateLimit-Reset": "1e400"}, None),
        ({}, None),
    ],
)
def test_a_refusal_says_how_long_to_wait_in_one_of_several_ways(headers, expected):
    assert retry_after_s(429, headers, now=NOW) == expected
    assert retry_after_s(503, headers, now=NOW) == expected


@pytest.mark.parametrize("status", [200, 201, 400, 500])
def test_retry_after_means_nothing_on_any_other_answer(status):
    assert retry_after_s(status, {"Retry-After": "60"}, now=NOW) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, DeniedError),
        (403, DeniedError),
        (404, NotFoundError),
        (408, TransientError),
        (409, ConflictError),
        (412, ConflictError),
        (413, TooLargeError),
        (500, FailedError),
        (501, RefusedError),
        (503, TransientError),
        (302, RefusedError),
    ],
)
def test_each_status_is_told_by_what_to_do_about_it(status, kind):
    error = error_for_response("send a.al", status, '{"message": "no"}')
    assert type(error) is kind
    assert str(error).startswith("send a.al: ")


def test_errors_below_a_200_are_a_failure():
    with pytest.raises(TransientError, match="200 with errors"):
        raise_for_errors({"key": "a", "errors": "File upload transfer failed."}, "send a")
    raise_for_errors({"key": "a", "errors": []}, "send a")


def test_what_is_cut_of_an_answer_ends_with_a_sign_of_it():
    assert first_line(ValueError("x" * 301)) == f"{'x' * 299}…"
    with pytest.raises(TransientError, match=r"x…$"):
        raise_for_errors({"errors": "x" * 301}, "send a")


def test_a_request_that_is_too_large_is_told_from_a_record_or_file_that_is():
    assert (
        type(error_for_response("send", 413, "The data value transmitted exceeds the capacity limit.")) is TooLargeError
    )
    for text in ("Bucket quota exceeded.", "Maximum file size exceeded."):
        assert type(error_for_response("send", 413, text)) is RefusedError


def test_a_workflow_that_the_repository_does_not_have_is_told_in_one_line_as_a_matter_of_the_configuration():
    said = "Workflow nosuch does not exist in the configuration. Used on record dict[{'metadata': {'title': 'x'}}]"
    text = json.dumps({"status": 400, "errors": [{"field": "_schema", "messages": [said]}]})
    error = error_for_response("create a draft", 400, text)
    assert type(error) is ConfigError
    assert str(error) == "create a draft: the repository has no workflow nosuch; correct repository.workflow"


@pytest.mark.parametrize("said", ["Not a valid value.", "Invalid value nosuchcat."])
def test_a_vocabulary_id_that_the_repository_does_not_know_is_told_with_what_names_it(said):
    error = error_for_response("create a draft", 400, json.dumps({"status": 400, "message": said}))
    assert type(error) is RefusedError
    assert "a vocabulary id that the repository does not know; run `snakemake --cores 1 preflight`" in str(error)
    assert "preflight" not in str(error_for_response("create a draft", 400, '{"message": "A validation error."}'))
