"""What can be counted: events, entries, files and bytes, each where it fits."""

from typing import Any

import pytest
from mapped_records import mapped, metadata, told, warned

MANY = 9_837_961_169  # more than 32 bits hold


@pytest.mark.parametrize("record", [93910, {"distribution": {"number_events": MANY}}])
def test_more_events_than_the_field_holds_are_one_of_the_sizes_with_a_warning(record: Any) -> None:
    for profile in ("rdm", "ccmm2"):
        found = metadata(record, profile)
        assert f"{MANY} events" in found["sizes"]
        assert "number_of_events" not in found
        assert "kept in metadata.sizes[]" in warned(record, profile)["distribution.number_events"]
    assert f"<li>{MANY} events</li>" in told(record, "ccmm1")  # which has no sizes
    assert "distribution.number_events" in warned(record, "ccmm1")
    assert "distribution.number_events" not in warned(record, "rdm-plain")
    for profile in ("rdm", "ccmm1", "ccmm2", "rdm-plain"):
        (row,) = [
            row for row in mapped(record, profile).mapping["paths"] if row["path"] == "distribution.number_events"
        ]
        assert row["status"] == "mapped"


@pytest.mark.parametrize("profile", ["rdm-plain", "rdm", "ccmm2"])
def test_one_is_not_several(profile: str) -> None:
    record = {"distribution": {"number_entries": 1}}
    assert metadata(record, profile, files=1)["sizes"] == ["1 file", "1 byte", "1 entry"]
    assert metadata({"distribution": {"number_entries": 2}}, profile, files=3)["sizes"] == [
        "3 files",
        "3 bytes",
        "2 entries",
    ]


@pytest.mark.parametrize("profile", ["rdm-plain", "rdm", "ccmm1", "ccmm2"])
@pytest.mark.parametrize("record", [26999, {"distribution": {"number_events": 0}}])
def test_no_events_in_files_says_that_their_number_is_not_known(record: Any, profile: str) -> None:
    found = metadata(record, profile, files=2)
    assert "number_of_events" not in found
    assert "0 events" not in str(found)
    assert "the number is not known" in warned(record, profile, files=2)["distribution.number_events"]


@pytest.mark.parametrize("recid", [10103, 13109])
def test_a_real_record_of_one_event_says_so(recid: int) -> None:
    assert "1 event" in metadata(recid)["sizes"]


def test_what_is_no_count_is_told_as_what_it_is() -> None:
    assert "at most 18 digits" in warned({"distribution": {"number_events": 10**18}})["distribution.number_events"]
    assert "0 events: the number is not known" in str(warned({"distribution": {"number_events": 0}}))


def test_where_no_files_are_listed_there_is_nothing_to_compare_with() -> None:
    said = warned({"distribution": {"number_files": 9999, "size": 1}})
    assert said == {
        "distribution.number_files": "left out: declared as 9999, and no files are listed to compare with",
        "distribution.size": "left out: declared as 1, and no files are listed to compare with",
    }
