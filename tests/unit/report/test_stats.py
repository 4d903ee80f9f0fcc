import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from target_records import target, write_target

from ferry.chain import STEPS, heed_marks, mark_again, take_away_marked
from ferry.errors import IntegrityError, StoppedError, TransientError
from ferry.flags import ENDED, STOPPED, RunFlags
from ferry.journal import Moment, end_event, start_event
from ferry.jsonl import append
from ferry.receipts import digest, read_receipt, write_receipt
from ferry.report.evidence import is_interrupted, is_through, read_evidence
from ferry.report.proof import proof_of
from ferry.report.stats import aggregate, outdate_tables, record_stats
from ferry.report.tables import ATTEMPTS_SCHEMA, FILES_SCHEMA, STATS_SCHEMA
from ferry.run.termination import Terminated
from ferry.schemas import load_schema
from ferry.steps.record_stats import finish_record

RECID = 81494
URL = "http://127.0.0.1:5000"
NAMES = ("source", "record", "download", "package", "upload", "published")


class Folder:
    """A run's folder with receipts and journals written as the steps would."""

    def __init__(self, root: Path):
        self.results, self.logs = root / "results", root / "logs"
        self.seconds = 0.0

    def path(self, name: str, recid: int = RECID) -> Path:
        return self.results / str(recid) / f"{name}.json"

    def journal(self, recid: int = RECID) -> Path:
        return self.logs / str(recid) / "journal.jsonl"

    def attempt(self, step, *, recid=RECID, seconds=1.0, wait=0.0, error=None, killed=False, run_id="run1", **measured):
        self.seconds += wait
        opened = start_event(run_id=run_id, recid=recid, step=step, attempt=1, now=self._now())
        append(self.journal(recid), opened)
        self.seconds += seconds
        if not killed:
            append(self.journal(recid), end_event(opened, error=error, measured=measured, now=self._now()))

    def ended(self, name=ENDED, text="", run_id="run1"):
        RunFlags(run_id=run_id, directory=self.logs / "flags").set(name, text)

    def _now(self) -> Moment:
        minutes, seconds = divmod(self.seconds, 60)
        return Moment(f"2025-11-24T12:{int(minutes):02}:{seconds:06.3f}+00:00", self.seconds, "one")

    def receipts(self, recid=RECID, only=NAMES, bundled=False, checksum=True, **changes):
        sizes = {"a.dat": 10, "sub/b.dat": 0}
        file = {"adler32": "00000001", "crc32": "00000002"}
        declared = {"algorithm": "adler32", "value": "00000001"} if checksum else None
        members = [{"key": key, "size_bytes": size, **file} for key, size in sizes.items()]
        loose = [
            {"key": k, "kind": "file", "path": f"files/{k}", "size_bytes": n, "adler32": "00000001", "members": []}
            for k, n in sizes.items()
        ]
        bundle = {"key": "b.zip", "kind": "bundle", "path": "bundles/b.zip", "size_bytes": 222, "adler32": "0000000b"}
        uploads = [{**bundle, "members": members}] if bundled else loose
        there = {"repository": URL, "record_id": "ab-cd", "record_url": f"{URL}/records/ab-cd"}
        documents = {
            "source": {
                "origin": "metadata/81494.json",
                "record": {
                    "title": "DELPHI collision data",
                    "experiment": ["DELPHI"],
                    "date_created": ["1995"],
                    "type": {"primary": "Dataset", "secondary": ["Collision"]},
                    "distribution": {"formats": ["LONG"]},
                },
                "files": [
                    {"key": k, "uri": f"root://x//{k}", "size_bytes": n, "checksum": declared, "online": True}
                    for k, n in sizes.items()
                ],
            },
            "download": {"files": [{**m, "verified": "adler32" if checksum else "size"} for m in members]},
            "package": {"uploads": uploads},
            "upload": {
                **there,
                "files": [{n: u[n] for n in ("key", "size_bytes", "adler32")} | {"md5": "a" * 32} for u in uploads],
            },
            "published": {**there, "state": "published", "doi": None, "request": None},
        }
        record = target(recid, title="t t", dates=[1])
        source = {"recid": recid, **documents["source"], **changes.get("source", {})}
        files = {**documents["upload"], **changes.get("upload", {})}["files"]
        documents["upload"]["metadata_sha256"] = digest({**record, "files": {"enabled": bool(files)}})
        for name in only:
            if name == "record":
                write_target(self.results / str(recid), recid, record, source)
            else:
                write_receipt(
                    self.path(name, recid), name, {"recid": recid, **documents[name], **changes.get(name, {})}
                )

    def all_steps(self, recid=RECID):
        for step in STEPS:
            self.attempt(step, recid=recid)

    def stats(self, recid=RECID, publish=True):
        record_dir = self.results / str(recid)
        evidence = read_evidence(recid=recid, record_dir=record_dir, journal=self.journal(recid))
        row = record_stats(evidence, publish=publish)
        if is_through(row):
            write_receipt(self.path("proof", recid), "proof", proof_of(evidence.receipts))
        write_receipt(self.path("stats", recid), "stats", row)
        return row

    def finish(self, recid=RECID):
        (self.results.parent / "data" / "files").mkdir(parents=True)
        return finish_record(
            recid=recid,
            record_dir=self.results / str(recid),
            data_dir=self.results.parent / "data",
            journal=self.journal(recid),
            publish=True,
            remove=["files"],
            path=self.path("stats", recid),
        )

    def aggregate(self, recids=(RECID,), publish=True, run_id=None):
        folders = {"results_dir": self.results, "logs_dir": self.logs}
        return aggregate(recids=recids, publish=publish, run_id=run_id, **folders)

    def rows(self, table="stats"):
        return parquet.read_table(self.results / f"{table}.parquet").to_pylist()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_record_whose_receipts_are_all_there_is_ok_and_counted(folder: Folder):
    folder.receipts()
    folder.all_steps()
    row = folder.stats()
    assert (row["status"], row["step"], row["error"], row["attempts"]) == ("ok", None, None, 1)
    assert (row["file_count"], row["bytes_downloaded"], row["bytes_uploaded"]) == (2, 10, 10)
    assert (row["zip_used"], row["bundle_count"], row["verified_count"]) == (False, 0, 2)
    assert (row["record_id"], row["record_url"], row["published"]) == ("ab-cd", f"{URL}/records/ab-cd", True)
    assert (row["experiment"], row["year"], row["type_secondary"], row["formats"]) == (
        "DELPHI",
        1995,
        "Collision",
        ["LONG"],
    )
    assert row["metadata_fields"] == ["dates", "identifiers", "publication_date", "resource_type", "title"]


