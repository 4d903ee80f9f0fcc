"""What an update would change: field by field, and nothing where nothing changed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferry.mapping.diff import FieldChange, diff_records, with_fields
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions
from ferry.source.record import read_source

RECORDS = Path(__file__).parents[2] / "fixtures" / "records"
RECIDS = sorted(int(path.stem) for path in RECORDS.glob("*.json"))


def record_of(recid: int, profile: str = "rdm-plain") -> dict[str, Any]:
    source = read_source(recid=recid, metadata_path=RECORDS / f"{recid}.json", index_files="keep")
    return transform_record(source=source, profile=profile, options=MappingOptions()).record


def answered(value: Any) -> Any:
    """Return a record as InvenioRDM answers it: terms with their titles, persons with their full name."""
    if isinstance(value, list):
        return [answered(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: answered(item) for key, item in value.items()}
    if "id" in result:
        result |= {"title": {"en": "A title"}, "description": {"en": "Words"}, "icon": "icon", "props": {"url": "x"}}
    if result.get("type") == "personal":
        result["name"] = ", ".join(result[part] for part in ("family_name", "given_name") if part in result)
    return result


def live_of(record: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = answered(copy.deepcopy(record))
    return {**answer, "id": "abcde-12345", "revision_id": 4, "pids": {}, "parent": {"id": "fghij-67890"}}


@pytest.mark.parametrize("profile", ["rdm-plain", "ccmm2"])
@pytest.mark.parametrize("recid", RECIDS)
def test_a_record_differs_in_nothing_from_what_the_repository_made_of_it(recid: int, profile: str) -> None:
    record = record_of(recid, profile)
    assert diff_records(record, live_of(record)) == []


def test_related_identifiers_that_a_ccmm_repository_derives_are_no_change() -> None:
    record = record_of(83243, "ccmm2")
    live = live_of(record)
    live["metadata"]["related_identifiers"] = [{"identifier": "https://opendata.cern.ch", "scheme": "url"}]
    assert diff_records(record, live) == []


def test_a_changed_value_is_one_change_with_both_values() -> None:
    record = record_of(83243)
    live = live_of(record)
    live["metadata"]["title"] = "An older title"
    assert diff_records(record, live) == [
        FieldChange("metadata.title", "changed", "An older title", record["metadata"]["title"])
    ]


def test_a_term_of_a_vocabulary_is_compared_by_its_id() -> None:
    record = record_of(83243)
    live = live_of(record)
    live["metadata"]["resource_type"]["id"] = "other"
    assert diff_records(record, live) == [FieldChange("metadata.resource_type.id", "changed", "other", "dataset")]


def test_one_author_more_among_a_thousand_is_one_change() -> None:
    record = record_of(83243)
    record["metadata"]["creators"] = [
        {"person_or_org": {"type": "personal", "family_name": f"Author {number}"}} for number in range(1048)
    ]
    live = live_of(record)
    live["metadata"]["creators"].pop(500)
    (change,) = diff_records(record, live)
    assert (change.path, change.kind, change.before) == ("metadata.creators[500]", "added", None)
    assert change.after["person_or_org"]["family_name"] == "Author 500"


def test_a_field_that_only_the_live_record_has_is_named_as_removed() -> None:
    record = record_of(83243)
    live = live_of(record)
    live["metadata"]["version"] = "1.2"
    assert diff_records(record, live) == [FieldChange("metadata.version", "removed", "1.2", None)]


def test_access_is_compared_too() -> None:
    record = record_of(83243)
    live = live_of(record)
    live["access"]["files"] = "restricted"
    assert diff_records(record, live) == [FieldChange("access.files", "changed", "restricted", "public")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


OBJECTS = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


@given(record=OBJECTS)
@example(record={"": [None]})
def test_a_record_read_back_has_no_change(record: dict[str, Any]) -> None:
    assert diff_records({"metadata": record, "access": {}}, {"metadata": json.loads(json.dumps(record))}) == []


@given(ours=OBJECTS, live=OBJECTS)
@example(ours={"": []}, live={"": [None]})
@example(ours={"a": [1]}, live={"a": [True]})
@example(ours={"a": [0]}, live={"a": [None, 0]})
def test_each_change_of_any_two_records_says_what_changes(ours: dict[str, Any], live: dict[str, Any]) -> None:
    changes = diff_records({"metadata": ours, "access": {}}, {"metadata": live})
    for change in changes:
        assert json.dumps(change.before) != json.dumps(change.after)
        assert (change.before is None, change.after is None) == (change.kind == "added", change.kind == "removed")


@pytest.mark.parametrize(
    ("ours", "live", "kinds"),
    [
        ([1], [True], ["changed"]),
        ([91.0], [91], []),
        ([], [None], []),
        (["a", None, "b"], ["a", "b"], []),
        (["a", "b"], ["a", "c"], ["changed"]),
        (["a"], ["a", "b"], ["removed"]),
        ({"x": None}, {}, []),
    ],
)
def test_what_counts_as_a_change(ours: Any, live: Any, kinds: list[str]) -> None:
    changes = diff_records({"metadata": {"field": ours}, "access": {}}, {"metadata": {"field": live}})
    assert [change.kind for change in changes] == kinds


@pytest.mark.parametrize(("active", "differs"), [(True, True), (False, False)])
def test_an_embargo_that_we_have_not_set_is_a_difference_as_long_as_it_holds(active, differs):
    record = {"metadata": {}, "access": {"record": "public", "files": "public"}}
    embargo = {"active": active, "until": "2030-01-01", "reason": None}
    changes = diff_records(record, {"metadata": {}, "access": {**record["access"], "embargo": embargo}})
    assert [change.path for change in changes] == (["access.embargo"] if differs else [])


def test_fields_are_taken_over_from_a_live_record_without_what_it_has_added_and_in_its_own_words():
    record = {"metadata": {"title": "Ours", "version": "1"}, "access": {"record": "public", "files": "public"}}
    live = {
        "metadata": {"title": "A &lt; B", "languages": [{"id": "eng", "title": {"en": "English"}}]},
        "access": {"record": "restricted", "files": "public"},
    }
    assert with_fields(record, live, ["metadata.title", "metadata.languages", "metadata.version", "access.record"]) == {
        "metadata": {"title": "A &lt; B", "languages": [{"id": "eng"}]},
        "access": {"record": "restricted", "files": "public"},
    }
