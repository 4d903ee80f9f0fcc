"""What a repository answers, or somebody on the way to it: addresses that lead elsewhere, answers that never end."""

import asyncio
import gzip
import resource
import socketserver
import threading
import time
import zlib
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from loopback import serving

from ferry.deposit.settings import DepositSettings
from ferry.errors import PermanentError, TransientError
from ferry.repository import discovery
from ferry.repository.discovery import discover
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import IDENTIFIER, act, deposit, document, own_recid, publish
from servers.fault_proxy import fault_proxy
from servers.faults import Fault

DEEP = b"[" * 100_000
LARGE = 70 << 20
ONE_FILE = {"a.root": b"the bytes of the record"}


class Listener(socketserver.ThreadingTCPServer):
    """Another host: takes down that somebody has come, and answers `answer` if there is one."""

    daemon_threads = True

    def __init__(self, answer=None):
        super().__init__(("127.0.0.1", 0), _Heard)
        self.heard = []
        self.answer = answer
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Heard(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.heard.append(self.request.recv(1 << 16))
        if self.server.answer is not None:
            self.server.answer(self.request)


@contextmanager
def listening(answer=None):
    """Give another host on loopback."""
    with serving(Listener(answer)) as server:
        yield server


@contextmanager
def through(sandbox, *faults):
    """Give the sandbox as it is seen through a proxy that lets these things go wrong."""
    with fault_proxy(sandbox.url) as proxy:
        for fault in faults:
            proxy.add(fault)
        yield SimpleNamespace(url=proxy.url, token=sandbox.token, directory=sandbox.directory, proxy=proxy)


def led_elsewhere(name, other, *, of=None):
    """Let a link of an answer lead to another host: one of the document, or of its entries."""

    def change(answer):
        found = answer.json
        for each in found.get("entries") or [found] if of == "entries" else [found]:
            if name in each.get("links", {}):
                path = each["links"][name].partition("//")[2].partition("/")[2]
                each["links"][name] = f"{other.url}/{path}"
        answer.json = found

    return change


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("method", "path", "name", "of"),
    [
        ("GET", r"/draft\?expand", "self", None),
        ("POST", r"/api/records\?", "files", None),
        ("POST", r"/draft/files$", "content", "entries"),
        ("POST", r"/draft/files$", "commit", "entries"),
        ("GET", r"/draft/files(\?|$)", "self", "entries"),
    ],
)
def test_no_byte_and_no_question_goes_to_another_host_that_a_link_names(sandbox, tmp_path, method, path, name, of):
    with listening() as other:
        fault = Fault("elsewhere", method=method, path=path, times=None, change=led_elsewhere(name, other, of=of))
        with through(sandbox, fault) as seen:
            if method == "GET":  # something is there already, and has to be changed
                deposit(sandbox, tmp_path, contents={"foreign.root": b"1"})
            own = rf"expected an address at {seen.url}, .* found one at {other.url}; .* repository\.url"
            settings = DepositSettings(settle_s=2, foreign_files="remove")
            with pytest.raises(PermanentError, match=own):
                deposit(seen, tmp_path, contents=ONE_FILE, doc=document(title="Changed"), settings=settings)
        assert other.heard == []


def test_a_record_is_not_published_at_another_host(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path, contents=ONE_FILE).receipt
    with listening() as other:
        fault = Fault("elsewhere", path=r"/draft\?expand", times=None, change=led_elsewhere("publish", other))
        with through(sandbox, fault) as seen, pytest.raises(PermanentError, match=rf"found one at {other.url}"):
            publish(seen, uploaded)
        assert other.heard == []


@pytest.mark.parametrize("address", ["https://elsewhere.example.org/records/1", "javascript:alert(1)//"])
def test_the_page_of_a_record_is_none_of_another_host(sandbox, tmp_path, address):
    def change(answer):
        found = answer.json
        found["links"] = {**found["links"], "self_html": address}
        answer.json = found

    made = Fault("elsewhere", method="POST", path=r"/api/records(\?|$)", times=None, change=change)
    read = Fault("elsewhere", method="GET", path=r"/draft(\?|$)", times=None, change=change)
    with through(sandbox, made, read) as seen:
        assert deposit(seen, tmp_path, contents=ONE_FILE).receipt["record_url"].startswith(f"{seen.url}/")


