import csv
import itertools
import runpy
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferry import chain
from ferry.report.figures import FIGURES, draw_figures, style
from ferry.report.figures.course import records_over_time, waits_and_retries
from ferry.report.figures.durations import duration_by_size, time_by_step
from ferry.report.figures.failures import failures
from ferry.report.figures.flow_layout import PAD, SLOT, gather, lay_out
from ferry.report.figures.flows import outcome_of, records_by_outcome
from ferry.report.figures.style import in_style, shortened
from ferry.report.figures.tables import Run, on_working_time, read_run
from ferry.report.figures.timeline import bytes_against_plan, concurrency
from ferry.report.figures.working_time import bin_edges, bytes_per_second, jobs_at_once
from ferry.report.stats import aggregate
from ferry.text.formatting import format_bytes, format_part_of, format_seconds, truncate
from synthetic_runs import plan_run, write_run


def make_run(folder: Path, *, records: int, files: int = 0, failed: int = 0, skipped: int = 0) -> Path:
    plans = plan_run(records=records, files=files, failed=failed, skipped=skipped) if records else []
    write_run(folder, plans)
    recids = [plan.recid for plan in plans]
    results = folder / "results"
    aggregate(recids=recids, results_dir=results, logs_dir=folder / "logs", publish=False)
    return results


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def bulk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = make_run(tmp_path_factory.mktemp("bulk"), records=120, files=900, failed=10, skipped=6)
    draw_figures(results_dir=results, out_dir=results / "figures", caps={"download_files": 3})
    return results


@pytest.fixture(scope="module")
def stats(bulk: Path) -> pd.DataFrame:
    return pd.read_parquet(bulk / "stats.parquet")


def test_every_figure_is_there_as_svg_png_and_the_table_it_was_drawn_from(bulk: Path):
    made = {path.name for path in (bulk / "figures").iterdir()}
    assert made == {f"{name}.{form}" for name in FIGURES for form in ("svg", "png", "csv")}
    assert all("<script" not in (bulk / "figures" / f"{name}.svg").read_text() for name in FIGURES)


@pytest.mark.slow
@pytest.mark.parametrize("of_somebody", ["matplotlibrc", "numpy"])
def test_no_settings_and_no_packages_of_somebody_else_take_the_figures(bulk: Path, tmp_path: Path, of_somebody: str):
    """A matplotlibrc that asks for LaTeX, a numpy of another Python on PYTHONPATH."""
    other, here = tmp_path / "other", tmp_path / "here"
    (other / "numpy").mkdir(parents=True)
    here.mkdir()
    (other / "matplotlibrc").write_text("text.usetex: true\n")
    (other / "numpy" / "__init__.py").write_text("raise ImportError('of another Python')\n")
    scripts = str(Path(__file__).parents[3] / "scripts")
    environment = {
        "matplotlibrc": {"MATPLOTLIBRC": str(other / "matplotlibrc"), "PYTHONPATH": scripts},
        "numpy": {"PYTHONPATH": f"{other}:{scripts}"},
    }[of_somebody]
    code = f"""
from pathlib import Path
from ferry.report.figures import draw_figures
draw_figures(results_dir=Path({str(bulk)!r}), out_dir=Path("figures"))
"""
    subprocess.run([sys.executable, "-c", code], cwd=here, env=environment, check=True)
    assert (here / "figures" / "failures.svg").exists()


def test_only_outlines_of_an_svg_are_shortened():
    svg = '<g transform="scale(0.015625)"><path d="M 1.23456 -0.5 \nL 7 0.001"/></g>'
    assert shortened(svg) == '<g transform="scale(0.015625)"><path d="M 1.23 -0.5 \nL 7 0.00"/></g>'


def test_the_flow_of_records_counts_each_record_once(bulk: Path, stats: pd.DataFrame):
    rows = read_rows(bulk / "figures" / "records_by_outcome.csv")
    assert sum(int(row["records"]) for row in rows) == 120
    counts = Counter(row["status"] for row in rows for _ in range(int(row["records"])))
    assert counts == stats["status"].value_counts().to_dict()


def test_the_flow_of_bytes_adds_up_to_the_bytes_of_the_sources(bulk: Path, stats: pd.DataFrame):
    rows = read_rows(bulk / "figures" / "bytes_by_outcome.csv")
    assert sum(int(row["bytes"]) for row in rows) == int(stats["source_bytes"].sum())


