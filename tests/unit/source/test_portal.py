"""A record from the portal: what it answers, what it must not be taken for, and how often it is asked."""

import json
import re

import pytest

import ferry.waiting
from answering_portal import RECORD, Answer, Portal, portal
from ferry.errors import MetadataError, PermanentError, TransientError
from ferry.flags import RunFlags
from ferry.receipts import read_receipt
from ferry.retry import retried
from ferry.source.portal import fetch_record
from ferry.steps.read_record import read_to_receipt

SOURCE = {"redirects": {}, "allow": {"hosts": [], "folders": []}}


def fetch(server: Portal, pauses: list[float] | None = None, attempts: int = 3):
    return fetch_record(7, portal=server.url, attempts=attempts, sleep=(pauses if pauses is not None else []).append)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_record_comes_with_its_address(slash):
    with portal(Answer()) as server:
        assert fetch_record(7, portal=server.url + slash) == (f"{server.url}/api/records/7", RECORD)
        assert server.asked == ["/api/records/7"]


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_the_portal_does_not_have_is_asked_for_once(status):
    pauses: list[float] = []
    with portal(Answer(status=status)) as server:
        with pytest.raises(PermanentError, match=f"/api/records/7: expected an answer, found HTTP {status}"):
            fetch(server, pauses)
        assert (len(server.asked), pauses) == (1, [])


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_portal_in_trouble_is_asked_again_after_growing_pauses(status):
    pauses: list[float] = []
    with portal(Answer(status=status), Answer(status=status), Answer()) as server:
        assert fetch(server, pauses)[1] == RECORD
        assert len(server.asked) == 3
    assert pauses == [2.0, 4.0]


def test_a_portal_that_stays_in_trouble_is_given_up():
    pauses: list[float] = []
    with portal(Answer(status=503)) as server:
        with pytest.raises(TransientError, match="HTTP 503"):
            fetch(server, pauses)
        assert (len(server.asked), len(pauses)) == (3, 2)


def test_no_pause_is_longer_than_a_minute():
    pauses: list[float] = []

    def fail() -> None:
        raise TransientError("no answer")

    with pytest.raises(TransientError):
        retried(fail, attempts=9, sleep=pauses.append)
    assert max(pauses) == 60.0


def test_a_portal_is_not_asked_for_longer_than_that():
    now, pauses = [0.0], []

    def fail() -> None:
        now[0] += 60  # as long as a server may be silent
        raise TransientError("no answer")

    def sleep(seconds: float) -> None:
        now[0] += seconds
        pauses.append(seconds)

    with pytest.raises(TransientError):
        retried(fail, attempts=9, sleep=sleep, longest_s=180, clock=lambda: now[0])
    assert pauses == [2, 4]


def test_a_portal_that_does_not_answer_for_one_record_of_a_run_is_asked_for_no_other_and_that_is_said_once(
    tmp_path, capsys, monkeypatch
):
    """`plan` of thousands waited half a minute for each of them, and said nothing."""
    monkeypatch.setattr(ferry.waiting, "_told", ferry.waiting._Told())
    flags, told = RunFlags(run_id="r", directory=tmp_path / "flags"), []
    with portal(Answer(status=503)) as server:
        for recid in (7, 8, 9):
            with pytest.raises(TransientError) as error:
                fetch_record(recid, portal=server.url, attempts=3, sleep=lambda _: None, flags=flags)
            told.append(str(error.value))
        assert server.asked == ["/api/records/7"] * 3
    assert [text.partition(": ")[2] for text in told] == ["expected an answer, found HTTP 503 Service Unavailable"] * 3
    assert told[2].startswith(f"{server.url}/api/records/9: ")
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(rf"ferry: waiting for the portal to answer until \S+: {server.url}/api/records/7: expected", line)


def test_a_page_for_people_is_no_record():
    with portal(Answer(body=b"<!doctype html><p>Sorry", kind="text/html; charset=utf-8")) as server:
        with pytest.raises(MetadataError, match=r"expected JSON, found a page \(text/html\); is metadata.portal"):
            fetch(server)
        assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b'{"id": "7", "metad', b"<html>", b"[]", b"", b'"text"', b'{"a": NaN}'])
def test_what_is_no_json_object_is_no_record_whatever_it_calls_itself(body):
    with portal(Answer(body=body)) as server, pytest.raises(MetadataError, match=r"/api/records/7: (a: )?expected"):
        fetch(server)


