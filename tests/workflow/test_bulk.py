"""What a person is told about a run, compared with what the repository itself lists."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from browser import Page
from bulk_records import write_bulk
from ferry.run.run import is_locked
from ferry.run.status import read_status
from ferry.text.formatting import format_bytes
from sandbox import launcher
from sandbox.settings import Settings
from workflow.conftest import ROOT, Flow


def repository_listing(flow: Flow) -> dict[str, dict[str, tuple[int, str]]]:
    """Return size and checksum of each file of each record, as the repository tells them."""
    server = launcher.start(flow.folder / "data" / "sandbox" / "repository")
    try:

        def ask(path: str) -> dict:
            request = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {server.token}"})
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)

        listing, page = {}, 1
        while hits := ask(f"/api/user/records?size=25&page={page}")["hits"]["hits"]:
            for hit in hits:
                entries = ask(f"/api/records/{hit['id']}/draft/files")["entries"]
                assert all(entry["status"] == "completed" for entry in entries)
                listing[hit["id"]] = {entry["key"]: (entry["size"], entry["checksum"]) for entry in entries}
            page += 1
        return listing
    finally:
        server.stop()


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def attempts_of(flow: Flow) -> Path:
    return flow.folder / "results" / "attempts.jsonl"


def check_against_repository(flow: Flow, recids: list[int], failing: dict[int, str]) -> None:
    listing = repository_listing(flow)
    stats = flow.stats()
    ok = stats[stats["status"] == "ok"]
    assert list(stats.index) == recids
    assert stats.loc[list(failing), "step"].to_dict() == failing
    assert set(ok.index) == set(recids) - set(failing)

    assert set(ok["record_id"]) == set(listing)
    for recid, row in ok.iterrows():
        held = listing[row["record_id"]]
        assert row["bytes_uploaded"] == sum(size for size, _ in held.values()), recid
        assert row["upload_count"] == len(held), recid
    files = pd.read_parquet(flow.folder / "results" / "files.parquet")
    assert len(files) == stats["file_count"].sum()
    assert files.loc[files["recid"].isin(ok.index), "verified"].all()
    for _, file in files[files["recid"].isin(ok.index)].iterrows():
        size, checksum = listing[ok.loc[file["recid"], "record_id"]][file["uploaded_key"]]
        if pd.isna(file["bundle"]):
            assert (size, checksum) == (file["size_bytes"], f"md5:{file['md5']}")
        else:
            assert checksum == f"md5:{file['bundle_md5']}"

    results = flow.folder / "results"
    overview = (results / "overview.html").read_text(encoding="utf-8")
    assert f"{len(listing)} of {len(recids)} records arrived complete; {len(failing)} failed" in overview
    assert f"{len(ok)} ok, {len(failing)} failed, 0 skipped, of {len(recids)} wanted" in overview
    assert f"{format_bytes(ok['source_bytes'].sum())} of {format_bytes(stats['source_bytes'].sum())}" in overview
    assert f"{files['verified'].sum():,} of {len(files):,}: source = local = repository" in overview
    failures = read_csv(results / "failures.csv")
    assert {int(row["recid"]): row["step"] for row in failures} == failing
    assert all((flow.folder / row["log"]).exists() and row["error"] for row in failures)
    flows = Counter()
    for row in read_csv(results / "figures" / "records_by_outcome.csv"):
        flows[row["status"]] += int(row["records"])
    assert flows == {"ok": len(listing), "failed": len(failing)}
    arrived = read_csv(results / "figures" / "bytes_against_plan.csv")[-1]["bytes_arrived"]
    assert int(arrived) == ok["source_bytes"].sum()
    latest = [json.loads(line) for line in (results / "stats.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["recid"] for row in latest] == recids


def check_report(flow: Flow, recids: list[int], failing: dict[int, str]) -> None:
    report = flow.folder / "results" / "report.html"
    with Page(flow.folder) as page:
        assert page.open(report) < 20
        page.until("document.querySelector('.ferry h1')")
        headline = page.value("document.querySelector('.ferry h1').textContent")
        ok = len(recids) - len(failing)
        assert headline == f"{ok} of {len(recids)} records arrived complete; {len(failing)} failed"
        page.screenshot(flow.folder / "overview.png")
        frame = page.show_table("failures")
        some = next(iter(failing))
        typed = f"document.getElementById('search').value = '{some}'"
        page.value(f"{typed}; document.getElementById('search').dispatchEvent(new Event('input'))", frame=frame)
        assert page.value("document.getElementById('count').value", frame=frame) == f"1 of {len(failing)} rows"
        page.screenshot(flow.folder / "failures.png")
        assert (page.requests, page.complaints) == ([], [])


@contextmanager
def a_sandbox_without_limits(flow: Flow) -> Iterator[None]:
    """300 records are more requests than the sandbox takes in an hour, as InvenioRDM does."""
    server = launcher.start(flow.folder / "data" / "sandbox" / "repository", settings=Settings(rate_limits=()))
    flow.config["repository"]["url"] = server.url
    flow.environment["NRP_TOKEN"] = server.token
    try:
        yield
    finally:
        server.stop()


def carry(flow: Flow, recids: list[int], steps: dict[int, str], *, timeout_s: float) -> None:
    records, failing = len(recids), len(steps)
    done = flow.run(timeout_s=timeout_s)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert f"ferry: {records - failing} ok, {failing} failed, 0 to go, of {records} records" in told
    assert f"to go, of {records}" in told, "a line every tenth of a second was asked for"
    assert all(f"\n  {recid}  {step}, attempt 1: " in told for recid, step in steps.items())
    assert "\n  again, only what is missing: " in told
    metrics = (flow.folder / "ferry.prom").read_text(encoding="utf-8")
    assert f'ferry_records{{status="ok"}} {records - failing}\n' in metrics


def test_what_the_report_says_is_what_the_repository_lists(flow: Flow):
    recids, failing = write_bulk(flow, records=8, failing=5)
    carry(flow, recids, failing, timeout_s=200)
    check_against_repository(flow, recids, failing)
    command = [sys.executable, str(ROOT / "scripts" / "status.py"), "--folder", str(flow.folder)]
    status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "records  3 ok, 5 failed, 0 to go, of 8" in status
    check_rerun_command(flow, next(recid for recid, step in failing.items() if step == "upload_record"))


def check_rerun_command(flow: Flow, recid: int) -> None:
    """Take away what made a record fail at its upload, and do what the list of failures says."""
    (flow.folder / "data" / str(recid) / "deposit.json").rmdir()
    (row,) = (row for row in read_csv(flow.folder / "results" / "failures.csv") if row["recid"] == str(recid))
    before = len(flow.jobs())
    done = subprocess.run(shlex.split(row["command"]), cwd=flow.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert flow.jobs()[before:] == [(recid, "upload_record"), (recid, "record_stats")]


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_the_report_says_of_300_records_is_what_the_repository_lists(flow: Flow):
    recids, failing = write_bulk(flow, records=300, failing=10)
    with a_sandbox_without_limits(flow):
        carry(flow, recids, failing, timeout_s=3000)
    check_against_repository(flow, recids, failing)
    assert flow.run("--report", "results/report.html").returncode == 0
    check_report(flow, recids, failing)


def test_in_parts_a_failing_record_stops_nothing_and_the_tables_are_of_all(flow: Flow):
    recids, failing = write_bulk(flow, records=6, failing=2)
    command = flow.command()
    parts = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--most", "2", *command[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(parts, cwd=flow.folder, env=environment, capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert told.count("ferry: ") >= 4, "three parts and all"
    assert "Finished jobid" not in told
    assert "ferry: 4 ok, 2 failed, 0 to go, of 6 records" in told
    check_against_repository(flow, recids, failing)
    arrived = Counter(recid for recid, step in flow.jobs() if step == "upload_record")
    assert all(arrived[recid] == 1 for recid in set(recids) - set(failing))
    assert set(flow.stats().loc[list(failing), "attempts"]) == {1}, "the last run tries nothing that failed for good"

    flow.config["transform"] = {"access": "restricted"}
    flow.command()  # writes it down
    assert run().stderr.count("to go, of 6 records") == 4, "what is outdated goes in parts too"


def failed_by(flow: Flow) -> dict[str, set[int]]:
    """Return which records failed, by what each tells while a run goes on; Prometheus' file has their number alone."""
    status = read_status(flow.folder, now=datetime.now(UTC))
    results = flow.folder / "results"
    metrics = (flow.folder / "ferry.prom").read_text(encoding="utf-8")
    (count,) = re.findall(r'ferry_records\{status="failed"\} (\d+)', metrics)
    return {
        "status": {row["recid"] for row in status.standing.failed},
        "stats.csv": {int(row["recid"]) for row in read_csv(results / "stats.csv") if row["status"] == "failed"},
        "failures.csv": {int(row["recid"]) for row in read_csv(results / "failures.csv")},
        "ferry.prom": set(range(int(count))),
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_bulk_run_that_is_ended_in_a_later_part_has_forgotten_nothing(flow: Flow, number: signal.Signals):
    recids, failing = write_bulk(flow, records=6, failing=2)
    flow.config["upload"] = {"bytes_per_s": 3000}
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--most", "2", *flow.command()[1:]]
    of_parts = [set(recids[:2]), set(recids[2:4])]
    with subprocess.Popen(command, cwd=flow.folder, start_new_session=True, stderr=subprocess.PIPE) as bulk:
        while not of_parts[1] & {recid for recid, _ in (flow.jobs() if attempts_of(flow).exists() else [])}:
            assert bulk.poll() is None
            time.sleep(0.1)
        time.sleep(0.5)  # a few lines of progress
        os.killpg(bulk.pid, number)
    while read_status(flow.folder, now=datetime.now(UTC)).is_going_on:  # the kernel takes a moment for all of them
        time.sleep(0.1)
    done_before = of_parts[0] & set(failing)
    assert done_before
    for place, failed in failed_by(flow).items():
        assert len(failed) >= len(done_before), place
        assert failed >= done_before or place == "ferry.prom", place
    assert len(read_csv(flow.folder / "results" / "stats.csv")) == 6
    flow.config.pop("upload")
    flow.command()  # writes that down
    assert subprocess.run(command, cwd=flow.folder, capture_output=True, check=False).returncode
    check_against_repository(flow, recids, failing)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("download: {stal_s: 5}", "unknown key 'stal_s'"),
        ("records: {list: none.csv}", "none.csv: no such file"),
        ("records: [", "mine.yaml, line 1, column 11: expected YAML, found none"),
        ("- download", "mine.yaml: expected keys and values, found a list"),
        (None, "mine.yaml"),
    ],
)
def test_bad_input_to_a_bulk_run_is_one_clear_error(tmp_path, text, told):
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--configfile", "mine.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.smoke
def test_a_bulk_run_of_a_list_without_a_record_says_so_and_ends_well(tmp_path):
    (tmp_path / "records.csv").write_text("recid,step,error\n")
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = "bulk.py: nothing to be done: records.csv lists no record\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", told)
    assert not (tmp_path / "results").exists()


