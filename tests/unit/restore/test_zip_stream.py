"""Bundles read in order, in whatever pieces they come, and no further than they may go."""

import io
import zipfile
import zlib

import pytest
from packed_records import many, run_package, write_files

from ferry.bundle.zip_format import DEFLATED, STORED, local_header
from ferry.errors import IntegrityError, TransientError
from ferry.restore.zip_stream import ZipStream


def stream_of(data, *, pieces=1000, size_bytes=None):
    chunks = (data[start : start + pieces] for start in range(0, len(data), pieces))
    return ZipStream("7_bundle.zip", chunks, position=0, size_bytes=len(data) if size_bytes is None else size_bytes)


def members_of(stream):
    while (header := stream.next_header()) is not None:
        yield header.name, b"".join(stream.content(header))


@pytest.mark.parametrize("pieces", [1, 997, 1 << 20])
def test_a_bundle_is_read_whole_in_whatever_pieces_it_comes(tmp_path, pieces):
    contents = {**many(40), "empty": b"", "MANIFEST": b"a file"}
    write_files(tmp_path, contents)
    [bundle] = run_package(tmp_path, max_files=5)
    assert any("deflated" in member for member in bundle["members"])
    data = (tmp_path / bundle["path"]).read_bytes()
    found = dict(members_of(stream_of(data, pieces=pieces)))
    assert found.pop("MANIFEST-2").startswith(b"key\t")
    assert found == contents


def test_a_member_is_left_out_and_the_next_one_is_right(tmp_path):
    write_files(tmp_path, many(40))
    [bundle] = run_package(tmp_path, max_files=5)
    stream = stream_of((tmp_path / bundle["path"]).read_bytes())
    stream.skip(stream.next_header())
    header = stream.next_header()
    assert b"".join(stream.content(header)) == many(40)[header.name]


def packed(data, **changes):
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(data) + deflate.flush()
    told = {"name": b"a", "method": DEFLATED, "crc32": 0, "size_bytes": len(data), "packed_bytes": len(body), **changes}
    return local_header(**told) + body


def with_lengths_behind():
    class NoSeek(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise OSError

    target = NoSeek()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a", b"bytes")
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (packed(b"\0" * 10**7, size_bytes=100), "expected 100 bytes, found more"),
        (packed(b"abc", size_bytes=4), "what unpacks to 4 bytes"),
        (packed(b"abc", packed_bytes=10**9), "lengths that fit into the bundle"),
        (local_header(name=b"a", method=STORED, crc32=0, size_bytes=3, packed_bytes=4) + b"abcd", "lengths that fit"),
        (local_header(name=b"a", method=12, crc32=0, size_bytes=1, packed_bytes=1) + b"a", "as this product packs"),
        (local_header(name=b"\xff", method=STORED, crc32=0, size_bytes=0, packed_bytes=0), "a name in UTF-8"),
        (with_lengths_behind(), "as this product packs"),
        (packed(b"abc" * 9)[:-6] + b"\xff" * 6, "what unpacks to 27 bytes"),
        (b"no bundle at all, but a page that says so" * 3, "the header of a member at byte 0"),
    ],
    ids=["bomb", "too short", "beyond the end", "stored", "method", "name", "lengths behind", "not deflated", "no zip"],
)
def test_what_is_no_bundle_of_ours_is_refused_and_unpacked_no_further_than_it_says(data, said):
    taken = []
    stream = stream_of(data)
    with pytest.raises(IntegrityError, match=said):
        taken.extend(len(piece) for piece in stream.content(stream.next_header()))
    assert sum(taken) <= 100


def test_a_line_that_breaks_may_pass_and_one_that_never_ends_is_left():
    data = packed(b"abc" * 1000)
    stream = stream_of(data[:-5], size_bytes=len(data))
    header = stream.next_header()
    with pytest.raises(TransientError, match=f"expected {len(data)} bytes, found {len(data) - 5}"):
        list(stream.content(header))
    body = local_header(name=b"a", method=STORED, crc32=0, size_bytes=9, packed_bytes=9) + b"123456789" + b"x" * 99
    stream = stream_of(body, size_bytes=len(body) - 99)
    stream.skip(stream.next_header())
    with pytest.raises(IntegrityError, match="as it is listed, found more"):
        stream.next_header()