def test_the_columns_of_the_table_and_of_the_schema_are_the_same():
    schema = load_schema("receipts/stats")
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) - {"sha256"} == set(schema["required"]) == set(STATS_SCHEMA.names)


def test_durations_add_the_last_attempt_at_each_step_and_waiting_is_what_lies_between(folder: Folder):
    folder.receipts()
    folder.attempt("read_record", seconds=1)
    folder.attempt("download_files", seconds=50, wait=2, error=OSError("cut"), bytes_moved=4)
    folder.attempt("download_files", seconds=4, wait=100, run_id="run2", bytes_moved=6, retries=2, peak_memory_bytes=9)
    folder.attempt("upload_record", seconds=8, wait=3, run_id="run2", bytes_moved=16, requests=5, rate_wait_s=0.25)
    row = folder.stats(publish=False)
    assert (row["read_s"], row["download_s"], row["upload_s"], row["transform_s"]) == (1, 4, 8, None)
    assert row["duration_s"] == 13
    assert row["queue_s"] == 5  # 2 s in run 1 and 3 s in run 2; the 100 s between the runs are nobody's queue
    assert (row["download_moved_bytes"], row["download_bytes_per_s"], row["upload_bytes_per_s"]) == (10, 1.5, 2)
    assert (row["retries"], row["requests"], row["rate_wait_s"], row["peak_memory_bytes"]) == (2, 5, 0.25, 9)
    assert (row["attempts"], row["run_id"]) == (2, "run2")