def test_a_search_does_not_lead_to_another_host(sandbox, tmp_path):
    def next_page(answer):
        answer.json = {**answer.json, "links": {"next": f"{other.url}/api/user/records?page=2"}}

    with listening() as other:
        fault = Fault("elsewhere", method="GET", path="/api/user/records", times=None, change=next_page)
        with through(sandbox, fault) as seen, pytest.raises(PermanentError, match=rf"found one at {other.url}"):
            deposit(seen, tmp_path, contents=ONE_FILE)
        assert other.heard == []


OWN = "/api/user/records"


@pytest.mark.parametrize("kind", ["itself", "ever new"])
def test_a_search_whose_pages_never_end_is_left(sandbox, tmp_path, kind):
    def next_page(answer):
        page = fault.fired if kind == "ever new" else 2
        answer.json = {**answer.json, "links": {"next": f"{seen.url}{OWN}?page={page}"}}

    fault = Fault("endless", method="GET", path=OWN, times=None, change=next_page)
    with through(sandbox, fault) as seen, pytest.raises(PermanentError, match=r"each once, .*not understood"):
        deposit(seen, tmp_path, contents=ONE_FILE)
    assert fault.fired <= 40


def searched(sandbox, *, hits, following=False):
    """Search where the repository answers with these hits; return what is told, and how often it asks."""

    def change(answer):
        answer.json = {"hits": {"hits": hits}, "links": {"next": f"{seen.url}{OWN}?page=2"} if following else {}}

    fault = Fault("hits", method="GET", path=OWN, times=None, change=change)
    with through(sandbox, fault) as seen, pytest.raises(PermanentError) as told:
        act(seen, lambda repository: repository.search_own(IDENTIFIER))
    return str(told.value), fault.fired


@pytest.fixture
def hit(sandbox, tmp_path):
    """Give a draft as a search shows it."""
    made = deposit(sandbox, tmp_path, contents=ONE_FILE).receipt["record_id"]

    async def whole(repository):
        return await repository.read_whole(await repository.read_draft(made))

    return act(sandbox, whole)


def test_a_search_that_finds_thousands_is_left(sandbox, hit):
    told, asked = searched(sandbox, hits=[hit] * 1001, following=True)
    assert "found 1001 hits on 1 pages and a next one: the answer was not understood" in told
    assert asked == 1


@pytest.mark.parametrize("name", ["created", "id", "links"])
def test_a_hit_without_what_each_has_is_told_in_one_line(sandbox, hit, name):
    del hit[name]
    told, _ = searched(sandbox, hits=[hit])
    assert told.startswith(f"search for {IDENTIFIER}: expected hits, found an answer that was not understood")
    assert "\n" not in told


@pytest.mark.parametrize("name", ["../../../x", "a/b", "..", "", "x" * 101, "gone\nferry: 1 ok, 0 failed", "a%2e"])
def test_an_id_that_could_lead_elsewhere_is_none(sandbox, tmp_path, hit, name):
    def other_id(answer):
        answer.json = {**answer.json, "id": name}

    told, _ = searched(sandbox, hits=[{**hit, "id": name}])
    assert "expected an id of letters" in told
    fault = Fault("id", method="POST", path=r"/api/records\?", times=None, change=other_id)
    with through(sandbox, fault) as seen, pytest.raises(PermanentError, match="expected an id of letters") as refused:
        deposit(seen, tmp_path / "other", contents=ONE_FILE, recid=own_recid())
    assert "\n" not in str(refused.value)
    assert seen.proxy.log[-1].method == "POST", "nothing was asked with it"


@pytest.mark.parametrize("where", ["http://storage.example.org", "http://10.0.0.1:9000"])
def test_no_part_of_a_file_goes_where_it_could_be_read_on_the_way(sandbox, tmp_path, where):
    def elsewhere(answer):
        found = answer.json
        for entry in found.get("entries") or [found]:
            for part in entry.get("links", {}).get("parts", ()):
                part["url"] = f"{where}/part/{part['part']}"
        answer.json = found

    in_parts = DepositSettings(settle_s=2, multipart_from_bytes=1000, part_bytes=1000)
    fault = Fault("elsewhere", path=r"/draft/files", times=None, change=elsewhere)
    refused = pytest.raises(PermanentError, match=rf"expected https:// for a part of a file .* found one at {where}")
    with through(sandbox, fault) as seen, refused:
        deposit(seen, tmp_path, contents={"big.root": bytes(2500)}, settings=in_parts)


