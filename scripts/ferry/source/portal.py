"""The CERN Open Data portal: a record's metadata by its recid, and any other question to its API."""

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from typing import Any

from ferry.errors import MetadataError, PermanentError, TransientError
from ferry.flags import PORTAL_AWAY, PORTAL_TOLD, RunFlags
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.retry import retried
from ferry.source.allowed import AllowedSources
from ferry.source.http import request
from ferry.source.portal_cache import PortalAnswer, PortalCache
from ferry.source.record import bare_record, parse_record
from ferry.source.threads import in_time
from ferry.waiting import PORTAL, say_on_terminal, waits_said

TIMEOUT_S = 60.0
"""Without a byte."""
ANSWER_S = 180.0
"""For a whole answer."""
LONGEST_S = 180.0
"""After so long it is asked no more."""
LARGEST_ANSWER_BYTES = 256 << 20
"""Of a search: 200 records of 3,000 authors each are 60 MB."""


def fetch_record(
    recid: int,
    *,
    portal: str,
    limits: Limits = DEFAULT_LIMITS,
    cache: PortalCache | None = None,
    flags: RunFlags | None = None,
    attempts: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, dict[str, Any]]:
    """Return the address of a record on the portal and what the portal's API says there.

    Args:
        recid: of the record.
        portal: address of the portal.
        limits: most that the record may hold.
        cache: what the portal has said already is not asked for; what it says now goes there.
        flags: of a run that looks at many records: where the portal does not answer for one of them, it is asked for
            no other.
        attempts, sleep: how often it is asked while the trouble may pass, and what waits between.

    Raises:
        NotFoundError: the portal does not have it (404, 410).
        PermanentError: it refuses.
        MetadataError: what came is no JSON object, such as a page for people, or another record.
        TransientError: no answer after the allowed attempts.
    """
    url = record_address(recid, portal=portal)
    answer = cache.read(recid, url=url, limits=limits) if cache else None
    if answer is None:
        answer = ask_again(url, etag=None, limits=limits, flags=flags, attempts=attempts, sleep=sleep)
        assert answer is not None, "nothing was said to be known"
        if cache:
            bare_record(answer.document, recid=recid, origin=url)
            cache.write(recid, answer)
    return answer.url, answer.document


@contextlib.contextmanager
def _asked_for_all(url: str, flags: RunFlags | None) -> Iterator[None]:
    """Ask once for all records of a run, and have one of its processes say that it waits.

    What is not asked for fails as that did which was, so that it is told as one problem of many records.
    """
    if flags is None:
        yield
        return
    if reason := flags.get(PORTAL_AWAY):
        raise TransientError(f"{url}: {reason}")
    try:
        with waits_said(lambda line: say_on_terminal(line) if flags.take(PORTAL_TOLD) else None):
            yield
    except TransientError as error:
        flags.set(PORTAL_AWAY, str(error).removeprefix(f"{url}: "))
        raise


def record_address(recid: int, *, portal: str) -> str:
    """Return where the portal's API has a record."""
    return f"{portal.rstrip('/')}/api/records/{recid}"


def record_page(recid: int, *, portal: str) -> str:
    """Return the page of a record for people, at which what is on tape is asked for."""
    return f"{portal.rstrip('/')}/record/{recid}"


def ask_again(
    url: str,
    *,
    etag: str | None,
    limits: Limits | None = None,
    flags: RunFlags | None = None,
    attempts: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> PortalAnswer | None:
    """Return what is said at an address of the portal's API; None if it is what came with this ETag.

    Args:
        url: what is asked for.
        etag: of what is known already, None: nothing is.
        limits: most that a record may hold; None: it is no record.
        flags, attempts, sleep: as for a record.

    Raises:
        PermanentError, MetadataError, TransientError: as for a record.
    """

    def once() -> PortalAnswer | None:
        said = in_time(lambda: _read(url, etag, limits), limit_s=ANSWER_S, what=url)
        if said is None:
            return None
        text, given = said
        return PortalAnswer(url, text, parse_record(text, url, limits), given)

    with _asked_for_all(url, flags):
        return retried(once, attempts=attempts, sleep=sleep, waits_for=PORTAL, longest_s=LONGEST_S)


def ask(url: str) -> dict[str, Any]:
    """Return the JSON object at an address of the portal's API, of a search.

    Raises:
        PermanentError, MetadataError, TransientError: as for a record.
    """
    answer = ask_again(url, etag=None)
    assert answer is not None, "nothing was said to be known"
    return answer.document


def _read(url: str, etag: str | None, limits: Limits | None) -> tuple[bytes, str | None] | None:
    most_bytes = limits.record_bytes if limits else LARGEST_ANSWER_BYTES
    own = AllowedSources(hosts=()).including(url)
    headers = {"Accept": "application/json", **({"If-None-Match": etag} if etag else {})}
    with request(url, allowed=own, headers=headers, timeout_s=TIMEOUT_S) as answer:
        if answer.status == http.client.NOT_MODIFIED:
            return None
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
        return text, answer.headers.get("ETag")