def test_steps_that_overlap_leave_no_negative_waiting(folder: Folder):
    folder.receipts()
    for step, begin, end in (
        ("download_files", 0.0, 9.0),
        ("transform_record", 1.0, 2.0),
        ("package_files", 9.5, 10.0),
    ):
        opened = start_event(run_id="r", recid=RECID, step=step, attempt=1, now=Moment("x", begin, "one"))
        append(folder.journal(), opened)
        append(folder.journal(), end_event(opened, now=Moment("x", end, "one")))
    row = folder.stats()
    assert row["queue_s"] == 0.5
    assert row["started_at"] is None  # the wall clock said nothing that is a time


def test_clocks_of_two_machines_are_not_compared(folder: Folder):
    for step, boot in (("read_record", "one"), ("download_files", "two")):
        opened = start_event(run_id="r", recid=RECID, step=step, attempt=1, now=Moment("x", 5.0, boot))
        append(folder.journal(), opened)
        append(folder.journal(), end_event(opened, now=Moment("x", 6.0, boot)))
    assert folder.stats()["queue_s"] is None


def test_a_bundled_file_has_its_bundles_md5_and_none_of_its_own(folder: Folder):
    folder.receipts(bundled=True)
    folder.all_steps()
    folder.stats()
    folder.aggregate()
    (row,) = folder.rows()
    assert (row["zip_used"], row["bundle_count"], row["bytes_downloaded"], row["bytes_uploaded"]) == (True, 1, 10, 222)
    file = folder.rows("files")[1]
    assert (file["key"], file["member"], file["bundle"], file["uploaded_key"]) == ("sub/b.dat",) * 2 + ("b.zip",) * 2
    assert (file["md5"], file["bundle_md5"], file["verified"]) == (None, "a" * 32, True)


def test_a_record_without_files_is_ok(folder: Folder):
    none = {"files": []}
    folder.receipts(source=none, download=none, package={"uploads": []}, upload=none)
    folder.all_steps()
    row = folder.stats()
    assert (row["status"], row["file_count"], row["source_bytes"], row["zip_used"]) == ("ok", 0, 0, False)


def test_a_file_whose_source_declares_no_checksum_is_not_verified(folder: Folder):
    folder.receipts(checksum=False)
    folder.all_steps()
    folder.stats()
    folder.aggregate()
    files = folder.rows("files")
    assert [file["verified"] for file in files] == [False, False]
    assert {file["problem"] for file in files} == {"the source declares no checksum that could be checked"}
    assert [file["verified_by"] for file in files] == ["size", "size"]


def test_a_draft_of_a_new_version_is_not_called_published(folder: Folder):
    folder.receipts(published={"record_id": "old-id", "doi": "10.5555/old"})
    folder.all_steps()
    row = folder.stats(publish=False)
    assert (row["record_id"], row["published"], row["doi"]) == ("ab-cd", False, None)


def test_files_that_only_lay_on_the_disk_are_counted_too(folder: Folder):
    folder.receipts(checksum=False, source={"files": []})
    folder.all_steps()
    row = folder.stats()
    assert (row["status"], row["file_count"], row["source_bytes"], row["verified_count"]) == ("ok", 2, 10, 0)
    folder.aggregate()
    found = [(file["key"], file["size_bytes"], file["uri"], file["verified_by"]) for file in folder.rows("files")]
    assert found == [("a.dat", 10, None, "size"), ("sub/b.dat", 0, None, "size")]


@pytest.mark.parametrize(
    ("receipt", "problem"),
    [
        ("source", "the local size is not the declared one"),
        ("package", "packaged with other bytes than downloaded"),
        ("upload", "uploaded with other bytes than packaged"),
    ],
)
def test_a_size_that_differs_along_the_way_makes_a_file_not_verified(folder: Folder, receipt: str, problem: str):
    folder.receipts()
    document = read_receipt(folder.path(receipt), receipt, recid=RECID)
    document["uploads" if receipt == "package" else "files"][0]["size_bytes"] = 11
    write_receipt(folder.path(receipt), receipt, document)
    folder.aggregate()
    assert [file["problem"] for file in folder.rows("files")] == [problem, None]


