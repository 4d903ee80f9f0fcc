"""Each request waits for its turn, is counted once, goes to nobody else, and may take as long as it goes on."""

import asyncio
import contextlib
import gc
import json
import socket
import ssl
import subprocess
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from ferry.errors import PermanentError, TransientError
from ferry.flags import TOKEN_REFUSED, RunFlags
from ferry.repository.http import HttpSession
from ferry.repository.rate_limit import Limit, RateLimiter
from ferry.repository.sent_body import MOST_UNSENT_BYTES, PIECE_BYTES, UNSENT_BYTES, RateLimitedRequest, SendOnce

AUTH = aiohttp.BasicAuth("the", "token")


@dataclass
class Server:
    """Answers with the next of `answers`; remembers what it was asked."""

    url: URL = field(default_factory=URL)
    answers: list = field(default_factory=list)
    seen: list = field(default_factory=list)
    read_delay_s: float = 0.0
    reads: bool = True

    async def answer(self, request):
        peer = request.transport.get_extra_info("peername")
        self.seen.append((request.method, request.path, request.headers, peer))
        if not self.reads:
            await asyncio.sleep(2)
        received = 0
        while chunk := await request.content.read(PIECE_BYTES):
            received += len(chunk)
            await asyncio.sleep(self.read_delay_s)
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        return web.json_response({"received": received}, status=status, headers=headers)


@contextlib.asynccontextmanager
async def serving(*, ssl_context=None, **options):
    server = Server(**options)
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    server.url = URL(f"http{'s' if ssl_context else ''}://127.0.0.1:{port}")
    try:
        yield server
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def wired(server, **options):
    async with HttpSession(origin=server.url, verify_tls=True, **{"stall_s": 5.0, **options}) as wire:
        yield wire


async def ask(wire, method, url, **options):
    async with wire.request(method, url, auth=AUTH, **options) as response:
        await response.read()
        return response


async def chunks(count, size=PIECE_BYTES):
    for _ in range(count):
        yield b"x" * size


def test_a_post_shares_the_connection_only_when_that_has_just_brought_an_answer(monkeypatch):
    async def scenario():
        async with serving() as server, wired(server) as wire:
            for method in ("GET", "POST", "PUT", "DELETE", "POST"):
                await ask(wire, method, server.url / "at-once")
            monkeypatch.setattr("ferry.repository.http.FRESH_S", 0.0)
            await ask(wire, "POST", server.url / "late")
            await ask(wire, "POST", server.url / "commit", may_repeat=True)
            monkeypatch.undo()
            await asyncio.gather(*(ask(wire, "GET", server.url / "together") for _ in range(2)))
            await ask(wire, "POST", server.url / "after")
            return wire.traffic.requests, [(path, peer) for _, path, _, peer in server.seen]

    requests, seen = asyncio.run(scenario())
    assert requests == len(seen) == 10
    peers = {path: {peer for at, peer in seen if at == path} for path, _ in seen}
    assert peers["/at-once"] == peers["/commit"]
    assert len(peers["/at-once"]) == 1
    shared = peers["/at-once"] | peers["/together"]
    assert not shared & peers["/late"], "the server may be closing it"
    assert not shared & peers["/after"], "of several nobody knows which is taken"


