"""Disk: bundles that are never written, data that are removed once they are proven, and a budget that is kept to."""

import json
import re
import subprocess
import threading
import time
import zlib
from contextlib import contextmanager

import pytest
from generated_records import put_below, redirect, write_records

from needs import missing
from sandbox import launcher
from sandbox.settings import Settings
from workflow.conftest import ROOT
from workflow.test_chain import assert_ok


def stored(flow):
    """Return key -> md5 of everything that the repository lists for each recid."""
    recids = [int(path.parent.name) for path in (flow.folder / "results").glob("*/upload.json")]
    return {recid: {file["key"]: file["md5"] for file in flow.receipt(recid, "upload")["files"]} for recid in recids}


@pytest.fixture
def bulk(flow):
    """Give a flow with records of one, four and thirty files, in all about 1.5 MB."""
    sizes = {recid: [20_000] * (1, 4, 30)[recid % 3] for recid in range(7000, 7007)}
    flow.total_bytes = write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}}
    flow.want(*sizes)
    return flow


def test_a_streamed_bundle_arrives_with_the_bytes_of_a_written_one_and_is_never_on_disk(bulk, tmp_path_factory):
    bulk.want(7000, 7001)
    targets = ["results/7000/stats.json", "results/7001/stats.json"]
    assert_ok(bulk.run(*targets))
    written = stored(bulk)
    assert len(written[7000]) == 4 + 2  # attachments
    assert list((bulk.folder / "data").glob("7001/bundles/*.zip"))
    far = bulk.config["source"]["redirects"]
    metadata = {recid: bulk.metadata(recid) for recid in (7000, 7001)}
    bulk.folder = tmp_path_factory.mktemp("stream")
    for recid, document in metadata.items():
        bulk.write_metadata(recid, document)
    bulk.config = {
        "source": {"redirects": far},
        "package": {"mode": "stream"},
        "storage": {"remove": ["bundles", "files"]},
    }
    bulk.want(7000, 7001)
    assert_ok(bulk.run(*targets))
    assert stored(bulk) == written
    assert [entry.get("generated") for entry in bulk.receipt(7001, "package")["uploads"]] == [None, True]
    assert not list((bulk.folder / "data").glob("700*/bundles"))
    assert not list((bulk.folder / "data").glob("700*/files"))
    jobs = len(bulk.jobs())
    assert_ok(bulk.run(*targets))
    assert len(bulk.jobs()) == jobs, "that the data are gone is no reason to fetch them again"


def test_a_budget_is_kept_to_by_every_byte_and_the_run_ends(bulk):
    budget = 1_300_000  # two of the records take 1.2 MB each, with their bundles
    assert 0 < peak_below_budget(bulk, budget, every_s=0.05, timeout_s=280) <= budget < bulk.total_bytes


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_300_records_keep_to_a_budget_of_a_twentieth_of_their_data(flow):
    sizes = {recid: [20_000] * (1, 4, 30)[recid % 3] for recid in range(7000, 7300)}
    total_bytes = write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}}
    flow.want(*sizes)
    budget = total_bytes // 20
    assert 0 < peak_below_budget(flow, budget, every_s=0.2, timeout_s=1700) <= budget


def test_packing_that_waiting_downloads_could_keep_from_its_cores_is_refused_before_any_job(bulk):
    bulk.config["package"] = {"threads": 2}
    bulk.config["storage"] = {"remove": ["bundles", "files"], "max_bytes": 1_300_000}
    done = bulk.run(cores=2)
    assert done.returncode != 0
    assert "package.threads: expected 1 with storage.max_bytes on 2 cores" in done.stdout + done.stderr
    assert not (bulk.folder / "results" / "attempts.jsonl").exists()


