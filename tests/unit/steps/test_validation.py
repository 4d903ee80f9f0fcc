"""Before anything moves: which records would be refused, at which path, what was expected and what was found."""

import csv
import json
import shutil

import pytest
import yaml

from ferry.errors import MetadataError, PermanentError
from ferry.mapping.transform import InvalidRecordError
from ferry.mapping.work import MappingOptions
from ferry.steps.validate import Problem, problem_table, rendered, validate_all, validate_record
from small_records import RECORDS
from workflow.conftest import ROOT

GOOD = {
    "recid": "7",
    "title": "A title",
    "type": {"primary": "Dataset", "secondary": ["Derived"]},
    "experiment": ["CMS"],
}
GOOD |= {"date_published": "2014", "publisher": "CERN Open Data Portal"}


def validated(record, *, corrections=None, files=(), **more):
    source = {"recid": 7, "origin": "metadata/7.json", "record": record, "files": list(files)}
    return validate_record(
        recid=7,
        read=lambda: (source, corrections or {}),
        profile="rdm-plain",
        options=MappingOptions(**{key: more.pop(key) for key in ("access",) if key in more}),
        **more,
    )


def test_a_record_without_fault_says_nothing():
    assert validated(GOOD) == []


def test_a_missing_field_is_a_refusal_with_its_path():
    (problem,) = validated({key: value for key, value in GOOD.items() if key != "title"})
    assert problem == Problem(7, True, "title", "a text", "none")


def test_a_correction_is_applied_before_the_verdict():
    assert validated({**GOOD, "title": None}, corrections={"title": "Corrected"}) == []


def test_what_the_schema_refuses_is_told_by_field():
    problems = validated(GOOD, access="secret")
    assert {problem.path for problem in problems} == {"access.record", "access.files"}
    assert {(problem.refused, problem.expected, problem.found) for problem in problems} == {
        (True, "is not one of ['public', 'restricted']", "'secret'")
    }


def test_a_value_that_was_left_out_and_one_without_a_place_are_warnings():
    problems = validated({**GOOD, "doi": "no doi", "brand_new": {"field": [1, 2]}})
    assert {(problem.refused, problem.path) for problem in problems} == {(False, "doi"), (False, "brand_new.field[]")}


def test_a_file_beyond_the_limit_is_told_before_it_is_downloaded():
    file = {"key": "a", "uri": "root://x//a", "size_bytes": 11, "checksum": None, "online": True}
    (problem,) = validated(GOOD, files=[file], max_upload_bytes=10)
    assert (problem.path, problem.found, problem.refused) == ("files[].size", "11", False)
    assert validated(GOOD, files=[file], max_upload_bytes=11) == []


def test_a_record_that_cannot_be_read_is_a_refusal_and_no_crash():
    def read():
        raise PermanentError("https://opendata.cern.ch/api/records/7: expected a record, found 404; correct the list")

    (problem,) = validate_record(recid=7, read=read, profile="rdm-plain", options=MappingOptions())
    assert (problem.refused, problem.expected, problem.found) == (True, "a record", "404")


def test_the_table_has_one_row_per_field_and_expectation_refusals_first():
    problems = [
        Problem(3, False, "doi", "left out: expected a DOI, found 'x'", ""),
        *(Problem(recid, False, "doi", f"left out: expected a DOI, found '{recid}'", "") for recid in range(10, 20)),
        Problem(5, True, "title", "a text", "none"),
        Problem(5, True, "title", "a text", "none"),
    ]
    rows = problem_table(problems)
    assert [(row["path"], row["records"]) for row in rows] == [("title", 1), ("doi", 11)]
    assert rows[1]["recids"] == "3, 10, 11, 12, 13, …"
    assert rendered(rows, kind="refused").splitlines()[1:] == [
        "path   expected  found  records  recids",
        "title  a text    none   1        5",
    ]
    assert rendered([], kind="warnings") == ""


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def run(folder, config, recids):
    return validate_all(
        recids=recids,
        metadata_dir=folder / "metadata",
        results_dir=folder / "results",
        portal="http://127.0.0.1:9",
        transform=config["transform"],
        package=config["package"],
        table_path=folder / "validation.csv",
    )


def test_all_records_are_told_at_once_and_one_refusal_fails_the_whole(tmp_path, config):
    (tmp_path / "metadata").mkdir()
    paths = sorted(RECORDS.glob("*.json"))[:5]
    for path in paths:
        (tmp_path / "metadata" / path.name).write_bytes(path.read_bytes())
    recids = [int(path.stem) for path in paths]
    assert "5 records for rdm-plain: 5 valid" in run(tmp_path, config, recids)
    (tmp_path / "metadata" / "7.json").write_text(json.dumps({**GOOD, "title": ""}))
    (tmp_path / "metadata" / "8.json").write_text("no json")
    with pytest.raises(MetadataError, match=r"7 records for rdm-plain: 5 valid .*, 2 refused") as refused:
        run(tmp_path, config, [*recids, 7, 8])
    assert "title" in str(refused.value)
    with (tmp_path / "validation.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["refused"] == "true"]
    assert [row["recid"] for row in rows] == ["7", "8"]


def test_a_correction_of_the_files_is_a_refusal_of_its_record_only(tmp_path, config):
    corrections = tmp_path / "metadata" / "corrections"
    corrections.mkdir(parents=True)
    for recid in (80505, 80512):
        shutil.copy(ROOT / "metadata" / f"{recid}.json", tmp_path / "metadata")
    (corrections / "80505.yaml").write_text("files: 5\n")
    with pytest.raises(MetadataError, match=r"2 records for .*: 1 valid .*, 1 refused"):
        run(tmp_path, config, [80505, 80512])


def test_a_refusal_of_the_schema_keeps_every_line_and_shows_the_first_ones():
    error = InvalidRecordError([f"metadata.subjects[{n}]: wrong" for n in range(9)], profile="rdm")
    assert len(error.problems) == 9
    assert "(and 4 more)" in str(error)
