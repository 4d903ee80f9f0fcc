"""Answers and files at http:// and https://, read by Python's own library: the XRootD client's wheel cannot."""

import http.client
import os
import re
import ssl
import string
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ferry.errors import PermanentError, TransientError
from ferry.source.allowed import AllowedSources
from ferry.source.connections import Connection, Way, keep, place_of, proxy_for, take

MOST_HOPS = 10
"""From address to address."""

_TRANSIENT_STATUS = {408, 425, 429}
_NOT_FOUND = {http.client.NOT_FOUND, http.client.GONE}
_REDIRECTS = {301, 302, 303, 307, 308}
_ASKED_FOR_BY = {
    http.client.NOT_MODIFIED: "If-None-Match",
    http.client.REQUESTED_RANGE_NOT_SATISFIABLE: "Range",
}
"""Status that is an answer to what a header asks, and no trouble."""
_OF_PROXY = {
    http.client.FORBIDDEN,
    http.client.PROXY_AUTHENTICATION_REQUIRED,
    http.client.BAD_GATEWAY,
    http.client.SERVICE_UNAVAILABLE,
    http.client.GATEWAY_TIMEOUT,
}
"""Status that a proxy gives by itself where it cannot reach a server, or will not."""
_RANGE = re.compile(r"bytes (\d{1,19})-")


class NotFoundError(PermanentError):
    """The server answers that it has nothing there (404, 410)."""