def peak_below_budget(flow, budget, *, every_s, timeout_s):
    """Carry all records of the flow under a budget; return the most bytes that were seen in their folders."""
    flow.config |= {
        "storage": {"remove": ["bundles", "files"], "max_bytes": budget},
        "repository": {"requests_per_minute": None, "requests_per_hour": None},
    }
    peak, ended = [0], threading.Event()

    def sample():
        while not ended.is_set():
            peak.append(sum(size_of(path) for path in (flow.folder / "data").glob("7???/**/*")))
            time.sleep(every_s)

    watch = threading.Thread(target=sample)
    watch.start()
    sandbox = launcher.start(flow.folder / "repository", settings=Settings(rate_limits=()))
    try:
        flow.config["repository"]["url"] = sandbox.url
        flow.environment["NRP_TOKEN"] = sandbox.token
        done = flow.run(cores=4, timeout_s=timeout_s)
    finally:
        sandbox.stop()
        ended.set()
        watch.join()
    assert_ok(done)
    assert set(flow.stats()["status"]) == {"ok"}
    ledger = json.loads((flow.folder / "data" / "storage.json").read_text())
    left = [path for path in (flow.folder / "data").glob("7???/**/*") if path.is_file()]
    assert {path.name for path in left} == {"deposit.json", "dropped.json.gz"}
    assert ledger == {"records": {}, "notes_bytes": sum(map(size_of, left))}
    return max(peak)


