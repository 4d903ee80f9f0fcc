"""The plan of a run: what records take, and which of them cannot succeed, from their metadata alone."""

import pytest

from ferry.bundle.plan import PackageSettings
from ferry.errors import MetadataError, TransientError
from ferry.steps.plan import forecast_lines, measured_rate, what_stands_against
from ferry.steps.plan_record import RecordPlan, forecast, plan_record


def file(key, size_bytes=1_000_000, **changes):
    checksum = {"algorithm": "adler32", "value": "00000001"}
    return {
        "key": key,
        "uri": f"root://x//{key}",
        "size_bytes": size_bytes,
        "checksum": checksum,
        "online": True,
    } | changes


def plan(
    files,
    *,
    refused=(),
    publish=False,
    allow_unverified=False,
    max_bytes=None,
    takes_records_without_files=None,
    empty_records="fail",
    redirects=None,
    **settings,
):
    return plan_record(
        recid=7,
        priority=0,
        read=lambda: {"recid": 7, "files": files},
        refused=list(refused),
        settings=PackageSettings(attachments=frozenset({"source", "manifest"}), **settings),
        fetched=True,
        publish=publish,
        allow_unverified=allow_unverified,
        max_bytes=max_bytes,
        takes_records_without_files=takes_records_without_files,
        empty_records=empty_records,
        redirects=redirects,
    )


def test_loose_files_go_up_one_by_one_with_two_attachments():
    found = plan([file(f"f{number}.al") for number in range(5)])
    assert (found.files, found.uploads, found.bundles, found.source_bytes) == (5, 5, 0, 5_000_000)
    assert found.upload_bytes == 5_000_000
    assert found.requests == 4 + 2 * 7
    assert found.problem == ""


def test_many_files_go_up_as_one_bundle_and_take_disk_twice():
    found = plan([file(f"f{number:03}.al") for number in range(200)], publish=True)
    assert (found.files, found.uploads, found.bundles) == (200, 1, 1)
    assert found.requests == 4 + 2 * 3 + 3
    assert 400_000_000 < found.disk_bytes < 401_000_000
    assert plan([file(f"f{number:03}.al") for number in range(200)], mode="stream").disk_bytes < 201_000_000


def test_a_record_beyond_the_budget_cannot_succeed():
    told = plan([file("a", 2_000_000)], max_bytes=1_000_000).problem
    assert told.startswith("expected at most 1000000 bytes on disk (storage.max_bytes), found 2")
    assert plan([file("a", 2_000_000)], max_bytes=3_000_000).problem == ""


def test_a_record_without_files_takes_no_upload():
    found = plan([])
    assert (found.files, found.uploads, found.requests, found.problem) == (0, 0, 2, "")


def test_a_record_without_files_cannot_succeed_where_none_is_taken_but_by_its_own_json_or_skipped():
    def found(choice, taken=False):
        return plan([], takes_records_without_files=taken, empty_records=choice)

    assert "this repository takes no record without files; set package.empty_records" in found("fail").problem
    assert (found("skip").problem, found("skip").requests) == ("", 1)
    assert (found("metadata_file").problem, found("metadata_file").requests) == ("", 1 + 2 + 2 + 2)
    assert found("fail", taken=None).problem == found("fail", taken=True).problem == ""


def test_empty_files_are_counted_but_not_those_in_bundles_or_of_unknown_size():
    assert plan([file("a", 0), file("b", 0), file("c", None), file("d")]).empty_uploads == 2
    assert plan([file("a", 0), file("b")], empty_files="bundle").empty_uploads == 0


@pytest.mark.parametrize(
    ("files", "changes", "told"),
    [
        ([file("huge.al", 20 * 10**9)], {}, r"huge.al (20000000000 bytes)"),
        ([file(f"f{n:04}.al", 10**9) for n in range(1200)], {}, "uploads after bundling, expected at most 98"),
        ([file("tape.al", online=False)], {}, "tape.al"),
        ([file("bare.al", checksum=None)], {}, "bare.al"),
        ([file("a.al")], {"refused": ["metadata title: expected text, found 3"]}, "metadata title"),
    ],
)
def test_what_cannot_succeed_says_why(files, changes, told):
    assert told in plan(files, **changes).problem


@pytest.mark.parametrize(
    ("files", "changes"),
    [
        ([file("a.al"), file("b.al")], {"refused": ["metadata title: expected a text, found none"]}),
        ([file("a.al")], {"max_bytes": 10}),
        ([], {"takes_records_without_files": False}),
    ],
)
def test_what_cannot_succeed_sends_nothing_and_its_columns_add_up_to_what_is_printed(files, changes):
    found = plan(files, **changes)
    assert found == RecordPlan(7, 0, files=len(files), source_bytes=1_000_000 * len(files), problem=found.problem)
    assert forecast([found], **LIMITS).uploads == found.uploads


