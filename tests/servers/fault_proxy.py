"""An HTTP proxy on loopback in front of a repository, that lets go wrong what a test asks for.

    async with FaultProxy(sandbox.url) as proxy:
        proxy.add(Fault("lost", method="POST", path="/actions/publish$", drop_answer=True))
        ... a client that uses proxy.url ...
        assert proxy.log[-1].upstream_status == 202

In a test without a loop: `with fault_proxy(sandbox.url) as proxy:`.

Links in the repository's answers are changed to lead through the proxy, so that the repository needs to know nothing.
Each request gets a connection of its own to the repository; the client's connections are kept.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from servers.faults import Answer, Exchange, Fault
from servers.http_wire import CHUNK, MAX_HEAD, Head, raw_body, read_head

MAX_CHANGED_BODY = 1 << 27
TEXTS = ("application/json", "text/html", "application/linkset+json")
LINGER_S = 2.0
RECEIVED_BYTES = 1 << 16
NO_FAULT = Fault(name="")


@dataclass
class _Record:
    """What is known about a request so far."""

    method: str
    path: str
    headers: dict[str, str]
    fault: Fault
    started_s: float
    status: int | None = None
    upstream_status: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0

    def exchange(self) -> Exchange:
        """Return it as what has come to its end now."""
        return Exchange(
            method=self.method,
            path=self.path,
            headers=self.headers,
            status=self.status,
            upstream_status=self.upstream_status,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
            started_s=self.started_s,
            ended_s=time.monotonic(),
            fault=self.fault.name or None,
        )


class _CutError(Exception):
    """The connection to the client is to be reset."""


class FaultProxy:
    """The proxy; `url` is where it listens, `log` what went through it."""

    def __init__(self, target: str, *, rewrite_links: bool = True, tls: ssl.SSLContext | None = None) -> None:
        self.target = target.rstrip("/")
        self._tls = tls
        self._log: list[Exchange] = []
        self._answered: set[int] = set()
        """Requests, by the id of their record, whose answer has begun and that are not in the log yet."""
        self.url = ""
        self._rewrite_links = rewrite_links
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()

    def add(self, fault: Fault) -> Fault:
        """Let this go wrong too; where several faults are meant, the first one added happens."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()

    @property
    def log(self) -> list[Exchange]:
        """The finished requests. One whose answer a client may hold already is waited for, if it ends in a second."""
        deadline = time.monotonic() + 1
        while self._answered and time.monotonic() < deadline and threading.get_ident() != self._thread:
            time.sleep(0.001)
        return list(self._log)

    @property
    def pending(self) -> int:
        """How many requests have still to be done, whose client was answered long ago."""
        return len(self._late)

    def requests(self, method: str | None = None, path: str = "") -> list[Exchange]:
        """Return the finished requests of a method whose path contains the text."""
        return [each for each in self.log if method in (None, each.method) and path in each.path]

    async def __aenter__(self) -> Self:
        self._thread = threading.get_ident()
        listening = socket.create_server(("127.0.0.1", 0))
        # connections take it over: what a slow line has not handed on has to wait at the client, not here
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=MAX_HEAD, ssl=self._tls)
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        ending = [*self._tasks, *self._late]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one_request(reader, writer):
                pass
            writer.close()
        except _EndedError:
            pass
        except (_CutError, ConnectionError):
            writer.transport.abort()  # RST, for data that was sent or not
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether the connection may be used for another."""
        head = await read_head(reader)
        if head is None:
            return False
        method, path = head.first[0], head.first[1]
        headers = {name.lower(): value for name, value in head.headers}
        with self._lock:
            firing = [fault for fault in self._faults if fault.fires(method, path, headers)]
        record = _Record(method, path, headers, firing[0] if firing else NO_FAULT, time.monotonic())
        try:
            return await self._serve(record, head, reader, writer)
        finally:
            self._log.append(record.exchange())
            self._answered.discard(id(record))

    async def _serve(
        self, record: _Record, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        fault = record.fault
        await asyncio.sleep(fault.delay_s)
        if fault.reset:
            raise _CutError
        if fault.late_s is not None:
            return await self._serve_late(record, head, reader, writer)
        if fault.status is not None:
            await self._answer_instead(record, writer)
            return await _drained(reader, head)
        where = urlsplit(self.target)
        upstream, downstream = await asyncio.open_connection(where.hostname, where.port, limit=MAX_HEAD)
        try:
            if (head.get("Expect") or "").lower() == "100-continue":
                head.set("Expect", None)
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head.set("Connection", "close")
            sending = asyncio.create_task(self._send_body(record, head, reader, downstream))
            answering = asyncio.create_task(read_head(upstream))
            try:
                await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    _forgive_refusal(sending)
                answer_head = await answering
                await asyncio.wait({sending}, timeout=0.2)  # its last step may still be to come
                all_sent = sending.done() and sending.exception() is None
            finally:
                for task in (sending, answering):
                    task.cancel()
                await asyncio.gather(sending, answering, return_exceptions=True)
            if answer_head is None:
                raise _CutError
            await self._send_answer(record, answer_head, upstream, writer, last=not all_sent)
            if not all_sent:  # a close with bytes unread would be a reset, and take the answer away from the client
                await _read_away(reader)
            return all_sent
        finally:
            downstream.transport.abort()

    async def _serve_late(
        self, record: _Record, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if (head.get("Expect") or "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b"".join([piece async for piece in raw_body(reader, head)])
        task = asyncio.create_task(self._do_late(record, head, body))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        await self._answer_instead(record, writer)
        return True

    async def _do_late(self, record: _Record, head: Head, body: bytes) -> None:
        """Send the request to the repository when its time has come, and write down what that says."""
        await asyncio.sleep(record.fault.late_s or 0.0)
        head.set("Expect", None)
        head.set("Connection", "close")
        where, started_s = urlsplit(self.target), time.monotonic()
        upstream, downstream = await asyncio.open_connection(where.hostname, where.port, limit=MAX_HEAD)
        try:
            downstream.write(head.encode() + body)
            answer = await read_head(upstream)
        finally:
            downstream.transport.abort()
        done = _Record(record.method, record.path, record.headers, record.fault, started_s)
        done.request_bytes, done.upstream_status = len(body), int(answer.first[1]) if answer else None
        self._log.append(done.exchange())

    async def _send_body(
        self, record: _Record, head: Head, reader: asyncio.StreamReader, downstream: asyncio.StreamWriter
    ) -> None:
        fault = record.fault
        # as clients do it, in one piece with a small body: a server that needs none may have closed when it comes alone
        unsent = head.encode()
        if fault is not NO_FAULT or not head.length:
            downstream.write(unsent)
            unsent = b""
        await asyncio.sleep(fault.hold_upload_s)
        begun = time.monotonic()
        if fault.cut_upload_at == 0:
            raise _CutError
        if fault.stall_upload_at == 0:
            await asyncio.Event().wait()
        async for piece in raw_body(reader, head):
            async for bytes_ in _in_pieces(piece, fault):
                if fault.throttle_bytes_s is not None:
                    await asyncio.sleep(begun + record.request_bytes / fault.throttle_bytes_s - time.monotonic())
                part, end = bytes_, record.request_bytes + len(bytes_)
                for limit in (fault.cut_upload_at, fault.stall_upload_at):
                    if limit is not None and end > limit:
                        part = part[: limit - record.request_bytes]
                if fault.flip_upload_at is not None and 0 <= fault.flip_upload_at - record.request_bytes < len(part):
                    place = fault.flip_upload_at - record.request_bytes
                    part = part[:place] + bytes([part[place] ^ 1]) + part[place + 1 :]
                downstream.write(unsent + part)
                unsent = b""
                await downstream.drain()
                record.request_bytes += len(part)
                if fault.cut_upload_at is not None and record.request_bytes >= fault.cut_upload_at:
                    raise _CutError
                if fault.stall_upload_at is not None and record.request_bytes >= fault.stall_upload_at:
                    await asyncio.Event().wait()
        await downstream.drain()

    async def _send_answer(
        self, record: _Record, head: Head, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, *, last: bool
    ) -> None:
        fault = record.fault
        record.upstream_status = int(head.first[1])
        until_close = head.length is None and not head.is_chunked
        no_body = record.method == "HEAD" or record.upstream_status in (204, 304)
        body = _none() if no_body else raw_body(upstream, head, until_close=until_close)
        if fault.drop_answer:
            async for _ in body:
                pass
            raise _CutError
        await asyncio.sleep(fault.hold_answer_s)
        is_text = (head.get("Content-Type") or "").split(";")[0] in TEXTS
        if (is_text or fault.change is not None) and not head.is_chunked and not no_body:
            body = _once(await self._changed(record, head, body))
        for name, value in fault.add_headers.items():
            head.set(name, value)
        unbounded = until_close and head.length is None and not no_body
        head.set("Connection", "close" if unbounded or last else "keep-alive")
        record.status = int(head.first[1])
        self._answered.add(id(record))
        writer.write(head.encode())
        async for piece in body:
            part = piece
            if fault.cut_answer_at is not None:
                part = piece[: fault.cut_answer_at - record.response_bytes]
            writer.write(part)
            await writer.drain()
            record.response_bytes += len(part)
            if fault.cut_answer_at is not None and record.response_bytes >= fault.cut_answer_at:
                await asyncio.sleep(0.05)  # a reset at once would take back what was sent
                raise _CutError
        await writer.drain()
        if unbounded:
            writer.close()
            raise _EndedError

    async def _changed(self, record: _Record, head: Head, body: AsyncIterator[bytes]) -> bytes:
        answer = Answer(int(head.first[1]), dict(head.headers), b"".join([piece async for piece in body]))
        if len(answer.body) > MAX_CHANGED_BODY:
            raise AssertionError("a proxy that changes answers holds them in memory: this one is too large")
        if self._rewrite_links:
            answer.body = answer.body.replace(self.target.encode(), self.url.encode())
        if record.fault.change is not None:
            record.fault.change(answer)
        head.first[1:] = [str(answer.status), HTTPStatus(answer.status).phrase]
        head.headers = [(name, value.replace(self.target, self.url)) for name, value in answer.headers.items()]
        head.set("Content-Length", str(len(answer.body)))
        return answer.body

    async def _answer_instead(self, record: _Record, writer: asyncio.StreamWriter) -> None:
        status = record.fault.status or 500
        head = Head(["HTTP/1.1", str(status), HTTPStatus(status).phrase])
        for name, value in {"Content-Type": "application/json", **record.fault.headers}.items():
            head.set(name, value)
        head.set("Content-Length", str(len(record.fault.body)))
        self._answered.add(id(record))
        writer.write(head.encode() + record.fault.body)
        await writer.drain()
        record.status, record.response_bytes = status, len(record.fault.body)


class _EndedError(Exception):
    """The end of this answer is the end of the connection."""


@contextlib.contextmanager
def fault_proxy(target: str, *, rewrite_links: bool = True, tls: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
    """Run a proxy in a thread of its own, for a test or a process that has no loop."""
    proxy = FaultProxy(target, rewrite_links=rewrite_links, tls=tls)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(10)
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _forgive_refusal(sending: asyncio.Task[None]) -> None:
    """A repository that closes while a body is sent may have answered before: only our own cut is an end."""
    error = sending.exception()
    if isinstance(error, _CutError):
        raise error


async def _drained(reader: asyncio.StreamReader, head: Head) -> bool:
    try:
        async for _ in raw_body(reader, head):
            pass
    except ConnectionError:
        return False
    return True


async def _read_away(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(LINGER_S):
            while await reader.read(CHUNK):
                pass


async def _in_pieces(piece: bytes, fault: Fault) -> AsyncIterator[bytes]:
    size = CHUNK if fault.throttle_bytes_s is None else max(1, min(CHUNK, int(fault.throttle_bytes_s / 10)))
    for start in range(0, len(piece), size):
        yield piece[start : start + size]


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _none() -> AsyncIterator[bytes]:
    return
    yield b""
