"""What a run would ask for by other settings: the same as a plan by these settings says."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
from generated_records import ROOT, delphi_sizes

from ferry.bundle.plan import PackageSettings
from ferry.errors import PermanentError
from ferry.steps.plan import forecast_lines
from ferry.steps.plan_advice import MAX_FILES, advice_lines, cheapest, choices, requests_by_choice
from ferry.steps.plan_record import RecordPlan, forecast, hours_by_rate_limit, plan_record

SETTINGS = PackageSettings(attachments=frozenset({"source", "manifest"}))


def files(sizes):
    checksum = {"algorithm": "adler32", "value": "00000001"}
    return [
        {"key": f"f{number}", "uri": f"root://x//f{number}", "size_bytes": size, "checksum": checksum, "online": True}
        for number, size in enumerate(sizes)
    ]


def asked(sizes, **settings):
    return requests_by_choice(recid=7, files=files(sizes), settings=replace(SETTINGS, **settings), publish=True)


def added(*records):
    return sum(map(Counter, records), Counter())


LIMITS = [(500, 60), (5000, 3600)]


def told(asked, *, hours_by_line=None, limits=LIMITS, **settings):
    return advice_lines(asked, settings=replace(SETTINGS, **settings), limits=limits, hours_by_line=hours_by_line)


def test_each_choice_asks_for_what_a_plan_by_it_says():
    records = [sizes for sizes in delphi_sizes(785).values() if len(sizes) <= 200][:150]
    assert {len(sizes) for sizes in records} & set(range(6, 99))
    for sizes in records:
        for choice, requests in asked(sizes).items():
            settings = replace(SETTINGS, max_files=choice.max_files, attachments=choice.attachments)
            plan = plan_record(
                recid=7, priority=0, read=lambda sizes=sizes: {"recid": 7, "files": files(sizes)}, refused=[],
                settings=settings, fetched=True, publish=True, allow_unverified=False, max_bytes=None,
            )  # fmt: skip
            assert (plan.requests, plan.problem) == (requests, "")


def test_the_present_number_of_files_is_among_what_is_tried():
    assert {choice.max_files for choice in choices(replace(SETTINGS, max_files=33))} == {*MAX_FILES, 33}
    assert {bool(choice.attachments) for choice in choices(replace(SETTINGS, attachments=frozenset()))} == {True, False}


def test_three_attachments_leave_a_place_less_for_files():
    attachments = frozenset({"source", "manifest", "ro-crate"})
    assert max(choice.max_files for choice in asked([10] * 200, attachments=attachments)) == 97


def test_the_cheapest_asks_least_and_of_equals_changes_nothing_or_leaves_most_files_loose():
    total = added(asked([10] * 30), asked([10] * 5))
    for present, chosen in ((20, 20), (10, 10), (98, 20)):
        best = cheapest(total, replace(SETTINGS, max_files=present))
        assert (best.max_files, best.attachments) == (chosen, frozenset())
        assert total[best] == min(total.values())


def test_the_table_says_requests_and_hours_and_marks_what_is_set_now():
    said, head, *rows, best = told(added(*[asked([10] * 30)] * 1000), max_files=50)
    assert said == "other settings   what they would ask for, and the time by rate limit:"
    assert head.split() == ["max_files", "with", "manifest,", "source", "without"]
    assert [row.split()[0] for row in rows] == [str(number) for number in MAX_FILES]
    assert [("(now)" in row) for row in rows] == [number == 50 for number in MAX_FILES]
    assert best == "least requests   package.max_files: 20, package.attachments: []"


@pytest.mark.parametrize(("hours", "is_told"), [(None, False), (0.0001, False), (500, True)])
def test_where_the_line_takes_longer_than_the_limit_its_hours_are_told(hours, is_told):
    lines = told(added(*[asked([10] * 30)] * 1000), hours_by_line=hours)
    assert ("20 d 20 h for the bytes" in lines[2]) == is_told
    assert lines[0].endswith(", or by earlier runs where that is longer:") == (hours is not None)


@pytest.mark.parametrize(
    ("records", "bytes_per_s", "by_limit", "by_runs"),
    [
        (1, None, "no wait", "unknown: nothing was carried here yet"),
        (20, 20.0, "at least 2 min", "less than 1 min for the bytes, at 20 B/s as measured"),
        (200, None, "at least 2 h", "unknown: nothing was carried here yet"),
        (200, 0.5, "at least 2 h", "3 h 20 min for the bytes, at 0.5 B/s as measured"),
    ],
)
def test_the_table_tells_of_the_present_settings_the_time_that_the_lines_above_it_tell(
    records, bytes_per_s, by_limit, by_runs
):
    """By the same words: it divided by the limit per hour where the line counts what may leave at once."""
    total = added(*[asked([10] * 20)] * records)
    [requests] = [total[choice] for choice in total if choice.max_files == 20 and choice.attachments]
    plans = [RecordPlan(7, 0, uploads=20, upload_bytes=30 * records, requests=requests)]
    limits = {"removed": False, "at_once": 1, "max_bytes": None}
    foretold = forecast(plans, limits=LIMITS, bytes_per_s=bytes_per_s, **limits)
    lines = forecast_lines(foretold, bytes_per_s=bytes_per_s)
    of_limit, of_runs = (next(line for line in lines if line.startswith(name)) for name in ("by rate", "by earlier"))
    assert of_limit.removeprefix("by rate limit    ").removesuffix(": no more than may leave at once") == by_limit
    assert of_runs.removeprefix("by earlier runs  ") == by_runs
    longer = "3 h 20 min for the bytes" if records == 200 and bytes_per_s else by_limit
    [row] = [line for line in told(total, hours_by_line=foretold.hours_by_earlier_runs) if "(now)" in line]
    assert f"{requests:,} requests, {longer}  " in row


def test_without_a_limit_requests_take_no_time_and_none_is_told():
    said, _, *rows, _ = told(added(asked([10] * 30)), limits=[], hours_by_line=500)
    assert said == "other settings   what they would ask for:"
    assert all(row.rstrip().endswith(" requests") for row in rows)


def test_without_a_record_that_can_go_up_nothing_is_advised():
    assert told(added({})) == []


@pytest.mark.slow
def test_the_table_for_delphi_in_the_docs_is_what_a_plan_would_say():
    settings = replace(PackageSettings(), attachments=SETTINGS.attachments)
    total = Counter()
    for recid, sizes in delphi_sizes(12_711).items():
        with suppress(PermanentError):  # one takes more uploads than a record may have
            total.update(requests_by_choice(recid=recid, files=files(sizes), settings=settings, publish=True))
    rows = [f"| {number} |" for number in MAX_FILES]
    for choice, requests in total.items():  # first all with attachments, then all without
        rows[MAX_FILES.index(choice.max_files)] += f" {requests:,} | {hours_by_rate_limit(requests, LIMITS):.0f} |"
    docs = (ROOT / "docs" / "delphi.md").read_text(encoding="utf-8")
    assert [row for row in rows if row not in docs] == []
