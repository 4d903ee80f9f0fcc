import csv
import json
import re
import shutil
from collections import Counter
from dataclasses import asdict, fields
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from browser import Page
from ferry.csv_tables import write_csv
from ferry.report.figures.flows import records_by_outcome
from ferry.report.figures.style import in_style, save
from ferry.report.figures.tables import read_run
from ferry.report.pages import write_pages
from ferry.report.pages.overview import facts, next_steps
from ferry.report.pages.plan_page import write_plan_page
from ferry.report.pages.summary import summarise
from ferry.report.pages.table_page import Column, table_page
from ferry.report.stats import aggregate
from ferry.run.closing import closing_lines
from ferry.run.plan import RunPlan, caps_of_steps, command_without_targets, read_plan, write_plan
from ferry.steps.plan_record import COLUMNS, RecordPlan
from synthetic_runs import plan_run, write_run

HOSTILE = "</script><script>document.title='hacked'</script><img src=x onerror=document.title='hacked'>&amp;{{7*7}}"
COMMAND = "snakemake --cores 8 --configfile mine.yaml"


class Tags(HTMLParser):
    """The tags of a document and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def make_pages(folder: Path, *, records: int, files: int, failed: int = 0, skipped: int = 0, title: str = "D") -> Path:
    plans = plan_run(records=records, files=files, failed=failed, skipped=skipped)
    write_run(folder, plans, title=title)
    results = folder / "results"
    aggregate(recids=[plan.recid for plan in plans], results_dir=results, logs_dir=folder / "logs", publish=False)
    write_pages(results_dir=results, command=COMMAND, publish=False)
    return results


def rows_of(page: Path) -> list[dict]:
    text = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)[1]
    data = json.loads(text)
    return [dict(zip([column["name"] for column in data["columns"]], row, strict=True)) for row in data["rows"]]


@pytest.fixture(scope="module")
def bulk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pages(tmp_path_factory.mktemp("bulk"), records=60, files=400, failed=12, skipped=5, title=HOSTILE)


def test_the_overview_says_how_many_records_ended_how_and_how_to_go_on(bulk: Path):
    text = Tags((bulk / "overview.html").read_text()).text
    assert "43 of 60 records arrived complete; 12 failed, 5 skipped" in text
    assert "43 ok, 12 failed, 5 skipped, of 60 wanted" in text
    assert f"Run {COMMAND} again" in text
    assert "Look at the 43 drafts in the repository" in text


def test_the_numbers_of_the_overview_are_those_of_the_tables(bulk: Path):
    stats = parquet.read_table(bulk / "stats.parquet").to_pylist()
    files = parquet.read_table(bulk / "files.parquet").to_pylist()
    attempts = parquet.read_table(bulk / "attempts.parquet").to_pylist()
    summary = summarise(stats, attempts)
    assert (summary.files, summary.verified_files) == (len(files), sum(file["verified"] for file in files))
    arrived = {row["recid"] for row in stats if row["status"] == "ok"}
    assert summary.bytes_arrived == sum(file["size_bytes"] for file in files if file["recid"] in arrived)
    assert summary.uploaded_bytes == sum(a["bytes_moved"] for a in attempts if a["step"] == "upload_record")
    assert summary.failed_attempts == sum(attempt["status"] != "ok" for attempt in attempts)
    assert [row["recid"] for row in summary.slowest] == [
        row["recid"] for row in sorted(stats, key=lambda row: -row["duration_s"])[:10]
    ]


def test_the_overview_tells_what_is_in_review_and_what_was_declined(bulk: Path):
    stats = parquet.read_table(bulk / "stats.parquet").to_pylist()
    ok = [row for row in stats if row["status"] == "ok"]
    failed = [row for row in stats if row["status"] == "failed"]
    for row, state in zip(ok, ["in_review"] * 2 + ["published"] * 41, strict=True):
        row |= {"state": state, "published": state == "published"}
    failed[0]["state"] = "declined"
    summary = summarise(stats, [])
    assert dict(facts(summary))["Published"] == "41, 2 in review, 1 declined"
    steps = " ".join(next_steps(summary, command=COMMAND, publish=True))
    assert "2 records in review: somebody has still to decide (table Records, column review)" in steps
    assert "Correct 1 declined record: the next run submits what has changed." in steps
    assert "draft" not in steps


def test_the_time_between_two_runs_is_no_working_time():
    def attempt(run_id: str, minute: int) -> dict:
        at = datetime(2026, 1, 1, 8, minute, tzinfo=UTC)
        times = {"started_at": at, "ended_at": at.replace(second=30)}
        return {"run_id": run_id, "status": "ok", "error_type": None} | times

    summary = summarise([], [attempt("a", 0), attempt("a", 1), attempt("b", 50)])
    assert (summary.working_s, summary.runs) == (90 + 30, 2)


def test_every_failed_record_is_listed_with_its_reason_its_log_and_its_command(bulk: Path):
    stats = {row["recid"]: row for row in parquet.read_table(bulk / "stats.parquet").to_pylist()}
    failed = {recid for recid, row in stats.items() if row["status"] == "failed"}
    with (bulk / "failures.csv").open(newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert {int(row["recid"]) for row in listed} == failed
    assert {row["recid"] for row in rows_of(bulk / "tables" / "failures.html")} == failed
    for row in listed:
        known = stats[int(row["recid"])]
        assert (row["step"], row["error"], row["log"]) == (known["step"], known["error"], known["log"])
        assert row["command"] == f"{COMMAND} -- results/{row['recid']}/stats.json"
        assert row["attempts"] == "2"


def test_the_first_page_has_the_flow_of_records_and_the_failures_by_reason_with_counts(bulk: Path):
    (bulk / "figures").mkdir(exist_ok=True)
    svg = '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg viewBox="0 0 9 9"><style>*{stroke-linecap: butt}</style></svg>'
    (bulk / "figures" / "records_by_outcome.svg").write_text(svg)
    write_pages(results_dir=bulk, command=COMMAND, publish=False)
    overview = (bulk / "overview.html").read_text()
    assert '<svg viewBox="0 0 9 9"><style>.ferry svg *{stroke-linecap: butt}</style></svg>' in overview
    assert "<?xml" not in overview
    failed = Counter(
        (row["step"], row["error_type"])
        for row in parquet.read_table(bulk / "stats.parquet").to_pylist()
        if row["status"] == "failed"
    )
    for (step, kind), count in failed.items():
        assert f'<td class="number">{count}</td><td>{step}, {kind}</td>' in overview
    (bulk / "figures" / "records_by_outcome.svg").unlink()
    write_pages(results_dir=bulk, command=COMMAND, publish=False)
    assert "<svg" not in (bulk / "overview.html").read_text()


def test_records_on_tape_are_told_as_to_be_staged_with_the_address_to_ask_at(tmp_path: Path):
    results = make_pages(tmp_path, records=4, files=8, failed=1, skipped=2)
    table = parquet.read_table(results / "stats.parquet")
    rows = table.to_pylist()
    waiting = next(row for row in rows if row["status"] == "skipped")
    page = f"https://opendata.cern.ch/record/{waiting['recid']}"
    waiting |= {"step": "download_files", "error_type": "OnTapeError", "error": f"to be staged: ask at {page}; a.root"}
    parquet.write_table(pa.Table.from_pylist(rows, schema=table.schema), results / "stats.parquet")
    write_pages(results_dir=results, command=COMMAND, publish=False)
    overview = (results / "overview.html").read_text(encoding="utf-8")
    text = Tags(overview).text
    assert "1 of 4 records arrived complete; 1 failed, 1 skipped, 1 to be staged" in text
    assert "1 ok, 1 failed, 1 skipped, 1 to be staged, of 4 wanted" in text
    assert len(re.findall(r'<div style="flex:1;', overview)) == 4
    assert "Ask for 1 record at the addresses below: files are on tape" in text
    assert f"{waiting['recid']}to be staged: ask at {page}" in text.partition("1 record to be staged")[2]
    told = {row["recid"]: row["status"] for row in rows_of(results / "tables" / "records.html")}
    assert told[waiting["recid"]] == "to be staged"
    assert sorted(told.values()) == ["failed", "ok", "skipped", "to be staged"]
    only = summarise([row for row in rows if row["status"] == "ok"] + [waiting], [])
    assert next_steps(only, command=COMMAND, publish=True)[0].startswith(f"Run `{COMMAND}` again")


def test_an_attempt_that_found_files_on_tape_is_none_that_failed(tmp_path: Path):
    results = make_pages(tmp_path, records=4, files=8, failed=1)
    table = parquet.read_table(results / "attempts.parquet")
    rows = table.to_pylist()
    failed = sum(row["status"] == "failed" for row in rows)
    rows.append(rows[-1] | {"step": "download_files", "status": "failed", "error_type": "OnTapeError"})
    parquet.write_table(pa.Table.from_pylist(rows, schema=table.schema), results / "attempts.parquet")
    write_pages(results_dir=results, command=COMMAND, publish=False)
    assert f"Trouble{failed} attempts that failed," in Tags((results / "overview.html").read_text()).text


def test_the_plan_of_the_report_counts_as_the_plan_on_the_terminal(tmp_path: Path):
    plans = [
        RecordPlan(1, 0),
        RecordPlan(2, 0, problem="too large"),
        RecordPlan(3, 0, problem="found it on tape", to_stage=2),
        *(RecordPlan(recid, 0, problem="not known yet: no answer") for recid in (4, 5)),
    ]
    assert [plan.is_unknown for plan in plans] == [False, False, False, True, True]
    write_csv(tmp_path / "plan.csv", COLUMNS, (list(asdict(plan).values()) for plan in plans))
    write_plan_page(tmp_path / "plan.csv", tmp_path)
    page = tmp_path / "plan.html"
    assert "Of 5 records, 1 cannot succeed as is, 2 not known yet, 1 to be staged." in Tags(page.read_text()).text
    assert [row["problem"] for row in rows_of(page)] == [
        "too large", "to be staged: found it on tape", *["not known yet: no answer"] * 2, ""
    ]  # fmt: skip


def test_what_the_plan_finds_wrong_comes_first_and_else_the_order_is_that_of_the_list(bulk: Path):
    columns = [field.name for field in fields(RecordPlan)]
    rows = [dict.fromkeys(columns, "1") | {"recid": recid, "problem": why, "to_stage": "0"} for recid, why in
            ((5, ""), (3, "too large"), (4, ""), (2, "too large"))]  # fmt: skip
    with (bulk / "plan.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, columns)
        table.writeheader()
        table.writerows(rows)
    write_pages(results_dir=bulk, command=COMMAND, publish=False)
    assert [row["recid"] for row in rows_of(bulk / "tables" / "plan.html")] == [3, 2, 5, 4]
    (bulk / "plan.csv").unlink()
    write_pages(results_dir=bulk, command=COMMAND, publish=False)


def test_the_link_to_a_record_stands_before_what_is_seldom_looked_at(bulk: Path):
    columns = list(rows_of(bulk / "tables" / "records.html")[0])
    assert columns[:4] == ["recid", "title", "status", "record_url"]
    assert columns[-1] == "host"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(420, "light"), (420, "dark"), (1400, "light"), (1400, "dark")])
def test_a_table_with_long_values_to_choose_from_fits_any_page_by_day_and_by_night(
    tmp_path: Path, width: int, scheme: str
):
    columns = [Column("recid", "recid", "id"), Column("problem", "problem"), Column("status", "status", "status")]
    rows = [(1, "x " * 200, "failed"), (2, "", "ok, unverified")]
    path = tmp_path / "plan.html"
    path.write_text(table_page(title="Plan", note="n " * 300, columns=columns, rows=rows, filter_by="problem"))
    with Page(tmp_path) as page:
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.open(path)
        for name in ("select", "input", "p"):
            assert page.value(f"document.querySelector('{name}').getBoundingClientRect().right") <= width
        assert contrast(page, "td.failed") > 4.5
        assert contrast(page, "td.unverified") > 4.5
        assert contrast(page, "p") > 4.5
        paper = page.value("getComputedStyle(document.body).backgroundColor")
        assert (luminance(paper) < 0.2) is (scheme == "dark")


@pytest.mark.browser
def test_in_the_narrow_frame_of_a_report_each_row_of_a_table_is_a_block_that_can_be_read_and_put_in_order(
    tmp_path: Path,
):
    """Snakemake's menu leaves 194 of 420 pixels, which had room for the recid and half a title."""
    path = wide_table(tmp_path)
    with Page(tmp_path) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=194, height=900, deviceScaleFactor=1, mobile=False)
        page.open(path)
        assert page.value("document.documentElement.scrollWidth") <= 194
        cells = "[...document.querySelectorAll('#body tr:first-child td')]"
        inside = f"{cells}.filter(each => each.getBoundingClientRect().right <= 194).map(each => each.dataset.label)"
        assert page.value(inside) == ["recid", "title", "status", "record", "error", *(f"n{n}" for n in range(15))]
        assert page.value(f"{cells}.map(each => each.getBoundingClientRect().bottom)[4]") < 900
        label = "getComputedStyle(document.querySelector('td.failed'), '::before').content"
        assert page.value(label) == '"status: "'
        page.value("order.value = '0'; order.dispatchEvent(new Event('input'))")
        assert page.value("document.querySelector('#body td').textContent") == "8"
        page.value("order.value = ''; order.dispatchEvent(new Event('input'))")
        assert page.value("document.querySelector('#body td').textContent") == "7"


