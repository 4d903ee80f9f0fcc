"""What became of the metadata of all records: by experiment, by path, and what was corrected."""

import csv

import pytest

from ferry.errors import IntegrityError
from ferry.receipts import write_receipt
from ferry.report.metadata_tables import write_metadata_tables


def mapping(recid, experiment, **more):
    paths = [
        {"path": "title", "count": 1, "status": "mapped", "to": ["metadata.title"], "rule": "main_title"},
        {"path": "odd", "count": 2, "status": "unknown"},
        {"path": "odd", "count": 1, "status": "dropped", "reason": "empty"},
    ]
    leaves = {"total": 4, "mapped": 1, "dropped": 1, "unknown": 2}
    return {
        "recid": recid, "profile": "rdm", "experiments": experiment, "corrected": [], "leaves": leaves, "paths": paths,
        "added": [], "warnings": [], "source_sha256": 64 * "0", "record_sha256": 64 * "0", **more,
    }  # fmt: skip


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(folder, *mappings):
    for found in mappings:
        (folder / str(found["recid"])).mkdir(exist_ok=True)
        write_receipt(folder / str(found["recid"]) / "mapping.json", "mapping", found)


def test_values_are_counted_by_experiment_and_by_path_over_all_records(tmp_path):
    warned = {"warnings": [{"path": "doi", "message": "left out"}]}
    write(tmp_path, mapping(1, ["CMS"], **warned), mapping(2, ["CMS"]), mapping(3, ["ATLAS", "ALICE"]), mapping(4, []))
    write_metadata_tables(recids=[1, 2, 3, 4, 5], results_dir=tmp_path)  # 5 was not transformed
    rows = rows_of(tmp_path / "coverage.csv")
    assert [(row["experiment"], row["records"], row["values"], row["unknown"]) for row in rows] == [
        ("(none)", "1", "4", "2"),
        ("ALICE + ATLAS", "1", "4", "2"),
        ("CMS", "2", "8", "4"),
    ]
    assert (rows[2]["records_with_warnings"], rows[2]["unknown_paths"], rows[2]["mapped_share"]) == ("1", "odd", "0.25")
    paths = {(row["experiment"], row["path"]): row for row in rows_of(tmp_path / "coverage_paths.csv")}
    odd = paths["CMS", "odd"]
    assert (odd["records"], odd["unknown"], odd["dropped"], odd["reasons"]) == ("2", "4", "2", "empty")
    assert paths["CMS", "title"]["to"] == "metadata.title"


def test_each_corrected_value_is_told_with_what_was_there_before(tmp_path):
    changes = [
        {"path": "title", "before": "Old", "after": "New"},
        {"path": "doi", "before": None, "after": "10.1/x" * 200},
        {"path": "keywords", "before": ["a", "b"], "after": None},
    ]
    write(tmp_path, mapping(2, ["CMS"], corrected=changes), mapping(1, ["CMS"]))
    write_metadata_tables(recids=[2, 1], results_dir=tmp_path)
    doi, keywords, title = rows_of(tmp_path / "corrections.csv")
    assert title == {"recid": "2", "path": "title", "before": "Old", "after": "New"}
    assert (keywords["before"], keywords["after"]) == ('["a", "b"]', "")
    assert (doi["before"], len(doi["after"])) == ("", 300)
    assert rows_of(tmp_path / "coverage.csv")[0]["records_corrected"] == "1"


def test_without_any_record_there_are_tables_without_rows(tmp_path):
    write_metadata_tables(recids=[1], results_dir=tmp_path)
    for name in ("coverage", "coverage_paths", "corrections"):
        assert rows_of(tmp_path / f"{name}.csv") == []


@pytest.mark.parametrize("text", ['{"recid": 2, "pro', "[]", ""])
def test_a_torn_receipt_is_named_or_left_out_with_a_warning(tmp_path, caplog, text):
    write(tmp_path, mapping(1, ["CMS"]), mapping(2, ["CMS"]))
    (tmp_path / "2" / "mapping.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"2/mapping\.json: .*run again, it is made anew"):
        write_metadata_tables(recids=[1, 2], results_dir=tmp_path)
    write_metadata_tables(recids=[1, 2], results_dir=tmp_path, skip_torn=True)
    assert [row["records"] for row in rows_of(tmp_path / "coverage.csv")] == ["1"]
    assert "2/mapping.json" in caplog.text