def test_a_kept_connection_that_the_server_closed_is_replaced_and_the_second_request_counted(tmp_path):
    async def scenario():
        async def close_after_first(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
            if not closed:
                closed.append(True)
                await reader.readuntil(b"\r\n\r\n")  # the next request arrives, and is not answered
            writer.close()

        closed = []
        server = await asyncio.start_server(close_after_first, "127.0.0.1", 0)
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        rate_limiter = RateLimiter(path=tmp_path / "p", limits=[Limit(3, 60.0)])
        async with server, HttpSession(origin=url, verify_tls=True, stall_s=5, rate_limiter=rate_limiter) as wire:
            await ask(wire, "GET", url)
            await ask(wire, "GET", url)
            return wire.traffic.requests, rate_limiter.take_slot().is_taken

    assert asyncio.run(scenario()) == (3, False)


def test_a_refusal_makes_the_others_of_the_run_wait(tmp_path):
    async def scenario():
        async with serving(answers=[(429, {"Retry-After": "20"})]) as server:
            mine, others = (RateLimiter(path=tmp_path / "p", limits=[]) for _ in range(2))
            async with wired(server, rate_limiter=mine) as wire:
                await ask(wire, "GET", server.url)
                return others.pause_left_s(), wire.traffic.refused

    left, refused = asyncio.run(scenario())
    assert 18 < left <= 20
    assert refused == 1


def test_retry_after_on_a_good_answer_makes_nobody_wait(tmp_path):
    async def scenario():
        async with serving(answers=[(200, {"Retry-After": "20"})]) as server:
            rate_limiter = RateLimiter(path=tmp_path / "p", limits=[])
            async with wired(server, rate_limiter=rate_limiter) as wire:
                await ask(wire, "GET", server.url)
                return rate_limiter.pause_left_s()

    assert asyncio.run(scenario()) == 0


def test_a_mark_stays_as_the_first_left_it(tmp_path):
    for text in ("revoked", "something else"):
        RunFlags("one", tmp_path).set(TOKEN_REFUSED, text)
    assert RunFlags("one", tmp_path).get(TOKEN_REFUSED) == "revoked"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_refused_token_stops_every_job_of_the_run_and_not_the_next_run(tmp_path):
    async def scenario():
        async with serving() as server:
            RunFlags("one", tmp_path).set(TOKEN_REFUSED, "revoked")
            async with wired(server, flags=RunFlags("one", tmp_path)) as wire:
                with pytest.raises(PermanentError, match="revoked"):
                    await ask(wire, "GET", server.url)
            asked = len(server.seen)
            async with wired(server, flags=RunFlags("two", tmp_path)) as wire:
                await ask(wire, "GET", server.url)
            return asked, len(server.seen)

    assert asyncio.run(scenario()) == (0, 1)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_redirect_to_another_host_is_refused_and_nobody_there_is_asked(method):
    async def scenario():
        async with serving() as other, serving() as server, wired(server) as wire:
            server.answers = [(302, {"Location": str(other.url / "steal")})]
            with pytest.raises(PermanentError, match="another host"):
                await ask(wire, method, server.url)
            return other.seen

    assert asyncio.run(scenario()) == []


def test_a_redirect_within_the_host_is_followed_for_a_get_only():
    async def scenario():
        async with serving() as server, wired(server) as wire:
            server.answers = [(301, {"Location": "/there"}), (200, {})]
            await ask(wire, "GET", server.url / "here")
            assert [path for _, path, _, _ in server.seen] == ["/here", "/there"]
            server.answers = [(308, {"Location": "/there"})]
            with pytest.raises(PermanentError, match="redirected"):
                await ask(wire, "POST", server.url / "here")

    asyncio.run(scenario())


def test_another_origin_gets_no_token_and_is_not_counted():
    async def scenario():
        async with serving() as storage, serving() as server, wired(server) as wire:
            async with put(wire, storage.url / "part", 1, is_part=True):
                pass
            await ask(wire, "GET", server.url)
            return storage.seen[0][2], server.seen[0][2], wire.traffic.requests

    theirs, ours, requests = asyncio.run(scenario())
    assert "Authorization" not in theirs
    assert "Authorization" in ours
    assert requests == 1


def put(wire, url, count, **options):
    headers = {"Content-Length": str(count * PIECE_BYTES)}
    return wire.request("PUT", url, data=SendOnce(chunks(count)), headers=headers, **options)


def test_a_body_may_take_several_times_the_stall_limit_as_long_as_it_goes_on():
    async def scenario():
        async with serving(read_delay_s=0.02) as server, wired(server, stall_s=1.0) as wire:
            loop = asyncio.get_running_loop()
            start = loop.time()
            async with put(wire, server.url, 160) as response:
                received = json.loads(await response.read())["received"]
            return received, loop.time() - start

    received, took_s = asyncio.run(scenario())
    assert received == 160 * PIECE_BYTES
    assert took_s > 2.0


def test_a_body_that_nobody_takes_ends_at_the_stall_limit():
    async def scenario():
        async with serving(reads=False) as server, wired(server, stall_s=0.3) as wire:
            with pytest.raises(TransientError, match=r"not a byte went on for 0\.3 s"):
                async with asyncio.timeout(10), put(wire, server.url, 200):
                    pytest.fail("answered")

    asyncio.run(scenario())


def test_a_refused_body_leaves_no_connection_that_still_wants_to_send_it():
    async def scenario():
        async def refuse(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")  # and the body is never read
            over.add_done_callback(lambda _: writer.close())

        over = asyncio.get_running_loop().create_future()
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            target = Server(url=URL(f"http://{address[0]}:{address[1]}"))
            async with wired(target) as wire, put(wire, target.url, 200) as response:
                assert response.status == 413
            await asyncio.sleep(0.1)
            left = [
                each
                for each in gc.get_objects()
                if isinstance(each, asyncio.Transport) and each.get_extra_info("peername") == address
                if each.get_extra_info("socket").fileno() != -1
            ]
            over.set_result(None)
            return left

    assert asyncio.run(scenario()) == []


def test_an_answer_that_does_not_come_is_told_with_the_time_that_was_waited(monkeypatch):
    monkeypatch.setattr("ferry.repository.http.HANDED_ON_BYTES_PER_S", PIECE_BYTES / 0.2)

    async def scenario():
        async with serving(reads=False) as server, wired(server, stall_s=0.3) as wire:
            with pytest.raises(TransientError, match=r"GET /: nothing came back for 0\.3 s"):
                await ask(wire, "GET", server.url)
            with pytest.raises(TransientError, match=r"PUT /: nothing came back for 0\.5 s"):
                async with put(wire, server.url, 1):
                    pytest.fail("answered")

    asyncio.run(scenario())


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(tmp_path):
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def scenario():
        async with serving(ssl_context=context) as server, wired(server) as wire:
            with pytest.raises(aiohttp.ClientSSLError):
                await ask(wire, "GET", server.url)
            return server.seen

    assert asyncio.run(scenario()) == []


def test_a_connection_that_is_not_made_is_told_as_that(monkeypatch):
    monkeypatch.setattr("ferry.repository.http.CONNECT_TIMEOUT_S", 0.2)

    async def main():
        with contextlib.ExitStack() as stack:
            full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(3):  # nobody accepts: one waits in the queue, those after it are not answered
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            url = URL(f"http://127.0.0.1:{full.getsockname()[1]}/x")
            async with HttpSession(origin=url.origin(), verify_tls=True, stall_s=60) as wire, wire.request("GET", url):
                pass

    with pytest.raises(TransientError, match=r"GET /x: no connection within 0\.2 s"):
        asyncio.run(main())


def test_a_body_is_not_sent_a_second_time():
    async def scenario():
        body = SendOnce(chunks(1))
        assert [len(piece) async for piece in body] == [PIECE_BYTES]
        with pytest.raises(TransientError, match="sent anew"):
            aiter(body)

    asyncio.run(scenario())


@pytest.mark.parametrize(("pieces", "pause_s", "is_fast"), [(30, 0.0, False), (160, 0.0, True), (60, 0.03, False)])
def test_only_a_line_that_is_known_to_be_fast_is_given_more_ahead_of_what_it_has_sent(pieces, pause_s, is_fast):
    """On a slow one a body that nobody takes would be found out too late, and its end would be waited for too short."""
    connected, ahead = [], []

    class Noting(RateLimitedRequest):
        async def send(self, conn):
            connected.append(conn.transport.get_extra_info("socket"))
            return await super().send(conn)

    async def body():
        async for chunk in chunks(pieces):
            await asyncio.sleep(pause_s)
            ahead.append(connected[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))
            yield chunk

    async def scenario():
        async with serving() as server, wired(server, request_class=Noting) as wire:
            headers = {"Content-Length": str(pieces * PIECE_BYTES)}
            async with wire.request("PUT", server.url, data=SendOnce(body()), headers=headers):
                pass

    asyncio.run(scenario())
    assert ahead[0] == UNSENT_BYTES
    assert (2 * UNSENT_BYTES <= ahead[-1] <= MOST_UNSENT_BYTES) if is_fast else ahead[-1] == UNSENT_BYTES