@pytest.mark.browser
def test_the_reason_fits_beside_the_menu_of_a_report_and_the_scrollbar_of_what_does_not_is_on_the_page(tmp_path: Path):
    path = wide_table(tmp_path)
    with Page(tmp_path) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=1174, height=900, deviceScaleFactor=1, mobile=False)
        page.open(path)
        assert page.value("document.querySelectorAll('#body td')[4].getBoundingClientRect().right") <= 1150
        assert page.value("getComputedStyle(order).display") == "none"
        scrolled = "document.querySelector('.scroll')"
        assert page.value(f"{scrolled}.scrollWidth > {scrolled}.clientWidth")
        assert page.value(f"{scrolled}.getBoundingClientRect().bottom") <= 900


def wide_table(folder: Path) -> Path:
    columns = [Column("recid", "recid", "id"), Column("title", "title"), Column("status", "status", "status")]
    columns += [Column("record_url", "record", "link"), Column("error", "error")]
    columns += [Column(f"n{number}", f"n{number}", "number") for number in range(15)]
    url, error = f"https://repository.example.org/uploads/{'x' * 30}", f"https://{'y' * 60}: no byte; " * 4
    rows = [[7 + number % 2, "long title " * 9, "failed", url, error, *[10**7] * 15] for number in range(60)]
    path = folder / "records.html"
    path.write_text(table_page(title="Records", note="n", columns=columns, rows=rows, filter_by="status"))
    return path


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_page_can_be_opened_by_itself_by_day_and_by_night(bulk: Path, tmp_path: Path, scheme: str):
    write_pages(results_dir=bulk, command=COMMAND, publish=False)
    with Page(tmp_path) as page:
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.open(bulk / "overview.html")
        assert page.value("document.characterSet") == "UTF-8"
        paper = page.value("getComputedStyle(document.body).backgroundColor")
        assert (luminance(paper) < 0.2) is (scheme == "dark")
        for chosen in (".failed", ".ferry code", ".ferry li"):
            assert contrast(page, chosen) > 4.5