@pytest.mark.parametrize("link", ["/api/records", "nonsense"])
def test_an_address_that_is_none_is_told_as_that(sandbox, tmp_path, link):
    def change(answer):
        found = answer.json
        found["links"]["files"] = link
        answer.json = found

    fault = Fault("none", method="POST", path=r"/api/records\?", times=None, change=change)
    with (
        through(sandbox, fault) as seen,
        pytest.raises(PermanentError, match=r"expected an address in the repository's answer, found none|understood"),
    ):
        deposit(seen, tmp_path, contents=ONE_FILE)


# --- a repository that has another name for itself ---


@pytest.mark.parametrize("flavour", ["rdm", "nrp"])
def test_a_repository_that_calls_itself_otherwise_is_told_before_anything_is_made(tmp_path, flavour):
    settings = Settings(flavour=flavour, discovery=flavour == "nrp")
    started = launcher.start(tmp_path / "repository", settings=settings)
    try:
        with fault_proxy(started.url) as proxy:
            asked = proxy.url.replace("127.0.0.1", "localhost")
            told = (
                rf"expected an address at {asked}, .* found one at {proxy.url}; .* set repository\.url to {proxy.url}"
            )
            with pytest.raises(PermanentError, match=told):
                look(asked)
            assert look(proxy.url)["models"]
    finally:
        started.stop()


# --- answers without end ---


def look(url):
    """Ask what is there."""

    async def hurried(seconds):
        await asyncio.sleep(min(seconds, 0.05))

    return asyncio.run(discover(url=url, verify_tls=True, sleep=hurried))


def packed(size_bytes):
    """Return so many bytes of JSON, packed as small as they go."""
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(b" " * (1 << 20)) for _ in range(size_bytes >> 20)]
    return b"".join([*pieces, packer.flush()])


def with_body(body, **headers):
    """Answer with this body instead."""

    def change(answer):
        answer.body = body
        answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    return change


LISTING = r"/draft/files$"


