"""The process that runs entry scripts in children of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ferry.run.script_server import ScriptServer

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.fixture
def server():
    """A server that has imported `colorsys`, which nothing else here does."""
    server = ScriptServer("colorsys")
    yield server
    server.stop()


def works(pid):
    """Tell whether a process is there and no zombie, which the first process of a container may leave for ever."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run(server, path, text, **environment):
    path.write_text(text, encoding="utf-8")
    return server.run(str(path), environment=environment).status


def test_a_script_runs_as_main_in_a_process_of_its_own_with_what_is_imported_already(server, tmp_path):
    told = tmp_path / "told"
    script = (
        "import os, sys\n"
        f"open({str(told)!r}, 'a').write("
        "f\"{__name__} {os.getppid()} {'colorsys' in sys.modules} {os.environ['GIVEN']} \"\n"
        'f"{sys.argv[0]} {sys.path[0]}\\n")\n'
    )
    path = tmp_path / "job.py"
    assert [run(server, path, script, GIVEN="x") for _ in range(2)] == [0, 0]
    line = f"__main__ {server.pid} True x {path} {tmp_path}"
    assert told.read_text().splitlines() == [line, line]


def test_functions_are_called_beforehand_and_what_fails_of_all_that_stops_nobody(tmp_path, monkeypatch):
    modules = {"broken": "1 / 0", "counts": "calls = []\ndef ready(): calls.append(1)\ndef fails(): 1 / 0\n"}
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OURS", "stays")
    ready = ("no.such.module", "broken", "counts:fails", "counts:lacking", "counts:ready", "colorsys")
    server = ScriptServer(*ready, environment={"OURS": "goes", "NEW": "there"})
    script = (
        "import os, sys\n"
        "import counts\n"
        "assert counts.calls == [1]\n"
        "assert 'colorsys' in sys.modules\n"
        "assert (os.environ['OURS'], os.environ['NEW']) == ('stays', 'there')\n"
    )
    try:
        assert run(server, tmp_path / "job.py", script) == 0
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 0),
        ("1 / 0", 1),
        ("import sys; sys.exit(7)", 7),
        ("raise SystemExit", 0),
        ("import sys; sys.exit('no')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_the_status_is_what_a_python_of_its_own_would_end_with(server, tmp_path, text, status):
    assert run(server, tmp_path / "job.py", text) == status


def test_what_a_script_and_its_children_took_is_told(server, tmp_path):
    busy = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    text = f"import subprocess, sys\nheld = bytearray(200_000_000)\n{busy}"
    (tmp_path / "job.py").write_text(f"{text}subprocess.run([sys.executable, '-c', {busy!r}], check=True)")
    ended = server.run(str(tmp_path / "job.py"), environment={})
    assert ended.status == 0
    assert 0.6 <= ended.cpu_s < 2
    assert 200_000_000 < ended.peak_bytes < 300_000_000


def test_an_error_is_told_by_the_hook_that_the_script_has_set(tmp_path, capfd):
    server = ScriptServer()
    try:
        text = "import sys\nsys.excepthook = lambda *told: sys.stderr.write(f'told {told[1]}\\n')\nraise OSError('so')"
        assert run(server, tmp_path / "job.py", text) == 1
    finally:
        server.stop()
    assert capfd.readouterr().err == "told so\n"


def test_scripts_run_beside_each_other_and_each_is_told_its_own_status(server, tmp_path):
    statuses = {}

    def run_one(number):
        text = f"import time, sys; time.sleep(0.3 - {number} / 100); sys.exit({number})"
        statuses[number] = run(server, tmp_path / f"{number}.py", text)

    threads = [threading.Thread(target=run_one, args=[number]) for number in range(20)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {number: number for number in range(20)}
    assert time.monotonic() - start < 20 * 0.2


def test_a_server_that_is_gone_is_an_error_before_the_script_begins(server, tmp_path):
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(OSError, match=r"script server|Broken pipe|reset"):
        run(server, tmp_path / "job.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert not (tmp_path / "ran").exists()


def test_nothing_is_left_when_the_process_that_asks_is_killed(tmp_path):
    pids = tmp_path / "pids"
    (tmp_path / "job.py").write_text(
        f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    job = str(tmp_path / "job.py")
    asking = f"from ferry.run.script_server import ScriptServer\nScriptServer().run({job!r}, environment={{}})"
    with subprocess.Popen([sys.executable, "-c", asking], env={**os.environ, "PYTHONPATH": str(SCRIPTS)}) as asker:
        wait_for(lambda: pids.exists() and pids.read_text())
        asker.kill()
    wait_for(lambda: not Path(f"/proc/{pids.read_text()}").exists())


def wait_for(condition, limit_s=10):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_script_does_not_outlive_a_server_that_is_killed(server, tmp_path):
    path, told = tmp_path / "job.py", tmp_path / "pid"
    path.write_text(f"import os, time\nopen({str(told)!r}, 'w').write(str(os.getpid()) + ' ')\ntime.sleep(60)\n")
    ended = []
    asking = threading.Thread(target=lambda: ended.append(server.run(str(path), environment={})))
    asking.start()
    while not told.exists() or not told.read_text().endswith(" "):
        time.sleep(0.01)
    os.kill(server.pid, signal.SIGKILL)
    asking.join(10)
    assert [end.status for end in ended] == [-signal.SIGKILL]
    deadline = time.monotonic() + 10
    while works(told.read_text().strip()):
        assert time.monotonic() < deadline, "it goes on, though it was told to have ended"
        time.sleep(0.01)


def start(server, path, text):
    """Run a script that makes the file `begun` beside it, in a thread; return that and what it will have ended with."""
    path.write_text(text, encoding="utf-8")
    ended = []
    running = threading.Thread(target=lambda: ended.append(server.run(str(path), environment={}).status))
    running.start()
    deadline = time.monotonic() + 20
    while not (path.parent / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return running, ended


def test_a_signal_to_all_of_the_run_ends_the_scripts_each_in_its_own_way_and_not_the_server(server, tmp_path):
    text = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "time.sleep(60)\n"
    )
    running, ended = start(server, tmp_path / "job.py", text)
    child = int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text())
    os.kill(server.pid, signal.SIGTERM)
    os.kill(child, signal.SIGTERM)
    running.join(20)
    assert ended == [9]
    assert run(server, tmp_path / "next.py", "") == 0


def test_a_script_that_cannot_be_forked_is_an_error_to_whoever_asked_alone(tmp_path, monkeypatch):
    (tmp_path / "second_fork_fails.py").write_text(
        "import os\n"
        "fork, forked = os.fork, []\n"
        "def once():\n"
        "    forked.append(1)\n"
        "    if len(forked) == 2: raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        "    return fork()\n"
        "os.fork = once\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    server = ScriptServer("second_fork_fails")
    try:
        text = f"import pathlib, time; pathlib.Path({str(tmp_path / 'begun')!r}).touch(); time.sleep(1)"
        running, ended = start(server, tmp_path / "job.py", text)
        with pytest.raises(ConnectionError):
            run(server, tmp_path / "next.py", "")
        running.join(20)
        assert ended == [0]
    finally:
        server.stop()