def test_a_record_that_was_cut_off_on_its_way_is_asked_for_again():
    with portal(Answer(keep=20), Answer()) as server:
        assert fetch(server)[1] == RECORD
        assert len(server.asked) == 2


def test_a_record_cut_off_every_time_names_both_lengths():
    body = Answer().body
    with (
        portal(Answer(keep=20)) as server,
        pytest.raises(TransientError, match=f"expected {len(body)} bytes, found 20"),
    ):
        fetch(server)


def test_what_is_too_large_is_no_record_and_no_search():
    endless = Answer(body=b'{"a": "' + b"x" * 16_000_000 + b'"}')
    with portal(endless) as server, pytest.raises(PermanentError, match=r"at most 16000000 bytes .*record_bytes$"):
        fetch(server)


def test_the_first_step_asks_the_portal_where_there_is_no_file(tmp_path):
    receipt_path = tmp_path / "source.json"
    with portal(Answer()) as server:
        measured = read_to_receipt(
            recid=7, metadata_path=None, portal=server.url, source=SOURCE, stall_s=5, sandbox_dir=tmp_path,
            receipt_path=receipt_path,
        )  # fmt: skip
        origin = f"{server.url}/api/records/7"
    assert measured == {"files_moved": 0}
    assert read_receipt(receipt_path, "source", recid=7) == {
        "recid": 7, "origin": origin, "record": RECORD["metadata"], "files": []
    }  # fmt: skip


def test_a_portal_that_answers_with_another_record_is_found_out(tmp_path):
    other = Answer(body=json.dumps({"id": "8", "metadata": {"recid": 8, "title": "x"}}).encode())
    receipt_path = tmp_path / "source.json"
    with portal(other) as server, pytest.raises(MetadataError, match="expected 7, found"):
        read_to_receipt(
            recid=7, metadata_path=None, portal=server.url, source=SOURCE, stall_s=5, sandbox_dir=tmp_path,
            receipt_path=receipt_path,
        )  # fmt: skip
    assert not receipt_path.exists()


def test_the_first_step_reads_an_index_through_the_redirects(tmp_path):
    uri = "root://far.example//eos/i.json"
    listed = [{"uri": "root://far.example//eos/a.root", "size": 3, "checksum": "adler32:24d0127"}]
    (tmp_path / "source" / "eos").mkdir(parents=True)
    (tmp_path / "source" / "eos" / "i.json").write_text(json.dumps(listed))
    metadata_path = tmp_path / "7.json"
    metadata_path.write_text(json.dumps({"recid": 7, "title": "x", "files": [{"uri": uri, "type": "index.json"}]}))
    read_to_receipt(
        recid=7,
        metadata_path=metadata_path,
        portal="http://unused.invalid",
        source={**SOURCE, "redirects": {"root://far.example/": "sandbox"}},
        stall_s=5,
        sandbox_dir=tmp_path,
        receipt_path=tmp_path / "source.json",
    )
    files = read_receipt(tmp_path / "source.json", "source", recid=7)["files"]
    assert [(file["key"], file["size_bytes"], file["checksum"]["value"]) for file in files] == [
        ("a.root", 3, "024d0127")
    ]


@pytest.mark.parametrize("trouble", [Answer(status=503), Answer(body=b"[]  ", keep=2)])
def test_an_index_file_is_read_again_as_a_download_is(tmp_path, trouble):
    pauses: list[float] = []
    metadata_path, receipt_path = tmp_path / "7.json", tmp_path / "source.json"

    def read_step(server: Portal, attempts: int) -> None:
        index = {"uri": f"{server.url}/i.json", "type": "index.json"}
        metadata_path.write_text(json.dumps({"recid": 7, "title": "x", "files": [index]}))
        read_to_receipt(
            recid=7, metadata_path=metadata_path, portal=server.url, source=SOURCE, stall_s=5, sandbox_dir=tmp_path,
            receipt_path=receipt_path, attempts=attempts, sleep=pauses.append,
        )  # fmt: skip

    with portal(trouble, trouble, Answer(body=b"[]")) as server:
        with pytest.raises(TransientError, match=r"/i\.json: expected"):
            read_step(server, attempts=1)
        read_step(server, attempts=2)
        assert (len(server.asked), pauses) == (3, [2.0])
    assert read_receipt(receipt_path, "source", recid=7)["files"] == []