@pytest.mark.browser
def test_the_first_page_asks_for_room_beside_the_menu_of_a_report(bulk: Path, tmp_path: Path):
    """A container whose width is asked for has none of its own, and the menu grew over the page."""
    path = tmp_path / "report.html"
    overview = (bulk / "overview.html").read_text(encoding="utf-8")
    path.write_text(f'<div style="display: flex"><nav style="flex: 1 1 14rem"></nav><div>{overview}</div></div>')
    with Page(tmp_path) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=1400, height=900, deviceScaleFactor=1, mobile=False)
        page.open(path)
        assert page.value("document.querySelector('.ferry').clientWidth") > 600


@pytest.mark.browser
@pytest.mark.parametrize(("width", "is_narrow"), [(420, True), (1400, False)])
def test_reasons_have_the_width_of_a_narrow_first_page_and_a_figure_that_goes_on_says_so(
    bulk: Path, tmp_path: Path, width: int, is_narrow: bool
):
    folder = tmp_path / "results"
    shutil.copytree(bulk, folder)
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "records_by_outcome.svg").write_text('<svg viewBox="0 0 9 9"><style>*{}</style></svg>')
    write_pages(results_dir=folder, command=COMMAND, publish=False)
    with Page(tmp_path) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        page.open(folder / "overview.html")
        assert min(page.value("[...document.querySelectorAll('td.wide')].map(each => each.clientWidth)")) >= (
            300 if is_narrow else 70
        )
        said = page.value("getComputedStyle(document.querySelector('.goes-on')).display") != "none"
        goes_on = page.value("(each => each.scrollWidth > each.clientWidth)(document.querySelector('.flow'))")
        assert (said, goes_on) == (is_narrow, is_narrow)