def test_an_adler32_that_is_not_the_declared_one_makes_a_file_not_verified(folder: Folder):
    folder.receipts()
    document = read_receipt(folder.path("source"), "source", recid=RECID)
    document["files"][0]["checksum"]["value"] = "0000000f"
    write_receipt(folder.path("source"), "source", document)
    assert folder.stats()["verified_count"] == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_record_that_failed_at_any_step_is_listed_with_step_and_reason(folder: Folder, step: str):
    position = STEPS.index(step)
    order = ("source", "download", "record", "package", "upload", "published")
    folder.receipts(only=order[:position])
    for done in STEPS[:position]:
        folder.attempt(done)
    for _ in range(2):
        folder.attempt(step, error=IntegrityError("expected 1, found 2"))

    totals = folder.aggregate()

    (row,) = folder.rows()
    assert (totals.failed, row["status"], row["step"], row["attempts"]) == (1, "failed", step, 2)
    assert (row["error_type"], row["error"]) == ("IntegrityError", "expected 1, found 2")
    assert row["log"] == f"logs/{RECID}/{step}.log"
    assert read_receipt(folder.path("failure"), "stats", recid=RECID)["status"] == "failed"


def test_a_killed_job_is_a_failure_that_says_so(folder: Folder):
    folder.receipts(only=("source",))
    folder.attempt("read_record")
    folder.attempt("download_files", killed=True)
    folder.aggregate(run_id="run1")
    (row,) = folder.rows()
    assert (row["status"], row["step"], row["error_type"]) == ("failed", "download_files", "Killed")
    folder.ended()
    folder.aggregate(run_id="run2")
    assert folder.rows() == [row], "its run went on without it, and a later one knows that"


def told_to_stop() -> BaseException:
    return Terminated(signal.SIGTERM)


@pytest.mark.parametrize(
    ("error", "stopped", "told"),
    [
        (None, None, "the run is gone without a word, killed or with its machine, while this step was at work"),
        (None, "told to end (SIGTERM)", "the run was stopped while this step was at work: told to end (SIGTERM)"),
        (
            told_to_stop(),
            "told to end (SIGINT)",
            "the run was stopped while this step was at work: told to end (SIGINT)",
        ),
        (StoppedError("held back, and then the run was stopped"), None, "held back, and then the run was stopped"),
    ],
)
def test_what_was_at_work_when_its_run_was_stopped_or_killed_is_no_failure(folder: Folder, error, stopped, told):
    folder.receipts(only=("source",))
    folder.attempt("download_files", error=IntegrityError("of an earlier run"), run_id="run0")
    folder.aggregate(run_id="run0")
    assert folder.path("failure").exists()
    folder.attempt("download_files", error=error, killed=error is None)
    if stopped:
        folder.ended(STOPPED, stopped)
    folder.aggregate(run_id="run1" if stopped else "run2")
    (row,) = folder.rows()
    assert (row["status"], row["step"], row["error_type"]) == ("skipped", "download_files", "Interrupted")
    assert row["error"] == f"interrupted: {told}; run again"
    assert not folder.path("failure").exists(), "nothing says that it has failed"
    assert is_interrupted(row)


def test_a_job_that_was_told_to_stop_while_its_run_went_on_has_failed(folder: Folder):
    """The walltime of a single job: the next one would end in the same way."""
    folder.receipts(only=("source",))
    folder.attempt("download_files", error=told_to_stop())
    for of_run in ("run1", "run2"):
        folder.aggregate(run_id=of_run)
        assert [(row["status"], row["error_type"]) for row in folder.rows()] == [("failed", "Terminated")]
        folder.ended()


def test_a_record_that_failed_beside_a_step_that_was_interrupted_has_failed(folder: Folder):
    folder.receipts(only=("source",))
    folder.attempt("transform_record", error=TransientError("no answer"))
    folder.attempt("download_files", error=told_to_stop())
    folder.ended(STOPPED, "told to end (SIGTERM)")
    folder.aggregate(run_id="run1")
    assert [(row["status"], row["error"]) for row in folder.rows()] == [("failed", "no answer")]


def test_a_step_that_was_stopped_after_its_receipt_is_done(folder: Folder):
    folder.receipts()
    folder.attempt("publish_record", error=told_to_stop())
    folder.ended(STOPPED, "told to end (SIGTERM)")
    assert folder.stats()["status"] == "ok"


