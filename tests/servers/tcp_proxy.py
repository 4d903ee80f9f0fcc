"""A line of TCP between clients and a server on loopback: as long and as narrow as it is told, or broken.

Works below any protocol. One thread serves all connections; it hands on more than 500 MB/s (`make bench-line`
measures it), so what is measured behind it is not the proxy. It needs Linux (epoll).
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

READ_BYTES = 1 << 18
# The sender of a connection waits while so much of what it sent is on the line or not taken by the other side.
WINDOW_BYTES = 64 << 20
# What the kernel keeps between sender and line; by default it is up to 32 MB, which would be one more line.
KERNEL_BYTES = 1 << 18
# A line takes the next bytes while those before it will have left in so many seconds; pieces are of so many seconds.
QUEUE_S = 0.010
PIECE_S = 0.001
LEAST_READ_BYTES = 1 << 12
LONGEST_WAIT_S = 3600.0


class TcpProxy:
    """Listens on `port`; set its attributes at any time, they count for what comes after.

    Attributes:
        bytes_back: what the server has sent through it to clients.
        connections: how many were made.
        delay_s: how much later bytes arrive, each way; so a new connection carries its first bytes 2 `delay_s` later.
        bytes_per_s: of all connections together, each way; None: as fast as it can.
        cut_after: once this many bytes came back the connection is reset, then this is None again.
        flip_at: the byte with this number of those that come back is damaged, then this is None again.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.bytes_back = 0
        self.connections = 0
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.cut_after: int | None = None
        self.flip_at: int | None = None
        self._there, self._back = _Line(), _Line()
        self._writable = select.epoll()
        self._blocked: dict[int, _Way] = {}
        self._spare: list[bytearray] = []
        self._ways: set[_Way] = set()
        self._opening: deque[tuple[float, _Way]] = deque()
        self._closed, self._close = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all connections and listen no more."""
        self._close.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # a line waits for no processor; needs the right to
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        try:
            while self._serve_once():
                pass
        finally:
            for way in list(self._ways):
                way.source.close()
            for one in (self._listener, self._closed, self._writable, self._there.readable, self._back.readable):
                one.close()

    def _serve_once(self) -> bool:
        now = time.monotonic()
        while self._opening and self._opening[0][0] <= now:
            self._opening.popleft()[1].read_on()
        due = [line.due(now) for line in (self._there, self._back)] + [at for at, _ in self._opening]
        free = [line for line in (self._there, self._back) if line.is_free(now)]
        watched = [self._closed, self._listener, self._writable, *(line.readable for line in free)]
        # Not epoll's own timeout, which counts in milliseconds: a line may be shorter.
        ready = select.select(watched, [], [], min(max(0.0, min(due) - now), LONGEST_WAIT_S))[0]
        if self._closed in ready:
            return False
        if self._listener in ready:
            self._connect()
        if self._writable in ready:
            for number, _ in self._writable.poll(0):
                self._send(self._blocked[number])
        for line in free:
            if line.readable in ready:
                self._fill(line)
        for line in (self._there, self._back):
            for way, data in line.arrived(time.monotonic()):
                way.arrived.append(data)
                if not way.is_blocked:
                    self._send(way)
        return True

    def _connect(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        self.connections += 1
        opens_at = time.monotonic() + 2 * self.delay_s
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
            one.setblocking(False)
        for line, source, target in ((self._there, client, server), (self._back, server, client)):
            way = _Way(line, source, target)
            self._ways.add(way)
            self._opening.append((opens_at, way))

    def _fill(self, line: "_Line") -> None:
        """Read what the line takes now, a piece of each connection in turn."""
        read_bytes = READ_BYTES
        if self.bytes_per_s is not None:
            read_bytes = min(READ_BYTES, max(LEAST_READ_BYTES, int(self.bytes_per_s * PIECE_S)))
        for number, _ in line.readable.poll(0, 16 if self.bytes_per_s is None else 1):
            way = line.ways[number]
            buffer = self._spare.pop() if self._spare else bytearray(READ_BYTES)
            try:
                length = way.source.recv_into(buffer, read_bytes)
            except BlockingIOError:
                length = -1
            except OSError:
                length = 0
            if length > 0:
                data = memoryview(buffer)[:length]
                cut = line is self._back and self._treat(data)
                if not cut:
                    way.under_way += length
                    line.put(way, data, delay_s=self.delay_s, bytes_per_s=self.bytes_per_s)
            else:
                self._spare.append(buffer)
                cut = length == 0
            if cut:
                line.put(way, None, delay_s=self.delay_s, bytes_per_s=None)
                way.ended = True
            if cut or way.under_way >= WINDOW_BYTES:
                way.read_no_more()

    def _treat(self, data: memoryview) -> bool:
        """Count and damage bytes on their way back; return whether the connection is to be cut instead."""
        begins, self.bytes_back = self.bytes_back, self.bytes_back + len(data)
        if self.flip_at is not None and begins <= self.flip_at < self.bytes_back:
            data[self.flip_at - begins] ^= 1
            self.flip_at = None
        if self.cut_after is not None and self.bytes_back >= self.cut_after:
            self.cut_after = None
            return True
        return False

    def _send(self, way: "_Way") -> None:
        """Give the other side what has arrived for it, as far as it takes it."""
        while way.arrived:
            data = way.arrived[0]
            if data is None:
                self._end(way)
                return
            try:
                sent = way.target.send(data)
            except BlockingIOError:
                self._set_blocked(way, True)
                return
            except OSError:
                self._end(way)
                return
            way.under_way -= sent
            if sent < len(data):
                way.arrived[0] = data[sent:]
                continue
            way.arrived.popleft()
            if len(self._spare) < 64:
                self._spare.append(data.obj)  # type: ignore[arg-type]
        self._set_blocked(way, False)
        if not way.is_read and not way.ended and way.under_way < WINDOW_BYTES // 2:
            way.read_on()

    def _set_blocked(self, way: "_Way", blocked: bool) -> None:
        if blocked and not way.is_blocked:
            self._writable.register(way.target, select.EPOLLOUT)
            self._blocked[way.target.fileno()] = way
        elif way.is_blocked and not blocked:
            self._writable.unregister(way.target)
            del self._blocked[way.target.fileno()]
        way.is_blocked = blocked

    def _end(self, way: "_Way") -> None:
        """End a connection when one of its ways has ended; what the other has under way is lost with it."""
        for each in [each for each in self._ways if each.source in (way.source, way.target)]:
            self._ways.discard(each)
            each.arrived.clear()
            each.ended = True
            if each.is_read:
                each.read_no_more()
            self._set_blocked(each, False)
        way.source.close()
        way.target.close()


class _Line:
    """One direction, shared by all connections."""

    def __init__(self) -> None:
        self.readable = select.epoll()
        self.ways: dict[int, _Way] = {}
        self._full_until = 0.0
        self._on_it: deque[tuple[float, _Way, memoryview | None]] = deque()

    def is_free(self, now: float) -> bool:
        """Return whether the next bytes may enter it."""
        return self._full_until - now <= QUEUE_S

    def put(self, way: "_Way", data: memoryview | None, *, delay_s: float, bytes_per_s: float | None) -> None:
        """Take bytes, or the end of a way, which arrive when those before them have left and the delay is over."""
        begins = max(time.monotonic(), self._full_until)
        self._full_until = begins + (len(data) / bytes_per_s if data is not None and bytes_per_s is not None else 0)
        self._on_it.append((self._full_until + delay_s, way, data))

    def due(self, now: float) -> float:
        """Return when there is something to be done for it without being asked."""
        arrives = self._on_it[0][0] if self._on_it else float("inf")
        return arrives if self.is_free(now) else min(arrives, self._full_until - QUEUE_S)

    def arrived(self, now: float) -> Iterator[tuple["_Way", memoryview | None]]:
        """Give what has arrived by now."""
        while self._on_it and self._on_it[0][0] <= now:
            _, way, data = self._on_it.popleft()
            if way.target.fileno() >= 0:
                yield way, data


class _Way:
    """One direction of one connection."""

    def __init__(self, line: _Line, source: socket.socket, target: socket.socket) -> None:
        self.line, self.source, self.target = line, source, target
        self.arrived: deque[memoryview | None] = deque()
        self.under_way = 0
        self.is_read = self.is_blocked = self.ended = False

    def read_on(self) -> None:
        """Watch for bytes of the sender."""
        if self.ended:
            return
        self.line.readable.register(self.source, select.EPOLLIN)
        self.line.ways[self.source.fileno()] = self
        self.is_read = True

    def read_no_more(self) -> None:
        """Let the sender wait."""
        self.line.readable.unregister(self.source)
        del self.line.ways[self.source.fileno()]
        self.is_read = False


@contextlib.contextmanager
def tcp_proxy(target_port: int) -> Iterator[TcpProxy]:
    """Give a proxy in front of a port of this machine."""
    proxy = TcpProxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
