"""Files behind http: read whole, gone on from the middle, and cut connections told from the end of a file."""

import socket
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from loopback import serving

from ferry.errors import PermanentError, TransientError
from ferry.source import allowed
from ferry.source.access import read_bytes, redirected
from ferry.source.allowed import AllowedSources
from ferry.source.http import HttpFile, NotFoundError, request

LOOPBACK = AllowedSources(hosts=("127.0.0.1",))
CONTENT = bytes(range(256)) * 64


class Server(ThreadingHTTPServer):
    """Answers every address with CONTENT, as its attributes say."""

    daemon_threads = True
    status = 200
    knows_ranges = True
    refuses_ranges = False
    cut_after: int | None = None
    tells_length = True
    location = ""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, name: str = "a.root") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if self.server.status != 200 or (wanted and self.server.refuses_ranges):
            self.send_response(self.server.status if self.server.status != 200 else 416)
            if self.server.location:
                self.send_header("Location", self.server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.knows_ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if self.server.tells_length:
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        body = CONTENT[start:]
        self.wfile.write(body if self.server.cut_after is None else body[: self.server.cut_after])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server():
    with serving(Server()) as one:
        yield one


def read(url: str, start: int = 0) -> bytes:
    with HttpFile(url, allowed=LOOPBACK, timeout_s=5) as opened:
        return b"".join(opened.chunks(start=start, chunk_bytes=1000, in_flight=4))


def test_a_file_is_read_whole_and_its_size_is_known(server):
    with HttpFile(server.url(), allowed=LOOPBACK, timeout_s=5) as opened:
        assert opened.size_bytes == len(CONTENT)
        assert b"".join(opened.chunks(start=0, chunk_bytes=1000, in_flight=4)) == CONTENT


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("start", [1, 999, 1000, 1001, len(CONTENT) - 1])
def test_reading_goes_on_from_the_middle_whether_the_server_knows_ranges_or_not(server, start, knows_ranges):
    server.knows_ranges = knows_ranges
    assert read(server.url(), start) == CONTENT[start:]
    assert server.asked[-1] == ("/a.root", f"bytes={start}-")


def test_a_server_that_refuses_a_range_is_asked_for_the_whole(server):
    server.refuses_ranges = True
    assert read(server.url(), 1000) == CONTENT[1000:]
    assert [wanted for _, wanted in server.asked] == [None, "bytes=1000-", None]
    with HttpFile(server.url(), allowed=LOOPBACK, timeout_s=5, start=2 * len(CONTENT)) as opened:
        assert opened.size_bytes == len(CONTENT)


def test_nothing_is_asked_for_beyond_the_end(server):
    assert read(server.url(), len(CONTENT)) == b""
    assert [wanted for _, wanted in server.asked] == [None]


@pytest.mark.parametrize("start", [0, 5000])
def test_a_connection_closed_in_the_middle_is_no_end_of_the_file(server, start):
    server.cut_after = 3500
    came: list[bytes] = []
    with (
        HttpFile(server.url(), allowed=LOOPBACK, timeout_s=5) as opened,
        pytest.raises(TransientError, match=rf"expected {len(CONTENT)} bytes, found {start + 3500}"),
    ):
        came.extend(opened.chunks(start=start, chunk_bytes=1000, in_flight=1))  # keeps what came before the error
    assert b"".join(came) == CONTENT[start : start + 3500], "what came is right and may be gone on from"


def test_where_no_length_is_told_the_end_is_where_the_connection_ends(server):
    server.tells_length = False
    with HttpFile(server.url(), allowed=LOOPBACK, timeout_s=5) as opened:
        assert opened.size_bytes is None
        assert b"".join(opened.chunks(start=0, chunk_bytes=1000, in_flight=1)) == CONTENT


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, PermanentError),
        *((status, NotFoundError) for status in (404, 410)),
        *((status, TransientError) for status in (408, 429, 500, 503)),
    ],
)
def test_what_the_server_says_is_permanent_or_may_pass(server, status, kind):
    server.status = status
    with pytest.raises(kind, match=f"127.0.0.1.*a.root: expected an answer, found HTTP {status}") as caught:
        HttpFile(server.url(), allowed=LOOPBACK, timeout_s=5)
    assert type(caught.value) is kind


