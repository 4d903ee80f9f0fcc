"""Connections to servers of http: kept for what goes the same way, and for nothing else."""

import base64
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from loopback import serving

from ferry.errors import PermanentError, TransientError
from ferry.source import connections
from ferry.source.allowed import AllowedSources
from ferry.source.http import MOST_HOPS, HttpFile, request

LOOPBACK = AllowedSources(hosts=("127.0.0.1", "localhost"))


class Server(ThreadingHTTPServer):
    """Keeps connections open, and counts them."""

    daemon_threads = True

    def __init__(self):
        self.connections, self.asked, self.headers = 0, [], []
        self.closes_silently = False
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path="/a"):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.server.connections += 1
        super().setup()

    def do_CONNECT(self):
        self.server.asked.append(f"CONNECT {self.path}")
        self.server.headers.append(dict(self.headers))
        self.send_response(502)
        self.end_headers()

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        status, body = 200, b"x" * 100_000
        if self.path == "/circle":
            status, body = 302, b""
        if self.path.endswith("/gone"):
            status, body = 404, b""
        if self.path.endswith("/away"):
            status, body = 502, b""
        self.send_response(status)
        self.send_header("Location", "/circle")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.server.closes_silently

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server():
    with serving(Server()) as one:
        yield one


def read(url, *, allowed=LOOPBACK, timeout_s=5.0):
    with request(url, allowed=allowed, headers={}, timeout_s=timeout_s) as answer:
        return answer.read()


def test_what_goes_the_same_way_goes_by_one_connection(server):
    for number in range(5):
        assert len(read(server.url(f"/{number}"))) == 100_000
    assert (len(server.asked), server.connections) == (5, 1)
    with HttpFile(server.url(), allowed=LOOPBACK, timeout_s=5.0) as file:
        assert sum(map(len, file.chunks(start=0, chunk_bytes=1000, in_flight=1))) == 100_000
    assert server.connections == 1


def test_another_host_or_checked_address_is_another_way(server, monkeypatch):
    read(server.url())
    read(server.url().replace("127.0.0.1", "localhost"))
    assert server.connections == 2
    seen = iter([("127.0.0.1",), ("127.0.0.1", "127.0.0.2"), ("127.0.0.1",)])
    monkeypatch.setattr(AllowedSources, "check", lambda *_args, **_options: next(seen))
    for _ in range(3):
        read(server.url())
    assert server.connections == 4, "the third is the first way again"


def test_an_answer_that_is_not_read_to_its_end_closes_its_connection(server):
    with request(server.url(), allowed=LOOPBACK, headers={}, timeout_s=5) as answer:
        answer.read(10)
    assert read(server.url()) == b"x" * 100_000
    assert server.connections == 2


def test_a_connection_that_the_server_has_closed_meanwhile_is_no_trouble(server):
    server.closes_silently = True
    for _ in range(3):
        assert len(read(server.url())) == 100_000
        time.sleep(0.05)
    assert (len(server.asked), server.connections) == (3, 3)


def test_what_was_kept_is_closed_when_the_process_ends(server):
    program = (
        "import sys; from ferry.source.allowed import AllowedSources; from ferry.source.http import request\n"
        "with request(sys.argv[1], allowed=AllowedSources(hosts=('127.0.0.1',)), headers={}, timeout_s=5) as answer:\n"
        "    answer.read()"
    )
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", program, server.url()]
    scripts = Path(connections.__file__).parents[2]
    done = subprocess.run(command, env={"PYTHONPATH": str(scripts)}, capture_output=True, text=True, check=True)
    assert (done.stderr, server.connections) == ("", 1)


