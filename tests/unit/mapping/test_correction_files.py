"""Corrections on the disk: one that would have no effect, or another one than it says, is refused."""

from pathlib import Path

import pytest

from ferry.errors import ConfigError, MetadataError
from ferry.mapping.correction_files import read_correction
from ferry.run.job_functions import RecordInputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "metadata" / "corrections").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("name", ["80505.yml", "080505.yaml", "x.yaml", "80505.json"])
def test_a_file_that_no_record_asks_for_is_named_before_anything_starts(folder: Path, name: str) -> None:
    (folder / "metadata" / "corrections" / name).write_text("title: x\n")
    with pytest.raises(ConfigError, match=rf"corrections/{name}: expected .* <recid>\.yaml, found '{name}'"):
        RecordInputs(metadata_dir=folder / "metadata")


def test_corrections_are_found_by_the_recid_and_what_is_meant_for_none_is_left_alone(folder: Path) -> None:
    corrections = folder / "metadata" / "corrections"
    for name in ("80505.yaml", ".gitkeep", "README.md", "80505.yaml~"):
        (corrections / name).write_text("")
    inputs = RecordInputs(metadata_dir=folder / "metadata")
    assert inputs.corrections(type("", (), {"recid": "80505"})) == [str(corrections / "80505.yaml")]
    assert inputs.corrections(type("", (), {"recid": "7"})) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("files: 5", "files: expected a field that is mapped, found the list of files"),
        ("_file_indices: null", "_file_indices: expected a field that is mapped, found the list of files"),
        ("a: {b: [18446744073709551616]}", r"a\.b\[0\]: expected a number of at most 64 bits"),
        ("a: .inf", "a: expected a finite number, found inf"),
        ("a: .nan", "a: expected a finite number, found nan"),
        ("a: [{b: 1,\n  b: 2}]", r"line 2: a\[0\]\.b stands in line 1 already; expected it once, found it twice"),
    ],
)
def test_what_a_correction_cannot_say_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "7.yaml"
    path.write_text(text)
    with pytest.raises(MetadataError, match=rf"7\.yaml: {message}"):
        read_correction(path)


def test_a_date_in_a_correction_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "7.yaml"
    path.write_text("prepublication: {date: 2014-06-20}\n")
    assert read_correction(path) == {"prepublication": {"date": "2014-06-20"}}


def test_an_empty_file_corrects_nothing(tmp_path: Path) -> None:
    path = tmp_path / "7.yaml"
    path.write_text("# nothing yet\n")
    assert read_correction(path) == {}


@pytest.mark.parametrize(
    "text",
    ["- a list", "title: [", "1: x", "a: &b [*b]", "a: !!binary aGk=", "a: !!python/object:os.X {}", "just text"],
)
def test_what_is_no_object_of_json_values_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "7.yaml"
    path.write_text(text)
    with pytest.raises(MetadataError, match=r"7\.yaml"):
        read_correction(path)
