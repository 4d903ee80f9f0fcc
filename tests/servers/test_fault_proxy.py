"""The fault proxy itself, in front of the sandbox: what it is asked for happens, and nothing else."""

import asyncio
import hashlib
import threading
import time

import aiohttp
import pytest
import requests

from sandbox import launcher
from sandbox.settings import Settings
from servers.fault_proxy import FaultProxy, fault_proxy
from servers.faults import Fault, http_date, late, multipart_checksum, no_checksum, with_errors, wrong_md5
from servers.raw_api import Api, document, eventually


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    started = launcher.start(tmp_path_factory.mktemp("repository"), settings=Settings(index_lag_s=0))
    yield started
    started.stop()


@pytest.fixture
def proxy(sandbox):
    with fault_proxy(sandbox.url) as running:
        yield running


@pytest.fixture
def api(sandbox, proxy):
    return Api(proxy.url, sandbox.token)


@pytest.fixture
def draft(api):
    return api.create()


@pytest.fixture
def direct(sandbox, draft):
    """The same draft, seen past the proxy."""
    return type(draft)(Api(sandbox.url, sandbox.token), draft.id)


def md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


def test_without_faults_all_passes_and_is_written_down(proxy, draft):
    content = bytes(range(256)) * 4000
    assert draft.upload("a b/c", content)["checksum"] == md5(content)
    assert draft.content("a b/c").content == content
    assert [(each.method, each.status) for each in proxy.log] == [
        ("POST", 201),
        ("POST", 201),
        ("PUT", 200),
        ("POST", 200),
        ("GET", 200),
    ]
    put = proxy.requests("PUT")[0]
    assert (put.request_bytes, put.upstream_status, put.fault) == (len(content), 200, None)
    assert put.headers["authorization"].startswith("Bearer ")
    assert put.started_s <= put.ended_s
    assert proxy.log[-1].response_bytes == len(content)


def test_links_lead_through_the_proxy(proxy, sandbox, draft):
    body = draft.get().json()
    assert body["links"]["files"].startswith(proxy.url)
    assert sandbox.url not in draft.get().text
    assert draft.init("a").json()["entries"][0]["links"]["content"].startswith(proxy.url)


def test_a_connection_is_used_again(proxy, draft):
    draft.get()
    answers = [draft.get() for _ in range(3)]
    assert {answer.headers["Connection"] for answer in answers} == {"keep-alive"}


def test_an_answer_is_given_instead(proxy, draft, direct):
    draft.init("a")
    proxy.add(Fault("busy", method="PUT", status=503, headers={"Retry-After": "7"}, body=b"later"))
    answer = draft.put("a", b"1")
    assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (503, "7", "later")
    assert direct.commit("a").status_code == 500  # nothing came through
    assert draft.put("a", b"1").status_code == 200


def test_the_nth_request_is_hit_and_so_many_of_them(proxy, draft):
    fault = proxy.add(Fault("some", method="GET", path="/draft$", nth=2, times=2, status=500))
    assert [draft.get().status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert fault.fired == 2
    proxy.clear()
    proxy.add(Fault("all", path="/draft", times=None, status=500, when=lambda headers: "x-mine" in headers))
    mine = {"X-Mine": "1"}
    assert [draft.api.call("GET", draft.path, headers=mine).status_code for _ in range(3)] == [500] * 3
    assert draft.get().status_code == 200


def test_an_answer_is_dropped_after_the_effect(proxy, draft, direct):
    draft.upload("a", b"1")
    proxy.add(Fault("lost", method="POST", path="/actions/publish$", drop_answer=True))
    with pytest.raises(requests.ConnectionError):
        draft.publish()
    assert direct.api.call("GET", draft.record).json()["is_published"]
    (lost,) = proxy.requests("POST", "publish")
    assert (lost.status, lost.upstream_status, lost.fault) == (None, 202, "lost")


def test_a_connection_is_reset_before_anything_is_handed_on(proxy, draft, direct):
    proxy.add(Fault("reset", method="POST", path="/files$", reset=True))
    with pytest.raises(requests.ConnectionError):
        draft.init("a")
    assert direct.entries() == {}


@pytest.mark.parametrize("at", [0, 70_000])
def test_an_upload_is_cut(proxy, draft, direct, at):
    draft.init("a")
    proxy.add(Fault("cut", method="PUT", cut_upload_at=at))
    with pytest.raises(requests.ConnectionError):
        draft.put("a", b"x" * 200_000)
    assert proxy.requests("PUT")[0].request_bytes == at
    eventually(lambda: direct.entry("a").status_code == 404)


def test_an_upload_stalls(proxy, draft, direct):
    draft.init("a")
    proxy.add(Fault("stall", method="PUT", stall_upload_at=1000))
    with pytest.raises(requests.Timeout):
        draft.api.session.put(
            f"{proxy.url}{draft.file('a')}/content",
            data=b"x" * 200_000,
            headers={"Content-Type": "application/octet-stream"},
            timeout=1,
        )
    assert direct.entry("a").json()["status"] == "pending"


def test_a_byte_is_flipped_on_the_way(proxy, draft):
    draft.init("a")
    proxy.add(Fault("flip", method="PUT", flip_upload_at=70_000))
    content = bytes(100_000)
    assert draft.put("a", content).status_code == 200
    flipped = content[:70_000] + b"\1" + content[70_001:]
    assert draft.commit("a").json()["checksum"] == md5(flipped)


def test_an_upload_is_throttled(proxy, draft):
    draft.init("a")
    proxy.add(Fault("slow", method="PUT", throttle_bytes_s=100_000))
    begun = time.monotonic()
    assert draft.put("a", b"x" * 80_000).status_code == 200
    assert time.monotonic() - begun >= 0.65
    assert draft.commit("a").json()["checksum"] == md5(b"x" * 80_000)


def test_a_request_and_an_answer_are_held_back(proxy, draft):
    proxy.add(Fault("late", path="/draft$", delay_s=0.3))
    proxy.add(Fault("later", path="/draft$", nth=2, hold_answer_s=0.3))
    for _ in range(2):
        begun = time.monotonic()
        assert draft.get().status_code == 200
        assert time.monotonic() - begun >= 0.3


def test_a_body_is_held_back_and_arrives_whole(proxy, draft):
    draft.init("a")
    proxy.add(Fault("late body", method="PUT", hold_upload_s=0.3))
    begun = time.monotonic()
    assert draft.put("a", b"x" * 80_000).status_code == 200
    assert time.monotonic() - begun >= 0.3
    assert draft.commit("a").json()["checksum"] == md5(b"x" * 80_000)


def test_an_answer_is_cut(proxy, draft):
    draft.upload("a.txt", b"x" * 10_000)
    proxy.add(Fault("cut", method="GET", path="/content$", cut_answer_at=100))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        draft.content("a.txt")
    assert proxy.requests("GET", "/content")[0].response_bytes == 100


def test_answers_are_changed(proxy, draft):
    draft.init("a")
    draft.put("a", b"1")
    changes = (wrong_md5, no_checksum, multipart_checksum, with_errors)
    for number, change in enumerate(changes, start=1):
        proxy.add(Fault(change.__name__, method="POST", path="/commit$", nth=number, change=change))
    answers = [draft.commit("a").json() for _ in range(5)]
    multipart = f"multipart:{hashlib.md5(b'1').hexdigest()}-2"
    checksums = [f"md5:{'0' * 32}", None, multipart, md5(b"1"), md5(b"1")]
    assert [answer["checksum"] for answer in answers] == checksums
    assert ["errors" in answer for answer in answers] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("change", "checksum"),
    [(no_checksum, None), (multipart_checksum, "multipart:c4ca4238a0b923820dcc509a6f75849b-2")],
)
def test_a_checksum_is_late(proxy, draft, change, checksum):
    draft.upload("a", b"1")
    proxy.add(Fault("late", method="GET", path="/files", times=2, change=change))
    shown = [draft.entry("a").json()["checksum"] for _ in range(3)]
    assert shown == [checksum, checksum, md5(b"1")]


