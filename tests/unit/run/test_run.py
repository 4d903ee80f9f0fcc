"""One run at a time on a folder, and only one repository."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ferry.errors import ConfigError
from ferry.flags import STOPPED, RunFlags
from ferry.run.run import Target, begin_run, is_locked, lock_folder, read_run, refuse_other_repository, require_target

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def test_a_folder_is_taken_once_and_free_again_when_its_process_is_gone(tmp_path):
    path = tmp_path / "logs" / "run.lock"
    assert not is_locked(path)
    code = f"from pathlib import Path; from ferry.run.run import lock_folder; held = lock_folder(Path({str(path)!r}))"
    holder = subprocess.Popen(
        [sys.executable, "-c", code + "; print('held', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(SCRIPTS)},
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=rf"another run works here \(process {holder.pid}\)"):
            lock_folder(path)
        assert is_locked(path)
        holder.kill()
    assert not is_locked(path)
    lock_folder(path).close()


def test_what_a_run_shares_is_read_back(tmp_path):
    target = Target(name="sandbox", url="http://127.0.0.1:1", info={"links": {}})
    begun = begin_run(target=target, path=tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == begun
    assert require_target(begun) == target


def test_a_job_without_a_run_or_a_repository_says_so(tmp_path):
    with pytest.raises(ConfigError, match=r"run\.json: expected what the run's start wrote"):
        read_run(tmp_path / "run.json")
    with pytest.raises(ConfigError, match="began without a repository"):
        require_target(begin_run(target=None, path=tmp_path / "run.json"))


def test_receipts_of_another_repository_are_refused_and_torn_ones_left_to_their_reader(tmp_path):
    (tmp_path / "5").mkdir()
    (tmp_path / "6").mkdir()
    (tmp_path / "5" / "upload.json").write_text("{torn", encoding="utf-8")
    refuse_other_repository(target_name="https://a", results_dir=tmp_path)
    (tmp_path / "6" / "upload.json").write_text(json.dumps({"repository": "https://a"}), encoding="utf-8")
    refuse_other_repository(target_name="https://a", results_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"6/upload\.json: tells of an upload to https://a, but .* https://b"):
        refuse_other_repository(target_name="https://b", results_dir=tmp_path)


def test_jobs_that_leave_the_same_mark_at_the_same_time_do_not_disturb_each_other(tmp_path, monkeypatch):
    replace = Path.replace

    def replace_after_another(part, path):
        monkeypatch.setattr(Path, "replace", replace)
        RunFlags("run", tmp_path).set(STOPPED, "the disk is full")
        return replace(part, path)

    monkeypatch.setattr(Path, "replace", replace_after_another)
    RunFlags("run", tmp_path).set(STOPPED, "the disk is full")
    assert RunFlags("run", tmp_path).get(STOPPED) == "the disk is full"
    assert len(list(tmp_path.iterdir())) == 1
