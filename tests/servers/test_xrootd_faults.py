"""The download when the server, the disk or the job itself fails: each fault made for real, in a process of its own."""

import contextlib
import json
import random
import resource
import signal
import subprocess
import sys
import time

import pytest

from ferry.receipts import read_receipt
from needs import missing, require_tool
from servers.tcp_proxy import tcp_proxy
from servers.xrootd_records import (
    RUN,
    contents,
    make_bytes,
    receipt_of,
    record,
    run_environment,
    run_input,
    serve,
)
from servers.xrootd_server import need_xrootd, running_server

pytestmark = pytest.mark.xrootd

STALL_S = 3
FILES = {f"faults/f{n}": make_bytes(3 << 20, n) for n in range(8)}
TOTAL = sum(len(content) for content in FILES.values())


class Job:
    """A download in a process of its own."""

    def __init__(self, source, folder, *, prefix, command=(), limit_bytes=None, environment=None, **settings):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        settings = {"stall_s": STALL_S, "attempts": 2, "parallel_files": 2, **settings}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, sys.executable, "-c", RUN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=run_environment(**(environment or {})),
            preexec_fn=limit if limit_bytes is not None else None,  # noqa: PLW1509 - one call, no lock, in the child
        )
        self.process.stdin.write(run_input(source, folder, prefix=prefix, **settings))
        self.process.stdin.close()
        self.process.stdin = None

    def end(self, limit_s=60):
        """Return exit status, what was measured, the last line of the error, and the seconds it took."""
        try:
            out, err = self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        lines = err.decode().strip().splitlines()
        measured = json.loads(out) if out else None
        return self.process.returncode, measured, lines[-1] if lines else "", time.monotonic() - self.started


def no_half_file(folder, files):
    """Nothing has a final name but what is whole."""
    whole = set(files.values())
    there = contents(folder / "files")
    assert all(content in whole for name, content in there.items() if not name.endswith(".part"))


def wait_until(condition, limit_s=20):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def server():
    need_xrootd()
    with running_server() as one:
        yield one