def test_the_failures_drawn_are_the_records_that_failed(bulk: Path, stats: pd.DataFrame):
    rows = read_rows(bulk / "figures" / "failures.csv")
    failed = stats[stats["status"] == "failed"]
    assert sum(int(row["records"]) for row in rows) == len(failed) == 10
    assert {row["step"] for row in rows} == set(failed["step"])


def test_the_throughput_drawn_adds_up_to_the_bytes_that_were_moved(bulk: Path):
    rows = read_rows(bulk / "figures" / "throughput.csv")
    attempts = pd.read_parquet(bulk / "attempts.parquet")
    for step in ("download_files", "upload_record"):
        bins = [row for row in rows if row["step"] == step]
        width_s = float(bins[1]["second"]) - float(bins[0]["second"])
        drawn = sum(float(row["bytes_per_s"]) for row in bins) * width_s
        assert drawn == pytest.approx(attempts.loc[attempts["step"] == step, "bytes_moved"].sum(), rel=0.001)


def test_the_curve_of_arrived_bytes_ends_at_the_bytes_of_the_records_that_are_there(bulk: Path, stats: pd.DataFrame):
    rows = read_rows(bulk / "figures" / "bytes_against_plan.csv")
    arrived = [int(row["bytes_arrived"]) for row in rows]
    assert arrived == sorted(arrived)
    assert arrived[-1] == int(stats.loc[stats["status"] == "ok", "source_bytes"].sum())


def test_jobs_above_the_cap_are_called_so(bulk: Path):
    with in_style():
        title = concurrency(read_run(bulk, caps={"download_files": 3})).figure.axes[0].get_title(loc="left")
        kept = concurrency(read_run(bulk, caps={"download_files": 6})).figure.axes[0].get_title(loc="left")
    assert "above the cap: download_files" in " ".join(title.split())
    assert kept.endswith("the caps were kept")


def test_experiment_and_year_are_two_columns_each_with_the_largest_above_and_labels_left_of_the_first(bulk: Path):
    rows = read_rows(bulk / "figures" / "records_by_outcome.csv")
    assert list(rows[0])[:2] == ["experiment", "year"]
    with in_style():
        figure = records_by_outcome(read_run(bulk)).figure
    for column, place in (("experiment", "right"), ("year", "left")):
        amounts: Counter[str] = Counter()
        for row in rows:
            amounts[row[column]] += int(row["records"])
        drawn = [text for text in figure.axes[0].texts if text.get_text() in amounts and text.get_ha() == place]
        if column == "year":
            drawn = [text for text in drawn if text.get_position()[0] < 200]  # "not stated" stands in others too
        from_above = sorted(drawn, key=lambda text: -text.get_position()[1])
        assert [amounts[text.get_text()] for text in from_above] == sorted(amounts.values(), reverse=True)


def test_failures_are_grouped_by_step_and_reason_whatever_values_it_names(bulk: Path):
    run = read_run(bulk)
    same = [f"root://x//{recid}.al: no byte for {recid} s; run again" for recid in range(5)]
    stats = run.stats.head(8).assign(
        status="failed", step="download_files", error_type="TransientError",
        error=[*same, "no answer", "no answer", "another thing"],
    )  # fmt: skip
    with in_style():
        drawing = failures(Run(stats=stats, attempts=run.attempts, file_sizes=run.file_sizes))
    assert [row[2] for row in drawing.rows] == [5, 2, 1]
    title = " ".join(drawing.figure.axes[0].get_title(loc="left").split())
    assert title == "8 of 8 records failed; the largest group: 5 at download_files, TransientError"


def test_uploads_are_drawn_by_the_slots_that_they_take(bulk: Path):
    run = read_run(bulk, caps={"upload_record": 40}, slots={"bytes_per_slot": 1_000_000, "max_slots": 24})
    with in_style():
        drawing = concurrency(run)
    uploads = [row for row in drawing.rows if row[0] == "upload_record"]
    assert any(row[3] > row[2] for row in uploads), "some weigh more than one"
    assert all(row[2] <= row[3] <= 24 * row[2] for row in uploads)
    assert all(row[2] == row[3] for row in drawing.rows if row[0] != "upload_record")
    assert "slots) at once" in " ".join(drawing.figure.axes[0].get_title(loc="left").split())


