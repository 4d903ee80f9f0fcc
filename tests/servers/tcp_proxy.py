"""A TCP proxy on loopback between a client and a server: counts, slows, cuts or damages what comes back.

Works below any protocol; meant for XRootD, whose connections last.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

READ_BYTES = 1 << 16


class TcpProxy:
    """Listens on `port`; set its attributes at any time, they count for what comes after.

    Attributes:
        bytes_back: what the server has sent through it to clients.
        connections: how many were made.
        delay_s: how much later bytes arrive, each way.
        bytes_per_s: of each connection, what comes back; None: as fast as it can.
        cut_after: once this many bytes came back the connection is reset, then this is None again.
        flip_at: the byte with this number of those that come back is damaged, then this is None again.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.bytes_back = 0
        self.connections = 0
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.cut_after: int | None = None
        self.flip_at: int | None = None
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections and listen no more."""
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self.connections += 1
                self._sockets += [client, server]
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Way(self, client, server, back=False)
            _Way(self, server, client, back=True)

    def treated(self, data: bytes) -> tuple[bytes, bool]:
        """Return what becomes of bytes on their way back, and whether the connection is to be cut after them."""
        with self._lock:
            begins, self.bytes_back = self.bytes_back, self.bytes_back + len(data)
            if self.flip_at is not None and begins <= self.flip_at < self.bytes_back:
                at = self.flip_at - begins
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                self.flip_at = None
            if self.cut_after is not None and self.bytes_back >= self.cut_after:
                self.cut_after = None
                return b"", True
            return data, False


class _Way:
    """One direction of a connection: a thread reads, a thread writes later."""

    def __init__(self, proxy: TcpProxy, source: socket.socket, target: socket.socket, *, back: bool) -> None:
        self._proxy, self._source, self._target, self._back = proxy, source, target, back
        self._waiting: list[tuple[float, bytes]] = []
        self._change = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    def _read(self) -> None:
        cut = False
        while not cut:
            try:
                data = self._source.recv(READ_BYTES)
            except OSError:
                break
            if not data:
                break
            if self._back:
                data, cut = self._proxy.treated(data)
                if self._proxy.bytes_per_s:
                    time.sleep(len(data) / self._proxy.bytes_per_s)
            with self._change:
                self._waiting.append((time.monotonic() + self._proxy.delay_s, data))
                self._change.notify()
        with self._change:
            self._ended = True
            self._change.notify()

    def _write(self) -> None:
        while True:
            with self._change:
                while not self._waiting and not self._ended:
                    self._change.wait()
                if not self._waiting:
                    break
                due, data = self._waiting.pop(0)
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                self._target.sendall(data)
            except OSError:
                break
        for one in (self._source, self._target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tcp_proxy(target_port: int) -> Iterator[TcpProxy]:
    """Give a proxy in front of a port of this machine."""
    proxy = TcpProxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