def size_of(path):
    """Return the length of a file that may be gone by now."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def test_a_budget_that_comes_later_is_not_filled_for_good_by_what_has_arrived(bulk):
    bulk.want(7001, 7002)
    assert_ok(bulk.run())
    assert list((bulk.folder / "data").glob("7???/files"))
    bulk.want(7001, 7002, 7003)
    bulk.config |= {"storage": {"remove": ["bundles", "files"], "max_bytes": 1_300_000}}
    assert_ok(bulk.run("plan"))
    assert list((bulk.folder / "data").glob("7???/files")), "who only looks removes nothing"
    assert_ok(bulk.run())
    assert dict(bulk.stats()["status"]) == {7001: "ok", 7002: "ok", 7003: "ok"}
    assert {path.name for path in (bulk.folder / "data").glob("7???/**/*") if path.is_file()} == {
        "deposit.json",
        "dropped.json.gz",
    }


@pytest.fixture
def dropped(bulk):
    """Give a flow whose two records, one of loose files and one with a bundle, have arrived and left nothing here."""
    bulk.config |= {"storage": {"remove": ["bundles", "files"]}}
    bulk.want(7000, 7001)
    assert_ok(bulk.run())
    assert not list((bulk.folder / "data").glob("700*/files"))
    return bulk


def rename(flow, *recids):
    for recid in recids:
        flow.write_metadata(recid, {**flow.metadata(recid), "title": f"A new title of {recid}"})


def test_a_new_title_fetches_no_byte_of_what_was_let_go_of(dropped):
    before = stored(dropped)
    (dropped.folder / "far").rename(dropped.folder / "out of reach")
    rename(dropped, 7000, 7001)
    dropped.config["storage"]["max_bytes"] = 1_000_000  # 7001 would take more
    assert_ok(dropped.run())
    assert dict(dropped.stats()["status"]) == {7000: "ok", 7001: "ok"}
    for recid, files in stored(dropped).items():
        assert dropped.receipt(recid, "record")["metadata"]["title"] == f"A new title of {recid}"
        changed = {key for key, md5 in files.items() if md5 != before[recid].get(key)}
        assert changed == {f"{recid}.json"}
        assert files.keys() == before[recid].keys()
    rename(dropped, 7001)
    assert "Nothing to be done" in dropped.run("--dry-run").stdout


def test_what_was_let_go_of_is_fetched_again_where_it_is_needed_after_all(dropped):
    before = stored(dropped)
    (dropped.folder / "data/7000/deposit.json").unlink()  # the md5 of what was sent
    rename(dropped, 7000)
    assert_ok(dropped.run())
    assert dict(dropped.stats()["status"]) == {7000: "ok", 7001: "ok"}
    assert {key for key, md5 in stored(dropped)[7000].items() if md5 != before[7000].get(key)} == {"7000.json"}


def test_other_files_of_a_record_that_was_let_go_of_are_fetched(dropped):
    before, record, data = stored(dropped), dropped.metadata(7001), b"other bytes"
    name = record["files"][0]["uri"].rpartition("/")[2]
    (dropped.folder / "far/generated/7001" / name).write_bytes(data)
    record["files"][0] |= {"size": len(data), "checksum": f"adler32:{zlib.adler32(data):08x}"}
    dropped.write_metadata(7001, record)
    assert_ok(dropped.run())
    assert stored(dropped)[7001]["7001_bundle.zip"] != before[7001]["7001_bundle.zip"]
    assert not list((dropped.folder / "data").glob("700*/files"))


def test_a_record_beyond_the_budget_fails_alone(bulk):
    bulk.config |= {"storage": {"remove": ["bundles", "files"], "max_bytes": 1_000_000}}
    bulk.want(7001, 7002)
    assert bulk.run().returncode != 0
    stats = bulk.stats()
    assert dict(stats["status"]) == {7001: "failed", 7002: "ok"}
    assert stats.loc[7001, "step"] == "download_files"
    assert "storage.max_bytes" in stats.loc[7001, "error"]
    assert stats.loc[7001, "error"].endswith("or have bundles generated while they are uploaded (package.mode: stream)")


@pytest.mark.smoke
def test_a_budget_without_removal_is_refused_before_anything_starts(bulk):
    bulk.config |= {"storage": {"max_bytes": 10_000_000}}
    done = bulk.run()
    assert done.returncode != 0
    assert "storage.remove: [bundles, files]" in done.stdout + done.stderr
    assert not (bulk.folder / "results").exists()


@pytest.mark.long
def test_a_record_of_8998_files_is_packed_and_uploaded_with_hardly_any_disk_beside_them(flow):
    sizes = {7001: [9_000] * 8998}
    total_bytes = write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "package": {"mode": "stream"},
    }
    flow.want(7001)
    assert_ok(flow.run("results/7001/stats.json"))
    on_disk = sum(size_of(path) for path in (flow.folder / "data" / "7001").rglob("*"))
    assert total_bytes < on_disk < total_bytes + 50_000_000
    (bundle,) = [upload for upload in flow.receipt(7001, "package")["uploads"] if upload["kind"] == "bundle"]
    assert bundle["size_bytes"] > total_bytes
    (arrived,) = [file for file in flow.receipt(7001, "upload")["files"] if file["key"] == bundle["key"]]
    assert arrived["size_bytes"] == bundle["size_bytes"]


@contextmanager
def small_disk(folder, size):
    """Mount a small file system on the folder; needs the right to mount one."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode != 0:
        missing("a small file system can be mounted by root only")
    try:
        yield
    finally:
        # what a run has started may take a moment longer to end than the run
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize(("full", "size"), [("", "4m"), (".snakemake", "200k")])
def test_a_disk_that_is_full_is_told_as_that_by_each_step_and_at_the_end(flow, full, size):
    far = flow.folder / "far"
    flow.folder /= "run"
    if full:
        flow.folder.mkdir()
    with small_disk(flow.folder / full, size):
        sizes = {7000 + number: [900_000] for number in range(6)}
        write_records(flow.folder / "metadata", sizes, put=put_below(far))
        flow.config = {"source": {"redirects": redirect(far)}}
        flow.want(*sizes)
        done = subprocess.run(flow.command("--keep-going"), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
    assert "Logging error" not in done.stderr
    for raw in (f'File "{ROOT / "scripts" / "ferry"}', "no such file"):
        if not full:  # what .snakemake does not hold Snakemake tells itself, in its own ways, also by a traceback
            assert raw not in done.stderr
    assert re.search(r"^ferry: \d ok, .* of 6 records", done.stderr, re.MULTILINE)
    if not full:
        assert "found No space left on device; make room and run again" in done.stderr


def test_a_log_of_snakemake_that_cannot_be_written_takes_no_line_of_the_terminal(flow):
    flow.want(7000)
    write_records(flow.folder / "metadata", {7000: [9]}, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}}
    logs = flow.folder / ".snakemake" / "log"
    logs.parent.mkdir()
    with small_disk(logs, "4k"):
        done = subprocess.run(flow.command(), capture_output=True, text=True, check=False)
        (log,) = logs.iterdir()
        assert log.stat().st_size == 4096 < len(done.stderr), "it was cut off"
    assert_ok(done)
    assert "Logging error" not in done.stderr
    assert "Traceback" not in done.stderr