def test_records_are_counted_as_they_come_through_and_the_end_is_that_of_those_to_go():
    stats = pd.DataFrame(
        {"recid": [1, 2, 3, 4], "status": ["ok", "ok", "skipped", "failed"], "error_type": [None, None, None, "E"]}
    )
    attempts = pd.DataFrame(
        {
            "recid": [1, 2],
            "step": ["record_stats"] * 2,
            "status": ["ok"] * 2,
            "begin_s": [0.0, 55.0],
            "finish_s": [30.0, 60.0],
        }
    )
    with in_style():
        drawing = records_over_time(Run(stats=stats, attempts=attempts, file_sizes=np.array([], dtype=np.int64)))
    assert [row[:2] for row in drawing.rows] == [[30.0, 1], [60.0, 2]]
    title = " ".join(drawing.figure.axes[0].get_title(loc="left").split())
    # one record in the last third (20 s), and one to go: what failed does not come by itself
    assert title == ("2 of 4 records through in 1 min of working time; 1 failed; 20 s more at this rate for 1 to go")


def on_tape(stats: pd.DataFrame, *, recids: int) -> pd.DataFrame:
    """Return the records with the first `recids` of those that were skipped waiting for files on tape."""
    waiting = stats.index[stats["status"] == "skipped"][:recids]
    changed = stats.copy()
    changed.loc[waiting, ["step", "error_type"]] = ["download_files", "OnTapeError"]
    return changed


def title_of(drawing) -> str:
    return " ".join(drawing.figure.axes[0].get_title(loc="left").split())


def test_records_on_tape_are_an_outcome_of_their_own_in_each_figure(bulk: Path):
    run = read_run(bulk)
    run = replace(run, stats=on_tape(run.stats, recids=4))
    with in_style():
        flow, over_time = records_by_outcome(run), records_over_time(run)
        calm = failures(replace(run, stats=run.stats[run.stats["status"] != "failed"]))
    assert flow.figure.axes[0].texts[0].get_text() == "104 of 120 records arrived complete; 10 failed, 2 skipped, " + (
        "4 to be staged"
    )
    ends = Counter()
    for row in flow.rows:
        ends[row[6]] += row[-1]
    assert (ends["to be staged"], ends["skipped"]) == (4, 2)
    assert title_of(over_time).split("; ")[1:3] == ["10 failed", "4 to be staged"]
    assert title_of(over_time).endswith("more at this rate for 2 to go")
    assert "104 records went through; 2 records skipped or not reached yet; 4 records to be staged." in [
        text.get_text() for text in calm.figure.axes[0].texts
    ]


def test_the_time_of_attempts_that_found_files_on_tape_is_not_lost():
    attempts = {
        "recid": [1, 2],
        "step": ["download_files"] * 2,
        "status": ["failed"] * 2,
        "error_type": ["OnTapeError", "IntegrityError"],
        "duration_s": [5.0, 2.0],
        "rate_wait_s": [None, None],
    }
    run = Run(stats=pd.DataFrame(), attempts=pd.DataFrame(attempts), file_sizes=np.array([], dtype=np.int64))
    with in_style():
        drawing = time_by_step(run)
    assert [drawing.columns[3], drawing.rows[0][2:4]] == ["seconds_in_failed_attempts", [7.0, 2.0]]


def test_nothing_is_promised_for_records_that_failed_or_wait_for_tape():
    stats = pd.DataFrame(
        {
            "recid": [1, 2, 3, 4],
            "status": ["ok", "failed", "skipped", "failed"],
            "error_type": [None, "E", "OnTapeError", "E"],
            "source_bytes": [100, 300, 500, None],
            "bytes_uploaded": [100, 0, 0, 0],
        }
    )
    attempts = pd.DataFrame(
        {
            "recid": [1, 1],
            "step": ["upload_record", "record_stats"],
            "status": ["ok"] * 2,
            "begin_s": [0.0, 60.0],
            "finish_s": [60.0, 60.0],
        }
    )
    run = Run(stats=stats, attempts=attempts, file_sizes=np.array([], dtype=np.int64))
    with in_style():
        titles = [title_of(bytes_against_plan(run)), title_of(records_over_time(run))]
    # the size of the last one is guessed as the mean of the others
    assert titles == [
        "100 B of 1.2 kB arrived in 1 min of working time; 600 B failed; 500 B to be staged",
        "1 of 4 records through in 1 min of working time; 2 failed; 1 to be staged",
    ]


@pytest.mark.parametrize(("longest_s", "is_named"), [(19.0, False), (21.0, True)])
def test_only_a_record_far_from_its_like_is_named_beside_its_point(bulk: Path, longest_s: float, is_named: bool):
    run = read_run(bulk)
    stats = run.stats[run.stats["status"] == "ok"].head(9).assign(source_bytes=1000, duration_s=10.0)
    stats["duration_s"] = [*[10.0] * 8, longest_s]
    with in_style():
        axes = duration_by_size(replace(run, stats=stats)).figure.axes[0]
    named = [text.get_text() for text in axes.texts]
    assert named == ([f"{stats['recid'].iloc[-1]} (2.1x)"] if is_named else [])


