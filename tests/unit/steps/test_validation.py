"""Before anything moves: which records would be refused, at which path, what was expected and what was found."""

import csv
import json
import re
import shutil

import pytest
import yaml

from answering_portal import Answer
from answering_portal import portal as answering
from ferry.errors import MetadataError, PermanentError, TransientError
from ferry.mapping.transform import InvalidRecordError
from ferry.mapping.work import MappingOptions
from ferry.source.file_filter import FileFilter
from ferry.steps import look_at
from ferry.steps.validate import Problem, problem_table, rendered, validate_all, validate_record
from small_records import RECORDS
from workflow.conftest import ROOT

GOOD = {
    "recid": "7",
    "title": "A title",
    "type": {"primary": "Dataset", "secondary": ["Derived"]},
    "experiment": ["CMS"],
}
GOOD |= {"date_published": "2014", "publisher": "CERN Open Data Portal", "license": {"attribution": "CC0-1.0"}}


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
    assert problem == Problem(7, "refused", "title", "a text", "none")


def test_a_correction_is_applied_before_the_verdict():
    assert validated({**GOOD, "title": None}, corrections={"title": "Corrected"}) == []


def test_what_the_schema_refuses_is_told_by_field():
    problems = validated(GOOD, access="secret")
    assert {problem.path for problem in problems} == {"access.record", "access.files"}
    assert {(problem.kind, problem.expected, problem.found) for problem in problems} == {
        ("refused", "is not one of ['public', 'restricted']", "'secret'")
    }


def test_a_value_that_was_left_out_and_one_without_a_place_are_warnings():
    problems = validated({**GOOD, "doi": "no doi", "brand_new": {"field": [1, 2]}})
    assert {(problem.kind, problem.path) for problem in problems} == {
        ("warning", "doi"),
        ("warning", "brand_new.field[]"),
    }


def test_a_file_beyond_the_limit_is_told_before_it_is_downloaded():
    file = {"key": "a", "uri": "root://x//a", "size_bytes": 11, "checksum": None, "online": True}
    (problem,) = validated(GOOD, files=[file], max_upload_bytes=10)
    assert (problem.path, problem.found, problem.kind) == ("files[].size", "11", "warning")
    assert validated(GOOD, files=[file], max_upload_bytes=11) == []


def test_a_record_that_cannot_be_read_is_a_refusal_and_no_crash():
    def read():
        raise PermanentError("https://opendata.cern.ch/api/records/7: expected a record, found 404; correct the list")

    (problem,) = validate_record(recid=7, read=read, profile="rdm-plain", options=MappingOptions())
    assert (problem.kind, problem.expected, problem.found) == ("refused", "a record", "404")


def test_the_table_has_one_row_per_field_and_expectation_refusals_first():
    problems = [
        Problem(3, "warning", "doi", "left out: expected a DOI, found 'x'", ""),
        *(
            Problem(recid, "warning", "doi", f"left out: expected a DOI, found '{recid}'", "")
            for recid in range(10, 20)
        ),
        Problem(5, "refused", "title", "a text", "none"),
        Problem(5, "refused", "title", "a text", "none"),
    ]
    rows = problem_table(problems)
    assert [(row["path"], row["records"]) for row in rows] == [("title", 1), ("doi", 11)]
    assert rows[1]["recids"] == "3, 10, 11, 12, 13, …"
    assert rendered(rows, kind="refused").splitlines()[1:] == [
        "path   expected  found  records  places  recids",
        "title  a text    none   1        2       5",
    ]
    assert rendered([], kind="warning") == ""


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def run(folder, config, recids, portal="http://127.0.0.1:9", chosen_by=None):
    return validate_all(
        recids=recids,
        metadata=config["metadata"] | {"dir": str(folder / "metadata"), "portal": portal},
        chosen_by=chosen_by,
        results_dir=folder / "results",
        transform=config["transform"],
        package=config["package"],
        catalogue_path=folder / "catalogue.csv",
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
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "refused"]
    assert [row["recid"] for row in rows] == ["7", "8"]


