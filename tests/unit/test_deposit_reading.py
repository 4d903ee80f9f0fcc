"""How the step upload reads what it sends."""

import random
import zlib

from ferry.package_reader import UploadReader
from ferry.upload import reading

PART = 1_500_000


def test_parts_and_a_pass_over_the_whole_at_once_read_nothing_a_second_time(tmp_path, monkeypatch):
    """The pass once counted with the parts: each chunk then had the whole file read anew."""
    content = random.Random(7).randbytes(4 * PART)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "large").write_bytes(content)
    entry = {"key": "large", "kind": "file", "path": "files/large", "size_bytes": len(content)}
    entry["adler32"] = f"{zlib.adler32(content):08x}"

    def reread(_reader, _index):
        raise AssertionError("the whole file was read once more")

    monkeypatch.setattr(UploadReader, "_reread", reread)
    read = reading(tmp_path)
    whole = read(entry)
    begun = next(whole)
    parts = [b"".join(read(entry, offset=start, length=PART)) for start in range(0, len(content), PART)]
    assert b"".join(parts) == content
    assert begun + b"".join(whole) == content
