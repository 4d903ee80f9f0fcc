"""What an answer of the repository means: how long to wait, and whether asking again can help."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ferry.errors import ConfigError, FerryError, PermanentError, TransientError
from ferry.repository.tokens import TOKEN_VARIABLE
from ferry.text.formatting import truncate
from ferry.text.safe_text import in_one_line

BUSY = (429, 503)
LONGEST_WAIT_S = 3660.0
"""The longest window of InvenioRDM's limits is an hour; what asks for more is not believed."""
_LONGEST_TEXT = 600
_QUOTA = re.compile("quota|maximum file size", re.IGNORECASE)
"""Of a 413 that is about the room for a record or file, and not about the request: no smaller request helps."""


_NO_WORKFLOW = re.compile(r"\bWorkflow (\S{1,100}) does not exist in the configuration")
"""What an NRP repository says of a workflow, before a dump of the whole record."""
_NO_TERM = re.compile(r'"message":\s*"(Not a valid value|Invalid value)\b')
"""What a repository says of a term that it has not; which one, and in which field, it does not say."""


class NotFoundError(PermanentError):
    """The repository does not have it (any more)."""


class DeletedError(PermanentError):
    """It was public, and has been deleted since (410)."""


class ConflictError(TransientError):
    """It changed since it was read (409, 412): nothing was written."""


@contextlib.contextmanager
def while_there(what: str) -> Iterator[None]:
    """What is read of a draft by its address is gone once it was published or deleted: that is to be looked at anew.

    Raises:
        ConflictError: it is gone since it was read.
    """
    try:
        yield
    except NotFoundError as error:
        raise ConflictError(f"{what} is gone since it was read ({error})") from error


class FailedError(TransientError):
    """The repository failed inside (500): what it was asked for may be done all the same, or in part."""


class DeadEndError(PermanentError):
    """This draft cannot become public as it is configured: deleted, or configured otherwise, the record comes anew."""


class DeniedError(PermanentError):
    """The token was refused, or it lacks the right (401, 403)."""


class RefusedError(PermanentError):
    """The repository says no to what it was asked."""


class TooLargeError(RefusedError):
    """The body is larger than the repository takes in one request (413)."""


class PartsRefusedError(PermanentError):
    """The storage behind the repository does not take files in parts."""


class DeclinedError(PermanentError):
    """Reviewers do not want the record as it is; the message has their words."""


class AnswerError(Exception):
    """An answer that is no success, before anybody has judged it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.text = text


def error_for_response(action: str, status: int, text: str) -> FerryError:
    """Return the error that an answer stands for, by what is to be done about it."""
    answer = in_one_line(text.strip(), longest=_LONGEST_TEXT) or f"status {status}, no text"
    if status == 404:
        return NotFoundError(f"{action}: the repository answers that it is not there (404)")
    if status == 410:
        return DeletedError(
            f"{action}: it was published, and was deleted in the repository since (410: {answer}); take the recid from "
            "the list, or ask the repository's operators to restore the record, and run again"
        )
    if status in (401, 403):
        return DeniedError(
            f"{action}: the repository refused the token or the right is missing ({status}: {answer}); "
            f"check {TOKEN_VARIABLE}"
        )
    if status in (409, 412):
        return ConflictError(f"{action}: changed by somebody else meanwhile ({status}: {answer})")
    if (status >= 500 and status != 501) or status in (408, 425):
        kind = FailedError if status == 500 else TransientError
        return kind(f"{action}: the repository failed ({status}): {answer}")
    if status == 413 and not _QUOTA.search(text):
        return TooLargeError(f"{action}: larger than the repository takes in one request (413): {answer}")
    if status == 400 and (unknown := _NO_WORKFLOW.search(text)):
        return ConfigError(f"{action}: the repository has no workflow {unknown[1]}; correct repository.workflow")
    if status == 400 and (refused := _NO_TERM.search(text)):
        return RefusedError(
            f"{action}: the repository refused (400: {refused[1]}): the record names a vocabulary id that the "
            "repository does not know; run `snakemake --cores 1 preflight`, it names it, unless the id comes from a "
            "correction of this record"
        )
    return RefusedError(f"{action}: the repository refused ({status}): {answer}")


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or what it is called."""
    text = str(error).strip() or type(error).__name__
    return truncate(text.splitlines()[0], 300)


def raise_for_errors(answer: Any, action: str) -> None:
    """Look for errors below a 200.

    Raises:
        TransientError: seen where content was put on a committed file; the repository has dropped the file by then.
    """
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if errors:
        raise TransientError(f"{action}: the repository answered 200 with errors: {truncate(json.dumps(errors), 300)}")


def retry_after_s(status: int, headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return how many seconds a refusal asks to wait, from 0 to an hour; None where it does not say.

    `Retry-After` stands in seconds or as a date, `X-RateLimit-Reset` in seconds since 1970; both dates are compared
    with the answer's own `Date`, so that a clock that is wrong on either side does not matter. InvenioRDM sends them
    with every answer: only those of a 429 or 503 mean anything.
    """
    if status not in BUSY:
        return None
    here = now or datetime.now(UTC)
    there = _date(headers.get("Date")) or here
    after = headers.get("Retry-After", "").strip()
    try:
        wait_s = float(after)
    except ValueError:
        until = _date(after) or (_reset(headers) if headers.get("X-RateLimit-Remaining", "0").strip() == "0" else None)
        if until is None:
            return None
        wait_s = (until - there).total_seconds()
    return min(LONGEST_WAIT_S, max(0.0, wait_s)) if wait_s == wait_s else None  # noqa: PLR0124 - not a number


def requests_left(headers: Mapping[str, str]) -> tuple[int, float] | None:
    """Return how many requests the repository takes in its window yet, and in how many seconds that ends.

    None where an answer does not say. Both are whole numbers: the end is taken a second later.
    """
    remaining, until = headers.get("X-RateLimit-Remaining", "").strip(), _reset(headers)
    if not remaining.isdecimal() or until is None:
        return None
    window_s = (until - (_date(headers.get("Date")) or datetime.now(UTC))).total_seconds() + 1.0
    return (int(remaining), window_s) if 0 < window_s <= LONGEST_WAIT_S else None


def _reset(headers: Mapping[str, str]) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(headers.get("X-RateLimit-Reset", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