def test_what_was_waited_for_and_tried_again_is_told_by_when_it_was():
    attempts = pd.DataFrame(
        {"recid": [1, 2], "begin_s": [0.0, 60.0], "finish_s": [60.0, 120.0], "duration_s": [60.0, 60.0],
         "rate_wait_s": [30.0, 0.0], "retries": [0, 3]}
    )  # fmt: skip
    nothing = np.array([], dtype=np.int64)
    with in_style():
        drawing = waits_and_retries(Run(stats=pd.DataFrame(), attempts=attempts, file_sizes=nothing))
        still = attempts.assign(rate_wait_s=0.0, retries=0)
        calm = waits_and_retries(Run(stats=pd.DataFrame(), attempts=still, file_sizes=nothing))
    first = [row for row in drawing.rows if row[0] < 60]
    assert {row[1] for row in first} == {0.5}
    assert sum(row[2] for row in drawing.rows) == pytest.approx(3, abs=0.1)
    assert sum(row[2] for row in first) == 0
    title = drawing.figure.axes[0].get_title(loc="left")
    assert title == "30 s at the repository's rate limit, 25% of all work; 3 retries"
    assert (
        calm.figure.axes[0].get_title(loc="left")
        == "No attempt that went well waited at the rate limit, or tried again"
    )


def test_every_field_of_every_type_is_a_row_of_the_coverage(bulk: Path, stats: pd.DataFrame):
    rows = read_rows(bulk / "figures" / "metadata_coverage.csv")
    whole = {row["field"]: int(row["filled"]) for row in rows if row["type"] == "all"}
    assert whole == dict(Counter(name for names in stats["metadata_fields"] for name in names))


@pytest.mark.slow
def test_the_same_tables_give_the_same_figures_to_the_byte(bulk: Path, tmp_path: Path):
    draw_figures(results_dir=bulk, out_dir=tmp_path, caps={"download_files": 3})
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (bulk / "figures" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("records", "failed", "skipped"), [(0, 0, 0), (1, 0, 0), (1, 1, 0), (3, 0, 3)], ids=["none", "ok", "failed", "new"]
)
def test_a_run_with_hardly_anything_in_it_can_be_drawn(tmp_path: Path, records: int, failed: int, skipped: int):
    results = make_run(tmp_path, records=records, files=records * 2, failed=failed, skipped=skipped)
    draw_figures(results_dir=results, out_dir=tmp_path / "figures")
    assert len(list((tmp_path / "figures").iterdir())) == 3 * len(FIGURES)


def test_boxes_of_a_flow_chart_never_lie_on_each_other_and_bands_fill_them():
    flows = {
        ("a", "x", "ok"): 1000.0,
        ("a", "y", "failed"): 1.0,
        ("b", "x", "ok"): 0.5,
        ("c", "z", "ok"): 300.0,
        ("d", "z", "ok"): 1.0,
    }
    layout = lay_out(flows, fixed={}, height=200)
    for stage in layout.boxes:
        for upper, lower in itertools.pairwise(stage):
            room = max(upper.height, SLOT) / 2 + max(lower.height, SLOT) / 2
            assert upper.middle - lower.middle >= room + PAD - 1e-6
    for box in (box for stage in layout.boxes for box in stage):
        right = [band for band in layout.bands if (band.stage, band.source) == (box.stage, box.name)]
        left = [band for band in layout.bands if (band.stage + 1, band.target) == (box.stage, box.name)]
        for bands in filter(None, (right, left)):
            assert sum(band.height for band in bands) == pytest.approx(box.height)
            edges = [band.left if bands is right else band.right for band in bands]
            assert max(edges) == pytest.approx(box.middle + box.height / 2)


def test_what_is_too_small_for_a_label_is_gathered_and_nothing_is_lost():
    flows = {(f"n{number}", "ok"): float(number) for number in range(1, 9)}
    gathered = gather(flows, most=(3,))
    assert dict(gathered) == {("n8", "ok"): 8, ("n7", "ok"): 7, ("6 others", "ok"): 21}