@pytest.mark.parametrize(
    ("uri", "redirects", "told"),
    [
        ("file:///mirror/f 1?x.txt", {}, "file:///mirror/f 1?x.txt: expected the name of a file without '?'"),
        (
            "root://x//a?b",
            {"root://x//": "file:///mirror/"},
            "file:///mirror/a?b: expected the name of a file without '?'",
        ),
        ("root://x//../a", {"root://x//": "file:///mirror/"}, "expected a path below root://x// (source.redirects)"),
        ("file:///mirror/a?b", {"file:///mirror/": "root://x//"}, ""),
        ("https://x/a?b", {}, ""),
    ],
)
def test_an_address_that_a_download_would_not_open_is_told_before(uri, redirects, told):
    problem = plan([file("a"), file("b", uri=uri)], redirects=redirects).problem
    assert told in problem
    assert bool(told) == bool(problem)


def test_a_record_on_tape_waits_and_is_neither_impossible_nor_in_the_sums():
    waiting = plan([file("tape.al", online=False), file("there.al")])
    assert (waiting.to_stage, waiting.files, waiting.uploads) == (1, 2, 0)
    total = forecast([*PLANS, waiting], **LIMITS)
    assert (total.records, total.impossible, total.to_stage, total.files) == (4, 1, 1, 32)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MetadataError("metadata/7.json: expected JSON"), "metadata/7.json: expected JSON"),
        (TransientError("the portal is silent"), "not known yet: the portal is silent"),
    ],
)
def test_a_record_that_cannot_be_read_is_told_and_stops_nothing(error, told):
    def broken():
        raise error

    found = plan_record(
        recid=7, priority=3, read=broken, refused=[], settings=PackageSettings(), fetched=True, publish=False,
        allow_unverified=False, max_bytes=None,
    )  # fmt: skip
    assert found == RecordPlan(7, 3, problem=told)


def test_what_nobody_has_answered_is_not_told_as_what_no_rerun_helps():
    unknown = RecordPlan(7, 3, problem="not known yet: the portal is silent")
    total = forecast([*PLANS, unknown], **LIMITS)
    assert (total.records, total.impossible, total.unknown) == (4, 1, 1)
    assert forecast_lines(total, bytes_per_s=None)[0].endswith("1 cannot succeed as is and 1 is not known yet")
    told = what_stands_against([*PLANS, unknown])
    assert told[0] == "cannot succeed   1 record:"
    assert told[2] == "not known yet    1 record; plan again when there may be an answer:"
    assert "the portal is silent" in told[3]


PLANS = [
    RecordPlan(1, 0, files=2, source_bytes=100, uploads=2, upload_bytes=100, requests=600, disk_bytes=100),
    RecordPlan(2, 0, files=30, source_bytes=900, uploads=1, bundles=1, upload_bytes=950, requests=400, disk_bytes=1900),
    RecordPlan(3, 0, files=5, source_bytes=5, problem="on tape"),
]
LIMITS = {"limits": [(500, 3600)], "bytes_per_s": None, "removed": False, "at_once": 1, "max_bytes": None}


def test_the_forecast_adds_up_only_what_can_succeed():
    total = forecast(PLANS, **LIMITS)
    assert (total.records, total.impossible, total.files, total.bundles) == (3, 1, 32, 1)
    assert (total.upload_bytes, total.requests, total.disk_bytes) == (1050, 1000, 2000)
    assert total.hours_by_rate_limit == 1, "500 at once, and 500 when their hour has passed"
    assert total.hours_by_earlier_runs is None


def test_disk_is_that_of_the_records_on_it_together_and_never_more_than_the_budget():
    assert forecast(PLANS, **LIMITS | {"removed": True}).disk_bytes == 1900
    assert forecast(PLANS, **LIMITS | {"max_bytes": 500}).disk_bytes == 500


def test_the_measured_rate_is_over_all_of_the_time_that_earlier_runs_took():
    rows = [
        {"recid": 1, "status": "ok", "bytes_uploaded": 1000},
        {"recid": 2, "status": "ok", "bytes_uploaded": 3000},
        {"recid": 3, "status": "failed"},
    ]
    ended = [
        {"recid": 9, "run_id": "of another list", "at": "2025-01-01T00:00:10+00:00", "duration_s": 1000},
        {"recid": 1, "run_id": "one", "at": "2026-01-01T00:00:10+00:00", "duration_s": 10},
        {"recid": 1, "run_id": "one", "at": "2026-01-01T00:00:15+00:00", "duration_s": 12},
        {"recid": 2, "run_id": "another", "at": "2026-01-03T00:00:05+00:00", "duration_s": 5},
    ]
    assert measured_rate(rows, ended) == 200
    assert measured_rate(rows[2:], ended) is None
    assert measured_rate(rows, []) is None
    assert forecast(PLANS, **LIMITS | {"bytes_per_s": 1050 / 7200}).hours_by_earlier_runs == pytest.approx(2)
