"""Tables for people as CSV."""

import csv

import pytest

from ferry.csv_tables import write_csv


def test_cells_are_told_in_one_way_and_none_is_a_formula(tmp_path):
    path = tmp_path / "results" / "table.csv"
    write_csv(
        path, ["a", "b"], [[True, ["x", "y"]], ['=HYPERLINK("http://x")', -5], ["line\nbreak", None], ["-5", 1.5]]
    )
    with path.open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["a", "b"],
            ["true", "x; y"],
            ['\'=HYPERLINK("http://x")', "-5"],
            ["line\nbreak", ""],
            ["'-5", "1.5"],
        ]


def test_a_table_that_could_not_be_made_whole_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "table.csv"
    write_csv(path, ["a"], [[1]])

    def rows():
        yield [2]
        raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        write_csv(path, ["a"], rows())
    assert path.read_text(encoding="utf-8") == "a\n1\n"
    assert list(tmp_path.iterdir()) == [path]
