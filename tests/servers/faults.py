"""What a fault proxy may do to a request, and what it writes down about each."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any


@dataclass
class Answer:
    """An answer on its way back, for `Fault.change` to alter."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @json.setter
    def json(self, document: Any) -> None:
        self.body = json.dumps(document).encode()


@dataclass(frozen=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        method: GET, PUT …
        path: with its query, as it came.
        headers: of the request, names in lower case.
        status: what the client was told; None where it was told nothing.
        upstream_status: what the repository said; None where it was not asked or did not answer.
        request_bytes: body bytes that were handed on.
        response_bytes: body bytes that the client got.
        started_s: monotonic time of the request's head.
        ended_s: monotonic time of the end.
        fault: its name, None where all was left as it was.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    status: int | None
    upstream_status: int | None
    request_bytes: int
    response_bytes: int
    started_s: float
    ended_s: float
    fault: str | None


@dataclass
class Fault:
    """One thing that goes wrong, with the requests to which it happens.

    Which requests: those of `method` whose path matches `path` (a regular expression that is searched for) and for
    which `when(head)` is true; of these the `nth`, and `times` in all (None: from then on always).

    What happens (offsets count bytes of the body):
        status, headers, body: this answer is given and the repository is not asked.
        late_s: so much later the repository is asked all the same, by nobody who waits for what it says.
        delay_s: the request is held back so long before it is handed on.
        hold_upload_s: the head is handed on at once and the body so much later.
        reset: the connection is reset at once, nothing is handed on.
        cut_upload_at: after so many bytes both connections are reset.
        stall_upload_at: after so many bytes nothing more is handed on; the connections stay open.
        throttle_bytes_s: the upload is handed on no faster than this.
        flip_upload_at: the lowest bit of this byte is changed.
        drop_answer: the request is handed on and takes effect; the connection is reset instead of the answer.
        hold_answer_s: the answer comes so much later.
        cut_answer_at: after so many bytes of the answer's body the connection is reset.
        change: alters the answer.
        add_headers: are added to the answer, or replace its own.
    """

    name: str = "fault"
    method: str | None = None
    path: str = ""
    when: Callable[[Mapping[str, str]], bool] | None = None
    nth: int = 1
    times: int | None = 1

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    late_s: float | None = None
    delay_s: float = 0.0
    hold_upload_s: float = 0.0
    reset: bool = False
    cut_upload_at: int | None = None
    stall_upload_at: int | None = None
    throttle_bytes_s: float | None = None
    flip_upload_at: int | None = None
    drop_answer: bool = False
    hold_answer_s: float = 0.0
    cut_answer_at: int | None = None
    change: Callable[[Answer], None] | None = None
    add_headers: Mapping[str, str] = field(default_factory=dict)

    seen: int = 0
    """Requests that matched so far."""

    def fires(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Count a request if it is one of those meant, and tell whether it is hit."""
        if self.method not in (None, method) or not re.search(self.path, path):
            return False
        if self.when is not None and not self.when(headers):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)

    @property
    def fired(self) -> int:
        """How often it happened."""
        done = max(0, self.seen - self.nth + 1)
        return done if self.times is None else min(done, self.times)


def refusal(status: int, message: str) -> dict[str, Any]:
    """Return what a fault needs to answer as InvenioRDM refuses: `Fault(…, **refusal(403, "Permission denied."))`."""
    return {"status": status, "body": json.dumps({"status": status, "message": message}).encode()}


def late(seconds: float, status: int = 504) -> dict[str, Any]:
    """Return what a fault needs to answer as a gateway that has lost patience, and to do the request so much later."""
    return {**refusal(status, "Gateway Timeout"), "late_s": seconds}


def wrong_md5(answer: Answer) -> None:
    """Change every md5 in the answer."""
    answer.body = re.sub(rb"md5:[0-9a-f]{32}", b"md5:" + b"0" * 32, answer.body)


def no_checksum(answer: Answer) -> None:
    """Say of no file what its checksum is, as while a background task computes it."""
    answer.body = re.sub(rb'"md5:[0-9a-f]{32}"', b"null", answer.body)


def multipart_checksum(answer: Answer) -> None:
    """Give a storage's own multipart checksum in place of each md5."""
    answer.body = re.sub(rb'"md5:([0-9a-f]{32})"', rb'"multipart:\1-2"', answer.body)


def with_errors(answer: Answer) -> None:
    """Turn a good answer into the kind that says 200 and means no."""
    answer.json = {**answer.json, "errors": "File upload transfer failed."}


def http_date(seconds: float) -> str:
    """Return the moment so many seconds from now as a Retry-After date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
