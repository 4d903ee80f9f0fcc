"""The CERN Open Data portal: a record's metadata by its recid, and any other question to its API."""

import http.client
import time
from collections.abc import Callable
from typing import Any

from ferry.errors import MetadataError, PermanentError, TransientError
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.retry import retried
from ferry.source.allowed import AllowedSources
from ferry.source.http import request
from ferry.source.record import parse_record
from ferry.source.threads import in_time

TIMEOUT_S = 60.0
"""Without a byte."""
ANSWER_S = 180.0
"""For a whole answer."""
LARGEST_ANSWER_BYTES = 256 << 20
"""Of a search: 200 records of 3,000 authors each are 60 MB."""


def fetch_record(
    recid: int,
    *,
    portal: str,
    limits: Limits = DEFAULT_LIMITS,
    attempts: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, dict[str, Any]]:
    """Return the address of a record on the portal and what the portal's API says there.

    Raises:
        PermanentError: the portal does not have it (404), or refuses.
        MetadataError: what came is no JSON object, such as a page for people.
        TransientError: no answer after the allowed attempts.
    """
    url = f"{portal.rstrip('/')}/api/records/{recid}"
    return url, ask(url, limits=limits, attempts=attempts, sleep=sleep)


def ask(
    url: str,
    *,
    limits: Limits | None = None,
    attempts: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Return the JSON object at an address of the portal's API; `limits`: of a record, None if it is none.

    Raises:
        PermanentError, MetadataError, TransientError: as for a record.
    """
    return retried(
        lambda: parse_record(in_time(lambda: _read(url, limits), limit_s=ANSWER_S, what=url), url, limits),
        attempts=attempts,
        sleep=sleep,
    )


def _read(url: str, limits: Limits | None) -> bytes:
    most_bytes = limits.record_bytes if limits else LARGEST_ANSWER_BYTES
    own = AllowedSources(hosts=()).including(url)
    with request(url, allowed=own, headers={"Accept": "application/json"}, timeout_s=TIMEOUT_S) as answer:
        kind = answer.headers.get_content_type()
        if kind == "text/html":
            raise MetadataError(
                f"{url}: expected JSON, found a page ({kind}); is metadata.portal the portal's address?"
            )
        try:
            text = answer.read(most_bytes + 1)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{url}: expected a record, found {error or type(error).__name__}") from error
        if len(text) > most_bytes:
            said = (
                limits.exceeded("record_bytes", "more")
                if limits
                else f"expected at most {most_bytes} bytes, found more"
            )
            raise PermanentError(f"{url}: {said}")
        length = answer.headers.get("Content-Length")
        if length is not None and length.isdigit() and len(text) != int(length):
            raise TransientError(f"{url}: expected {length} bytes, found {len(text)}")
        return text