def test_a_bulk_run_that_cannot_begin_says_why(flow: Flow):
    """Told to be quiet, Snakemake ended with 1 and not a word."""
    flow.want(81494)
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), *flow.command("--snakefile", "none.smk")[3:]]
    done = subprocess.run(command, cwd=flow.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bulk.py: snakemake ended with 1 before a run began:\n" in done.stderr
    assert "none.smk" in done.stderr


def test_a_run_of_make_says_what_counts_and_no_more(flow: Flow):
    """The demo's eight records took 299 lines."""
    flow.want(81494)
    flow.config = {"progress": {"every_s": 600}}  # on a busy machine it may take longer than the 60 s of the default
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), *flow.command()[3:]]

    def told() -> list[str]:
        done = subprocess.run(command, cwd=flow.folder, capture_output=True, text=True, check=True)
        return [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("Using workflow")]

    begun, stands, where, proofs = told()
    assert begun == "ferry: 1 record to do, of 1"
    assert stands == "ferry: 1 ok, 0 failed, 0 to go, of 1 records"
    assert where.startswith("ferry: each record is in results/stats.csv; one page about all of them: ")
    assert proofs.startswith("ferry: proofs: results/manifest-sha256.txt, which closes with sha256 ")
    assert told() == ["bulk.py: nothing to be done: 1 record through already"]
    run = json.loads((flow.folder / "logs" / "run.json").read_bytes())
    assert Path(shlex.split(run["command"])[0]).name == "snakemake"