@pytest.mark.smoke
def test_an_answer_without_end_is_left(sandbox, tmp_path):
    fault = Fault("endless", method="POST", path=LISTING, times=None, change=with_body(b" " * LARGE))
    refused = pytest.raises(PermanentError, match=r"POST .*/files: expected an answer of at most \d+ bytes, found more")
    with through(sandbox, fault) as seen, refused:
        deposit(seen, tmp_path, contents=ONE_FILE)
    assert fault.fired == 1, "asking again would bring the same"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_what_an_answer_is_unpacked_to_is_counted(sandbox, tmp_path, status):
    def change(answer):
        with_body(packed(400 << 20), Content_Encoding="gzip")(answer)
        answer.status = status

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fault = Fault("bomb", method="POST", path=LISTING, times=None, change=change)
    with through(sandbox, fault) as seen, pytest.raises(PermanentError, match="expected an answer of at most"):
        deposit(seen, tmp_path, contents=ONE_FILE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_a_packed_answer_is_unpacked(sandbox, tmp_path, packing):
    def change(answer):
        answer.body = gzip.compress(answer.body) if packing == "gzip" else zlib.compress(answer.body)
        answer.headers["Content-Encoding"] = packing

    fault = Fault("packed", path=r"/api/", times=None, change=change)
    with through(sandbox, fault) as seen:
        assert [file["key"] for file in deposit(seen, tmp_path, contents=ONE_FILE).receipt["files"]] == ["a.root"]
    assert fault.fired > 3


@pytest.mark.parametrize(
    ("body", "packing", "message"),
    [
        (b"x", "br", "expected an answer in gzip, deflate or none, found br"),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip", "expected an answer in gzip, deflate or none"),
        (b"{}", "gzip", "expected an answer packed with gzip, found none"),
        (gzip.compress(b"{}" * 1000)[:-12], "gzip", "expected a whole answer, found one that is cut off"),
    ],
    ids=["unasked", "twice", "not packed", "cut"],
)
def test_an_answer_that_is_packed_in_no_way_that_was_asked_for_is_told_as_that(
    sandbox, tmp_path, body, packing, message
):
    fault = Fault("odd", method="POST", path=LISTING, times=None, change=with_body(body, Content_Encoding=packing))
    with through(sandbox, fault) as seen, pytest.raises((PermanentError, TransientError), match=message):
        deposit(seen, tmp_path, contents=ONE_FILE, settings=DepositSettings(settle_s=2, attempts=1))


@pytest.mark.parametrize(
    "body",
    [DEEP, b'{"a":' * 3_000 + b"1" + b"}" * 3_000, b"[" * 300 + b"]" * 300],
    ids=["no end", "objects", "lists"],
)
@pytest.mark.parametrize("path", [r"/api/records\?", LISTING])
def test_json_that_is_nested_too_deep_is_malformed_and_not_asked_for_again(sandbox, tmp_path, body, path):
    fault = Fault("deep", method="POST", path=path, times=None, change=with_body(body))
    with through(sandbox, fault) as seen, pytest.raises(PermanentError, match="expected JSON of at most 200 levels"):
        deposit(seen, tmp_path, contents=ONE_FILE)
    assert fault.fired == 1


@pytest.fixture(scope="module")
def plain_rdm(tmp_path_factory):
    """A repository that does not describe itself."""
    started = launcher.start(tmp_path_factory.mktemp("plain"), settings=Settings(discovery=False))
    yield started
    started.stop()


def byte_at_a_time(begin):
    """Answer so slowly that no limit between two bytes is ever reached."""

    def answer(connection):
        pause = threading.Event()
        try:
            connection.sendall(begin)
            while not pause.wait(0.05):
                connection.sendall(b" ")
        except OSError:
            pass

    return answer


IN_HEADERS = b"HTTP/1.1 200 OK\r\nX-Slow: "
IN_BODY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize("begin", [IN_HEADERS, IN_BODY], ids=["headers", "body"])
@pytest.mark.parametrize("what", ["read", "send"])
def test_an_answer_that_comes_a_byte_at_a_time_is_left(sandbox, monkeypatch, begin, what):
    monkeypatch.setattr("ferry.repository.http.CONNECT_TIMEOUT_S", 0.2)

    async def ask(repository):
        repository._records_url = repository._records_url.with_port(slow.server_address[1])
        repository._http._origin = repository._records_url.origin()
        begun = time.monotonic()
        if what == "send":
            assert await repository.takes_body(1) is None
        else:
            with pytest.raises(TransientError, match=r"an answer began, and had not ended 0\.5 s later"):
                await repository.read_whole(SimpleNamespace(id="1", self_url=repository._records_url))
        return time.monotonic() - begun

    with listening(byte_at_a_time(begin)) as slow:
        assert act(sandbox, ask, stall_s=0.5) < 8


@pytest.mark.parametrize("path", [r"/.well-known/repository", r"/$"])
@pytest.mark.parametrize("kind", ["endless", "bomb", "deep"])
def test_what_a_repository_tells_of_itself_is_bounded(plain_rdm, path, kind):
    bodies = {"endless": with_body(b" " * LARGE), "bomb": with_body(packed(400 << 20), Content_Encoding="gzip")}
    fault = Fault(kind, path=path, times=None, change=bodies.get(kind, with_body(DEEP)))
    with (
        through(plain_rdm, fault) as seen,
        pytest.raises(PermanentError, match=r"expected (an answer of|JSON of) at most"),
    ):
        look(seen.url)
    assert fault.fired == 1


@pytest.mark.parametrize("begin", [IN_HEADERS, IN_BODY], ids=["headers", "body"])
def test_a_repository_that_tells_of_itself_a_byte_at_a_time_is_left(monkeypatch, begin):
    monkeypatch.setattr(discovery, "ANSWER_S", 0.2)
    monkeypatch.setattr(discovery, "ATTEMPTS", 2)
    monkeypatch.setattr("ferry.repository.http.CONNECT_TIMEOUT_S", 0.2)
    with listening(byte_at_a_time(begin)) as slow, pytest.raises(PermanentError, match="an answer began, and had not"):
        look(slow.url)