def begin_outages(stack, folder):
    """Begin a job for each way in which a server can be gone; they wait side by side."""
    nothing = Job(record(FILES), folder / "nothing", prefix="root://127.0.0.1:1/")
    frozen = stack.enter_context(running_server())
    source = serve(frozen, FILES)
    frozen.freeze()
    silent = Job(source, folder / "silent", prefix=frozen.prefix)
    killed = stack.enter_context(running_server())
    source = serve(killed, FILES)
    proxy = stack.enter_context(tcp_proxy(killed.port))
    proxy.bytes_per_s = 20e6
    gone = Job(source, folder / "gone", prefix=f"root://127.0.0.1:{proxy.port}/")
    wait_until(lambda: proxy.bytes_back > TOTAL // 3)
    killed.kill()
    proxy.close()
    return {"nothing": nothing, "silent": silent, "gone": gone}


@pytest.fixture(scope="module")
def outages(tmp_path_factory):
    need_xrootd()
    folder = tmp_path_factory.mktemp("outages")
    with contextlib.ExitStack() as stack:
        jobs = begin_outages(stack, folder)
        yield {name: (folder / name, job.end()) for name, job in jobs.items()}


@pytest.mark.parametrize(
    ("outage", "message"),
    [
        ("nothing", "root://127.0.0.1:1//eos/opendata/faults/f0: expected to be opened, found"),
        ("silent", "faults/f0: expected to be opened, found"),
        ("gone", "faults/f"),
    ],
    ids=["nothing listens", "frozen before the first byte", "killed for good in the middle"],
)
def test_where_no_server_answers_the_job_fails_soon_and_says_where(outages, outage, message):
    folder, (status, _, error, seconds) = outages[outage]
    assert status == 1
    assert "TransientError: root://127.0.0.1:" in error
    assert message in error
    assert "(attempt 2 of 2)" in error
    assert seconds < 60
    no_half_file(folder, FILES)
    assert not (folder / "download.json").exists()


def test_a_server_frozen_in_the_middle_fails_the_job_and_a_rerun_goes_on(server, tmp_path):
    source = serve(server, FILES)
    with tcp_proxy(server.port) as proxy:
        proxy.bytes_per_s = 20e6
        prefix = f"root://127.0.0.1:{proxy.port}/"
        job = Job(source, tmp_path, prefix=prefix, attempts=1)
        wait_until(lambda: proxy.bytes_back > TOTAL // 3)
        server.freeze()
        status, _, error, seconds = job.end()
        assert (status, "TransientError" in error) == (1, True)
        assert seconds < 40
        no_half_file(tmp_path, FILES)
        server.thaw()
        status, measured, error, _ = Job(source, tmp_path, prefix=prefix).end()
    assert (status, error) == (0, "")
    assert measured["bytes_moved"] < TOTAL * 3 // 4 + (2 << 20), "what had come was kept"
    assert read_receipt(tmp_path / "download.json", "download", recid=source["recid"]) == receipt_of(source, FILES)


def test_a_server_killed_in_the_middle_and_started_again_is_waited_for(server, tmp_path):
    source = serve(server, FILES)
    with tcp_proxy(server.port) as proxy:
        proxy.bytes_per_s = 20e6
        job = Job(source, tmp_path, prefix=f"root://127.0.0.1:{proxy.port}/", attempts=6)
        wait_until(lambda: proxy.bytes_back > TOTAL // 3)
        server.kill()
        time.sleep(1)
        server.start()
        status, measured, _, _ = job.end()
    assert status == 0
    assert measured["retries"] > 0
    assert measured["bytes_moved"] < TOTAL * 5 // 4, "what had come was kept"
    assert read_receipt(tmp_path / "download.json", "download", recid=source["recid"]) == receipt_of(source, FILES)


def test_killed_at_20_random_moments_a_rerun_fetches_only_what_is_missing(server, tmp_path):
    files = {
        **{f"kill/f{n}": make_bytes(2 << 20, n) for n in range(20)},
        **{f"kill/s{n}": b"%d" % n for n in range(200)},
    }
    source = serve(server, files)
    undisturbed = tmp_path / "undisturbed"
    assert Job(source, undisturbed, prefix=server.prefix).end()[0] == 0
    total = sum(len(content) for content in files.values())
    folder, lost = tmp_path / "disturbed", 0
    moments = random.Random(4)
    with tcp_proxy(server.port) as proxy:
        proxy.bytes_per_s = 10e6
        prefix = f"root://127.0.0.1:{proxy.port}/"
        for _ in range(20):
            kept, came = stored(folder), proxy.bytes_back
            job = Job(source, folder, prefix=prefix)
            wait_until(lambda job=job, came=came: proxy.bytes_back > came or job.process.poll() is not None)
            time.sleep(moments.uniform(0, 0.25))
            job.process.send_signal(signal.SIGKILL)
            job.process.communicate()
            no_half_file(folder, files)
            assert stored(folder) >= kept, "what was right is not thrown away"
            lost += max(0, proxy.bytes_back - came - (stored(folder) - kept))
            assert lost <= 20 * (10 << 20)
        kept = stored(folder)
        status, measured, error, _ = Job(source, folder, prefix=prefix).end()
        assert (status, error) == (0, "")
        assert measured["bytes_moved"] == total - kept
        assert proxy.bytes_back <= 1.1 * total + lost
    assert (folder / "download.json").read_bytes() == (undisturbed / "download.json").read_bytes()
    assert contents(folder / "files") == contents(undisturbed / "files")


def stored(folder):
    return sum(path.stat().st_size for path in (folder / "files").rglob("*") if path.is_file())


@pytest.mark.smoke
def test_a_terminated_job_ends_at_once(server, tmp_path):
    source = serve(server, FILES)
    with tcp_proxy(server.port) as proxy:
        proxy.bytes_per_s = 2e6
        job = Job(source, tmp_path, prefix=f"root://127.0.0.1:{proxy.port}/")
        wait_until(lambda: proxy.bytes_back > 1 << 20)
        asked = time.monotonic()
        job.process.terminate()
        job.process.communicate(timeout=10)
    assert time.monotonic() - asked < 10
    no_half_file(tmp_path, FILES)


@pytest.mark.smoke
def test_a_full_disk_fails_the_record_and_leaves_no_half_file(server, tmp_path):
    source = serve(server, FILES)
    job = Job(source, tmp_path, prefix=server.prefix, limit_bytes=(2 << 20) + 17)
    status, _, error, _ = job.end()
    assert status == 1
    assert "DiskError" in error
    assert "expected to be written, found File too large" in error
    no_half_file(tmp_path, FILES)
    assert all(name.endswith(".part") for name in contents(tmp_path / "files"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False).returncode != 0:
        missing("a small file system can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_without_room_the_record_fails_and_the_rest_of_the_disk_is_left_free(server, small_disk):
    source = serve(server, FILES)
    status, _, error, _ = Job(source, small_disk / "record", prefix=server.prefix).end()
    assert status == 1
    assert "DiskError" in error
    assert "found No space left on device; make room and run again" in error
    no_half_file(small_disk / "record", FILES)
    assert not (small_disk / "record" / "download.json").exists()
    one = {"faults/f0": FILES["faults/f0"]}
    for path in (small_disk / "record" / "files").iterdir():
        path.unlink()
    assert Job(serve(server, one), small_disk / "record", prefix=server.prefix).end()[0] == 0


@pytest.mark.parametrize("chance", [1.0, 0.4])
@pytest.mark.parametrize("call", ["posix/io/sync/fsync", "posix/io/dir/rename"])
def test_what_the_disk_refuses_is_not_done(server, tmp_path, call, chance):
    source = serve(server, FILES)
    command = [
        require_tool("fiu-run", package="fiu-utils"),
        "-x",
        "-c",
        f"enable_random name={call},probability={chance},failinfo=5",
    ]
    status, _, error, _ = Job(source, tmp_path, prefix=server.prefix, command=command).end()
    if chance == 1.0:
        assert status != 0
        assert all(name.endswith(".part") for name in contents(tmp_path / "files"))
    if status != 0:
        assert "DiskError" in error
        assert "found Input/output error; see to the disk and run again" in error
        assert not (tmp_path / "download.json").exists()
    no_half_file(tmp_path, FILES)
    status, _, error, _ = Job(source, tmp_path, prefix=server.prefix).end()
    assert (status, error) == (0, "")
    assert read_receipt(tmp_path / "download.json", "download", recid=source["recid"]) == receipt_of(source, FILES)
    assert all(not name.endswith(".part") for name in contents(tmp_path / "files"))


def test_memory_stays_small_with_many_large_files_at_once(server, tmp_path):
    files = {f"memory/f{n}": make_bytes(12 << 20, n) for n in range(16)}
    source = serve(server, files)
    script = RUN + "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=run_input(source, tmp_path, prefix=server.prefix, parallel_files=32),
        capture_output=True,
        env=run_environment(),
        check=True,
    )
    assert int(done.stdout.splitlines()[-1]) < 200_000, "kB"