@pytest.mark.parametrize("order", [("download_files", "transform_record"), ("transform_record", "download_files")])
def test_of_two_failures_of_a_run_the_one_that_will_fail_again_is_told(folder: Folder, order: tuple[str, str]):
    folder.receipts(only=("source",))
    errors = {"download_files": TransientError("no answer"), "transform_record": IntegrityError("no title")}
    for step in order:
        folder.attempt(step, error=errors[step])
    assert folder.stats()["error"] == "no title"


def test_a_failure_for_good_of_an_earlier_run_does_not_hide_that_of_the_last_one(folder: Folder):
    folder.receipts(only=("source",))
    folder.attempt("transform_record", error=IntegrityError("no title"))
    folder.attempt("download_files", error=TransientError("no answer"), run_id="run2")
    assert folder.stats()["error"] == "no answer"


def test_what_ended_well_and_left_no_receipt_was_refused_by_snakemake_and_is_a_failure(folder: Folder):
    folder.attempt("read_record")
    folder.aggregate()
    assert [(row["status"], row["step"]) for row in folder.rows()] == [("skipped", "read_record")], "of another run"
    folder.aggregate(run_id="run1")
    (row,) = folder.rows()
    assert (row["status"], row["step"], row["error_type"]) == ("failed", "read_record", "SnakemakeError")
    assert "in the future" in row["error"]


def test_a_record_whose_stats_nobody_asked_for_is_ok(folder: Folder):
    folder.receipts()
    folder.all_steps()
    folder.aggregate()
    assert [(row["status"], row["step"]) for row in folder.rows()] == [("ok", None)]


def test_a_receipt_that_a_step_before_it_has_taken_away_was_not_refused(folder: Folder):
    folder.receipts(only=("source",))
    for step in ("read_record", "download_files", "read_record"):
        folder.attempt(step)
    folder.aggregate(run_id="run1")
    assert [(row["status"], row["step"]) for row in folder.rows()] == [("skipped", "download_files")]


def test_a_job_killed_after_its_receipt_was_written_is_done(folder: Folder):
    folder.receipts()
    folder.all_steps()
    folder.attempt("upload_record", killed=True)
    assert folder.stats()["status"] == "ok"


def test_an_old_stats_json_does_not_speak_for_a_record_that_failed_since(folder: Folder):
    folder.receipts()
    folder.all_steps()
    assert folder.stats()["status"] == "ok"
    folder.path("download").unlink()
    folder.attempt("download_files", error=IntegrityError("changed"), run_id="run2")
    folder.aggregate()
    assert [(row["status"], row["step"]) for row in folder.rows()] == [("failed", "download_files")]


