"""What the sandbox can be told to do, and what it does where a real InvenioRDM is not always the same."""

import json
import time

import pytest

from sandbox import launcher
from sandbox.settings import Settings
from servers.raw_api import Api, eventually, multipart


@pytest.fixture
def start(tmp_path):
    started = []

    def start_with(**settings):
        started.append(launcher.start(tmp_path / str(len(started)), settings=Settings(**settings)))
        api = Api(started[-1].url, started[-1].token)
        api.folder = started[-1].directory
        return api

    yield start_with
    for each in started:
        each.stop()


def test_a_checksum_can_be_late(start):
    draft = start(checksum_lag_s=0.4).create()
    draft.init(multipart("m", 3, 3))
    draft.part("m", 1, b"abc")
    answer = draft.commit("m").json()
    assert (answer["status"], answer["checksum"]) == ("completed", None)
    assert eventually(lambda: draft.entry("m").json()["checksum"]) == "md5:900150983cd24fb0d6963f7d28e17f72"


def test_parts_and_discovery_can_be_missing(start):
    api = start(multipart=False, discovery=False)
    assert api.call("GET", "/.well-known/repository/").status_code == 404
    assert api.create().init(multipart("m", 3, 3)).status_code == 400


def test_discovery_leads_to_the_model(start):
    api = start()
    told = api.call("GET", "/.well-known/repository/").json()
    assert told["transfers"] == ["L", "M"]
    (model,) = api.call("GET", told["links"]["models"]).json()
    assert (model["type"], model["links"]["records"]) == (told["default_model"], f"{api.url}/api/records")


def test_links_can_lead_elsewhere(start):
    draft = start(public_url="https://repository.example.org/").create()
    assert draft.get().json()["links"]["self"] == f"https://repository.example.org/api/records/{draft.id}/draft"


def test_limits_can_be_small(start):
    api = start(quota_bytes=10, max_file_bytes=20, max_files=2, rate_limits=((12, 60.0),))
    draft = api.create()
    assert draft.init("a", "b", "c").status_code == 400
    draft.upload("a", b"12345")
    draft.init("b")
    assert draft.put("b", b"123456").status_code == 400
    assert draft.put("b", b"1" * 21).status_code == 413
    assert draft.put("b", b"12345").status_code == 200
    assert [api.call("GET", "/").status_code for _ in range(4)][-1] == 429


def test_without_a_token_another_name_is_no_new_budget(start):
    api = start(rate_limits=((5, 60.0),))
    guests = [{"User-Agent": f"guest {number}", "Authorization": f"Bearer {number}"} for number in range(6)]
    assert [api.call("GET", "/api/records", headers=guest).status_code for guest in guests] == [*[200] * 5, 429]
    other = {"Authorization": f"Bearer {(api.folder / 'token2').read_text()}"}
    assert [api.call("GET", "/", headers=more).status_code for more in ({}, other)] == [200, 200]


def test_a_body_that_stands_still_deletes_its_entry(start):
    draft = start(body_timeout_s=0.3).create()
    draft.init("a")
    connection = draft.begin_put(f"{draft.file('a')}/content", announced=6, sent=b"abc")
    eventually(lambda: draft.entry("a").status_code == 404)
    assert b'"errors": "File upload transfer failed."' in connection.recv(5000)
    connection.close()


def test_two_bodies_for_one_file_at_a_time_lose_both(start):
    draft = start().create()
    draft.init("a")
    connection = draft.begin_put(f"{draft.file('a')}/content", announced=6, sent=b"abc")
    time.sleep(0.3)
    assert draft.put("a", b"other").status_code == 500
    connection.sendall(b"def")
    assert connection.recv(20).split()[1] == b"200"
    connection.close()
    assert draft.entry("a").status_code == 404


def logged(api, method):
    """Return the sandbox's own lines about requests of this method."""
    lines = (api.folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["method"] == method]


def test_the_log_tells_of_every_request_that_nobody_waited_for_and_of_no_query(start):
    api = start()
    draft = api.create()
    api.search("/api/user/records", "secret-7d1f")
    draft.init("a")
    connection = draft.begin_put(f"{draft.file('a')}/content", announced=100, sent=b"abc")
    time.sleep(0.2)
    connection.close()
    eventually(lambda: [line["status"] for line in logged(api, "PUT")] == [None])
    assert next(line["path"] for line in logged(api, "GET")) == "/api/user/records"
    assert "secret-7d1f" not in (api.folder / "requests.jsonl").read_text(encoding="utf-8")


def test_the_log_tells_of_a_download_that_broke_off(start):
    api = start()
    draft = api.create()
    draft.upload("a", b"x" * 20_000_000)
    answer = draft.api.call("GET", f"{draft.file('a')}/content", stream=True)
    answer.raw.read(1000)
    answer.close()
    eventually(lambda: [line["status"] for line in logged(api, "GET")] == [None])