def test_the_advice_fits_what_is_wrong_with_the_records(tmp_path, config):
    """Corrections do not reach files, nor a record that the portal does not have."""
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    (metadata / "6.json").write_text(json.dumps({**GOOD, "recid": "6", "files": [{"uri": "root://x//a", "size": -1}]}))
    (metadata / "7.json").write_text(json.dumps({**GOOD, "recid": "7", "title": ""}))
    (metadata / "8.json").write_text("no json")
    with answering(Answer(status=404)) as server, pytest.raises(MetadataError) as refused:
        run(tmp_path, config, [6, 7, 8, 9, 10], portal=server.url)
    lines = str(refused.value).splitlines()
    assert lines[-4:] == [
        f"  1 record (7): correct what is refused in {metadata}/corrections/<recid>.yaml",
        "  1 record (6): corrections do not reach files: have the portal mend them and run "
        f"`snakemake --cores 2 refresh`, or lay a mended copy in {metadata}/<recid>.json",
        f"  1 record (8): mend {metadata}/<recid>.json, or the correction of the record",
        f"  2 records (9, 10): take what the portal does not give off the list, or lay it in {metadata}/<recid>.json",
    ]
    (row,) = [line for line in lines if "404" in line]
    assert row.endswith("2        2       9, 10")


def test_a_record_of_which_no_file_is_chosen_has_the_advice_that_plan_and_run_give(tmp_path, config):
    """It was to mend its metadata or its correction, which choose no files."""
    (tmp_path / "metadata").mkdir()
    record = {**GOOD, "files": [{"uri": "root://x//a", "size": 1, "checksum": "adler32:00000001"}]}
    (tmp_path / "metadata" / "7.json").write_text(json.dumps(record))
    with pytest.raises(MetadataError) as refused:
        run(tmp_path, config, [7], chosen_by=FileFilter(names=["nothing*"]))
    *_, summary, advice = str(refused.value).splitlines()
    assert "0 valid (0 of them with warnings), 1 refused" in summary
    assert advice == "  1 record (7): take the record off the list, or choose otherwise"


def test_what_nobody_has_answered_is_not_known_yet_and_neither_valid_nor_refused(tmp_path, config, monkeypatch):
    """Exit status 1 all the same: who validates wants to know that all are valid."""
    metadata = tmp_path / "metadata"
    metadata.mkdir()

    def silent(recid, **_options):
        raise TransientError(f"http://portal.invalid/api/records/{recid}: expected an answer, found Connection refused")

    monkeypatch.setattr(look_at, "fetch_record", silent)
    (metadata / "6.json").write_text(json.dumps({**GOOD, "recid": "6"}))
    (metadata / "7.json").write_text(json.dumps({**GOOD, "recid": "7", "title": ""}))
    with pytest.raises(MetadataError) as told:
        run(tmp_path, config, [6, 8, 9])
    *_, table, _, summary, advice = str(told.value).splitlines()
    assert summary.startswith(
        "  3 records for rdm-plain: 1 valid (0 of them with warnings), 0 refused, 2 not known yet; all of it in "
    )
    assert advice == "  2 records (8, 9): not known yet; validate again when there may be an answer"
    assert re.fullmatch(r" *\(the whole record\) +an answer +Connection refused +2 +2 +8, 9", table)
    assert str(told.value).splitlines()[0] == "not known yet"
    with pytest.raises(MetadataError, match=r"2 records for .*: 0 valid .*, 1 refused, 1 not known yet; ") as told:
        run(tmp_path, config, [7, 8])
    with (tmp_path / "validation.csv").open(encoding="utf-8") as stream:
        assert [(row["recid"], row["kind"]) for row in csv.DictReader(stream)] == [
            ("7", "refused"),
            ("8", "not known yet"),
        ]


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


# --- what is told, and how often ---


@pytest.mark.parametrize("profile", ["rdm", "ccmm1", "ccmm2"])
def test_what_holds_for_all_records_of_an_experiment_is_told_once_and_is_no_warning(tmp_path, config, profile):
    (tmp_path / "metadata").mkdir()
    for recid in (7, 8, 9):
        experiment = ["CMS" if recid < 9 else "LHCb"]
        record = {**GOOD, "recid": str(recid), "experiment": experiment, "categories": {"primary": "Exotica"}}
        (tmp_path / "metadata" / f"{recid}.json").write_text(json.dumps(record))
    config["transform"]["profile"] = profile
    told = run(tmp_path, config, [7, 8, 9])
    assert f"3 records for {profile}: 3 valid (0 of them with warnings), 0 refused" in told
    assert re.search(r"experiment\[\] +no experiment of this target: keyword only +CMS, LHCb +3 +3 +7, 8, 9", told)
    assert re.search(r"categories\.primary +no term of the target's vocabulary .* +Exotica +3 +3 +7, 8, 9", told)