@pytest.mark.browser
def test_the_names_in_the_figure_of_a_narrow_first_page_can_be_read_and_the_page_is_no_wider_for_it(
    bulk: Path, tmp_path: Path
):
    """They were 5 pixels high where the whole of the figure was made to fit three screens of a telephone."""
    folder = tmp_path / "results"
    shutil.copytree(bulk, folder)
    with in_style():
        save(records_by_outcome(read_run(folder)), out_dir=folder / "figures", name="records_by_outcome")
    write_pages(results_dir=folder, command=COMMAND, publish=False)
    with Page(tmp_path) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=420, height=900, deviceScaleFactor=1, mobile=False)
        page.open(folder / "overview.html")
        svg = "document.querySelector('.flow svg')"
        pixels_per_point = page.value(f"{svg}.getBoundingClientRect().width / {svg}.viewBox.baseVal.width")
        assert 8 * pixels_per_point >= 10, "names are drawn 8 points high"
        assert page.value("document.documentElement.scrollWidth") <= 420


@pytest.mark.browser
@pytest.mark.parametrize("width", [420, 1400])
def test_words_of_the_first_page_stay_whole_and_its_tables_on_the_page(bulk: Path, tmp_path: Path, width: int):
    """Titles stood in a column of two letters beside the records that took longest."""
    write_pages(results_dir=bulk, command=COMMAND, publish=False)
    with Page(tmp_path) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        page.open(bulk / "overview.html")
        for side in page.value(
            "[...document.querySelectorAll('table')].map(each => each.getBoundingClientRect().right)"
        ):
            assert side <= width
        titles = "document.querySelectorAll('tr:has(th) ~ tr td:last-child')"
        assert min(page.value(f"[...{titles}].map(each => each.clientWidth)")) >= 70


