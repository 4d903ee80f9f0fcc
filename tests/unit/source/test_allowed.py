"""Where files really come from: what a record, an index or a server names is read where the configuration allows it.

Each test goes through a step of the chain, and looks at what was reached: a hostile server writes down who asks it.
"""

import json
import socket
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hostile_xrootd import hostile_xrootd
from loopback import serving

from ferry.errors import FerryError, IntegrityError, PermanentError, TransientError
from ferry.receipts import write_receipt
from ferry.source.allowed import ForbiddenSourceError
from ferry.source.portal import fetch_record
from ferry.source.xrootd import _sent
from ferry.steps.download_files import download_to_receipt
from ferry.steps.read_record import read_to_receipt

SECRET = b"SECRET: the operator's own"
OWN = b"what the server has itself"
ELSEWHERE = "127.0.0.2"


@pytest.fixture
def secret(tmp_path):
    """Return a file of the operator's, that nobody has listed."""
    path = tmp_path / "home" / "private"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


def fetch(tmp_path, uri, *, content=None, size=None, hosts=(), folders=(), redirects=None, key="a.root"):
    """Run the download step for a record of one file; return the file's bytes."""
    checksum = {"algorithm": "adler32", "value": f"{zlib.adler32(content):08x}"} if content is not None else None
    size = len(content) if content is not None else size
    file = {"key": key, "uri": uri, "size_bytes": size, "checksum": checksum, "online": True}
    write_receipt(tmp_path / "source.json", "source", {"recid": 7, "origin": "o", "record": {}, "files": [file]})
    download_to_receipt(
        recid=7,
        source_path=tmp_path / "source.json",
        receipt_path=tmp_path / "download.json",
        data_dir=tmp_path / "data",
        source={
            "data_root": None,
            "allow_unverified": True,
            "allow": {"hosts": list(hosts), "folders": [str(folder) for folder in folders]},
            "redirects": redirects or {},
        },
        portal="https://portal.invalid",
        download={"parallel_files": 2, "attempts": 1, "stall_s": 5},
        package={},
        storage={"max_bytes": None},
        repository="one",
        sandbox_dir=tmp_path / "sandbox",
    )
    return (tmp_path / "data" / "files" / key).read_bytes()


def read_index(tmp_path, uri, *, kind="index.json", hosts=(), folders=()):
    """Run the first step for a record of one's own whose files are listed by an index at this address."""
    metadata_path = tmp_path / "7.json"
    metadata_path.write_text(json.dumps({"recid": 7, "title": "x", "files": [{"uri": uri, "type": kind}]}))
    read_to_receipt(
        recid=7,
        metadata_path=metadata_path,
        portal="https://portal.invalid",
        source={"redirects": {}, "allow": {"hosts": list(hosts), "folders": [str(folder) for folder in folders]}},
        stall_s=5,
        sandbox_dir=tmp_path / "sandbox",
        receipt_path=tmp_path / "source.json",
        attempts=1,
    )


def nothing_of(secret, tmp_path):
    """No byte of a file has come below data/, or into a receipt."""
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != secret]
    return not any(SECRET[:6] in content for content in written)


class WebServer(ThreadingHTTPServer):
    """Answers every address by what it is given: bytes, or where to go."""

    daemon_threads = True

    def __init__(self, answer=OWN, *, host="127.0.0.1", family=socket.AF_INET):
        self.address_family = family
        self.answer = answer
        self.asked = []
        super().__init__((host, 0), WebHandler)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"


class WebHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answer
        if callable(answer):
            answer(self)
            return
        if isinstance(answer, str):
            self.send_response(302)
            self.send_header("Location", answer)
        else:
            self.send_response(200)
        body = answer if isinstance(answer, bytes) else b""
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


# --- XRootD ---


@pytest.mark.parametrize(
    "sent_to",
    ["file://localhost{}", "file://localhost{}?x=1", "{}", "file://localhost/{}", "file://localhost/./..{}"],
)
def test_a_server_that_sends_the_client_to_a_file_of_this_machine_is_not_followed(tmp_path, secret, sent_to):
    place = sent_to.format(secret)
    with hostile_xrootd(lambda _: place) as server:
        url = server.url("/eos/a.root")
        with pytest.raises(ForbiddenSourceError) as caught:
            fetch(tmp_path, url, size=len(SECRET), hosts=["127.0.0.1"])
    told = str(caught.value)
    assert told.startswith(f"record 7: a.root: {url} leads to file://localhost")
    assert f"({secret})" in told
    assert "source.allow.folders" in told
    assert nothing_of(secret, tmp_path)


