"""Many small files, half of them fetched by a second process: the same files, the same errors, and no process left."""

import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from ferry.errors import IntegrityError, PermanentError, TransientError
from ferry.source import download as download_module
from ferry.source.fetch_helper import FetchHelper, HelperSettings
from ferry.source.progress import TransferStats
from servers.tcp_proxy import tcp_proxy
from servers.test_xrootd_faults import Job, no_half_file, wait_until
from servers.xrootd_records import contents, download, make_bytes, receipt_of, serve

pytestmark = pytest.mark.xrootd

FILES = {f"many/f{n}": make_bytes(1000 + n, n) for n in range(600)}


@pytest.fixture
def helped(monkeypatch):
    """Have few files helped with; return the keys of those that the helper fetched, and its process ids."""
    monkeypatch.setattr(download_module, "HELPED_FROM_FILES", 100)
    seen = {"keys": [], "pids": []}
    fetch = FetchHelper.fetch

    def watched(self, jobs):
        seen["pids"].append(self._process.pid)
        for fetched in fetch(self, jobs):
            seen["keys"].append(fetched.key)
            yield fetched

    monkeypatch.setattr(FetchHelper, "fetch", watched)
    return seen


@pytest.fixture(scope="module")
def source_of_many(xrootd_server):
    return serve(xrootd_server, FILES)


def slowed(proxy):
    """Make each request take so long that a helper has its share."""
    proxy.delay_s = 0.002
    return f"root://127.0.0.1:{proxy.port}/"


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists()


def test_half_of_many_small_files_comes_by_a_second_process(xrootd_server, source_of_many, tmp_path, helped):
    with tcp_proxy(xrootd_server.port) as proxy:
        done = download(source_of_many, tmp_path, prefix=slowed(proxy))
    assert done.receipt == receipt_of(source_of_many, FILES)
    assert contents(tmp_path / "files") == {name.removeprefix("many/"): content for name, content in FILES.items()}
    assert done.measured["bytes_moved"] == sum(map(len, FILES.values()))
    assert 100 < len(set(helped["keys"])) == len(helped["keys"]) < 500
    assert is_gone(helped["pids"][0])


def test_what_is_there_or_begun_is_not_left_to_the_helper(xrootd_server, source_of_many, tmp_path, helped):
    (tmp_path / "files").mkdir()
    names = [f"f{n}" for n in range(600)]
    for name in names[::3]:
        (tmp_path / "files" / name).write_bytes(FILES[f"many/{name}"])
    for name in names[1::3]:
        (tmp_path / "files" / f"{name}.part").write_bytes(FILES[f"many/{name}"][:400])
    done = download(source_of_many, tmp_path, prefix=xrootd_server.prefix)
    assert done.receipt == receipt_of(source_of_many, FILES)
    begun, absent = names[1::3], names[2::3]
    moved = sum(len(FILES[f"many/{name}"]) for name in (*begun, *absent)) - 400 * len(begun)
    assert done.measured["bytes_moved"] == moved
    assert set(helped["keys"]) <= set(absent)


def test_errors_of_the_helper_are_those_of_the_record(xrootd_server, source_of_many, tmp_path, helped, caplog):
    caplog.set_level(logging.WARNING)
    files = [dict(file) for file in source_of_many["files"]]
    for n in (450, 451):
        files[n]["checksum"] = {"algorithm": "adler32", "value": "0badc0de"}
    with tcp_proxy(xrootd_server.port) as proxy:
        prefix = slowed(proxy)
        with pytest.raises(IntegrityError, match=r"f450: expected adler32 0badc0de, found .*; 1 more files of"):
            download({**source_of_many, "files": files}, tmp_path, prefix=prefix, parallel_files=2)
        assert sum("fetched once anew" in record.message for record in caplog.records) == 2
        files[451]["uri"] = files[451]["uri"].replace("f451", "gone")
        with pytest.raises(PermanentError, match="f450: expected adler32"):
            download({**source_of_many, "files": files}, tmp_path, prefix=prefix)
        assert len(contents(tmp_path / "files")) == 598
        done = download(source_of_many, tmp_path, prefix=prefix)
    assert done.receipt == receipt_of(source_of_many, FILES)


def test_a_helper_that_dies_fails_the_job_and_a_rerun_goes_on(xrootd_server, source_of_many, tmp_path, helped):
    def kill():
        wait_until(lambda: len(helped["keys"]) > 50)
        os.kill(helped["pids"][0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with tcp_proxy(xrootd_server.port) as proxy:
        with pytest.raises(TransientError, match="a process that fetches ended with status -9"):
            download(source_of_many, tmp_path, prefix=slowed(proxy), parallel_files=4)
        killer.join()
        no_half_file(tmp_path, FILES)
        assert download(source_of_many, tmp_path, prefix=slowed(proxy)).receipt == receipt_of(source_of_many, FILES)


def test_a_helper_that_died_before_it_was_given_anything_is_trouble_that_may_pass():
    settings = HelperSettings(threads=1, in_flight=1, attempts=1, stall_s=1, limit_s=5)
    helper = FetchHelper(settings, traffic=TransferStats(), stopped=threading.Event())
    helper._process.kill()
    helper._process.wait()
    with pytest.raises(TransientError, match="ended with status -9"), helper:
        pass
    helper.__exit__()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_helper_ends_with_the_job(xrootd_server, tmp_path, number):
    files = {f"lots/f{n}": b"%d" % n for n in range(download_module.HELPED_FROM_FILES)}
    source = serve(xrootd_server, files)
    with tcp_proxy(xrootd_server.port) as proxy:
        job = Job(source, tmp_path, prefix=slowed(proxy), parallel_files=16)
        children = Path(f"/proc/{job.process.pid}/task/{job.process.pid}/children")
        wait_until(children.read_text)
        (helper,) = map(int, children.read_text().split())
        wait_until(lambda: len(list((tmp_path / "files").glob("*"))) > 100)
        job.process.send_signal(number)
        job.process.communicate(timeout=10)
        wait_until(lambda: is_gone(helper), limit_s=5)
    no_half_file(tmp_path, files)
    status, _, error, _ = Job(source, tmp_path, prefix=xrootd_server.prefix, parallel_files=16).end()
    assert status == 0, error
    assert contents(tmp_path / "files") == {name.removeprefix("lots/"): content for name, content in files.items()}
