"""A table that was cut or edited since a run has made it is told, and made again once it is taken away."""

from pathlib import Path

import pytest

from ferry.errors import IntegrityError
from ferry.report.figures import draw_figures
from ferry.report.pages import write_pages
from ferry.report.stats import aggregate, outdate_tables
from ferry.report.table_digests import changed_tables, note_tables, noted_path

NAMES = ("stats.csv", "figures/failures.svg")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Tables as two rules have left them."""
    (tmp_path / "figures").mkdir()
    for name in (*NAMES, "coverage.csv", "overview.html"):
        (tmp_path / name).write_text(f"of {name}, more than one byte")
    note_tables("aggregate_stats", (tmp_path / name for name in NAMES), results_dir=tmp_path)
    note_tables("aggregate_metadata", [tmp_path / "coverage.csv"], results_dir=tmp_path)
    note_tables("write_pages", [tmp_path / "overview.html"], results_dir=tmp_path)
    return tmp_path


def found(results: Path) -> list[tuple[str, str]]:
    return [(rule, str(path.relative_to(results))) for rule, path, _ in changed_tables(results)]


def test_what_is_as_it_was_left_is_not_told(results: Path):
    assert found(results) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"of stat", None])
def test_one_that_was_cut_or_deleted_is_told_with_its_rule(results: Path, name: str, content: bytes | None):
    if content is None:
        (results / name).unlink()
    else:
        (results / name).write_bytes(content)
    assert found(results) == [("aggregate_stats", name)]


@pytest.mark.parametrize("text", ["ab", "00  ../outside\n", "00  7001/upload.json\n", "00  /etc/hostname\n"])
def test_what_was_written_down_is_told_itself_where_it_is_not_of_tables(results: Path, text: str):
    noted_path("aggregate_stats", results).write_text(text)
    assert found(results) == [("aggregate_stats", "digests/aggregate_stats.txt")]


def test_of_tables_that_the_next_run_makes_again_nothing_is_told(results: Path):
    outdate_tables(results, rules={"aggregate_stats"})
    for name in (*NAMES, "coverage.csv", "overview.html"):
        (results / name).write_text("as a run goes on")
    assert found(results) == [("aggregate_metadata", "coverage.csv")]
    outdate_tables(results)
    assert found(results) == []


def test_figures_and_pages_of_a_table_that_was_cut_say_which_it_is_and_what_to_do(tmp_path: Path):
    aggregate(recids=[7001], results_dir=tmp_path, logs_dir=tmp_path / "logs", publish=False)
    for table in ("stats", "attempts", "files"):
        path = tmp_path / f"{table}.parquet"
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        told = rf"{path}: expected a table as a run has made it, found .*; delete it and run again"
        with pytest.raises(IntegrityError, match=told):
            write_pages(results_dir=tmp_path, command="snakemake", publish=False)
        with pytest.raises(IntegrityError, match=told):
            draw_figures(results_dir=tmp_path, out_dir=tmp_path / "figures")
        path.write_bytes(whole)
    for table in ("stats", "attempts", "files"):
        (tmp_path / f"{table}.parquet").unlink()  # of which the workflow makes its tables again
    aggregate(recids=[7001], results_dir=tmp_path, logs_dir=tmp_path / "logs", publish=False)
    write_pages(results_dir=tmp_path, command="snakemake", publish=False)
    draw_figures(results_dir=tmp_path, out_dir=tmp_path / "figures")