def test_what_comes_on_a_kept_connection_before_it_is_asked_again_is_no_answer():
    def serve(listening):
        for number in range(2):
            peer, _ = listening.accept()
            with peer:
                peer.recv(10_000)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
                time.sleep(0.05)  # else it comes with the answer, and is lost with what was read of that
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX")
                sent.release()
                with contextlib.suppress(ConnectionResetError):  # closed with that unread
                    peer.recv(10_000)

    sent = threading.Semaphore(0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/a"
        assert read(url) == b"0"
        assert sent.acquire(timeout=5)
        assert read(url) == b"1"


def test_a_connection_is_not_kept_for_long(server, monkeypatch):
    read(server.url())
    monkeypatch.setattr(connections, "KEPT_S", 0.0)
    read(server.url())
    assert server.connections == 2


def test_a_server_that_hangs_on_a_kept_connection_is_not_asked_a_second_time():
    asked = []

    def serve(listening):
        kept, _ = listening.accept()
        with kept:
            for _ in range(2):
                asked.append(kept.recv(10_000))
                if len(asked) == 1:
                    kept.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            kept.recv(10_000)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/a"
        assert read(url, timeout_s=0.3) == b"ok"
        with pytest.raises(TransientError, match="timed out"):
            read(url, timeout_s=0.3)
        thread.join(5)
    assert len(asked) == 2


def test_a_forked_process_has_none_of_its_parents_connections(server):
    read(server.url())
    child = os.fork()
    if not child:
        os._exit(0 if len(read(server.url())) == 100_000 else 1)
    assert os.waitpid(child, 0)[1] == 0
    read(server.url())
    assert (len(server.asked), server.connections) == (3, 2)


def test_a_server_that_leads_in_a_circle_is_left_and_its_connection_serves(server):
    with pytest.raises(PermanentError, match="from address to address without end"):
        read(server.url("/circle"))
    assert (len(server.asked), server.connections) == (MOST_HOPS, 1)
    with pytest.raises(PermanentError, match="found HTTP 404 Not Found"):
        read(server.url("/gone"))
    assert server.connections == 1


def test_an_answer_that_nothing_has_changed_comes_only_where_it_was_asked_for(server, monkeypatch):
    monkeypatch.setattr(Handler, "do_GET", lambda self: (self.send_response(304), self.end_headers()))
    with request(server.url(), allowed=LOOPBACK, headers={"If-None-Match": '"1"'}, timeout_s=5) as answer:
        assert answer.status == 304
    with pytest.raises(PermanentError, match="HTTP 304"):
        read(server.url())


@pytest.mark.parametrize(
    ("kind", "asked"), [("http", "http://files.example/a"), ("https", "CONNECT files.example:443")]
)
def test_a_proxy_gets_its_word_and_nobody_else_does(server, monkeypatch, kind, asked):
    monkeypatch.setenv(f"{kind}_proxy", f"http://me:p%40ss@127.0.0.1:{server.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    named = AllowedSources(hosts=("files.example",))
    if kind == "http":
        read("http://files.example/a", allowed=named)
    else:
        with pytest.raises(TransientError, match="Tunnel connection failed: 502"):
            read("https://files.example/a", allowed=named)
    assert server.asked == [asked]
    assert server.headers[0]["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    read(server.url())
    assert "Proxy-Authorization" not in server.headers[-1]


@pytest.mark.parametrize("kind", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named_without_its_password(monkeypatch, server, kind):
    """The server answers without it: whoever reads that its connection is refused looks in the wrong place."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv(f"{kind}_proxy", f"http://me:p%40ss@{place}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(TransientError) as told:
        read(server.url().replace("http:", f"{kind}:"))
    way = f"by way of the proxy {place} ({kind}_proxy in the environment); no_proxy names hosts that need none"
    assert str(told.value).endswith(f": expected an answer, found Connection refused {way}")
    assert "ss@" not in str(told.value)
    assert "me:" not in str(told.value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert len(read(server.url())) == 100_000


def test_what_a_proxy_may_have_said_itself_names_it_and_what_only_the_server_can_does_not(monkeypatch, server):
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(
        TransientError, match=rf"found HTTP 502 .* by way of the proxy 127\.0\.0\.1:{server.server_port} "
    ):
        read("http://localhost/away")
    with pytest.raises(PermanentError, match=r"found HTTP 404 [\w ]+$"):
        read("http://localhost/gone")


@pytest.mark.parametrize("proxy", ["http://me:hun/ter2@127.0.0.1:1", "http://me:hun\u2100ter2@127.0.0.1:1"])
def test_an_address_of_a_proxy_that_cannot_be_read_is_told_without_its_password(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(PermanentError, match="is to be http://host:port") as told:
        read("http://127.0.0.1:1/a")
    assert "hun" not in str(told.value)
    assert "ter2" not in str(told.value)


def test_a_proxy_that_speaks_something_else_is_told(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(PermanentError, match="the proxy of the environment is to be an http:// one, found socks5://"):
        read("http://files.example/a", allowed=AllowedSources(hosts=("files.example",)))
