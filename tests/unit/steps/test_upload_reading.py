"""How the step upload reads what it sends."""

import random
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from ferry.bundle.reader import UploadReader, open_upload
from ferry.steps.upload_record import reading

PART = 1_500_000


@pytest.fixture
def large(tmp_path):
    """A file of four parts: its content and its entry of the receipt `package`."""
    content = random.Random(7).randbytes(4 * PART)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "large").write_bytes(content)
    adler32 = f"{zlib.adler32(content):08x}"
    return content, {
        "key": "large", "kind": "file", "path": "files/large", "size_bytes": len(content), "adler32": adler32
    }  # fmt: skip


def test_parts_that_begin_together_are_read_by_one_reader(tmp_path, large, monkeypatch):
    """What each part has shown of the file counts together, or a damage between two parts is never found."""
    content, entry = large
    opened = []

    def open_slowly(entry, *, data_dir):
        opened.append(entry["key"])
        time.sleep(0.2)
        return open_upload(entry, data_dir=data_dir)

    monkeypatch.setattr("ferry.steps.upload_record.open_upload", open_slowly)
    read = reading(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda n: b"".join(read(entry, offset=n * PART, length=PART)), range(4)))
    assert (b"".join(parts), opened) == (content, ["large"])


def test_parts_and_a_pass_over_the_whole_at_once_read_nothing_a_second_time(tmp_path, large, monkeypatch):
    """The pass once counted with the parts: each chunk then had the whole file read anew."""
    content, entry = large

    def reread(_reader, _index):
        raise AssertionError("the whole file was read once more")

    monkeypatch.setattr(UploadReader, "_reread", reread)
    read = reading(tmp_path)
    whole = read(entry)
    begun = next(whole)
    parts = [b"".join(read(entry, offset=start, length=PART)) for start in range(0, len(content), PART)]
    assert b"".join(parts) == content
    assert begun + b"".join(whole) == content
