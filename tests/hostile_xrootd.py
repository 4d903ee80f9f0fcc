"""A small XRootD server on loopback that answers what a real one never would, and writes down what it is told.

The real server cannot be made to send a client to a file on the client's own machine. This one speaks as much of the
protocol as it takes to open and read a file (https://xrootd.org/docs.html, protocol 5.1).
"""

import socketserver
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loopback import serving

OK, ERROR, REDIRECT = 0, 4003, 4004
AUTH, CLOSE, PROTOCOL, LOGIN, OPEN, READ, STAT = 3000, 3003, 3006, 3007, 3010, 3013, 3017
DATA_SERVER = 1
NOT_FOUND = 3011

Content = bytes | str | tuple[str, int]
"""Of a file: its bytes, or where the client is sent: an address, or a host and a port."""


class HostileXrootd(socketserver.ThreadingTCPServer):
    """Gives `answer(path)` to whoever opens a path; the path is what stands in the request, CGI included."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[str], Content | None], *, security: bytes, host: str) -> None:
        """Listen; `security` is what the login's answer asks the client to prove, such as `&P=unix`."""
        super().__init__((host, 0), _Talk)
        self.answer = answer
        self.security = security
        self.opened: list[str] = []
        self.login = b""
        self.credentials: list[bytes] = []
        self.drop_reads = 0
        """So many reads end with a closed connection."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the address of a path."""
        return f"root://{host}:{self.port}/{path}"


class _Talk(socketserver.BaseRequestHandler):
    server: HostileXrootd

    def handle(self) -> None:
        files: dict[bytes, bytes] = {}
        if not self._take(20):
            return
        self._send(b"\0\0", OK, struct.pack(">II", 0x500, DATA_SERVER))
        while head := self._take(24):
            stream, request, fields, length = head[:2], struct.unpack(">H", head[2:4])[0], head[4:20], head[20:]
            data = self._take(struct.unpack(">I", length)[0])
            if request == PROTOCOL:
                self._send(stream, OK, struct.pack(">II", 0x500, DATA_SERVER))
            elif request == LOGIN:
                self.server.login = fields + data
                self._send(stream, OK, bytes(16) + self.server.security)
            elif request == AUTH:
                self.server.credentials.append(data)
                self._send(stream, OK, b"")
            elif request == OPEN:
                self._open(stream, data.decode(), files)
            elif request == STAT:
                self._send(stream, OK, _stat(files[fields[12:16]]))
            elif request == READ:
                if self.server.drop_reads:
                    self.server.drop_reads -= 1
                    return
                offset, wanted = struct.unpack(">QI", fields[4:16])
                self._send(stream, OK, files[fields[:4]][offset : offset + wanted])
            else:
                self._send(stream, OK, b"")

    def _open(self, stream: bytes, path: str, files: dict[bytes, bytes]) -> None:
        self.server.opened.append(path)
        content = self.server.answer(path)
        if content is None:
            self._send(stream, ERROR, struct.pack(">I", NOT_FOUND) + b"no such file\0")
        elif isinstance(content, bytes):
            handle = struct.pack(">I", len(files))
            files[handle] = content
            self._send(stream, OK, handle + bytes(8) + _stat(content))
        else:
            host, port = (content, -1) if isinstance(content, str) else content
            self._send(stream, REDIRECT, struct.pack(">i", port) + host.encode())

    def _take(self, length: int) -> bytes:
        taken = b""
        while len(taken) < length:
            more = self.request.recv(length - len(taken))
            if not more:
                return b""
            taken += more
        return taken

    def _send(self, stream: bytes, status: int, data: bytes) -> None:
        self.request.sendall(stream + struct.pack(">HI", status, len(data)) + data)


def _stat(content: bytes) -> bytes:
    return f"1 {len(content)} 16 1700000000\0".encode()


@contextmanager
def hostile_xrootd(
    answer: Callable[[str], Content | None], *, security: bytes = b"", host: str = "127.0.0.1"
) -> Iterator[HostileXrootd]:
    """Give a server that answers so."""
    with serving(HostileXrootd(answer, security=security, host=host)) as server:
        yield server