def test_an_index_that_leads_to_a_file_of_this_machine_is_not_read(tmp_path, secret):
    refused = pytest.raises(ForbiddenSourceError, match=r"record 7: file index .*source\.allow\.folders")
    with hostile_xrootd(lambda _: f"file://localhost{secret}") as server, refused as caught:
        read_index(tmp_path, server.url("/i.txt"), kind="index.txt", hosts=["127.0.0.1"])
    assert "SECRET" not in str(caught.value)


def test_a_server_that_sends_the_client_to_a_listed_folder_is_followed(tmp_path, secret):
    with hostile_xrootd(lambda _: f"file://localhost{secret}") as server:
        url = server.url("/eos/a.root")
        assert fetch(tmp_path, url, content=SECRET, hosts=["127.0.0.1"], folders=[secret.parent]) == SECRET


def test_a_file_that_is_opened_anew_in_mid_course_is_not_read_from_elsewhere(tmp_path, secret):
    places = iter([bytes(len(SECRET)), f"file://localhost{secret}"])
    with hostile_xrootd(lambda _: next(places, None)) as server:
        server.drop_reads = 1
        with pytest.raises(TransientError):
            fetch(tmp_path, server.url("/eos/a.root"), size=len(SECRET), hosts=["127.0.0.1"])
        assert len(server.opened) == 1, "the next attempt opens it again, and asks before it reads"
    assert nothing_of(secret, tmp_path)


def test_a_server_that_sends_the_client_to_another_host_is_not_followed(tmp_path):
    with (
        hostile_xrootd(lambda _: OWN, host=ELSEWHERE) as other,
        hostile_xrootd(lambda _: (ELSEWHERE, other.port)) as server,
    ):
        url = server.url("/eos/a.root")
        with pytest.raises(ForbiddenSourceError, match=rf"{url} leads to root://{ELSEWHERE}:.*source\.allow\.hosts"):
            fetch(tmp_path, url, content=OWN, hosts=["127.0.0.1"])
        assert other.login == b"", "nothing was reached there"


def test_a_server_that_sends_the_client_to_a_listed_host_is_followed_with_what_it_hands_on(tmp_path):
    with (
        hostile_xrootd(lambda _: OWN, host=ELSEWHERE) as other,
        hostile_xrootd(lambda _: (f"{ELSEWHERE}?&cap.sym=1%2B=&cap.msg=ab", other.port)) as server,
    ):
        url = server.url("/eos/a.root?own=1")
        assert fetch(tmp_path, url, content=OWN, hosts=["127.0.0.1", ELSEWHERE]) == OWN
        path, _, cgi = other.opened[0].partition("?")
        assert (path, sorted(cgi.split("&"))) == ("/eos/a.root", ["cap.msg=ab", "cap.sym=1%2B=", "own=1"])


def test_a_server_that_fails_is_avoided_when_the_first_one_is_asked_again(tmp_path):
    with hostile_xrootd(lambda _: OWN, host=ELSEWHERE) as good, hostile_xrootd(lambda _: None, host=ELSEWHERE) as bad:

        def answer(path):
            return ELSEWHERE, good.port if f"tried={ELSEWHERE}" in path else bad.port

        with hostile_xrootd(answer) as server:
            hosts = ["127.0.0.1", ELSEWHERE]
            assert fetch(tmp_path, server.url("/eos/a.root"), content=OWN, hosts=hosts) == OWN
            assert (len(bad.opened), len(good.opened)) == (1, 1)


def test_a_server_that_sends_the_client_in_a_circle_is_left(tmp_path):
    with hostile_xrootd(lambda _: ("127.0.0.1", server.port)) as server:
        with pytest.raises(PermanentError, match="leads from server to server without end"):
            fetch(tmp_path, server.url("/eos/a.root"), content=OWN, hosts=["127.0.0.1"])
        assert len(server.opened) < 20


METALINK = """<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x"><size>{}</size>
<url location="a" priority="1">file://localhost{}</url></file></metalink>"""