@pytest.mark.parametrize(
    ("files", "options", "kept"),
    [
        (1, {}, "in the record's own JSON"),
        (1, {"own_json": False}, "on the portal only, no JSON of the record goes up"),
        (0, {}, "on the portal only, no JSON of the record goes up"),
        (
            0,
            {"own_json_alone": True},
            "in the record's own JSON where that goes up as its only file, else on the portal only",
        ),
    ],
)
def test_where_a_value_without_a_place_is_kept_is_said_as_it_is(files, options, kept):
    listed = [{"key": "a", "uri": "root://x//a", "size_bytes": 1, "checksum": None, "online": True}] * files
    source = {"recid": 7, "origin": "metadata/7.json", "record": {**GOOD, "brand_new": 1}, "files": listed}
    (problem,) = validate_record(
        recid=7, read=lambda: (source, {}), profile="rdm-plain", options=MappingOptions(**options)
    )
    assert (problem.path, problem.found) == ("brand_new", f"none: {kept}")


def test_faults_told_as_one_are_counted_each_and_values_that_differ_are_left_open(tmp_path, config):
    (tmp_path / "metadata").mkdir()
    for recid, count in ((7, 500), (8, 2)):
        files = [{"uri": f"root://x//{n}", "size": 1, "checksum": "zz"} for n in range(count)]
        record = {**GOOD, "recid": str(recid), "files": files, "distribution": {"number_files": count + 1}}
        (tmp_path / "metadata" / f"{recid}.json").write_text(json.dumps(record))
    told = run(tmp_path, config, [7, 8])
    with (tmp_path / "validation.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["path"] == "files[].checksum"]
    assert [(row["recid"], row["places"]) for row in rows] == [("7", "500"), ("8", "2")]
    assert re.search(r"files\[\]\.checksum .* 2 +502 +7, 8", told)
    assert "declared as …, the files listed make …" in told


def test_equal_faults_are_one_row_with_a_count(tmp_path, config):
    giants = [
        {"key": f"f{n}", "uri": f"root://x//f{n}", "size_bytes": 10 + n, "checksum": None, "online": True}
        for n in range(1, 501)
    ]
    (problem,) = validated(GOOD, files=giants, max_upload_bytes=10)
    assert (problem.path, problem.count) == ("files[].size", 500)
    (row,) = problem_table([problem, Problem(8, "warning", "files[].size", problem.expected, "99", 2)])
    assert (row["records"], row["places"]) == (2, 502)


@pytest.mark.parametrize(
    ("text", "path", "expected", "found"),
    [
        ('{"recid": "7", "a": [{"b": 1, "b": 2}]}', "a[].b", "each key once in an object", "'b' twice"),
        ('{"recid": "7", "a": {"b": NaN}}', "a.b", "a finite number", "nan"),
        ('{"recid": "7", "a": "\\ud800"}', "a", "Unicode text", r"half of a character (a lone surrogate) in '\ud800'"),
        ('{"recid": "7", "a": %s}' % ("9" * 5000), "a", "a number of at most 64 bits", "one of 5000 digits"),
        ('{"recid": "7", "files": [{"uri": 5}]}', "files[].uri", None, "5"),
        (
            '{"recid": "7", "files": [{"uri": "root://x//a", "size": 1}, {"uri": "root://x//a"}]}',
            "files[].size",
            None,
            "null",
        ),
        ("no json", "(the whole record)", "JSON", None),
        ('{"recid": "8"}', "recid", "7", "'8'"),
    ],
)
def test_the_path_of_a_fault_is_its_path_in_the_record(tmp_path, config, text, path, expected, found):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "7.json").write_text(text)
    with pytest.raises(MetadataError):
        run(tmp_path, config, [7])
    with (tmp_path / "validation.csv").open(encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert row["path"] == path
    assert expected in (None, row["expected"])
    assert found in (None, row["found"])
    assert all(len(cell) <= 300 for cell in row.values())