def contrast(page: Page, chosen: str) -> float:
    """Return the contrast of a text against what it stands on, as WCAG 2 defines it: 1 to 21."""
    ink, under, paper = page.value(
        f"(() => {{ const each = document.querySelector('{chosen}'); const style = getComputedStyle(each);"
        " return [style.color, style.backgroundColor, getComputedStyle(document.body).backgroundColor] })()"
    )
    lights = sorted((luminance(ink), luminance(paper if under == "rgba(0, 0, 0, 0)" else under)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour as a browser writes it, `rgb(27, 42, 58)`."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_terminal_names_each_failure_and_counts_those_that_were_not_reached(bulk: Path):
    recids = [row["recid"] for row in parquet.read_table(bulk / "stats.parquet").to_pylist()]
    lines = closing_lines(
        recids, plan=RunPlan("r", recids, publish=False, command=COMMAND), stats_log=bulk / "stats.jsonl"
    )
    assert lines[0] == "ferry: 43 ok, 12 failed, 5 to go, of 60 records"
    assert len(lines) == 1 + 2 * 12 + 1
    assert lines[-1] == f"  again, only what is missing: {COMMAND}"


def test_the_table_of_records_has_a_row_for_each_and_that_of_files_only_those_not_proven(bulk: Path):
    records = rows_of(bulk / "tables" / "records.html")
    assert [row["recid"] for row in records] == [
        row["recid"] for row in parquet.read_table(bulk / "stats.parquet").to_pylist()
    ]
    files = parquet.read_table(bulk / "files.parquet").to_pylist()
    assert len(rows_of(bulk / "tables" / "files.html")) == sum(not file["verified"] for file in files) > 0


def test_the_plan_is_in_the_report_if_one_was_made(bulk: Path):
    assert rows_of(bulk / "tables" / "plan.html") == []
    columns = [field.name for field in fields(RecordPlan)]
    table = [columns, ["7", "0", *["1"] * 7, "on tape"], ["8", "2", *["5"] * 7, ""]]
    (bulk / "plan.csv").write_text("".join(",".join(row) + "\n" for row in table))
    write_pages(results_dir=bulk, command=COMMAND, publish=False)
    assert [(row["recid"], row["problem"], row["requests"]) for row in rows_of(bulk / "tables" / "plan.html")] == [
        (7, "on tape", 1),
        (8, "", 5),
    ]
    columns = {"recid": "9", "note": "not browsable"} | dict.fromkeys(columns[1:9], "1")
    (bulk / "plan.csv").write_text(",".join(columns) + "\n" + ",".join(columns.values()) + "\n")
    write_pages(results_dir=bulk, command=COMMAND, publish=False)
    assert [(row["recid"], row["note"]) for row in rows_of(bulk / "tables" / "plan.html")] == [(9, "not browsable")]
    (bulk / "plan.csv").unlink()


def test_no_page_has_signs_that_a_terminal_obeys(tmp_path: Path):
    pages = make_pages(tmp_path, records=3, files=3, failed=1, title="a\x1b[2J\x9b1m\u202eb")
    for page in (pages / "overview.html", *(pages / "tables").glob("*.html")):
        text = page.read_text(encoding="utf-8")
        assert not re.search("[\x1b\x9b\u202e]", text), page
    assert "a\\x1b[2J\\x9b1m\\u202eb" in (pages / "overview.html").read_text(encoding="utf-8")
    assert {row["title"][:-2] for row in rows_of(pages / "tables" / "records.html")} == {"a\\x1b[2J\\x9b1m\\u202eb"}


def test_a_hostile_title_becomes_text_and_no_tag(bulk: Path):
    overview = (bulk / "overview.html").read_text()
    assert "img" not in Tags(overview).tags
    assert "script" not in Tags(overview).tags
    assert "<script>document" not in (bulk / "tables" / "records.html").read_text()
    assert any(
        (row["title"] or "").startswith("</script><script>") for row in rows_of(bulk / "tables" / "records.html")
    )


def test_a_run_of_nothing_has_pages_too(tmp_path: Path):
    results = make_pages(tmp_path, records=1, files=1, skipped=1)
    assert "0 of 1 record arrived complete; 1 skipped" in (results / "overview.html").read_text()
    assert rows_of(results / "tables" / "failures.html") == []


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("snakemake --cores 4 results/1/stats.json", "snakemake --cores 4"),
        ("snakemake all -c4 --configfile a.yaml b.yaml", "snakemake -c4 --configfile a.yaml b.yaml"),
        ("snakemake --cores=2 -n --directory 'my data' --quiet rules", "snakemake --cores=2 --directory 'my data'"),
        ("snakemake -c2 --configfile a.yaml -- results/1/stats.json", "snakemake -c2 --configfile a.yaml"),
        ("snakemake --configfile mine.conf more -- -1 check", "snakemake --configfile mine.conf more"),
        ("snakemake all --config a=1 --profile slurm -k", "snakemake --config a=1 --profile slurm"),
        ("snakemake -c2 -C a=1 b=2 -k", "snakemake -c2 -C a=1 b=2"),
    ],
)
def test_the_command_to_run_again_keeps_place_and_configuration_and_drops_targets(arguments: str, command: str):
    import shlex

    assert command_without_targets(shlex.split(arguments)) == command