def test_a_bulk_run_of_another_folder_takes_the_list_that_lies_there(flow: Flow, tmp_path_factory):
    recids, _ = write_bulk(flow, records=4, failing=1)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "records.csv").write_text("recid\n1\n2\n")
    arguments = ["--directory", str(flow.folder), "--configfile", str(flow.folder / "flow.yaml"), "--cores", "2"]
    flow.command()  # writes its configuration
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--most", "2", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert "ferry: 3 ok, 1 failed, 0 to go, of 4 records" in done.stderr
    assert {recid for recid, _ in flow.jobs()} == set(recids)
    assert [path.name for path in elsewhere.iterdir()] == ["records.csv"]


def test_a_bulk_run_that_is_told_to_stop_leaves_no_run_behind(flow: Flow):
    recids, _ = write_bulk(flow, records=30, failing=1)
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--most", "20", *flow.command(cores=1)[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    with subprocess.Popen(command, cwd=flow.folder, env=environment, stdout=subprocess.DEVNULL) as bulk:
        deadline = time.monotonic() + 60
        while not list(flow.folder.glob("results/*/stats.json")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        bulk.terminate()
        assert bulk.wait(30) == 143
    assert not is_locked(flow.folder / "logs" / "run.lock")
    assert len(list(flow.folder.glob("results/*/stats.json"))) < len(recids)


@pytest.mark.parametrize("most", ["0", "-1"])
def test_a_bulk_run_refuses_parts_of_nothing(tmp_path, most):
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--most", most]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1].endswith(f"expected at least 1, found {most}")) == (2, True)


def test_a_bulk_run_refuses_changes_that_only_snakemake_would_see(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--config", "x=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--configfile" in done.stderr.splitlines()[-1]


def test_a_run_that_is_refused_at_its_start_says_why_once_however_quiet_it_is(flow: Flow):
    flow.config["repository"] = {"url": "https://repository.example.invalid"}
    flow.want(80505)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NRP_TOKEN")}
    environment |= {"PYTHONPATH": str(ROOT / "scripts"), "HOME": str(flow.folder)}
    command = flow.command()
    no_token, no_list = "expected a token in the environment (NRP_TOKEN)", "none.csv: no such file"
    for each, told in [
        ([sys.executable, str(ROOT / "scripts" / "bulk.py"), *command[1:]], no_token),
        (command, no_token),
        ([*command, "--quiet", "all", "--config", "records={list: none.csv}"], no_list),
        ([*command, "--quiet", "rules", "--config", "records={list: none.csv}"], no_list),
    ]:
        done = subprocess.run(each, cwd=flow.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert (done.stdout + done.stderr).count(told) == 1, done.stderr
        assert 'File "' not in done.stdout + done.stderr, "where in Python it was raised helps nobody"


def test_a_correction_that_corrects_nothing_is_told_however_quiet_it_is(flow: Flow):
    flow.want(80505)
    corrections = flow.folder / "metadata" / "corrections"
    corrections.mkdir(parents=True, exist_ok=True)
    (corrections / "80505.yml").write_text("title: x\n")
    command = [*flow.command(), "--quiet", "all"]
    done = subprocess.run(command, cwd=flow.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count("80505.yml: expected corrections by the name <recid>.yaml") == 1


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [((), "none"), (("--executor", "local"), "none"), (("--executor", "touch"), "100 in 1.0 s")],
)
def test_snakemake_without_a_pace_has_no_limit_on_jobs_but_where_a_plugin_may_need_one(tmp_path, arguments, limit):
    (tmp_path / "Snakefile").write_text(
        "def told(limit):\n"
        "    return 'none' if limit is None else f'{limit.max_jobs} in {limit.timespan} s'\n"
        "rule one:\n    output: 'one'\n    shell: 'touch {output}'\n"
        "onsuccess:\n    print('limit:', told(workflow.scheduling_settings.max_jobs_per_timespan))\n"
    )
    unpaced = [sys.executable, "-P", ROOT / "scripts" / "hooks" / "unpaced.py", "--cores", "1", *arguments]
    done = subprocess.run(unpaced, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"limit: {limit}" in done.stdout
