"""What a run would ask for by other settings: the same as a plan by these settings says."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
from generated_records import ROOT, delphi_sizes

from ferry.bundle.plan import PackageSettings
from ferry.errors import PermanentError
from ferry.steps.plan_advice import MAX_FILES, advice_lines, cheapest, choices, requests_by_choice
from ferry.steps.plan_record import plan_record

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


def told(asked, *, hours_by_line=None, **settings):
    settings = replace(SETTINGS, **settings)
    return advice_lines(asked, settings=settings, requests_per_hour=5000, hours_by_line=hours_by_line)


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
    head, *rows, best = told(added(*[asked([10] * 30)] * 1000), max_files=50)
    assert head.split() == ["max_files", "with", "manifest,", "source", "without"]
    assert [row.split()[0] for row in rows] == [str(number) for number in MAX_FILES]
    assert [("(now)" in row) for row in rows] == [number == 50 for number in MAX_FILES]
    assert best == "least requests   package.max_files: 20, package.attachments: []"


@pytest.mark.parametrize(("hours", "is_told"), [(None, False), (0.0001, False), (500, True)])
def test_where_the_line_takes_longer_than_the_limit_its_hours_are_told(hours, is_told):
    lines = told(added(*[asked([10] * 30)] * 1000), hours_by_line=hours)
    assert ("20 d 20 h (the line)" in lines[1]) == is_told


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
        rows[MAX_FILES.index(choice.max_files)] += f" {requests:,} | {requests / 5000:.1f} |"
    docs = (ROOT / "docs" / "delphi.md").read_text(encoding="utf-8")
    assert [row for row in rows if row not in docs] == []
