"""What a bulk run says of its runs where they cannot any more: each here is a program that ends as Snakemake may."""

import os
import signal
import sys
from pathlib import Path

import pytest

from ferry.config import normalise_config
from ferry.errors import ConfigError
from ferry.run.selection import Selection
from ferry.strict_yaml import read_config_file
from hooks.bulk_runs import BulkRuns, refuse_unwritable_cache

ROOT = Path(__file__).resolve().parents[3]
BEGUN = """
import os, signal
from ferry.flags import ENDED, RunFlags
from ferry.run.plan import RunPlan, write_plan
from ferry.run.run import begin_run
run = begin_run(target=None)
plan = RunPlan(run.run_id, [1, 2, 3], publish=False, to_do=frozenset([1, 2]), started_at=run.started_at)
write_plan(plan)
"""
TOLD = f"{BEGUN}RunFlags(run_id=run.run_id).set(ENDED, '')\n"
STANDING = "ferry: 0 ok, 0 failed, 3 to go, of 3 records\n"
GO_ON = "run the same command again to go on\n"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "scripts"))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    config = read_config_file(ROOT / "config.yaml")
    normalise_config(config)
    wanted = Selection(dict.fromkeys([1, 2, 3], 0))
    yield BulkRuns([], quiet=["--quiet", "all"], folder=tmp_path, config=config, wanted=wanted)
    for number, handler in before.items():
        signal.signal(number, handler)


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_run_that_is_killed_is_told_with_how_the_records_stand_and_what_to_do(runs, capfd):
    assert runs.run(program(f"{BEGUN}os.kill(os.getpid(), signal.SIGKILL)")) == 137
    runs.tell_how_to_go_on()
    told = capfd.readouterr().err
    assert "was ended by SIGKILL (by somebody, or by the system where memory is short)\n" + STANDING in told
    assert told.endswith(GO_ON)
    assert Path("results/stats.csv").read_text().count("not through yet") == 3


def test_a_run_that_is_killed_before_it_has_begun_is_told_too(runs, capfd):
    assert runs.run(program("import os; os.kill(os.getpid(), 15)")) == 143
    runs.tell_how_to_go_on()
    told = capfd.readouterr().err
    assert told.startswith("bulk.py: snakemake (process ")
    assert told.endswith(f" was ended by SIGTERM\n  {GO_ON}")


def test_why_no_run_began_is_told_without_where_in_python_that_was_found(runs, capfd):
    assert runs.run(program("print('Using workflow specific profile x'); raise ValueError('no such thing')")) == 1
    told, _, hint = capfd.readouterr().err.partition("bulk.py: ")[2].partition("  PYTHONPATH is ")
    assert told == "snakemake ended with 1 before a run began:\nValueError: no such thing\n"
    assert hint.startswith(f"{ROOT / 'scripts'}: what lies there goes before what is installed here"), "a broken numpy"
    assert (
        runs.run(program("import sys; sys.exit('KeyError in file \"x\", line 3:\\n\\'y\\'\\n  File \"x\", line 3')"))
        == 1
    )
    told = capfd.readouterr().err.partition("bulk.py: ")[2]
    assert told == "snakemake ended with 1 before a run began:\nKeyError in file \"x\", line 3:\n'y'\n"


def test_a_cache_of_snakemake_that_cannot_be_written_is_told_with_what_helps(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    refuse_unwritable_cache()
    (tmp_path / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"file/\.cache/snakemake: expected a folder .*export XDG_CACHE_HOME"):
        refuse_unwritable_cache()


def test_a_run_that_breaks_down_without_telling_how_it_ended_is_told(runs, capfd):
    assert runs.run(program(f"{BEGUN}raise SystemExit(7)")) == 7
    assert "ended with 7 before it could tell how the records stand\n" + STANDING in capfd.readouterr().err


def test_each_run_knows_those_of_the_same_bulk_run_before_it(runs):
    for _ in range(2):
        told = "open('before', 'a').write(os.environ.get('FERRY_GOES_ON', '-') + '|' + run.run_id + '|')"
        assert runs.run(program(f"{TOLD}{told}")) == 0
    nothing, first, before_second, second, _ = Path("before").read_text().split("|")
    assert (nothing, before_second) == ("-", first)
    assert runs.run(program(f"{TOLD}open('third', 'w').write(os.environ['FERRY_GOES_ON'])")) == 0
    assert Path("third").read_text() == f"{first} {second}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_between_two_runs_it_begins_no_other_and_says_so(runs, capfd, number):
    assert runs.run(program(f"{TOLD}raise SystemExit(1)")) == 1
    assert capfd.readouterr().err == "", "that has told everything itself"
    os.kill(os.getpid(), number)
    with pytest.raises(SystemExit) as end:
        runs.run(program("open('begun', 'w')"))
    assert end.value.code == 128 + number
    told = capfd.readouterr().err
    assert told.startswith(f"bulk.py: told to end ({number.name})\n{STANDING}")
    assert told.endswith(GO_ON)
    assert not Path("begun").exists()


def test_told_to_end_while_a_run_goes_on_it_ends_that_and_leaves_the_word_to_it(runs, capfd):
    waits = f"{BEGUN}import sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"
    waits += "try:\n    os.kill(os.getppid(), signal.SIGTERM)\n    signal.pause()\n"
    waits += "finally:\n    RunFlags(run_id=run.run_id).set(ENDED, '')\n"
    with pytest.raises(SystemExit) as end:
        runs.run(program(waits))
    assert end.value.code == 143
    assert capfd.readouterr().err == ""
