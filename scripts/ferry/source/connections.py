"""Connections to servers of http and https, each to an address that was checked, and kept for the next request.

By `http.client`, and neither urllib3 nor requests: with these a caller names the host or an IP address, and here the
address has to be the one that was checked while the certificate is that of the host, also where redirects lead.
"""

import atexit
import base64
import collections
import functools
import http.client
import os
import select
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

KEPT_S = 15.0
"""How long a connection is kept for the next request; a line may have forgotten it after that without a word."""


class Connection(http.client.HTTPConnection):
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


class _TlsConnection(http.client.HTTPSConnection, Connection):
    """The same with TLS, which begins where `Connection` has connected; the certificate has to be that of the host."""


@dataclass(frozen=True)
class Way:
    """Where a connection leads, and how: one that is kept serves what goes the same way."""

    scheme: str
    host: str
    port: int | None
    addresses: tuple[str, ...]
    """Of the host, to connect to; empty: any."""
    proxy: str | None
    timeout_s: float
    context: ssl.SSLContext | None
    """By which the certificate of the host is checked; None: as the system does."""
    process: int
    """One that was forked has none of its parent's connections."""

    def connect(self) -> Connection:
        """Return a new connection, which opens with its first request.

        Raises:
            ValueError: the proxy of the environment does not speak HTTP.
        """
        proxy = _split_proxy(self.proxy) if self.proxy else None
        host, port = (proxy.hostname or "", proxy.port) if proxy else (self.host, self.port)
        made: Connection
        if self.scheme == "https":
            context = self.context or _system_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
            made = _TlsConnection(host, port, timeout=self.timeout_s, context=context)
            if proxy:
                made.set_tunnel(self.host, self.port, headers=_proxy_headers(proxy))
        else:
            made = Connection(host, port, timeout=self.timeout_s)
        made.addresses = self.addresses
        return made

    def target(self, parts: SplitResult) -> tuple[str, dict[str, str]]:
        """Return what is asked for on the connection, and the headers that its proxy wants."""
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        if self.proxy and self.scheme == "http":
            return f"http://{parts.netloc}{path}", _proxy_headers(_split_proxy(self.proxy))
        return path, {}


_kept: dict[Way, collections.deque[tuple[float, Connection]]] = {}
"""Connections that wait for the next request, each with when it began to."""


def keep(way: Way, connection: Connection) -> None:
    """Keep a connection, the last answer on which was read to its end, for the next request."""
    _kept.setdefault(way, collections.deque()).append((time.monotonic(), connection))


def take(way: Way) -> Connection | None:
    """Return a connection that was kept, None if there is none; its server may have closed it meanwhile.

    One on which something has come that nobody asked for is closed: it would be taken for the next answer.
    """
    kept = _kept.get(way)
    while kept:
        try:
            since, connection = kept.pop()
        except IndexError:  # another thread was faster
            return None
        if time.monotonic() - since < KEPT_S and not _has_something_to_read(connection):
            return connection
        connection.close()
    return None


@atexit.register
def _close_kept() -> None:
    for kept in _kept.values():
        while kept:
            kept.pop()[1].close()


def _has_something_to_read(connection: Connection) -> bool:
    """Return whether bytes, or the end, have come on a connection that waits for its next request."""
    watched = select.poll()  # not `select`, which knows no file descriptors from 1024 on
    watched.register(connection.sock, select.POLLIN)
    return bool(watched.poll(0))


def proxy_for(parts: SplitResult) -> str | None:
    """Return the proxy that the environment names for an address, None if it is reached without."""
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or proxy_bypass(parts.netloc) else proxy


@functools.lru_cache(maxsize=1)
def _system_context(*_read_from: str | None) -> ssl.SSLContext:
    """Return what certificates are held against: to read all authorities takes longer than a request."""
    return ssl.create_default_context()


def _split_proxy(proxy: str) -> SplitResult:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        _ = parts.port
    except ValueError:  # which names what it has found: a part of the password, where that has a / in it
        raise ValueError(
            "the proxy of the environment is to be http://host:port, with a name and password, if any, escaped (/ as "
            "%2F); found something else"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"the proxy of the environment is to be an http:// one, found {parts.scheme}://")
    return parts


def place_of(proxy: str) -> str:
    """Return host and port of a proxy, and nothing of a name and a password in its address."""
    parts = _split_proxy(proxy)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port}" if parts.port else f"{host}"


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    word = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(word.encode()).decode('ascii')}"}