def test_a_failure_of_an_earlier_run_is_forgotten_once_the_step_went_well(folder: Folder):
    folder.attempt("read_record", error=OSError("first"))
    folder.receipts()
    folder.all_steps()
    row = folder.stats()
    assert (row["status"], row["attempts"]) == ("ok", 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", ["", '{"recid": 8149', "[]", '{"recid": 1}', "\x00" * 20, "[" * 99_999])
def test_a_torn_or_foreign_receipt_is_that_records_failure_and_never_a_crash(folder: Folder, name: str, content: str):
    folder.receipts()
    folder.all_steps()
    folder.stats()
    folder.path(name).write_text(content)
    folder.receipts(recid=2)
    folder.all_steps(recid=2)
    folder.stats(recid=2)
    folder.aggregate(recids=(RECID, 2))
    torn, other = folder.rows()
    assert other["status"] == "ok"
    assert torn["status"] == "failed"
    assert f"{name}.json: expected the receipt {name} of record {RECID}, found" in torn["error"]
    assert "run again, it is made anew" in torn["error"]
    assert take_away_marked(folder.path(name).parent)
    assert not folder.path(name).exists(), "the next run makes it anew"


def test_a_mark_of_a_run_that_was_killed_takes_nothing_away_at_the_end_of_a_later_one(folder: Folder):
    folder.receipts()
    record_dir = folder.path("upload").parent
    mark_again("upload_record", record_dir)
    marked_s = (record_dir / "again").stat().st_mtime
    heed_marks([RECID], folder.results, since_s=marked_s + 1)
    assert folder.path("upload").exists()
    assert not (record_dir / "again").exists()
    mark_again("upload_record", record_dir)
    heed_marks([RECID], folder.results, since_s=marked_s)
    assert not folder.path("upload").exists()


def test_two_wrong_receipts_of_steps_that_do_not_need_each_other_are_both_made_anew(folder: Folder):
    folder.receipts()
    folder.all_steps()
    for name in ("package", "record"):
        folder.path(name).write_text("{")
    mark_again("package_files", folder.path("package").parent)  # as the upload does that comes upon it
    folder.aggregate()
    assert take_away_marked(folder.path("package").parent) == ["transform_record", "package_files"]
    assert not any(folder.path(name).exists() for name in ("package", "record", "mapping", "upload"))
    assert folder.path("download").exists()


def test_a_receipt_of_another_record_is_refused(folder: Folder):
    folder.receipts()
    folder.receipts(recid=7)
    folder.path("upload").write_bytes(folder.path("upload", 7).read_bytes())
    row = folder.stats()
    assert (row["status"], row["step"]) == ("failed", "upload_record")
    assert "upload.json: expected the receipt upload of record 81494, found that of record 7" in row["error"]


def test_a_record_never_tried_is_skipped_and_in_every_table(folder: Folder):
    folder.receipts()
    folder.all_steps()
    folder.stats()
    totals = folder.aggregate(recids=(RECID, 3))
    assert (totals.ok, totals.failed, totals.skipped) == (1, 0, 1)
    row = folder.rows()[1]
    assert (row["recid"], row["status"], row["step"], row["attempts"], row["log"]) == (
        3,
        "skipped",
        "read_record",
        0,
        None,
    )
    assert not folder.path("stats", 3).exists()


def test_a_chain_that_stopped_with_no_failure_is_skipped_at_the_step_not_reached(folder: Folder):
    folder.receipts(only=("source", "download"))
    folder.attempt("read_record")
    folder.attempt("download_files")
    row = folder.stats()
    assert (row["status"], row["step"]) == ("skipped", "transform_record")


@pytest.mark.parametrize(
    ("receipt", "step", "problem"),
    [
        ("download", "download_files", "differs from the receipt source"),
        ("package", "package_files", "differs from the receipt download"),
        ("upload", "upload_record", "differs from the receipt package"),
    ],
)
def test_a_run_that_ended_between_the_steps_of_a_changed_record_leaves_it_not_ok(folder, receipt, step, problem):
    folder.all_steps()
    folder.receipts()
    document = read_receipt(folder.path(receipt), receipt, recid=RECID)
    name = "uploads" if receipt == "package" else "files"
    lost = document[name].pop(0)["key"]
    write_receipt(folder.path(receipt), receipt, document)
    row = folder.stats()
    assert (row["status"], row["step"]) == ("failed", step)
    assert (
        f"{receipt}.json: expected the receipt {receipt} of record {RECID}, found one that {problem} in {lost}"
        in row["error"]
    )


def test_publishing_counts_only_where_it_is_asked_for(folder: Folder):
    folder.receipts(only=NAMES[:-1])
    assert folder.stats(publish=False)["status"] == "ok"
    row = folder.stats(publish=True)
    assert (row["status"], row["step"], row["published"]) == ("skipped", "publish_record", False)


def test_a_record_in_review_is_not_called_published(folder: Folder):
    folder.receipts(published={"state": "in_review"})
    row = folder.stats()
    assert (row["status"], row["published"]) == ("ok", False)


def review(folder, status, record_id="ab-cd"):
    known = {
        "recid": RECID,
        "repository": URL,
        "record_id": record_id,
        "request": {"id": "1", "status": status, "url": f"{URL}/requests/1"},
        "submitted_sha256": "0" * 64,
        "asked": 3,
    }
    folder.path("review").write_text(json.dumps(known))


def test_how_a_record_stands_in_the_repository_is_told_by_the_last_receipt_and_else_by_its_review(folder: Folder):
    def state():
        row = folder.stats()
        return row["state"], row["review_url"]

    folder.receipts(only=("source", "record", "download", "package"))
    assert state() == (None, None)
    folder.receipts(only=NAMES[:-1])
    assert state() == ("draft", None)
    for status, told in (("submitted", "in_review"), ("declined", "declined"), ("cancelled", "draft")):
        review(folder, status)
        assert state() == (told, f"{URL}/requests/1")
    review(folder, "declined", record_id="of-another-draft")
    assert state() == ("draft", None)
    folder.path("review").write_text("{")
    assert state() == ("draft", None)
    folder.receipts(published={"request": {"id": "1", "status": "accepted", "url": f"{URL}/requests/1"}})
    assert state() == ("published", f"{URL}/requests/1")


def test_the_three_stats_tables_say_the_same_in_the_order_of_the_list(folder: Folder):
    for recid in (5, 3, 4):
        folder.receipts(recid=recid)
        folder.all_steps(recid=recid)
        folder.stats(recid=recid)
    folder.aggregate(recids=(5, 3, 4, 3))
    lines = [json.loads(line) for line in (folder.results / "stats.jsonl").read_text().splitlines()]
    assert [line["recid"] for line in lines] == [row["recid"] for row in folder.rows()] == [5, 3, 4]
    assert list(lines[0]) == STATS_SCHEMA.names
    head, *body = (folder.results / "stats.csv").read_text().splitlines()
    assert head.split(",") == STATS_SCHEMA.names
    assert [line.split(",")[0] for line in body] == ["5", "3", "4"]
    assert lines[0] == read_receipt(folder.path("stats", 5), "stats", recid=5)


def test_parquet_holds_the_types_that_were_promised(folder: Folder):
    folder.receipts(bundled=True)
    folder.all_steps()
    folder.aggregate(recids=(RECID, 3))
    for name, schema in (("stats", STATS_SCHEMA), ("files", FILES_SCHEMA), ("attempts", ATTEMPTS_SCHEMA)):
        assert parquet.read_schema(folder.results / f"{name}.parquet").equals(schema), name
    stats = parquet.read_table(folder.results / "stats.parquet")
    assert stats.schema.field("started_at").type == pa.timestamp("ms", tz="UTC")
    assert stats["source_bytes"].to_pylist() == [10, None]


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless_in_csv(folder: Folder):
    record = {"title": "=HYPERLINK(1)"}
    folder.receipts(source={"record": record})
    folder.aggregate()
    assert ",'=HYPERLINK(1)," in (folder.results / "stats.csv").read_text()
    assert folder.rows()[0]["title"] == "=HYPERLINK(1)"


@pytest.mark.parametrize(
    "record",
    [
        {"title": 3, "experiment": {}, "type": [], "distribution": {"formats": "x"}, "date_created": [None]},
        {"title": ["", "second"], "experiment": "CMS", "type": {"secondary": "one"}, "date_published": "May 2014"},
        {"title": "x" * 10_000, "distribution": {"formats": [1, "b", "a", "a"]}, "categories": "none"},
    ],
)
def test_a_strange_source_record_gives_empty_facts_and_no_error(folder: Folder, record):
    folder.receipts(source={"record": record})
    row = folder.stats()
    assert row["status"] == "ok"
    assert len(row["title"] or "") <= 200


def test_an_aggregate_that_cannot_be_written_leaves_the_tables_before_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    folder.receipts()
    folder.aggregate()
    before = {path.name: path.read_bytes() for path in folder.results.glob("*.*")}

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ferry.report.tables.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.aggregate(recids=(RECID, 3))
    assert {path.name: path.read_bytes() for path in folder.results.glob("*.*")} == before


def test_what_became_of_a_failed_record_is_in_its_failure_and_stats_are_of_records_that_are_ok(folder: Folder):
    folder.receipts()
    folder.all_steps()
    folder.stats()
    folder.attempt("read_record", recid=3, error=OSError("no"))
    write_receipt(folder.path("stats", 3), "stats", folder.stats() | {"recid": 3})
    folder.aggregate(recids=(RECID, 3))
    failure = read_receipt(folder.path("failure", 3), "stats", recid=3)
    assert (failure["status"], failure["step"], failure["error"]) == ("failed", "read_record", "no")
    assert not folder.path("stats", 3).exists()
    assert folder.path("stats").exists()
    assert not folder.path("failure").exists()


def test_the_failure_of_a_record_that_is_ok_by_now_goes(folder: Folder):
    folder.attempt("read_record", error=OSError("no"))
    folder.aggregate()
    assert folder.path("failure").exists()
    folder.receipts()
    folder.all_steps()
    folder.finish()
    assert not folder.path("failure").exists()
    assert read_receipt(folder.path("stats"), "stats", recid=RECID)["status"] == "ok"


def test_a_failed_record_whose_journal_is_gone_is_not_called_not_reached(folder: Folder):
    folder.attempt("read_record", error=OSError("no"))
    folder.aggregate()
    folder.journal().unlink()
    folder.aggregate()
    (row,) = folder.rows()
    assert (row["status"], row["step"], row["error"]) == ("failed", "read_record", "no")


@pytest.mark.parametrize("content", ["", "[8149", "{}", "[]"])
def test_a_torn_failure_tells_nothing(folder: Folder, content: str):
    folder.path("failure").parent.mkdir(parents=True)
    folder.path("failure").write_text(content)
    folder.aggregate()
    assert folder.rows()[0]["status"] == "skipped"


@pytest.mark.parametrize(("receipt", "step"), [("package", "package_files"), ("source", "read_record")])
def test_a_record_with_a_receipt_that_is_lost_is_not_finished_and_proven_anew_from_there(folder, receipt, step):
    folder.receipts()
    folder.all_steps()
    folder.path(receipt).unlink()
    with pytest.raises(IntegrityError, match=rf"record {RECID}: expected receipts of each step, found {step} not done"):
        folder.finish()
    assert folder.path("upload").exists(), "as long as the run goes on"
    assert take_away_marked(folder.path("upload").parent) == [step]
    assert not any(folder.path(name).exists() for name in ("stats", "upload", "published", receipt))
    assert folder.path("download").exists() == (receipt == "package")
    assert (folder.results.parent / "data" / "files").exists(), "its bytes are not removed"


def test_what_says_that_tables_are_made_by_their_rules_goes_and_they_keep_their_times(folder: Folder):
    folder.receipts()
    folder.aggregate()
    done = [folder.results / f"{rule}.done" for rule in ("aggregate_stats", "aggregate_metadata", "link_members")]
    for path in done:
        path.touch()
    before = {path: path.stat().st_mtime_ns for path in folder.results.glob("*.*") if path not in done}
    outdate_tables(folder.results, rules={"aggregate_stats"})
    assert [path.exists() for path in done] == [False, True, True]
    outdate_tables(folder.results)
    assert not any(path.exists() for path in done)
    assert {path: path.stat().st_mtime_ns for path in folder.results.glob("*.*")} == before


_MANY = """
import sys
from pathlib import Path
from ferry.report.tables import FILES_SCHEMA, table_writer
row = dict.fromkeys(FILES_SCHEMA.names) | {"recid": 1, "verified": True, "adler32": "00000001", "problem": "none"}
with table_writer(FILES_SCHEMA, parquet_path=Path(sys.argv[1])) as table:
    for number in range(int(sys.argv[2])):
        table.write(row | {"key": f"file-{number:07}.dat", "size_bytes": number, "md5": f"{number:032x}"})
"""

# not ru_maxrss: a child begins with its parent's
_PRINT_PEAK_MB = """
print(int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_file_rows(tmp_path: Path):
    peaks = []
    for count in (60_000, 300_000):
        path = tmp_path / f"{count}.parquet"
        measure = _MANY + _PRINT_PEAK_MB
        scripts = str(Path(__file__).parents[3] / "scripts")
        command = [sys.executable, "-c", measure, str(path), str(count)]
        answer = subprocess.run(command, env={"PYTHONPATH": scripts}, capture_output=True, text=True, check=True)
        peaks.append(int(answer.stdout))
        assert parquet.read_metadata(path).num_rows == count
    assert peaks[1] - peaks[0] < 60
    assert peaks[1] < 500
