"""The sandbox lives as long as its run, keeps what it has, and listens to nobody else."""

import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from ferry.errors import ConfigError, TransientError
from sandbox import launcher
from sandbox.settings import Settings
from servers.raw_api import Api, Draft, eventually

SCRIPTS = Path(launcher.__file__).parents[1]
RUN = """
import subprocess, sys, time
from pathlib import Path
from sandbox import launcher

sandbox = launcher.start(Path(sys.argv[1]))
child = subprocess.Popen(["sleep", "60"], close_fds=False)  # as careless as a child can be
print(sandbox.pid, sandbox.url, child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def sandbox(tmp_path):
    started = launcher.start(tmp_path / "repository")
    yield started
    started.stop()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_it_answers_and_says_where(sandbox):
    assert requests.get(sandbox.url, timeout=5).status_code == 200
    assert json.loads((sandbox.directory / "endpoint.json").read_text()) == {"url": sandbox.url}
    assert (sandbox.directory / "token").read_text() == sandbox.token
    assert stat.S_IMODE((sandbox.directory / "token").stat().st_mode) == 0o600
    assert sandbox.token != sandbox.other_token


def test_it_is_gone_after_stop_and_a_second_stop_does_nothing(sandbox):
    sandbox.stop()
    sandbox.stop()
    assert not is_alive(sandbox.pid)
    assert not (sandbox.directory / "endpoint.json").exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=5)


def test_the_next_start_has_the_same_address_token_and_records(sandbox):
    draft = Api(sandbox.url, sandbox.token).create()
    draft.upload("a", b"kept")
    sandbox.stop()
    again = launcher.start(sandbox.directory)
    try:
        assert (again.url, again.token) == (sandbox.url, sandbox.token)
        assert Draft(Api(again.url, again.token), draft.id).content("a").content == b"kept"
    finally:
        again.stop()


def test_a_second_start_on_the_same_folder_is_refused(sandbox, monkeypatch):
    with pytest.raises(ConfigError, match="runs for another run"):
        launcher.start(sandbox.directory)
    assert requests.get(sandbox.url, timeout=5).status_code == 200


def test_a_taken_port_is_given_up_for_a_free_one(sandbox, tmp_path):
    port = int(sandbox.url.rsplit(":", 1)[1])
    other = launcher.start(tmp_path / "other", port=port)
    other.stop()
    assert other.url != sandbox.url


def test_a_server_that_cannot_start_is_an_error_with_its_log(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "x.json").write_text("{")
    with pytest.raises(TransientError, match="JSONDecodeError"):
        launcher.start(tmp_path)


def test_it_listens_on_loopback_only(sandbox):
    port = int(sandbox.url.rsplit(":", 1)[1])
    listening = [
        line.split()[1]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rsplit(":", 1)[1], 16) == port
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_it_is_not_given_the_token_of_a_real_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("NRP_TOKEN", "canary-7d1f")
    started = launcher.start(tmp_path)
    try:
        assert b"canary-7d1f" not in Path(f"/proc/{started.pid}/environ").read_bytes()
    finally:
        started.stop()


def test_it_ends_when_its_run_is_killed_even_if_a_child_of_the_run_lives_on(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        pid, url, child = run.stdout.readline().split()
        try:
            assert requests.get(url, timeout=5).status_code == 200
            run.kill()
            run.wait()
            eventually(lambda: not is_alive(pid), within_s=5)
            assert is_alive(child)
        finally:
            os.kill(int(child), signal.SIGKILL)
    launcher.start(tmp_path).stop()  # the folder is free again


def whole_files(api, contents):
    """Return how many of the files are complete, after comparing each of these with what was sent."""
    whole = 0
    for (record_id, key), content in contents.items():
        draft = Draft(api, record_id)
        path = draft.record if api.call("GET", draft.record).status_code == 200 else draft.path
        entry = api.call("GET", f"{path}/files/{key}")
        if entry.status_code == 200 and entry.json()["status"] == "completed":
            assert entry.json()["checksum"] == f"md5:{hashlib.md5(content).hexdigest()}"
            assert api.call("GET", f"{path}/files/{key}/content").content == content
            whole += 1
    return whole


def deposit_for_ever(api, chance, contents):
    while True:
        draft = api.create()
        for key in ("a", "b"):
            contents[draft.id, key] = chance.randbytes(chance.randrange(100_000))
            draft.upload(key, contents[draft.id, key])
        draft.publish()


@pytest.mark.slow
def test_killed_at_any_moment_it_starts_again_with_whole_files_only(tmp_path):
    chance = random.Random(7)
    settings = Settings(rate_limits=())
    rounds = whole = 0
    while rounds < 4 or whole <= 10:  # a slow machine brings less in the same time
        rounds += 1
        contents: dict[tuple[str, str], bytes] = {}
        started = launcher.start(tmp_path, settings=settings)
        api = Api(started.url, started.token)
        killer = threading.Timer(chance.uniform(0.05, 0.4), os.kill, (started.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises((requests.RequestException, AssertionError)):
            deposit_for_ever(api, chance, contents)
        killer.join()
        started.stop()
        again = launcher.start(tmp_path, settings=settings)
        whole += whole_files(Api(again.url, again.token), contents)
        again.stop()
