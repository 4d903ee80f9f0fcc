"""Parts of the sandbox by themselves: its store, its index, its rate limit, its settings."""

import json

import pytest

from sandbox.answers import Refusal
from sandbox.rate_limit import RateLimiter
from sandbox.search import Index, matches, page
from sandbox.settings import Settings, settings_from_json
from sandbox.store import Store


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def entry(key, file_id=None):
    made = {"uuid": f"uuid-{key}", "key": key, "created": key, "status": "pending"}
    return made if file_id is None else {**made, "file_id": file_id}


def record(record_id, **sides):
    return {"id": record_id, "draft": None, "published": None, **sides}


# --- store


def test_what_was_saved_is_there_after_a_start(tmp_path):
    store = Store(tmp_path)
    bucket = store.new_bucket()
    store.save_record(record("r", draft={"bucket": bucket}))
    incoming = store.incoming_path()
    incoming.write_bytes(b"bytes")
    file_id = store.keep_blob(incoming)
    store.save_entry(bucket, entry("a", file_id))
    store.save_other("communities", {"id": "c", "slug": "s"})
    again = Store(tmp_path)
    assert again.records == store.records
    assert again.entries(bucket) == {"a": entry("a", file_id)}
    assert again.blob_path(file_id).read_bytes() == b"bytes"
    assert again.others["communities"]["c"]["slug"] == "s"


def test_what_a_kill_left_unnamed_is_forgotten_at_the_start(tmp_path):
    store = Store(tmp_path)
    bucket = store.new_bucket()
    store.save_record(record("r", draft={"bucket": bucket}))
    store.new_bucket()  # killed before its record was written
    store.incoming_path().write_bytes(b"half a body")
    unnamed = store.incoming_path()
    unnamed.write_bytes(b"a body")
    lost = store.keep_blob(unnamed)  # killed before its entry was written
    (tmp_path / "records" / "x.json.part").write_text('{"id":')
    again = Store(tmp_path)
    assert list(again.records) == ["r"]
    assert not again.blob_path(lost).exists()
    assert [path.name for path in (tmp_path / "buckets").iterdir()] == [bucket]
    assert not list((tmp_path / "incoming").iterdir())
    assert not list((tmp_path / "records").glob("*.part"))


def test_a_blob_goes_with_the_last_entry_that_names_it(tmp_path):
    store = Store(tmp_path)
    first, second = store.new_bucket(), store.new_bucket()
    file_id = store.sparse_blob(10)
    store.save_entry(first, entry("a", file_id))
    store.copy_entries(first, second)
    store.drop_bucket(first)
    assert store.blob_path(file_id).stat().st_size == 10
    store.drop_entry(second, "a")
    assert not store.blob_path(file_id).exists()


def test_content_that_is_replaced_is_deleted(tmp_path):
    store = Store(tmp_path)
    bucket = store.new_bucket()
    old, new = store.sparse_blob(1), store.sparse_blob(2)
    store.save_entry(bucket, entry("a", old))
    store.save_entry(bucket, entry("a", new))
    assert not store.blob_path(old).exists()
    assert store.blob_path(new).exists()


# --- index and search


def test_a_change_is_found_after_the_lag_and_as_it_was_then():
    clock, states = Clock(), {"r": {"version": 1}}
    index = Index(lambda record_id: dict(states[record_id]), 1.0, clock)
    index.changed("r")
    states["r"]["version"] = 2
    assert index.refresh() == {}
    clock.now += 1.0
    assert index.refresh() == {"r": {"version": 1}}
    index.forget("r")
    assert "r" in index.refresh()
    clock.now += 1.0
    assert index.refresh() == {}


HIT = {
    "id": "abcde-12345",
    "created": "2026",
    "metadata": {
        "title": "DELPHI simulation data xs_ha50ttbb",
        "identifiers": [{"identifier": "https://opendata.cern.ch/record/80505", "scheme": "url"}],
    },
}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ('metadata.identifiers.identifier:"https://opendata.cern.ch/record/80505"', True),
        ('metadata.identifiers.identifier:"https\\://opendata.cern.ch/record/80505"', True),
        ('metadata.identifiers.identifier:"HTTPS://opendata.cern.ch/record/80505"', True),
        ('metadata.identifiers.identifier:"record/80505"', True),
        ('metadata.identifiers.identifier:"https://opendata.cern.ch/record/8050"', False),
        ('metadata.identifiers.identifier:"record/80505/more"', False),
        ("metadata.identifiers.identifier:https\\:\\/\\/elsewhere.org", True),
        ("simulation nonsense", True),
        ('"simulation data"', True),
        ('"data simulation"', False),
        ("metadata.title:collision", False),
        ('id:"abcde-12345"', True),
        ('id:"abcde"', False),
        ('metadata.title:"delphi" AND metadata.identifiers.identifier:"80506"', False),
    ],
)
def test_a_query_finds_words_as_opensearch_does(query, found):
    assert matches(query, HIT) is found


def test_a_query_without_syntax_is_refused():
    with pytest.raises(Refusal, match="syntax"):
        matches('a:b:c"', HIT)


def test_pages_are_cut_from_the_newest_on():
    hits = [{"id": str(number), "created": str(number)} for number in range(5)]
    shown, number, size = page(hits, query={"page": "2", "size": "2"}, sort="newest")
    assert ([hit["id"] for hit in shown], number, size) == (["2", "1"], 2, 2)
    with pytest.raises(Refusal):
        page(hits, query={"size": "many"}, sort="newest")


# --- rate limit


def test_requests_over_a_limit_are_refused_until_the_window_has_moved_on():
    clock = Clock()
    limiter = RateLimiter(((2, 60.0), (3, 3600.0)), clock)
    assert limiter.check("a").headers["X-RateLimit-Remaining"] == "1"
    clock.now += 10
    assert limiter.check("a").headers["X-RateLimit-Remaining"] == "0"
    clock.now += 10
    verdict = limiter.check("a")
    assert (verdict.allowed, verdict.limit, verdict.headers["Retry-After"]) == (False, "2 per 1 minute", "40")
    assert limiter.check("b").allowed  # another client
    clock.now += 40
    assert limiter.check("a").allowed  # the third within the hour; the refused one did not count
    clock.now += 61
    verdict = limiter.check("a")
    assert (verdict.allowed, verdict.limit) == (False, "3 per 1 hour")
    assert 3400 < int(verdict.headers["Retry-After"]) <= 3600
    clock.now += 3600
    assert limiter.check("a").allowed


def test_who_has_not_asked_for_longest_is_forgotten_so_that_the_table_stays_small():
    limiter = RateLimiter(((1, 60.0),), Clock())
    assert limiter.check("first").allowed
    assert not limiter.check("first").allowed
    for number in range(1000):
        limiter.check(f"client {number}")
    assert limiter.check("first").allowed


def test_without_limits_nothing_is_said_about_them():
    verdict = RateLimiter((), Clock()).check("a")
    assert (verdict.allowed, verdict.headers) == (True, {})


# --- settings


def test_settings_survive_the_command_line():
    settings = Settings(quota_bytes=5, rate_limits=((2, 1.0),), public_url="http://127.0.0.1:1")
    assert settings_from_json(settings.to_json()) == settings
    assert settings_from_json(json.dumps({"index_lag_s": 0})) == Settings(index_lag_s=0)
    with pytest.raises(ValueError, match="no_such_setting"):
        settings_from_json('{"no_such_setting": 1}')
