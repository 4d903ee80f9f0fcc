"""The CERN Open Data portal: a record's metadata by its recid, and any other question to its API."""

import http.client
import time
from collections.abc import Callable
from typing import Any

from ferry.errors import MetadataError, PermanentError, TransientError
from ferry.retry import retried
from ferry.source.http import request
from ferry.source.record import LARGEST_RECORD_BYTES, parse_record

TIMEOUT_S = 60.0


def fetch_record(
    recid: int, *, portal: str, attempts: int = 5, sleep: Callable[[float], None] = time.sleep
) -> tuple[str, dict[str, Any]]:
    """Return the address of a record on the portal and what the portal's API says there.

    Raises:
        PermanentError: the portal does not have it (404), or refuses.
        MetadataError: what came is no JSON object, such as a page for people.
        TransientError: no answer after the allowed attempts.
    """
    url = f"{portal.rstrip('/')}/api/records/{recid}"
    return url, ask(url, attempts=attempts, sleep=sleep)


def ask(url: str, *, attempts: int = 5, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Return the JSON object at an address of the portal's API.

    Raises:
        PermanentError, MetadataError, TransientError: as for a record.
    """
    return retried(lambda: parse_record(_read(url), url), attempts=attempts, sleep=sleep)


def _read(url: str) -> bytes:
    with request(url, headers={"Accept": "application/json"}, timeout_s=TIMEOUT_S) as answer:
        kind = answer.headers.get_content_type()
        if kind == "text/html":
            raise MetadataError(
                f"{url}: expected JSON, found a page ({kind}); is metadata.portal the portal's address?"
            )
        try:
            text = answer.read(LARGEST_RECORD_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{url}: expected a record, found {error or type(error).__name__}") from error
        if len(text) > LARGEST_RECORD_BYTES:
            raise PermanentError(f"{url}: expected a record, found more than {LARGEST_RECORD_BYTES} bytes")
        length = answer.headers.get("Content-Length")
        if length is not None and length.isdigit() and len(text) != int(length):
            raise TransientError(f"{url}: expected {length} bytes, found {len(text)}")
        return text
