"""Corrections are a merge patch."""

import pytest

from ferry.errors import MetadataError
from ferry.mapping.corrections import corrected


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
