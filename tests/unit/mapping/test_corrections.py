"""Corrections are a merge patch, read from YAML that means what it says."""

from pathlib import Path

import pytest

from ferry.errors import MetadataError
from ferry.mapping.corrections import corrected, read_corrections


def test_a_patch_replaces_merges_and_takes_away_and_leaves_the_original_alone() -> None:
    record = {"recid": "7", "a": {"b": 1, "c": 2}, "d": [1, 2], "e": "x"}
    result, changes = corrected(record, {"a": {"b": None, "n": {"m": 3}}, "d": [3], "e": None})
    assert result == {"recid": "7", "a": {"c": 2, "n": {"m": 3}}, "d": [3]}
    assert changes == [
        {"path": "a.b", "before": 1, "after": None},
        {"path": "a.n.m", "before": None, "after": 3},
        {"path": "d", "before": [1, 2], "after": [3]},
        {"path": "e", "before": "x", "after": None},
    ]
    assert record == {"recid": "7", "a": {"b": 1, "c": 2}, "d": [1, 2], "e": "x"}


def test_a_value_that_an_object_takes_the_place_of_is_in_the_account() -> None:
    record, changes = corrected({"abstract": "a text"}, {"abstract": {"description": "x"}})
    assert record == {"abstract": {"description": "x"}}
    assert changes == [
        {"path": "abstract", "before": "a text", "after": {}},
        {"path": "abstract.description", "before": None, "after": "x"},
    ]


def test_a_patch_cannot_make_it_another_record() -> None:
    with pytest.raises(MetadataError, match="recid"):
        corrected({"recid": "7"}, {"recid": "8"})


def test_a_date_in_a_correction_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "7.yaml"
    path.write_text("prepublication: {date: 2014-06-20}\n")
    assert read_corrections(path) == {"prepublication": {"date": "2014-06-20"}}


def test_an_empty_file_corrects_nothing(tmp_path: Path) -> None:
    path = tmp_path / "7.yaml"
    path.write_text("# nothing yet\n")
    assert read_corrections(path) == {}


@pytest.mark.parametrize(
    "text",
    ["- a list", "title: [", "1: x", "a: &b [*b]", "a: !!binary aGk=", "a: !!python/object:os.X {}", "just text"],
)
def test_what_is_no_object_of_json_values_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "7.yaml"
    path.write_text(text)
    with pytest.raises(MetadataError, match=r"7\.yaml"):
        read_corrections(path)
