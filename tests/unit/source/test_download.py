"""The download with clients and disks of the tests' own: what a server cannot be made to do."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from ferry.errors import DiskError, PermanentError, TransientError
from ferry.receipts import write_receipt
from ferry.source.access import redirected
from ferry.source.allowed import AllowedSources
from ferry.source.download import Download, DownloadSettings
from ferry.source.xrootd import answer_limit_s
from ferry.steps.download_files import download_to_receipt

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
CONTENT = b"what is carried"
ONE_ATTEMPT = DownloadSettings(attempts=1, parallel_files=2)


def source_of(*names, content=CONTENT):
    checksum = {"algorithm": "adler32", "value": f"{zlib.adler32(content):08x}"}
    entry = {"size_bytes": len(content), "checksum": checksum, "online": True}
    files = [{"key": name, "uri": f"root://example.invalid//{name}", **entry} for name in names]
    return {"recid": 7, "origin": "test", "record": {}, "files": files}


class Reader:
    """A source whose files all hold the same; `before` is called before the bytes come."""

    def __init__(self, url, before=lambda url: None, content=CONTENT):
        self.url, self.before, self.content, self.size_bytes = url, before, content, len(content)
        self.closed_under_way = None
        self._under_way = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed_under_way = self._under_way

    def chunks(self, *, start, chunk_bytes, in_flight):
        self.before(self.url)
        self._under_way = True
        try:
            for offset in range(start, len(self.content), 4):
                yield self.content[offset : offset + 4]
        finally:
            self._under_way = False


def download(folder, source, open_url=Reader, settings=ONE_ATTEMPT, **options):
    return Download(
        source=source,
        files_dir=folder / "files",
        state_path=folder / "verified.jsonl",
        settings=settings,
        open_url=open_url,
        **options,
    )


def test_a_client_that_neither_answers_nor_fails_is_given_up(tmp_path):
    forever = threading.Event()

    def hangs_at_b(url):
        if url.endswith("b"):
            forever.wait()

    source = source_of("a", "b", "c", "d")
    started = time.monotonic()
    with pytest.raises(TransientError, match=r"//b: expected bytes or an error from the client, found neither in 1 s"):
        download(tmp_path, source, lambda url: Reader(url, hangs_at_b), answer_limit=1.0).run()
    assert time.monotonic() - started < 5
    assert {path.name for path in (tmp_path / "files").iterdir() if path.suffix != ".part"} == {"a", "c", "d"}
    forever.set()
    assert download(tmp_path, source).run().measured["files_moved"] == 1


@pytest.mark.parametrize("state", ["kept", "gone"])
def test_without_a_checksum_the_bytes_of_another_address_are_not_kept(tmp_path, state):
    source = source_of("a")
    source["files"][0]["checksum"] = None
    settings = DownloadSettings(attempts=1, allow_unverified=True)

    def fetch():
        return download(tmp_path, source, lambda url: Reader(url, content=url[-15:].encode()), settings=settings).run()

    assert fetch().measured["files_moved"] == 1
    assert fetch().measured["files_moved"] == 0
    source["files"][0]["uri"] = "root://example.invalid//new/a"
    if state == "gone":
        (tmp_path / "verified.jsonl").unlink()
    assert fetch().measured["files_moved"] == 1
    assert (tmp_path / "files" / "a").read_bytes() == b".invalid//new/a"


@pytest.mark.parametrize("uri", ["root://a//eos/../../etc/passwd", "root://a//eos/x/.."])
def test_no_address_leads_out_of_a_mirror(tmp_path, uri):
    with pytest.raises(PermanentError, match=r"expected a path below root://a//eos/ .*found '\.\.'"):
        redirected(uri, {"root://a//eos/": f"file:{tmp_path}/"})


def test_the_part_of_a_file_is_no_folder_of_another(tmp_path):
    source = source_of("a", "a.part/f")
    assert download(tmp_path, source).run().measured["files_moved"] == 2
    found = sorted(str(path.relative_to(tmp_path / "files")) for path in (tmp_path / "files").rglob("*"))
    assert found == ["a", "a.part", "a.part/f"]


def test_a_slow_disk_is_not_taken_for_a_silent_client(tmp_path, monkeypatch):
    monkeypatch.setattr("ferry.source.fetch.write_all", lambda *_: time.sleep(0.8))
    source = source_of("a", content=b"1234")
    reader = lambda url: Reader(url, content=b"1234")  # noqa: E731
    assert download(tmp_path, source, reader, answer_limit=0.3).run().measured["bytes_moved"] == 4


def test_what_is_computed_of_the_bytes_of_one_file_delays_no_other(tmp_path, monkeypatch):
    both_write = threading.Barrier(2, timeout=20)
    monkeypatch.setattr("ferry.source.fetch.write_all", lambda *_: both_write.wait())
    source = source_of("a", "b", content=b"1234")
    assert download(tmp_path, source, lambda url: Reader(url, content=b"1234")).run().measured["files_moved"] == 2


def test_requests_under_way_end_before_their_file_is_closed(tmp_path, monkeypatch):
    opened = []

    def open_url(url):
        opened.append(Reader(url))
        return opened[-1]

    def refuse(*_):
        raise DiskError("full")

    monkeypatch.setattr("ferry.source.fetch.write_all", refuse)
    with pytest.raises(DiskError):
        download(tmp_path, source_of("a"), open_url).run()
    assert [reader.closed_under_way for reader in opened] == [False]


def test_a_mistake_while_a_file_is_fetched_is_raised_where_the_results_are_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("ferry.source.fetch.write_all", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        download(tmp_path, source_of("a", "b")).run()


def test_the_client_that_answers_nothing_is_not_waited_for_either_while_pieces_are_under_way(tmp_path, monkeypatch):
    ok = SimpleNamespace(ok=True)
    size_bytes = 3 << 20

    class File:
        def set_property(self, name, value):
            return True

        def get_property(self, name):
            return "root://example.invalid:1094//a"

        def open(self, url, callback):
            callback(ok, None, None)
            return ok

        def stat(self, callback):
            callback(ok, SimpleNamespace(size=size_bytes), None)
            return ok

        def read(self, offset, size, callback):
            if offset == 0:
                callback(ok, bytes(size), None)
            return ok

        def close(self, callback):
            return ok

    monkeypatch.setattr("ferry.source.access.load_client", lambda stall_s: SimpleNamespace(File=File))
    settings = DownloadSettings(attempts=1, allowed=AllowedSources(hosts=("example.invalid",)))
    started = time.monotonic()
    with pytest.raises(TransientError, match="//a: expected bytes or an error from the client, found neither in 0 s"):
        download(tmp_path, source_of("a", content=bytes(size_bytes)), None, settings=settings, answer_limit=0.1).run()
    assert time.monotonic() - started < 5
    assert (tmp_path / "files" / "a.part").stat().st_size == 1 << 20


def test_the_limit_leaves_the_client_the_times_it_was_told(monkeypatch):
    for name in list(os.environ):
        if name.startswith("XRD_"):
            monkeypatch.delenv(name)
    assert answer_limit_s(60) == 3 * 10 + 60 + 60 + 30
    monkeypatch.setenv("XRD_REQUESTTIMEOUT", "1800")
    assert answer_limit_s(60) == 3 * 10 + 1800 + 60 + 30


def test_an_exit_that_hangs_is_ended():
    script = (
        "import atexit, time\n"
        "atexit.register(time.sleep, 60)\n"  # begun after the client's own exit
        "import ferry.source.xrootd\n"
        "ferry.source.xrootd._EXIT_LIMIT_S = 1\n"
        "ferry.source.xrootd.load_client(stall_s=3)\n"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, check=False)
    assert done.returncode != 0
    assert time.monotonic() - started < 20


def prepare(folder, source):
    write_receipt(folder / "source.json", "source", source)
    for file in source["files"]:
        (folder / "mirror").mkdir(exist_ok=True)
        (folder / "mirror" / file["key"]).write_bytes(CONTENT)


def step(folder):
    return download_to_receipt(
        recid=7,
        source_path=folder / "source.json",
        receipt_path=folder / "results" / "download.json",
        data_dir=folder / "data",
        source={
            "data_root": None,
            "allow_unverified": False,
            "allow": {"hosts": [], "folders": []},
            "redirects": {"root://example.invalid//": f"file://{folder}/mirror/"},
        },
        portal="https://portal.invalid",
        download={"parallel_files": 2, "attempts": 1, "stall_s": 5},
        package={},
        storage={"max_bytes": None},
        repository="one",
        sandbox_dir=folder / "sandbox",
    )


@contextlib.contextmanager
def largest_file(size_bytes):
    """Let no file grow beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("limit_bytes", "refused"),
    [(10, "data/files/a.part"), (len(CONTENT), "data/verified.jsonl")],
    ids=["file", "state"],
)
def test_a_disk_that_takes_no_more_says_so_wherever_it_is_written_to(tmp_path, limit_bytes, refused):
    source = source_of("a")
    prepare(tmp_path, source)
    with (
        largest_file(limit_bytes),
        pytest.raises(DiskError, match=f"{refused}: expected to be written, found File too"),
    ):
        step(tmp_path)
    assert not (tmp_path / "results" / "download.json").exists()
    there = tmp_path / "data" / "files" / "a"
    assert not there.exists() or there.read_bytes() == CONTENT
    step(tmp_path)
    assert len(json.loads((tmp_path / "results" / "download.json").read_bytes())["files"]) == 1


def test_a_receipt_for_which_there_is_no_room_is_not_there(tmp_path):
    prepare(tmp_path, source_of("a"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "download.json.part").symlink_to("/dev/full")
    with pytest.raises(
        DiskError, match=r"download.json: expected to be written, found No space left .*; make room and"
    ):
        step(tmp_path)
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("blocked", ["data", "results"])
def test_a_folder_that_cannot_be_made_is_the_disks_refusal(tmp_path, blocked):
    (tmp_path / blocked).write_text("a file where a folder must be")
    prepare(tmp_path, source_of("a"))
    with pytest.raises(DiskError, match="see to the disk and run again"):
        step(tmp_path)


def test_a_state_file_that_cannot_be_read_is_the_disks_refusal(tmp_path):
    (tmp_path / "data" / "verified.jsonl").mkdir(parents=True)
    prepare(tmp_path, source_of("a"))
    with pytest.raises(DiskError, match=r"verified.jsonl: expected to be read, found Is a directory"):
        step(tmp_path)
