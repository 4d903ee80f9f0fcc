"""What is kept of the portal: byte for byte what came, never what another portal, a torn file or a link says."""

import hashlib
import json

import pytest

from answering_portal import RECORD, Answer, portal
from ferry.errors import MetadataError
from ferry.limits import Limits
from ferry.source.portal import fetch_record
from ferry.source.portal_cache import PortalCache


@pytest.fixture
def cache(tmp_path):
    return PortalCache.of(tmp_path / "metadata")


def fetch(server, cache):
    return fetch_record(7, portal=server.url, cache=cache, attempts=1)


def test_what_came_is_asked_for_once_and_is_there_byte_for_byte(cache):
    body = b'{"id": "7",  "metadata": {"recid": 7, "title": "\\u00e9", "x": 1E2}, "updated": "2024-01-01T00:00:00"}'
    with portal(Answer(body=body, headers={"ETag": '"3"'})) as server:
        first = fetch(server, cache)
        assert fetch(server, cache) == first
        assert len(server.asked) == 1
        url = first[0]
    head, _, kept = cache.path(7).read_bytes().partition(b"\n")
    assert kept == body
    digest = hashlib.sha256(body).hexdigest()
    assert json.loads(head) == {"etag": '"3"', "sha256": digest, "updated": "2024-01-01T00:00:00", "url": url}


@pytest.mark.parametrize(
    "bad",
    [Answer(status=404), Answer(body=b"[]"), Answer(body=b'{"id": "8", "metadata": {"recid": 8}}'), Answer(keep=20)],
)
def test_what_is_no_such_record_is_not_kept(cache, bad):
    with portal(bad, Answer()) as server:
        with pytest.raises(Exception, match="/api/records/7: "):
            fetch(server, cache)
        assert not cache.path(7).exists()
        assert fetch(server, cache)[1] == RECORD


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept[:-3],
        lambda _: b"",
        lambda kept: kept.partition(b"\n")[2],
        lambda kept: kept.replace(b"A record", b"B record"),
    ],
)
def test_what_is_torn_is_asked_for_again(cache, damage):
    with portal(Answer()) as server:
        fetch(server, cache)
        cache.path(7).write_bytes(damage(cache.path(7).read_bytes()))
        assert fetch(server, cache)[1] == RECORD
        assert fetch(server, cache)[1] == RECORD
        assert len(server.asked) == 2


def test_what_another_portal_said_is_not_believed(cache):
    other = json.loads(json.dumps(RECORD))
    other["metadata"]["title"] = "of another portal"
    with portal(Answer()) as server, portal(Answer(body=json.dumps(other).encode())) as second:
        fetch(server, cache)
        assert fetch(second, cache)[1] == other
        assert fetch(server, cache)[1] == RECORD


def test_a_link_to_a_private_file_is_no_answer(cache, tmp_path, caplog):
    (tmp_path / "private").write_text("SECRET")
    cache.folder.mkdir(parents=True)
    cache.path(7).symlink_to(tmp_path / "private")
    with portal(Answer()) as server:
        assert fetch(server, cache)[1] == RECORD
    assert "SECRET" not in caplog.text
    assert (tmp_path / "private").read_text() == "SECRET"


def test_a_folder_that_cannot_be_written_is_told_and_no_more(tmp_path, caplog):
    (tmp_path / "metadata").write_text("a file")
    with portal(Answer()) as server:
        assert fetch(server, PortalCache.of(tmp_path / "metadata"))[1] == RECORD
    assert "cannot be kept" in caplog.text


@pytest.mark.parametrize(
    ("kept", "listed", "stays"),
    [
        ("2024-01-01T00:00:00+00:00", "2024-01-01T00:00:00+00:00", True),
        ("2024-01-01T00:00:00+00:00", "2024-01-01T01:00:00+01:00", True),
        ("2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00", False),
        ("2024-01-01T00:00:00+00:00", None, True),
        (None, "2025-01-01T00:00:00+00:00", False),
        (None, None, True),
    ],
)
def test_a_listing_has_forgotten_what_was_updated_since(cache, kept, listed, stays):
    document = RECORD | ({"updated": kept} if kept else {})
    with portal(Answer(body=json.dumps(document).encode())) as server:
        fetch(server, cache)
    cache.forget_changed(7, updated=listed)
    cache.forget_changed(8, updated=listed)
    assert cache.path(7).exists() is stays


def test_limits_hold_for_what_is_kept_too(cache):
    with portal(Answer()) as server:
        fetch(server, cache)
        with pytest.raises(MetadataError, match="values"):
            fetch_record(7, portal=server.url, cache=cache, limits=Limits(values=2), attempts=1)