@dataclass(frozen=True)
class Asking:
    """What a server is asked with, beside the address."""

    headers: Mapping[str, str] = field(default_factory=lambda: {"User-Agent": "opendata-ferry"})
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the address that is asked for, and nowhere else that it may lead to."""
    by_proxy: bool = True
    """Whether it may go through the proxy that the environment names."""
    context: Callable[[str], ssl.SSLContext | None] = field(default=lambda _url: None, repr=False)
    """By which the certificate at an address is checked; None: as the system does."""
    on_busy: Callable[[int, Mapping[str, str]], object] = field(default=lambda _status, _headers: None, repr=False)
    """Told of each answer that says no for now: its status, and headers that may say for how long."""


PLAIN = Asking()


class Answer:
    """What a server says. To be closed: if all of it was read, its connection serves the next request."""

    def __init__(self, connection: Connection, way: Way) -> None:
        """Wait for the answer to what was sent."""
        self._connection = connection
        self._way = way
        self._response = connection.getresponse()
        self.status = self._response.status
        self.reason = self._response.reason
        self.headers = self._response.headers

    def __enter__(self) -> Self:
        """Give the open answer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def read(self, size_bytes: int | None = None) -> bytes:
        """Return the next bytes, at most so many; none at the end.

        Raises:
            OSError, http.client.HTTPException: the connection ended too early, or what came is no answer.
        """
        try:
            return self._response.read(size_bytes)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Keep the connection where it can be used again, else close it."""
        if self._response.length == 0:
            self._response.read()  # nothing is to come, and so the answer ends
        is_read = self._response.isclosed() and self._connection.sock is not None
        self._response.close()
        if is_read:
            keep(self._way, self._connection)
        else:
            self._connection.close()


def request(
    url: str, *, allowed: AllowedSources, headers: Mapping[str, str], timeout_s: float, asking: Asking = PLAIN
) -> Answer:
    """Ask for an address and return the open answer: 2xx, 304 where the headers name an ETag, or 416 to a range.

    Raises:
        ForbiddenSourceError: the address, or one that it leads to, is not allowed.
        NotFoundError: the server does not have it (404, 410).
        PermanentError: the server says that this will not work (4xx), or leads elsewhere than to http(s) (3xx).
        TransientError: no connection, a server error, too many requests.
    """
    asked = at = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    sent = {**asking.headers, **headers}
    for hop in range(MOST_HOPS):
        all_sent = {**sent, **asking.secret_headers} if hop == 0 else sent
        try:
            answer = _ask(at, asked=asked, allowed=allowed, headers=all_sent, timeout_s=timeout_s, asking=asking)
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or error or type(error).__name__
            raise TransientError(f"{url}: expected an answer, found {said}{_by_way_of(at, asking)}") from error
        except ValueError as error:
            raise PermanentError(f"{url!r}: expected an address, found one that cannot be sent: {error}") from error
        if 200 <= answer.status < 300 or _ASKED_FOR_BY.get(answer.status) in headers:
            return answer
        answer.close()
        location = answer.headers.get("Location")
        if answer.status not in _REDIRECTS or location is None:
            # what a proxy says itself is not told from what it passes on
            way = _by_way_of(at, asking) if answer.status in _OF_PROXY else ""
            message = f"{url}: expected an answer, found HTTP {answer.status} {answer.reason}{way}"
            if 300 <= answer.status < 500 and answer.status not in _TRANSIENT_STATUS:
                raise (NotFoundError if answer.status in _NOT_FOUND else PermanentError)(message)
            asking.on_busy(answer.status, dict(answer.headers.items()))
            raise TransientError(message)
        at = urljoin(at, quote(location, safe=string.punctuation, encoding="iso-8859-1"))  # as http.client decodes it
        if urlsplit(at).scheme not in ("http", "https"):
            raise PermanentError(f"{url}: expected an http(s) address, found one that leads to {at}")
    raise PermanentError(f"{url}: expected an answer, found that it leads from address to address without end")


def _by_way_of(url: str, asking: Asking) -> str:
    """Return in words through which proxy an address was asked for; "" if through none."""
    parts = urlsplit(url)
    proxy = proxy_for(parts) if asking.by_proxy else None
    if proxy is None:
        return ""
    name = f"{parts.scheme}_proxy"
    return f" by way of the proxy {place_of(proxy)} ({name} in the environment); no_proxy names hosts that need none"


def _ask(
    url: str, *, asked: str, allowed: AllowedSources, headers: Mapping[str, str], timeout_s: float, asking: Asking
) -> Answer:
    """Send one request, on a connection that is kept if there is one."""
    parts = urlsplit(url.rpartition("#")[0] or url)
    proxy = proxy_for(parts) if asking.by_proxy else None
    addresses = allowed.check(url, asked=asked, by_proxy=proxy is not None)
    way = Way(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port,
        addresses=() if proxy else addresses,
        proxy=proxy,
        timeout_s=timeout_s,
        context=asking.context(url) if parts.scheme == "https" else None,
        process=os.getpid(),
    )
    while kept := take(way):
        try:
            return _send(kept, way, headers=headers, url=parts)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            continue  # its server has closed it meanwhile; a new one tells what is wrong, if anything is
    return _send(way.connect(), way, headers=headers, url=parts)


def _send(connection: Connection, way: Way, *, headers: Mapping[str, str], url: SplitResult) -> Answer:
    target, of_proxy = way.target(url)
    try:
        connection.request("GET", target, headers={**headers, **of_proxy})
        return Answer(connection, way)
    except BaseException:
        connection.close()
        raise


class HttpFile:
    """One file behind an address, read in order."""

    def __init__(
        self, url: str, *, allowed: AllowedSources, timeout_s: float, asking: Asking = PLAIN, start: int = 0
    ) -> None:
        """Ask for the file, or for all of it from `start` on; a server that knows no ranges gives the whole.

        Raises:
            PermanentError, TransientError: as `request` does.
        """
        self.url = url
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._asking = asking
        self._ask(start)

    @property
    def begins(self) -> int:
        """At which byte of the file the open answer begins: 0 where the server does not know ranges."""
        return self._begins

    def __enter__(self) -> Self:
        """Give the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._answer.close()

    def chunks(self, *, start: int, chunk_bytes: int, in_flight: int) -> Generator[bytes]:  # noqa: ARG002 - one stream
        """Give the bytes from `start` to the end in order, in pieces of at most `chunk_bytes`.

        Raises:
            PermanentError, TransientError: as `request` does; TransientError if the connection ends too early.
        """
        if start > 0 and start == self.size_bytes:
            return  # a range that holds nothing is an error to a server
        if self._begins != start:
            self._answer.close()
            self._ask(start)
        position, skip = self._begins, start - self._begins
        while True:
            try:
                data = self._answer.read(chunk_bytes)
            except (OSError, http.client.HTTPException) as error:
                raise TransientError(
                    f"{self.url}: expected more bytes, found {error or type(error).__name__}"
                ) from error
            if not data:  # the library says so too where the connection was closed too early
                if self.size_bytes is not None and position < self.size_bytes:
                    raise TransientError(f"{self.url}: expected {self.size_bytes} bytes, found {position}")
                return
            position += len(data)
            if skip < len(data):
                yield data[skip:]
            skip = max(skip - len(data), 0)

    def _ask(self, start: int) -> None:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        self._answer = request(
            self.url, allowed=self._allowed, headers=headers, timeout_s=self._timeout_s, asking=self._asking
        )
        if self._answer.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._answer.close()
            self._ask(0)  # it knows no ranges, or the file has become shorter, which its length tells
            return
        found = _RANGE.match(self._answer.headers.get("Content-Range", ""))
        is_part = self._answer.status == http.client.PARTIAL_CONTENT and found is not None and int(found[1]) == start
        self._begins = start if is_part else 0
        length = self._answer.headers.get("Content-Length")
        self.size_bytes: int | None = int(length) + self._begins if length and length.isdigit() else None
