import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferry.errors import IntegrityError, TransientError
from ferry.journal import start_event
from ferry.jsonl import append, cut_torn_end
from ferry.report.evidence import read_evidence, record_status
from ferry.report.stats import aggregate
from ferry.report.stats_log import latest_rows, tell_row
from ferry.run.run import begin_run, read_run
from ferry.run.step import record_step
from ferry.schemas import problems
from synthetic_runs import plan_run, write_run

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    begin_run(target=None)
    return tmp_path


def fail(recid: int = 7) -> None:
    begin_run(target=None)  # what failed for good is not tried again in the same run
    with (
        pytest.raises(IntegrityError),
        record_step(name="read_record", recid=recid, log_path=Path(f"logs/{recid}/read_record.log")),
    ):
        raise IntegrityError("expected 1, found 2")


def test_a_failed_attempt_is_told_at_once_in_a_row_of_the_closed_schema(folder: Path):
    fail()
    (row,) = latest_rows().values()
    assert problems(row, "receipts/stats") == []
    assert (row["recid"], row["status"], row["step"], row["attempts"]) == (7, "failed", "read_record", 1)
    assert (row["error"], row["log"]) == ("expected 1, found 2", "logs/7/read_record.log")


def test_each_attempt_adds_a_line_and_the_last_one_counts(folder: Path):
    fail()
    fail()
    fail(recid=8)
    assert len(Path("results/stats.jsonl").read_text().splitlines()) == 3
    assert {recid: row["attempts"] for recid, row in latest_rows().items()} == {7: 2, 8: 1}


def test_a_step_that_went_well_adds_no_line(folder: Path):
    with record_step(name="read_record", recid=7, log_path=Path("logs/7/read_record.log")):
        pass
    assert latest_rows() == {}


def test_the_aggregate_leaves_one_line_per_wanted_recid_whatever_was_added_before(folder: Path):
    plans = plan_run(records=4, files=9)
    write_run(folder, plans)
    fail()
    fail()
    recids = [plan.recid for plan in plans] + [7]
    aggregate(recids=recids, results_dir=folder / "results", logs_dir=folder / "logs", publish=False)
    lines = [json.loads(line) for line in Path("results/stats.jsonl").read_text().splitlines()]
    assert [line["recid"] for line in lines] == recids
    assert [line["status"] for line in lines] == ["ok"] * 4 + ["failed"]


def test_a_row_that_does_not_fit_on_the_disk_fails_no_record(tmp_path: Path):
    tell_row({"recid": 1}, Path("/dev/full"))
    tell_row({"recid": 1}, tmp_path)  # a folder


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b""), (b'{"a":1}\n', b'{"a":1}\n'), (b'{"a":1}\n{"b":', b'{"a":1}\n'), (b'{"a', b""), (b"x" * 70_000, b"")],
)
def test_what_a_crash_tore_off_is_cut_and_nothing_else(tmp_path: Path, before: bytes, after: bytes):
    path = tmp_path / "stats.jsonl"
    path.write_bytes(before + b"")
    assert cut_torn_end(path) == len(before) - len(after)
    assert path.read_bytes() == after
    assert cut_torn_end(tmp_path / "none") == 0


_WRITER = """
import sys
from pathlib import Path
from ferry.report.stats_log import tell_row
number = 0
while True:
    tell_row({"recid": number, "error": "x" * 5000}, Path(sys.argv[1]))
    number += 1
"""


def test_writers_killed_at_any_time_tear_no_line_but_their_last(tmp_path: Path):
    path = tmp_path / "stats.jsonl"
    command = [sys.executable, "-c", _WRITER, str(path)]
    for _ in range(3):
        writers = [subprocess.Popen(command, env={"PYTHONPATH": str(SCRIPTS)}) for _ in range(2)]
        size = path.stat().st_size if path.exists() else 0
        while not path.exists() or path.stat().st_size < size + 500_000:
            time.sleep(0.01)
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
    lines = path.read_bytes().split(b"\n")
    torn = [line for line in lines if not line.endswith(b"}")]
    # Linux may end a write at the end of a page when the process is killed; six were killed, the last line is none
    assert len(torn) <= 6 + 1
    assert all(len(json.loads(line)["error"]) == 5000 for line in lines if line not in torn)
    assert sum(map(len, torn)) < len(torn) * 5100  # none has another line behind it


def test_the_peak_of_a_process_is_its_own_and_not_that_of_its_parent():
    ballast = bytearray(os.urandom(1000)) * 300_000
    code = "from ferry.journal import peak_memory_bytes; print(peak_memory_bytes())"
    answer = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=True
    )
    assert 1e6 < int(answer.stdout) < len(ballast) / 2


def test_a_job_that_still_runs_is_not_what_its_records_failure_is_told_for(folder: Path):
    """Downloading failed while the mapping was still at work: the row said that the mapping was killed."""
    run = read_run()
    sibling = start_event(run_id=run.run_id, recid=7, step="transform_record", attempt=1)

    def fail_beside_it() -> None:
        append(Path("logs/7/journal.jsonl"), sibling)
        raise TransientError("no answer")

    with (
        pytest.raises(TransientError),
        record_step(name="download_files", recid=7, log_path=Path("logs/7/download_files.log")),
    ):
        fail_beside_it()
    assert [(row["step"], row["error"]) for row in latest_rows().values()] == [("download_files", "no answer")]


@pytest.mark.parametrize(("gone", "told"), [("its process", "Killed"), ("its run", "Interrupted")])
def test_a_job_that_is_gone_was_killed_while_others_still_run(folder: Path, gone: str, told: str):
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    sibling = start_event(run_id=read_run().run_id, recid=7, step="transform_record", attempt=1)
    sibling |= {"pid": killed.pid} if gone == "its process" else {"run_id": "the one before"}
    append(Path("logs/7/journal.jsonl"), sibling)
    evidence = read_evidence(recid=7, record_dir=Path("results/7"), journal=Path("logs/7/journal.jsonl"))
    verdict = record_status(evidence, ["transform_record"], run_id=read_run().run_id, is_over=False)
    assert (verdict.step, verdict.error_type) == ("transform_record", told)
