"""Some of a record's files: chosen by what the configuration says, in the record's order, and told of the others."""

import json

import pytest

from ferry.config import check_config
from ferry.errors import ConfigError, MetadataError
from ferry.source.file_filter import FileFilter
from ferry.source.record import read_source
from ferry.strict_yaml import read_config_file
from workflow.conftest import ROOT

KEYS = ["a/one.root", "a/two.root", "b/one.txt", "b/three.root", "four.json"]


def files():
    return [
        {"uri": f"root://x//{key}", "size": 10 + number, "checksum": f"adler32:{number:08x}"}
        for number, key in enumerate(KEYS)
    ]


def chosen(tmp_path, *, entries=None, index_files="expand", **settings):
    path = tmp_path / "7.json"
    path.write_text(json.dumps({"recid": 7, "title": "x", "files": entries or files()}), encoding="utf-8")
    chosen_by = FileFilter.of({"files": {"names": [], "regexp": None, "ranges": [], **settings}})
    return read_source(recid=7, metadata_path=path, chosen_by=chosen_by, index_files=index_files)


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"names": ["*.root"]}, [0, 1, 3]),
        ({"names": ["one.*", "four.json"]}, [0, 2, 4]),
        ({"names": ["//a/*"]}, []),
        ({"regexp": "o[nu]"}, [0, 2, 4]),
        ({"regexp": r"\.root$"}, [0, 1, 3]),
        ({"ranges": ["2-3"]}, [1, 2]),
        ({"ranges": ["1-1", "5-9"]}, [0, 4]),
        ({"names": ["*.root"], "ranges": ["2-3"]}, [1, 3]),
        ({"names": ["*.root"], "regexp": "t", "ranges": ["2-9"]}, [1, 3]),
    ],
)
def test_files_are_chosen_by_names_expression_and_places_and_the_others_are_counted(tmp_path, settings, places):
    if not places:
        with pytest.raises(MetadataError, match=r"source\.files chooses \(names .*\), found none among 5 files"):
            chosen(tmp_path, **settings)
        return
    found = chosen(tmp_path, **settings)
    whole = {file["uri"].removeprefix("root://x//"): number for number, file in enumerate(files())}
    assert [whole[file["uri"].removeprefix("root://x//")] for file in found["files"]] == places
    left_out = found.get("left_out", {"files": 0, "size_bytes": 0})
    assert left_out["files"] == 5 - len(places)
    assert left_out["size_bytes"] == sum(10 + place for place in range(5) if place not in places)


def test_a_record_without_files_has_none_to_choose_from(tmp_path):
    path = tmp_path / "7.json"
    path.write_text(json.dumps({"recid": 7, "title": "x", "files": []}), encoding="utf-8")
    assert read_source(recid=7, metadata_path=path, chosen_by=FileFilter(names=["*.root"]))["files"] == []


def test_an_index_whose_files_are_not_known_yet_stays(tmp_path):
    entries = [*files(), {"uri": "root://x//i.json", "type": "index.json", "size": 5}]
    found = chosen(tmp_path, entries=entries, index_files="keep", names=["*.txt"])
    assert [file["uri"] for file in found["files"]] == ["root://x//b/one.txt", "root://x//i.json"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"files": {"names": [], "regexp": "(", "ranges": []}},
            r"source\.files\.regexp: expected a regular expression",
        ),
        ({"files": {"names": [], "regexp": None, "ranges": ["5-2"]}}, "expected the smaller place first, found '5-2'"),
        ({"files": {"names": [], "regexp": None, "ranges": ["0-2"]}}, r"source\.files\.ranges"),
        (
            {"files": {"names": ["*"], "regexp": None, "ranges": []}, "data_root": "/x"},
            r"source\.files: expected nothing",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_begins(settings, told):
    config = read_config_file(ROOT / "config.yaml")
    config["source"] |= settings
    with pytest.raises(ConfigError, match=told):
        check_config(config)
