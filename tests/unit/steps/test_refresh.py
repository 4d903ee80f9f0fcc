"""The portal is asked again for all records: a silent one is waited for once, and what it says is told as it is."""

import json

import pytest

from answering_portal import Answer, portal
from ferry.errors import PermanentError
from ferry.flags import RunFlags
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
