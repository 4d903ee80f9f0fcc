"""While a run makes its tables, figures and pages: what is read at any time is there, and it is said what is done."""

import threading
import time

import pytest

from workflow.conftest import Flow
from workflow.test_chain import assert_ok

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ALWAYS = ("stats.csv", "stats.jsonl", "failures.csv", "manifest-sha256.txt", "overview.html")
RECID, OTHER = 80505, 81147


def missing_while(flow: Flow, run) -> set[str]:
    """Run, and return the files that were gone at some moment."""
    gone, over = set(), threading.Event()

    def look():
        while not over.wait(0.01):
            gone.update(name for name in ALWAYS if not (flow.folder / "results" / name).exists())

    looking = threading.Thread(target=look)
    looking.start()
    run()
    over.set()
    looking.join()
    return gone


def test_what_is_read_at_any_time_stays_until_the_new_one_takes_its_place(flow: Flow):
    """Snakemake removes what a rule is to make before it runs: for a second nobody could read how the records stand."""
    flow.want(RECID)
    assert_ok(flow.run())
    flow.want(RECID, OTHER)
    assert missing_while(flow, lambda: assert_ok(flow.run())) == set()
    assert flow.stats()["status"].to_dict() == {RECID: "ok", OTHER: "ok"}


def test_at_the_end_of_a_run_with_failures_the_log_and_prometheus_say_what_is_still_done(flow: Flow):
    flow.config = {"progress": {"every_s": 60, "prometheus": "ferry.prom"}}
    flow.want(RECID, OTHER)
    flow.write_metadata(OTHER, {**flow.metadata(OTHER), "title": None})
    told = []

    def look():
        while not (flow.folder / "logs" / "flags").exists() or not list((flow.folder / "logs/flags").glob("*.ends")):
            time.sleep(0.02)
        time.sleep(0.5)
        told.append((flow.folder / "ferry.prom").read_text(encoding="utf-8"))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    done = flow.run("--quiet", "all")
    looking.join(10)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("ferry: 1 ok, 1 failed, 0 ")]
    assert "tables, figures and pages follow" in lines[0]
    assert lines[-1] == "ferry: 1 ok, 1 failed, 0 to go, of 2 records"
    (metrics,) = told
    for line in ('ferry_records{status="ok"} 1', 'ferry_records{status="failed"} 1', "ferry_records_to_retry 0"):
        assert f"\n{line}\n" in metrics
