"""What stands around a step: it is not begun where that cannot help."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ferry.chain import CHAIN, mark_again, take_away_marked
from ferry.errors import DiskError, MetadataError, PermanentError, TransientError
from ferry.flags import STOPPED, RunFlags
from ferry.run.disk_budget import DiskBudget
from ferry.run.plan import hopeless_among
from ferry.run.run import begin_run
from ferry.run.step import NotBegun, record_step


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return begin_run(target=None)


def step(tmp_path, *, name="transform_record", error=None):
    with record_step(name=name, recid=5, log_path=tmp_path / "logs" / "5" / f"{name}.log"):
        if error is not None:
            raise error


def events(tmp_path):
    lines = (tmp_path / "logs" / "5" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [(event["step"], event["event"]) for event in map(json.loads, lines)]


def test_a_record_that_failed_for_good_is_not_tried_again_by_the_same_run_from_its_first_step_on(tmp_path, run):
    step(tmp_path, name="download_files")
    with pytest.raises(MetadataError):
        step(tmp_path, error=MetadataError("title: expected text"))
    before = events(tmp_path)
    for name in ("download_files", "transform_record"):
        with pytest.raises(PermanentError, match=r"not tried again .*: transform_record failed for good: title"):
            step(tmp_path, name=name)
    assert events(tmp_path) == before, "that is no attempt"
    begin_run(target=None)
    step(tmp_path)


def test_a_step_that_begins_is_not_done_again_for_a_mark_that_a_killed_run_has_left(tmp_path, run):
    record_dir = tmp_path / "results" / "5"
    record_dir.mkdir(parents=True)
    for name in ("package_files", "transform_record", "transform_record"):
        mark_again(name, record_dir)
    step(tmp_path, name="transform_record")
    assert take_away_marked(record_dir) == ["package_files"]


def test_a_step_of_the_record_that_was_not_begun_yet_goes_on_beside_one_that_failed(tmp_path, run):
    with pytest.raises(MetadataError):
        step(tmp_path, error=MetadataError("title: expected text"))
    step(tmp_path, name="download_files")


def test_a_record_that_failed_for_good_is_not_tried_again_by_the_next_run_of_the_same_bulk_run(tmp_path, run, capfd):
    step(tmp_path, name="read_record")
    for name, error in (("transform_record", MetadataError("no title")), ("download_files", TransientError("gone"))):
        with pytest.raises(type(error)):
            step(tmp_path, name=name, error=error)
    before = events(tmp_path)
    begun = begin_run(target=None, after=[run.run_id])
    with pytest.raises(SystemExit) as end:
        step(tmp_path)
    assert (end.value.code, capfd.readouterr().err) == (1, "")
    assert "not tried again in this bulk run: no title" in (tmp_path / "logs/5/transform_record.log").read_text()
    assert events(tmp_path) == before, "that is no attempt"
    jobs = {("transform_record", "5"), ("package_files", "5"), ("transform_record", "6"), ("aggregate_stats", None)}
    assert hopeless_among(jobs, after=begun.after, logs_dir=tmp_path / "logs") == {5}
    assert not hopeless_among(jobs, after=(), logs_dir=tmp_path / "logs")
    step(tmp_path, name="download_files")
    step(tmp_path, name="read_record")  # its metadata have changed
    step(tmp_path)


def test_what_failed_for_good_is_tried_again_by_a_run_that_is_none_of_the_same_bulk_run(tmp_path, run):
    with pytest.raises(MetadataError):
        step(tmp_path, error=MetadataError("no title"))
    begin_run(target=None, after=["another"])
    step(tmp_path)


def test_what_may_pass_is_tried_again(tmp_path, run):
    with pytest.raises(TransientError):
        step(tmp_path, error=TransientError("no answer"))
    step(tmp_path)


def test_nothing_is_begun_in_a_run_that_was_stopped_and_the_next_run_begins_it(tmp_path, run):
    RunFlags(run_id=run.run_id).set(STOPPED, "the repository is down")
    with pytest.raises(NotBegun):  # the run tells once why, instead of each of its jobs as of a failure
        step(tmp_path)
    assert (
        "not begun, the run was stopped: the repository is down"
        in (tmp_path / "logs/5/transform_record.log").read_text()
    )
    assert not (tmp_path / "logs" / "5" / "journal.jsonl").exists()
    begin_run(target=None)
    step(tmp_path)


def full(name):
    return OSError(errno.ENOSPC, "No space left on device", name)


@pytest.fixture
def full_ledger(tmp_path, run, monkeypatch):
    """Have a ledger in which this process holds room for the record and that cannot be written any more."""
    DiskBudget().reserve(recid=5, size_bytes=10, max_bytes=100)

    def refuse(path, _document):
        raise full(str(path))

    monkeypatch.setattr("ferry.run.disk_budget.write_json", refuse)
    return tmp_path / "data" / "storage.json"


def test_a_full_disk_is_told_as_one_and_the_end_is_written_though_the_ledger_cannot_be(tmp_path, full_ledger):
    with pytest.raises(DiskError, match=r"big: expected to serve the step, found No space left .*make room"):
        step(tmp_path, error=full("big"))
    assert events(tmp_path) == [("transform_record", "start"), ("transform_record", "end")]
    assert len((tmp_path / "results" / "attempts.jsonl").read_text().splitlines()) == 1


def test_a_ledger_that_cannot_be_written_fails_the_step_and_not_without_an_end(tmp_path, full_ledger):
    full_ledger.write_text(full_ledger.read_text().replace('"failed": false', '"failed": true'))
    with pytest.raises(DiskError, match=r"storage\.json: expected"):
        step(tmp_path)
    assert events(tmp_path) == [("transform_record", "start"), ("transform_record", "end")]


def test_a_step_that_begins_takes_the_receipts_after_it_away_however_it_ends(tmp_path, run):
    def left():
        for name in CHAIN:
            for receipt in name.receipts:
                (tmp_path / "results" / "5").mkdir(parents=True, exist_ok=True)
                (tmp_path / "results" / "5" / f"{receipt}.json").touch()
        return {path.stem for path in (tmp_path / "results" / "5").glob("*.json")} - {"failure"}

    before = left()
    step(tmp_path, name="transform_record")
    assert before - left_in(tmp_path) == {"upload", "published", "stats", "proof"}
    left()
    with pytest.raises(TransientError):
        step(tmp_path, name="download_files", error=TransientError("no answer"))
    assert before - left_in(tmp_path) == {"package", "upload", "published", "stats", "proof"}
    assert "failure" in left_in(tmp_path)
    left()
    step(tmp_path, name="read_record")
    assert left_in(tmp_path) - {"failure"} == {"source"}


def left_in(tmp_path):
    return {path.stem for path in (tmp_path / "results" / "5").glob("*.json")}


@pytest.mark.parametrize("error", ["TransientError('no answer')", "ValueError('a mistake')"])
def test_each_line_of_a_failure_begins_with_the_record_and_the_step(tmp_path, run, error):
    """Jobs of many records write to one terminal."""
    code = f"""
from pathlib import Path
from ferry.errors import TransientError
from ferry.run.step import record_step
with record_step(name="upload_record", recid=5, log_path=Path("logs/5/upload_record.log")):
    raise {error}
"""
    command, scripts = [sys.executable, "-c", code], Path(__file__).parents[3] / "scripts"
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(scripts)}, capture_output=True, text=True, check=False
    )
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("5 upload_record: ") for line in lines), lines
