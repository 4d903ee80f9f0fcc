"""The report of 5,000 records, made up in numbers: a file that can be sent, and a page that can be used."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Page
from ferry.journal import attempts, read
from ferry.report.figures import draw_figures
from ferry.report.metadata_tables import write_metadata_tables
from ferry.report.pages import write_pages
from ferry.report.stats import aggregate
from synthetic_runs import plan_run, write_run
from workflow.conftest import Flow

RECORDS, FILES, FAILED = 5000, 160_000, 25
RECEIPT_OF = {
    "read_record": "source", "download_files": "download", "transform_record": "record", "package_files": "package",
    "upload_record": "upload", "record_stats": "stats",
}  # fmt: skip


def write_results(flow: Flow) -> list[int]:
    """Write everything that a run of so many records would have left for the report; return the recids."""
    plans = plan_run(records=RECORDS, files=FILES, failed=FAILED)
    write_run(flow.folder, plans)
    recids = [plan.recid for plan in plans]
    flow.want(*recids)
    results = flow.folder / "results"
    aggregate(recids=recids, results_dir=results, logs_dir=flow.folder / "logs", publish=False)
    write_metadata_tables(recids=recids, results_dir=results)
    draw_figures(results_dir=results, out_dir=results / "figures")
    write_pages(results_dir=results, command="snakemake --cores 8", publish=False)
    kept = flow.folder / ".snakemake" / "metadata"
    kept.mkdir(parents=True)
    for path, known in run_times(flow.folder, recids):
        (kept / base64.urlsafe_b64encode(path.encode()).decode()).write_text(json.dumps(known), encoding="utf-8")
    return recids


def run_times(folder: Path, recids: list[int]) -> Iterator[tuple[str, dict]]:
    """Yield each receipt and what Snakemake keeps about the job that wrote it: the report shows all run times."""
    for recid in recids:
        for attempt in attempts(read(folder / "logs" / str(recid) / "journal.jsonl")):
            if attempt.status == "ok":
                began_s = 1.77e9 + recid
                path = f"results/{recid}/{RECEIPT_OF[attempt.step]}.json"
                yield path, {
                    "rule": attempt.step, "job_hash": hash((recid, attempt.step)), "starttime": began_s,
                    "endtime": began_s + attempt.duration_s, "conda_env": None, "container_img_url": None,
                }  # fmt: skip


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_report_of_5000_records_is_below_15_mb_opens_in_5_s_and_can_be_searched(flow: Flow):
    recids = write_results(flow)
    report = flow.folder / "results" / "report.html"
    done = flow.run("--report", str(report), "--quiet", timeout_s=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert report.stat().st_size < 15_000_000
    with Page(flow.folder) as page:
        opened_s = page.open(report)
        page.until("document.querySelector('.ferry h1')")
        print(f"{report.stat().st_size / 1e6:.2f} MB, opened in {opened_s:.2f} s")
        assert opened_s < 5
        headline = page.value("document.querySelector('.ferry h1').textContent")
        assert headline == f"{RECORDS - FAILED:,} of {RECORDS:,} records arrived complete; {FAILED} failed"
        page.screenshot(flow.folder / "overview.png")
        frame = page.show_table("records")
        count, search = "document.getElementById('count').value", "document.getElementById('search')"
        assert page.value(count, frame=frame) == f"{RECORDS:,} of {RECORDS:,} rows"
        page.value(f"{search}.value = '{recids[4321]}'; {search}.dispatchEvent(new Event('input'))", frame=frame)
        assert page.value(count, frame=frame) == f"1 of {RECORDS:,} rows"
        assert page.value("document.querySelector('#body td').textContent", frame=frame) == str(recids[4321])
        page.screenshot(flow.folder / "records.png")
        assert (page.requests, page.complaints) == ([], [])