def test_a_good_answer_says_no(proxy, draft):
    draft.init("a")
    proxy.add(Fault("no", method="PUT", change=with_errors))
    answer = draft.put("a", b"1")
    assert (answer.status_code, answer.json()["errors"]) == (200, "File upload transfer failed.")


def test_headers_are_added(proxy, draft):
    when = http_date(30)
    proxy.add(Fault("date", path="/draft$", add_headers={"Retry-After": when}))
    assert draft.get().headers["Retry-After"] == when


def test_what_the_repository_refuses_early_comes_back(sandbox, tmp_path):
    started = launcher.start(tmp_path / "small", settings=Settings(max_file_bytes=1000))
    try:
        with fault_proxy(started.url) as proxy:
            draft = Api(proxy.url, started.token).create()
            draft.init("a")
            assert draft.put("a", b"x" * 5_000_000).status_code == 413
            assert draft.entry("a").json()["status"] == "pending"
    finally:
        started.stop()


def test_a_repository_that_is_gone_resets_the_connection(tmp_path):
    with fault_proxy("http://127.0.0.1:9") as proxy, pytest.raises(requests.ConnectionError):
        Api(proxy.url, None).call("GET", "/")


def test_a_chunked_body_passes_as_it_is(proxy, draft):
    draft.init("a")
    assert draft.put("a", iter([b"some", b"bytes"])).status_code == 200
    assert draft.commit("a").json()["size"] == 0  # the repository's own way with a body without a length


def test_many_requests_pass_at_once(sandbox):
    async def run():
        async with FaultProxy(sandbox.url) as proxy, aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {sandbox.token}", "User-Agent": "many"}

            async def create():
                async with session.post(f"{proxy.url}/api/records", json=document(), headers=headers) as answer:
                    return answer.status

            return await asyncio.gather(*(create() for _ in range(30))), len(proxy.log)

    statuses, logged = asyncio.run(run())
    assert (set(statuses), logged) == ({201}, 30)


def test_nothing_is_left_when_the_proxy_is_gone(sandbox):
    before = threading.active_count()
    with fault_proxy(sandbox.url) as proxy:
        url = proxy.url
        assert requests.get(url, timeout=5).status_code == 200
    assert threading.active_count() == before
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_a_late_request_is_answered_at_once_and_done_afterwards(proxy, direct, draft):
    draft.init("a")
    proxy.add(Fault("late", method="PUT", path="/content$", **late(2.0)))
    asked = time.monotonic()
    assert draft.put("a", b"late").status_code == 504
    assert time.monotonic() - asked < 1.9
    assert proxy.pending == 1
    assert direct.commit("a").status_code == 500, "nothing has come yet"
    eventually(lambda: proxy.pending == 0)
    assert direct.commit("a").json()["checksum"] == md5(b"late")
    assert [(each.status, each.upstream_status) for each in proxy.requests("PUT")] == [(504, None), (None, 200)]


def test_what_is_late_is_given_up_with_the_proxy(sandbox):
    with fault_proxy(sandbox.url) as proxy:
        proxy.add(Fault("late", method="POST", path="/records$", **late(60)))
        assert Api(proxy.url, sandbox.token).call("POST", "/api/records", json=document()).status_code == 504
        assert proxy.pending == 1
    assert proxy.pending == 0