def test_the_time_between_two_runs_is_left_out():
    attempts = pd.DataFrame(
        {
            "run_id": ["a", "a", "b"],
            "started_at": pd.to_datetime(["2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z", "2026-01-09T00:00:00Z"]),
            "duration_s": [2.0, 5.0, 1.0],
        }
    )
    placed, pauses_s = on_working_time(attempts)
    assert placed["begin_s"].tolist() == [0, 5, 10]
    assert pauses_s == [10]


def test_an_attempt_that_begins_when_another_ends_is_not_beside_it():
    attempts = pd.DataFrame({"begin_s": [0.0, 2.0, 2.0], "finish_s": [2.0, 4.0, 3.0]})
    assert jobs_at_once(attempts, bin_edges(4.0, most=4)).tolist() == [1, 1, 2, 2]


def test_bytes_are_spread_over_the_time_of_their_attempt():
    attempts = pd.DataFrame({"begin_s": [0.5], "finish_s": [2.5], "duration_s": [2.0], "bytes_moved": [200]})
    rates = bytes_per_second(attempts, np.array([0.0, 1.0, 2.0, 3.0]))
    assert rates.tolist() == [50, 100, 50]


def test_the_end_is_estimated_from_the_late_rate_and_the_bytes_that_are_missing():
    stats = pd.DataFrame(
        {"recid": [1, 2], "status": ["ok", "skipped"], "source_bytes": [100, 300], "bytes_uploaded": [100, 0]}
    ).assign(error_type=None)
    attempts = pd.DataFrame(
        {"recid": [1], "step": ["upload_record"], "status": ["ok"], "begin_s": [0.0], "finish_s": [60.0]}
    )
    with in_style():
        drawing = bytes_against_plan(Run(stats=stats, attempts=attempts, file_sizes=np.array([], dtype=np.int64)))
    # 100 bytes in the last third (20 s): 300 more take 60 s
    assert "100 B of 400 B arrived in 1 min" in drawing.figure.axes[0].get_title(loc="left")
    assert title_of(drawing).endswith("1 min more at this rate for 300 B to go")


def test_no_end_is_estimated_where_what_arrived_had_no_bytes_at_the_source():
    stats = pd.DataFrame(
        {"recid": [1, 2], "status": ["ok", "skipped"], "source_bytes": [0, 300], "bytes_uploaded": [20, 0]}
    ).assign(error_type=None)
    attempts = pd.DataFrame(
        {"recid": [1], "step": ["upload_record"], "status": ["ok"], "begin_s": [0.0], "finish_s": [60.0]}
    )
    with in_style():
        drawing = bytes_against_plan(Run(stats=stats, attempts=attempts, file_sizes=np.array([], dtype=np.int64)))
    assert drawing.figure.axes[0].get_title(loc="left") == "0 B of 300 B arrived in 1 min of working time"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (1.25e12, "1.25 TB"), (999_600, "1 MB")]
)
def test_bytes_are_written_with_three_digits(count: float, text: str):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(2e9, 3e9, "2 GB of 3 GB"), (3e9 - 5000, 3e9, "all but 5 kB of 3 GB"), (3e9, 3e9, "3 GB of 3 GB")],
)
def test_what_is_missing_is_told_where_the_digits_would_hide_it(part: float, whole: float, text: str):
    assert format_part_of(part, whole) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (0.04, "40 ms"), (9.97, "10 s"), (59.6, "1 min"), (7320, "2 h 2 min"), (86400 * 3, "3 d")],
)
def test_durations_are_written_by_their_two_largest_units(seconds: float, text: str):
    assert format_seconds(seconds) == text


def test_a_long_or_broken_text_becomes_one_short_line():
    assert truncate("a\nb  c" + "d" * 40, 8) == "a b cdd…"


def test_outcomes_tell_records_in_review_and_declined_ones_from_others():
    rows = [
        ("ok", None, "published", "published"),
        ("ok", None, "in_review", "in review"),
        ("ok", None, "draft", "draft"),
        ("failed", "publish_record", "declined", "declined"),
        ("failed", "publish_record", "in_review", "failed: publish_record"),
        ("skipped", "upload_record", None, "skipped"),
    ]
    stats = pd.DataFrame([row[:3] for row in rows], columns=["status", "step", "state"]).assign(error_type=None)
    assert list(outcome_of(stats.assign(verified_count=1, file_count=1))) == [row[3] for row in rows]


def test_a_step_more_than_there_are_looks_has_one_all_the_same(monkeypatch):
    monkeypatch.setattr(chain, "STEPS", (*chain.STEPS, "one_more"))
    colour, line = runpy.run_path(style.__file__)["STEPS"]["one_more"]
    assert (colour.startswith("#"), bool(line)) == (True, True)
