"""A step that is told to stop says so in its journal and is gone, also when something in it hangs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferry.run import termination

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
STEP = """
import sys, time
from pathlib import Path
from ferry.run.run import begin_run
from ferry.run.step import record_step
begin_run(target=None)
with record_step(name="upload_record", recid=5, log_path=Path("logs/5/upload_record.log")):
    {body}
"""


def start_step(folder, body):
    step = subprocess.Popen(
        [sys.executable, "-c", STEP.format(body=body)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert step.stdout.readline() == b"begun\n"
    return step


def last_event(folder):
    return json.loads((folder / "logs" / "5" / "journal.jsonl").read_text(encoding="utf-8").splitlines()[-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_step_that_is_told_to_stop_says_so(tmp_path, number):
    with start_step(tmp_path, "print('begun', flush=True); time.sleep(60)") as step:
        step.send_signal(number)
        assert step.wait(10) == 128 + number
        assert step.stderr.read() == b""
    event = last_event(tmp_path)
    assert (event["event"], event["status"], event["error"]["type"]) == ("end", "failed", "Terminated")
    assert f"told to stop ({number.name})" in event["error"]["message"]


def test_a_step_in_which_something_hangs_is_gone_all_the_same(tmp_path):
    lines = ["while True:", "    try:", "        print('begun', flush=True); time.sleep(60)"]
    body = "\n    ".join([*lines, "    except BaseException:", "        pass"])
    with start_step(tmp_path, body) as step:
        began = time.monotonic()
        step.terminate()
        assert step.wait(15) == 143
        assert time.monotonic() - began < 10
    assert last_event(tmp_path)["event"] == "start"


def test_the_handler_that_was_there_is_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(KeyError), termination.terminate_on_signal():
        raise KeyError
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.slow
def test_steps_below_a_shell_are_told_and_what_has_a_session_of_its_own_is_not(tmp_path):
    code = """
import subprocess, sys, time
step = [sys.executable, "-c", "import time; time.sleep(60)"]
helped = "import subprocess, time; subprocess.Popen(['sleep', '8'], start_new_session=True); time.sleep(60)"
below = subprocess.Popen(["bash", "-c", f'set -e; {sys.executable} -c "{helped}"; true'])
apart = subprocess.Popen(step, start_new_session=True)
time.sleep(1)
from ferry.run.termination import end_steps
end_steps()
print(below.wait(5), apart.poll(), flush=True)
apart.kill()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, capture_output=True, check=True
    )
    assert done.stdout.split() == [b"143", b"None"]