def test_the_plan_of_a_run_is_read_as_it_was_written(tmp_path: Path):
    plan = RunPlan("r", [3, 1], publish=True, caps=caps_of_steps({"zip_slots": 2, "_cores": 8}), command="snakemake")
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert plan.caps == {"package_files": 2}
    (tmp_path / "plan.json").write_text('{"run_id"')
    assert read_plan(tmp_path / "plan.json") is None


@pytest.mark.browser
def test_a_table_of_five_thousand_records_opens_and_can_be_searched_sorted_and_filtered(tmp_path: Path):
    statuses = ["ok"] * 4990 + ["failed"] * 10
    rows = [(number, f"title {number} {HOSTILE}", status, number * 1e6) for number, status in enumerate(statuses)]
    columns = [Column("recid", "recid", "id"), Column("title", "title"), Column("status", "status", "status")]
    columns.append(Column("source_bytes", "size", "bytes"))
    path = tmp_path / "records.html"
    path.write_text(table_page(title=HOSTILE, note="n", columns=columns, rows=rows, filter_by="status"))
    with Page(tmp_path) as page:
        assert page.open(path) < 5
        count, lines = "document.getElementById('count').value", "document.querySelectorAll('#body tr').length"
        first = "document.querySelector('#body td').textContent"
        assert (page.value(count), page.value(lines)) == ("5,000 of 5,000 rows", 200)
        page.value("document.getElementById('more').click()")
        assert page.value(lines) == 400
        typed = "search.value = 'TITLE 4321'; search.dispatchEvent(new Event('input'))"
        page.value(typed)
        assert (page.value(count), page.value(first)) == ("1 of 5,000 rows", "4321")
        page.value("search.value = ''; choice.value = 'failed'; choice.dispatchEvent(new Event('input'))")
        assert page.value(count) == "10 of 5,000 rows"
        page.value("document.querySelector('th button').click()")
        assert page.value(first) == "4999"
        assert "<img src=x" in page.value("document.querySelectorAll('#body td')[1].textContent")
        assert page.value("document.title") == HOSTILE
        assert page.value("document.querySelectorAll('img').length") == 0
        assert (page.requests, page.complaints) == ([], [])
