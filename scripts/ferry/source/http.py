"""Files at http:// and https://: the XRootD client's wheel cannot read these, so Python's own library does."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Generator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from ferry.errors import PermanentError, TransientError
from ferry.source.allowed import AllowedSources

_TRANSIENT_STATUS = {408, 425, 429}


class _Connection(http.client.HTTPConnection):
    """A connection to one of the IP addresses that were checked: asked again, a name may mean another host."""

    addresses: tuple[str, ...] = ()

    def connect(self) -> None:
        """Connect to the first of the addresses that answers; to the host itself where none is prescribed."""
        if not self.addresses:
            super().connect()
            return
        for address in self.addresses:
            try:
                self.sock = socket.create_connection((address, self.port), self.timeout)
            except OSError:
                if address == self.addresses[-1]:
                    raise
            else:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return


class _TlsConnection(http.client.HTTPSConnection, _Connection):
    """The same with TLS, which begins where `_Connection` has connected; the certificate has to be that of the host."""


class _Handler(urllib.request.AbstractHTTPHandler):
    """Asks of each address that is reached, the first and those that it leads to, whether it is allowed."""

    def __init__(self, *, allowed: AllowedSources, asked: str) -> None:
        super().__init__()
        self._allowed = allowed
        self._asked = asked

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Send a request."""
        return self._open(_Connection, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Send a request with TLS."""
        return self._open(_TlsConnection, request)

    http_request = urllib.request.AbstractHTTPHandler.do_request_
    https_request = urllib.request.AbstractHTTPHandler.do_request_

    def _open(self, kind: type[_Connection], request: urllib.request.Request) -> http.client.HTTPResponse:
        by_proxy = request.host != urlsplit(request.full_url).netloc
        addresses = self._allowed.check(request.full_url, asked=self._asked, by_proxy=by_proxy)

        def connection(host: str, /, **options: Any) -> _Connection:
            made = kind(host, **options)
            made.addresses = () if by_proxy else addresses
            return made

        return self.do_open(connection, request)


def _opener(*, allowed: AllowedSources, asked: str) -> urllib.request.OpenerDirector:
    """Return an opener that speaks http and https and nothing else, whatever it is redirected to."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Handler(allowed=allowed, asked=asked),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director


def request(
    url: str, *, allowed: AllowedSources, headers: dict[str, str], timeout_s: float
) -> http.client.HTTPResponse:
    """Ask for an address and return the open answer (its status is 2xx).

    Raises:
        ForbiddenSourceError: the address, or one that it leads to, is not allowed.
        PermanentError: the server says that this will not work (4xx), or leads elsewhere than to http(s) (3xx).
        TransientError: no connection, a server error, too many requests.
    """
    quoted = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    try:
        answer = _opener(allowed=allowed, asked=quoted).open(
            urllib.request.Request(quoted, headers={"User-Agent": "opendata-ferry", **headers}),  # noqa: S310 - see _opener
            timeout=timeout_s,
        )
    except urllib.error.HTTPError as error:
        error.close()
        message = f"{url}: expected an answer, found HTTP {error.code} {error.reason}"
        if 300 <= error.code < 500 and error.code not in _TRANSIENT_STATUS:
            raise PermanentError(message) from error
        raise TransientError(message) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)  # urllib wraps what went wrong
        said = getattr(reason, "strerror", None) or reason or type(error).__name__
        raise TransientError(f"{url}: expected an answer, found {said}") from error
    except ValueError as error:
        raise PermanentError(f"{url!r}: expected an address, found one that cannot be sent: {error}") from error
    if not isinstance(answer, http.client.HTTPResponse):
        raise PermanentError(f"{url}: expected an http(s) address, found another one")
    return answer


class HttpFile:
    """One file behind an address, read in order."""

    def __init__(self, url: str, *, allowed: AllowedSources, timeout_s: float) -> None:
        """Ask for the file.

        Raises:
            PermanentError, TransientError: as `request` does.
        """
        self.url = url
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._answer = request(url, allowed=allowed, headers={"Accept-Encoding": "identity"}, timeout_s=timeout_s)
        length = self._answer.headers.get("Content-Length")
        self.size_bytes: int | None = int(length) if length and length.isdigit() else None

    def __enter__(self) -> Self:
        """Give the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._answer.close()

    def at_once(self, size_bytes: int) -> None:
        """Return nothing: one request brings all bytes anyway, and `chunks` sees when the connection ends too early."""

    def chunks(self, *, start: int, chunk_bytes: int, in_flight: int) -> Generator[bytes]:  # noqa: ARG002 - one stream
        """Give the bytes from `start` to the end in order, in pieces of at most `chunk_bytes`.

        Raises:
            PermanentError, TransientError: as `request` does; TransientError if the connection ends too early.
        """
        if start > 0 and start == self.size_bytes:
            return  # a range that holds nothing is an error to a server
        skip = self._seek(start)
        position = start - skip
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

    def _seek(self, start: int) -> int:
        # How many bytes of the answer come before `start`: all of them where the server does not know ranges.
        if start == 0:
            return 0
        self._answer.close()
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-"}
        self._answer = request(self.url, allowed=self._allowed, headers=headers, timeout_s=self._timeout_s)
        begins = self._answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        return 0 if self._answer.status == http.client.PARTIAL_CONTENT and begins else start
