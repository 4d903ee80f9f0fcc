"""The portal is asked again for all records: a silent one is waited for once, and what it says is told as it is."""

import json

import pytest

from answering_portal import Answer, portal
from ferry.errors import PermanentError
from ferry.flags import RunFlags
from ferry.receipts import write_receipt
from ferry.source.portal_cache import PortalCache
from ferry.source.record import bare_record
from ferry.steps.refresh import refresh_all


@pytest.fixture
def refresh(tmp_path):
    """Ask a portal again for these records, of which the last has a file of its own; return what is told."""
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    (metadata / "9.json").write_text(json.dumps({"recid": "9"}), encoding="utf-8")

    def ask(server, *recids):
        return refresh_all(
            recids=recids,
            metadata={"dir": str(metadata), "portal": server.url, "origin": "portal", "limits": {}},
            results_dir=tmp_path / "results",
            flags=RunFlags(run_id="r", directory=tmp_path / "flags"),
            sleep=lambda _: None,
        )

    return ask


def test_a_portal_that_does_not_answer_is_waited_for_once_and_no_other_record_is_asked_for(refresh):
    """Each record in turn was waited for, 30 s."""
    with portal(Answer(status=503)) as server:
        with pytest.raises(PermanentError) as told:
            refresh(server, 6, 7, 8, 9)
        assert set(server.asked) == {"/api/records/6"}
    assert str(told.value).splitlines() == [
        "not asked for    1 record: their metadata are files of yours",
        "  not answered     3 records; refresh again when there may be an answer:",
        "  3 records (6, 7, 8): … expected an answer, found HTTP 503 Service Unavailable",
        "  4 records",
    ]


def test_what_the_portal_does_not_have_or_gives_as_no_record_is_not_told_as_unanswered(refresh):
    page = Answer(body=b"<!doctype html>", kind="text/html")
    with portal(Answer(status=404), Answer(status=410), page) as server, pytest.raises(PermanentError) as told:
        refresh(server, 6, 7, 8)
    found, head, why, end = str(told.value).splitlines()
    assert found == "not found        2 records (6, 7) at the portal"
    assert head == "  not compared     1 record:"
    assert "expected JSON, found a page (text/html)" in why
    assert end == "  3 records asked for at the portal"


def of_portal(title):
    document = {"id": "6", "metadata": {"recid": "6", "title": title, "files": []}}
    return Answer(body=json.dumps(document).encode())


@pytest.fixture
def read_before(tmp_path):
    """Lay the receipt of a record as a run has read it; return its path."""

    def read(title):
        record = bare_record({"id": "6", "metadata": {"recid": "6", "title": title, "files": []}}, recid=6, origin="x")
        path = tmp_path / "results" / "6" / "source.json"
        write_receipt(path, "source", {"recid": 6, "origin": "x", "record": record, "files": []})
        return path

    return read


def test_a_change_that_the_cache_knows_already_and_no_run_has_read_is_told_until_one_does(refresh, read_before):
    """A refresh may be killed once it has kept the answer; a plan may have asked the portal since."""
    with portal(of_portal("New")) as server:
        refresh(server, 6)
        path = read_before("Old")
        assert "changed          1 record (6)" in refresh(server, 6)
        assert not path.exists()
        read_before("New")
        assert "as before        1 record" in refresh(server, 6)


def test_where_an_answer_cannot_be_kept_nothing_is_begun_anew_and_that_is_told(refresh, read_before, monkeypatch):
    path = read_before("Old")
    monkeypatch.setattr(PortalCache, "write", lambda *_: False)
    with portal(of_portal("New")) as server, pytest.raises(PermanentError, match=r"6\.answer: expected to be written"):
        refresh(server, 6)
    assert path.exists()