@pytest.mark.parametrize("name", ["a.meta4", "a.metalink"])
def test_a_metalink_file_is_a_file(tmp_path, secret, name):
    content = METALINK.format(len(SECRET), secret).encode()
    with hostile_xrootd(lambda _: content) as server:
        assert fetch(tmp_path, server.url(f"/eos/{name}"), content=content, hosts=["127.0.0.1"]) == content


def test_nobody_is_told_who_asks(tmp_path):
    with hostile_xrootd(lambda _: OWN, security=b"&P=unix&P=host") as server:
        assert fetch(tmp_path, server.url("/eos/a.root"), content=OWN, hosts=["127.0.0.1"]) == OWN
    assert server.login[4:12] == b"anon\0\0\0\0"
    assert server.credentials == [b"host\0"]


@pytest.mark.parametrize("cgi", ["", "?xrd.wantprot=unix", "?a=1&xrd.wantprot=unix&b=2"])
def test_a_server_that_wants_to_know_who_asks_is_told_nothing(tmp_path, cgi):
    refused = pytest.raises(PermanentError, match=r"the server wants to know who asks: .* in XrdSecPROTOCOL")
    with hostile_xrootd(lambda _: OWN, security=b"&P=unix") as server, refused:
        fetch(tmp_path, server.url(f"/eos/a.root{cgi}"), content=OWN, hosts=["127.0.0.1"])
    assert server.credentials == []


def test_the_servers_of_cern_are_told_what_they_ask_everybody_for():
    assert _sent("root://eospublic.cern.ch//eos/a") == "root://anon@eospublic.cern.ch//eos/a?xrd.wantprot=unix"
    assert _sent("root://st-1.cern.ch:1095//a?b=1") == "root://anon@st-1.cern.ch:1095//a?b=1&xrd.wantprot=unix"
    assert _sent("root://a.cern.ch.example.org//a") == "root://anon@a.cern.ch.example.org//a"


def test_an_address_that_two_clients_read_differently_is_refused(tmp_path):
    with hostile_xrootd(lambda _: OWN) as server:
        for host in ("eospublic.cern.ch?@127.0.0.1", "eospublic.cern.ch#@127.0.0.1", "eospublic.cern.ch:1@127.0.0.1"):
            with pytest.raises(ForbiddenSourceError, match="expected an address with a plain host in it"):
                fetch(tmp_path, server.url("/eos/a.root", host=host), content=OWN, hosts=["*.cern.ch"])
        assert server.login == b""


# --- HTTP ---


@pytest.mark.parametrize("hosts", [[], ["*"], ["*.cern.ch", "*.0.0.1"], ["localhost"]])
def test_a_host_of_this_machine_is_not_asked_unless_it_is_listed_by_its_name(tmp_path, hosts):
    with serving(WebServer()) as server:
        with pytest.raises(ForbiddenSourceError, match=r"127\.0\.0\.1.*source\.allow\.hosts"):
            fetch(tmp_path, f"{server.url}/a.root", content=OWN, hosts=hosts)
        assert server.asked == []
        assert fetch(tmp_path, f"{server.url}/a.root", content=OWN, hosts=[*hosts, "127.0.0.1"]) == OWN


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "0.0.0.0", "[::ffff:127.0.0.1]"]
)
def test_this_machine_is_found_out_however_it_is_written(tmp_path, host):
    with serving(WebServer()) as server:
        with pytest.raises(ForbiddenSourceError, match="expected a public address"):
            fetch(tmp_path, f"http://{host}:{server.server_port}/a.root", content=OWN, hosts=["*"])
        assert server.asked == []


@pytest.mark.parametrize("host", ["user:word@127.0.0.1", "a\\@127.0.0.1", "[::1%25lo]", "127.0.0.1%2e", "", "a b"])
def test_a_host_that_is_no_plain_one_is_not_asked(tmp_path, host):
    with serving(WebServer()) as server:
        with pytest.raises(ForbiddenSourceError, match="expected an address with a plain host in it"):
            fetch(tmp_path, f"http://{host}:{server.server_port}/a.root", content=OWN, hosts=["*", "127.0.0.1", "::1"])
        assert server.asked == []