def test_nobody_listens_may_pass():
    with serving(Server()) as server:
        url = server.url()
    with pytest.raises(TransientError, match=r"a\.root: expected an answer, found .*refused"):
        HttpFile(url, allowed=LOOPBACK, timeout_s=5)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_leads_to_nothing_but_http(server, location):
    server.status, server.location = 302, location
    with pytest.raises(PermanentError, match=r"a\.root"):
        HttpFile(server.url(), allowed=LOOPBACK, timeout_s=5)


def test_names_are_quoted_once_on_their_way(server):
    with request(server.url("sp ace/%41é"), headers={}, allowed=LOOPBACK, timeout_s=5) as answer:
        assert answer.read() == CONTENT
    assert server.asked == [("/sp%20ace/%41%C3%A9", None)]


def test_a_name_of_xrootd_is_asked_for_literally_where_http_takes_its_place(server):
    uri = "root://eospublic.cern.ch//eos/p%41/a#1 \u00e9.dat"
    assert read(redirected(uri, {"root://eospublic.cern.ch/": server.url("").rstrip("/")})) == CONTENT
    assert server.asked == [("/eos/p%2541/a%231%20%C3%A9.dat", None)]


def test_a_proxy_of_the_environment_finds_the_host_that_it_is_asked_for(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url("").rstrip("/"))
    monkeypatch.delenv("no_proxy", raising=False)
    named = AllowedSources(hosts=("nowhere.invalid",))
    with request("http://nowhere.invalid/a.root", headers={}, allowed=named, timeout_s=5) as answer:
        assert answer.read() == CONTENT
    assert server.asked == [("http://nowhere.invalid/a.root", None)]


def test_a_local_name_that_the_client_would_cut_is_refused_with_what_helps(tmp_path):
    (tmp_path / "a?b.dat").write_bytes(b"hello")
    with pytest.raises(PermanentError, match=r"a\?b\.dat: expected the name of a file without .*source\.data_root"):
        read_bytes(
            f"file://{tmp_path}/a?b.dat", allowed=AllowedSources(folders=(tmp_path,)), stall_s=5, most_bytes=1000
        )


def test_a_local_name_is_taken_as_it_stands_and_one_that_is_not_there_says_so(tmp_path):
    (tmp_path / "a b.dat").write_bytes(b"space")
    (tmp_path / "c%20d.dat").write_bytes(b"percent")

    def content(name):
        allowed = AllowedSources(folders=(tmp_path,))
        return bytes(read_bytes(f"file://{tmp_path}/{name}", allowed=allowed, stall_s=5, most_bytes=1000))

    assert (content("a b.dat"), content("c%20d.dat")) == (b"space", b"percent")
    with pytest.raises(PermanentError, match=r"a%20b\.dat: .*taken as it stands: %20 in it is no space"):
        content("a%20b.dat")


@pytest.fixture
def with_tls(tmp_path, monkeypatch):
    """Give a server that answers by TLS as data.example.org, whose certificate is believed."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("data.example.org").configure_cert(context)
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True)

    def found(_host, port, *_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with serving(server):
        yield server


def test_https_goes_to_the_address_that_was_checked_with_the_certificate_of_its_host(with_tls, monkeypatch):
    monkeypatch.setattr(allowed, "_is_public", lambda _: True)  # else none of this machine is
    of_domain = AllowedSources(hosts=("*.example.org",))
    with HttpFile(f"https://data.example.org:{with_tls.server_port}/a", allowed=of_domain, timeout_s=10) as file:
        assert b"".join(file.chunks(start=0, chunk_bytes=1000, in_flight=1)) == CONTENT
    with pytest.raises(TransientError, match="certificate verify failed"):
        HttpFile(f"https://other.example.org:{with_tls.server_port}/a", allowed=of_domain, timeout_s=10)


def test_https_is_asked_of_a_host_that_is_named(with_tls):
    named = AllowedSources(hosts=("data.example.org",))
    with HttpFile(f"https://data.example.org:{with_tls.server_port}/a", allowed=named, timeout_s=10) as file:
        assert b"".join(file.chunks(start=100, chunk_bytes=1000, in_flight=1)) == CONTENT[100:]