@pytest.mark.parametrize("scheme", ["http", "root"])
@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "198.18.0.1", "240.0.0.1",
     "::1", "::", "fe80::1", "fe80::1%lo", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1"],
)  # fmt: skip
def test_a_name_that_means_an_address_inside_is_not_asked(tmp_path, monkeypatch, scheme, address):
    def found(host, *_args, **_options):
        return [(0, 0, 0, "", ("1.1.1.1", 0)), (0, 0, 0, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(socket, "create_connection", lambda *_args, **_options: pytest.fail("reached"))
    uri = f"{scheme}://{abs(hash((scheme, address)))}.example.org/a.root"
    with pytest.raises(ForbiddenSourceError, match=r"found \d+\.example\.org at "):
        fetch(tmp_path, uri, content=OWN, hosts=["*.example.org"])


def test_a_name_that_means_another_host_when_it_is_asked_again_is_not_reached(tmp_path, monkeypatch):
    answers = iter(["1.1.1.1"])
    reached = []

    def connect(address, *_args, **_options):
        reached.append(address)
        raise ConnectionRefusedError("refused")

    def found(host, *_args, **_options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (next(answers, "127.0.0.1"), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TransientError, match="refused"):
        fetch(tmp_path, "http://rebound.example.org/a.root", content=OWN, hosts=["*.example.org"])
    assert reached == [("1.1.1.1", 80)]


def test_a_host_that_leads_to_one_that_is_not_listed_is_not_followed(tmp_path):
    with serving(WebServer(host=ELSEWHERE)) as other, serving(WebServer(f"{other.url}/inside")) as server:
        asked = f"{server.url}/a.root"
        with pytest.raises(ForbiddenSourceError, match=rf"record 7: a\.root: {asked} leads to {other.url}/inside"):
            fetch(tmp_path, asked, content=OWN, hosts=["127.0.0.1"])
        assert (server.asked, other.asked) == (["/a.root"], [])
        assert fetch(tmp_path, asked, content=OWN, hosts=["127.0.0.1", ELSEWHERE]) == OWN


def test_a_proxy_finds_hosts_by_their_names_and_none_by_digits(tmp_path, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(WebServer()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        uri = "http://files.example.org/a.root"
        assert fetch(tmp_path, uri, content=OWN, hosts=["*.example.org"]) == OWN
        assert proxy.asked == [uri]
        for host in ("169.254.169.254", "10.1", "0x7f.1", "[::1]"):
            with pytest.raises(ForbiddenSourceError, match="expected a public address"):
                fetch(tmp_path, f"http://{host}/b.root", content=OWN, hosts=["*"], key="b.root")
        with pytest.raises(ForbiddenSourceError, match=r"found files\.example\.com"):
            fetch(tmp_path, "http://files.example.com/b.root", content=OWN, hosts=["*.example.org"], key="b.root")
        assert fetch(tmp_path, "http://1.1.1.1/c.root", content=OWN, hosts=["*"], key="c.root") == OWN
        assert proxy.asked == [uri, "http://1.1.1.1/c.root"]


def test_a_host_that_the_redirects_name_is_listed(tmp_path):
    with serving(WebServer()) as server:
        found = fetch(
            tmp_path, "root://far.example//a.root", content=OWN, redirects={"root://far.example/": server.url}
        )
        assert found == OWN


def test_an_index_of_a_host_that_is_not_listed_is_not_read(tmp_path):
    with serving(WebServer(b"[]")) as server:
        with pytest.raises(ForbiddenSourceError, match=r"record 7: file index .*source\.allow\.hosts"):
            read_index(tmp_path, f"{server.url}/i.json")
        assert server.asked == []


def test_a_portal_that_leads_elsewhere_is_not_followed():
    with serving(WebServer(b"{}", host=ELSEWHERE)) as other, serving(WebServer(f"{other.url}/inside")) as server:
        with pytest.raises(ForbiddenSourceError, match=rf"leads to {other.url}/inside"):
            fetch_record(7, portal=server.url, attempts=1)
        assert other.asked == []


# --- files of this machine ---


def test_a_file_of_this_machine_is_read_from_a_listed_folder_only(tmp_path, secret):
    uri = secret.as_uri()
    with pytest.raises(ForbiddenSourceError, match=r"record 7: a\.root: .*source\.allow\.folders"):
        fetch(tmp_path, uri, content=SECRET)
    assert fetch(tmp_path, uri, content=SECRET, folders=[secret.parent]) == SECRET


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("link", r"found a file of this machine .*home/private"),
        ("linked folder", r"found a file of this machine .*home/private"),
        ("dots", r"found a file of this machine .*home/private"),
        ("question mark", r"expected the name of a file without '\?'"),
    ],
)
def test_no_way_leads_out_of_a_listed_folder(tmp_path, secret, how, why):
    listed = tmp_path / "listed"
    listed.mkdir()
    (listed / "a.root").write_bytes(OWN)
    (listed / "link").symlink_to(secret)
    (listed / "folder").symlink_to(secret.parent)
    path = {
        "link": f"{listed}/link",
        "linked folder": f"{listed}/folder/private",
        "dots": f"{listed}/../home/private",
        "question mark": f"{secret}?/../../listed/a.root",
    }[how]
    with pytest.raises(PermanentError, match=why):
        fetch(tmp_path, f"file://{path}", content=SECRET, folders=[listed])
    assert not (tmp_path / "data" / "files" / "a.root").exists()


# --- what comes is bounded, and not repeated ---


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("index.txt", b"SECRET:x:0:0\n"),
        ("index.json", b"SECRET:x:0:0\n"),
        ("index.json", b'{"SECRET": 1}'),
        ("index.json", b'"SECRET"'),
        ("index.json", b'[{"SECRET": 1, "SECRET": 2}]'),
        ("index.json", b'[{"uri": "SECRET"}]'),
        ("index.json", b'[{"uri": "root://a.cern.ch//a", "size": "SECRET"}]'),
        ("index.json", b'[{"uri": "root://a//SECRET", "size": 1}, {"uri": "root://a//SECRET", "size": 2}]'),
    ],
)
def test_nothing_of_an_index_stands_in_a_message(tmp_path, caplog, kind, text):
    with serving(WebServer(text)) as server, pytest.raises(FerryError) as caught:
        read_index(tmp_path, f"{server.url}/i", kind=kind, hosts=["127.0.0.1"])
    assert "SECRET" not in str(caught.value) + caplog.text
    assert "/i" in str(caught.value)


def without_end(handler):
    """Answer with a body that has no length and no end."""
    handler.send_response(200)
    handler.end_headers()
    while not gone(handler, b"x" * (1 << 20)):
        pass


def gone(handler, piece):
    """Send a piece; tell whether nobody takes it any more."""
    try:
        handler.wfile.write(piece)
        handler.wfile.flush()
    except OSError:
        return True
    return False


def test_a_file_stops_at_its_declared_size(tmp_path):
    refused = pytest.raises(IntegrityError, match="expected 10 bytes as the record says, found more")
    with serving(WebServer(without_end)) as server, refused:
        fetch(tmp_path, f"{server.url}/a.root", content=b"0123456789", hosts=["127.0.0.1"])
    assert sum(path.stat().st_size for path in (tmp_path / "data").rglob("*") if path.is_file()) < 1000


def test_an_index_without_end_is_left(tmp_path):
    refused = pytest.raises(FerryError, match=r"expected at most .* bytes of JSON, found more")
    with serving(WebServer(without_end)) as server, refused:
        read_index(tmp_path, f"{server.url}/i.json", hosts=["127.0.0.1"])


def one_byte_at_a_time(handler, *, in_headers):
    """Answer so slowly that no limit between two bytes is ever reached."""
    if not in_headers:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
    else:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    pause = threading.Event()
    while not gone(handler, b" "):
        pause.wait(0.05)


@pytest.mark.parametrize("in_headers", [False, True])
def test_a_portal_that_answers_a_byte_at_a_time_is_left(monkeypatch, in_headers):
    monkeypatch.setattr("ferry.source.portal.ANSWER_S", 0.5)
    server = WebServer(lambda handler: one_byte_at_a_time(handler, in_headers=in_headers))
    with serving(server), pytest.raises(TransientError, match="expected a whole answer within"):
        fetch_record(7, portal=server.url, attempts=1)


@pytest.mark.parametrize("in_headers", [False, True])
def test_an_index_that_comes_a_byte_at_a_time_is_left(tmp_path, monkeypatch, in_headers):
    monkeypatch.setattr("ferry.steps.read_record.answer_limit_s", lambda _: 0.5)
    server = WebServer(lambda handler: one_byte_at_a_time(handler, in_headers=in_headers))
    with serving(server), pytest.raises(TransientError, match="expected a whole answer within"):
        read_index(tmp_path, f"{server.url}/i.json", hosts=["127.0.0.1"])
