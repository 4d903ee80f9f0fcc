"""What is read for an upload: any part, from disk or made on the way; wrong bytes are never given in full."""

import asyncio
import hashlib
import random
import shutil
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_records import many, measure_package, run_package, sha256, write_files

from ferry.bundle.reader import open_upload, read_chunks
from ferry.errors import IntegrityError
from ferry.steps.drop import drop

MODES = ["file", "stream"]


def contents():
    files = many(36)
    files["run1/large.al"] = random.Random(3).randbytes(2_500_000)
    files["run1/large.txt"] = b"".join(b"%d events\n" % number for number in range(200_000))
    files["run1/noise.txt"] = random.Random(4).randbytes(5000)  # a text by its name only: not made smaller
    files["empty.al"] = b""
    return files


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Give one record packed in both modes: mode -> its folder and the entry of its bundle; `whole`: the bundle."""
    found = {}
    for mode in MODES:
        data_dir = tmp_path_factory.mktemp(mode)
        write_files(data_dir, contents())
        (entry,) = run_package(data_dir, mode=mode)
        found[mode] = (data_dir, entry)
    data_dir, entry = found["file"]
    return found | {"whole": (data_dir / entry["path"]).read_bytes()}


@pytest.fixture
def record(packed, tmp_path, request):
    """Give a copy of the record packed in the mode of the test's parameter."""
    data_dir, entry = packed[request.param]
    shutil.copytree(data_dir, tmp_path / "7")
    return tmp_path / "7", entry


def test_a_streamed_bundle_has_the_bytes_of_a_written_one_and_only_its_texts_are_on_disk(packed):
    whole, (data_dir, entry) = packed["whole"], packed["stream"]
    assert b"".join(read_chunks(entry, data_dir=data_dir)) == whole
    assert entry == packed["file"][1] | {"generated": True}
    sizes = {path.name: path.stat().st_size for path in (data_dir / "bundles").iterdir()}
    assert sorted(sizes) == ["7_bundle.zip.deflated", "7_bundle.zip.packed.json"]
    assert sum(sizes.values()) < len(whole) / 3


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_range_is_that_of_the_whole(packed, mode, data):
    whole, (data_dir, entry) = packed["whole"], packed[mode]
    offset = data.draw(st.integers(0, len(whole) + 10))
    length = data.draw(st.integers(0, len(whole)) | st.integers(0, 300))
    assert open_upload(entry, data_dir=data_dir).read_range(offset, length) == whole[offset : offset + length]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_parts_in_any_order_read_again_or_overlapping_pass_when_the_bytes_are_right(packed, mode, data):
    whole, (data_dir, entry) = packed["whole"], packed[mode]
    part_bytes = data.draw(st.integers(70_000, 2_000_000))
    parts = data.draw(st.permutations([(start, part_bytes) for start in range(0, len(whole), part_bytes)]))
    again = data.draw(st.lists(st.sampled_from(parts), max_size=3))
    other = data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(1, part_bytes)), max_size=3))
    reader = open_upload(entry, data_dir=data_dir)
    for start, length in [*parts, *again, *other, *parts[:2]]:
        assert b"".join(reader.chunks(offset=start, length=length, chunk_bytes=65_536)) == whole[start : start + length]


def test_asynchronous_reading_gives_the_same(packed):
    whole, (data_dir, entry) = packed["whole"], packed["stream"]

    async def read():
        reader = open_upload(entry, data_dir=data_dir)
        return b"".join([chunk async for chunk in reader.stream(offset=1000)])

    assert asyncio.run(read()) == whole[1000:]


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)


def given_until_error(chunks):
    """Return how many bytes were given, and what the error says."""
    count = 0
    try:
        for chunk in chunks:
            count += len(chunk)
    except IntegrityError as error:
        return count, str(error)
    pytest.fail(f"all {count} bytes were given")


@pytest.mark.parametrize("record", MODES, indirect=True)
@pytest.mark.parametrize("key", ["run0/f0000.txt", "run1/f0001.al", "run1/large.al", "run1/large.txt", "run2/f0035.al"])
def test_a_changed_byte_of_any_member_is_named_before_the_last_byte_is_given(record, key):
    data_dir, entry = record
    if not entry.get("generated"):
        with zipfile.ZipFile(data_dir / entry["path"]) as archive:
            info = archive.getinfo(key)
        flip(data_dir / entry["path"], info.header_offset + 30 + len(key) + info.compress_size // 2)
    elif key.endswith(".txt"):
        flip(data_dir / "bundles/7_bundle.zip.deflated", {"run0/f0000.txt": 5, "run1/large.txt": 200_000}[key])
    else:
        flip(data_dir / "files" / key, 2000)
    count, message = given_until_error(read_chunks(entry, data_dir=data_dir))
    assert count < entry["size_bytes"]
    assert f"7_bundle.zip: {key}: expected adler32" in message
    parts = range(0, entry["size_bytes"], 700_000)
    reader = open_upload(entry, data_dir=data_dir)
    assert f"7_bundle.zip: {key}: expected" in given_until_error(reader.read_range(at, 700_000) for at in parts)[1]


@pytest.mark.parametrize("record", ["file"], indirect=True)
def test_a_changed_header_or_directory_is_found_too(record):
    data_dir, entry = record
    flip(data_dir / entry["path"], 12)
    assert "expected adler32" in given_until_error(read_chunks(entry, data_dir=data_dir))[1]
    flip(data_dir / entry["path"], 12)
    flip(data_dir / entry["path"], entry["size_bytes"] - 3)
    assert "MANIFEST and directory" in given_until_error(read_chunks(entry, data_dir=data_dir))[1]


@pytest.mark.parametrize("record", ["stream"], indirect=True)
def test_a_file_that_changes_while_it_goes_up_is_found_by_the_bytes_that_were_given(record):
    data_dir, entry = record
    large = data_dir / "files/run1/large.al"
    chunks = read_chunks(entry, data_dir=data_dir)
    start = b""
    while large.read_bytes()[:1000] not in start[-3_000_000:]:
        start += next(chunks)
    flip(large, 100)  # given already: a later look at the file would find it wrong, what was sent was right
    flip(large, 2_499_000)
    assert "run1/large.al: expected adler32" in given_until_error(chunks)[1]


@pytest.mark.parametrize("record", ["stream"], indirect=True)
def test_a_missing_or_cut_file_is_named(record):
    data_dir, entry = record
    path = data_dir / "files/run1/large.al"
    path.write_bytes(b"short")
    assert "expected 2500000 bytes, found 5" in given_until_error(read_chunks(entry, data_dir=data_dir))[1]
    path.unlink()
    assert "found no file" in given_until_error(read_chunks(entry, data_dir=data_dir))[1]


def test_a_loose_file_is_compared_with_the_receipt_of_the_download(tmp_path):
    write_files(tmp_path, {"a.al": b"x" * 3_000_000, "empty.al": b""})
    entry, nothing = run_package(tmp_path)
    assert b"".join(read_chunks(entry, data_dir=tmp_path)) == b"x" * 3_000_000
    assert list(read_chunks(nothing, data_dir=tmp_path)) == []
    flip(tmp_path / "files/a.al", 10)
    count, message = given_until_error(read_chunks(entry, data_dir=tmp_path))
    assert count == 2 * (1 << 20)
    assert message.startswith("a.al: expected adler32")


def test_an_entry_that_does_not_agree_with_itself_is_refused(packed):
    data_dir, entry = packed["file"]
    with pytest.raises(IntegrityError, match="its members make"):
        open_upload(entry | {"members": entry["members"][1:]}, data_dir=data_dir)


@pytest.mark.parametrize("record", ["stream"], indirect=True)
def test_packed_texts_that_are_there_are_checked_not_packed_again(record):
    data_dir, entry = record
    assert measure_package(data_dir, mode="stream")["bytes_moved"] == 0
    flip(data_dir / "bundles/7_bundle.zip.deflated", 5)
    before = sha256(data_dir / "files/run0/f0000.txt")
    assert measure_package(data_dir, mode="stream")["files_moved"] == 1
    assert sha256(data_dir / "files/run0/f0000.txt") == before
    assert hashlib.sha256(b"".join(read_chunks(entry, data_dir=data_dir))).digest()


@pytest.mark.parametrize("record", ["file"], indirect=True)
def test_changing_the_mode_leaves_nothing_of_the_other_one(record):
    data_dir, entry = record
    whole = sha256(data_dir / entry["path"])
    (streamed,) = run_package(data_dir, mode="stream")
    assert not (data_dir / entry["path"]).exists()
    assert hashlib.sha256(b"".join(read_chunks(streamed, data_dir=data_dir))).hexdigest() == whole
    run_package(data_dir, mode="file")
    assert not list((data_dir / "bundles").glob("*.deflated"))
    assert sha256(data_dir / entry["path"]) == whole


@pytest.mark.parametrize("record", ["file"], indirect=True)
def test_disk_is_freed_as_told(record):
    data_dir, _ = record
    size = sum(path.stat().st_size for path in (data_dir / "bundles").iterdir())
    ledger = data_dir / "storage.json"
    assert drop(recid=7, record_dir=data_dir, data_dir=data_dir, remove=["bundles"], ledger=ledger) == size
    assert not (data_dir / "bundles").exists()
    assert (data_dir / "files/run1/large.al").exists()
    freed = drop(recid=7, record_dir=data_dir, data_dir=data_dir, remove=["bundles", "files"], ledger=ledger)
    assert freed == sum(len(data) for data in contents().values())
    assert not (data_dir / "files").exists()


@pytest.mark.slow
def test_a_record_of_8998_files_is_streamed_with_hardly_any_disk(tmp_path):
    names = [f"d{i % 7}/run{i:05d}.al" for i in range(8998)]
    write_files(tmp_path, {name: name.encode() * 20 for name in names})
    measured = measure_package(tmp_path, mode="stream")
    (entry,) = run_package(tmp_path, mode="stream")
    assert measured["bundle_disk_bytes"] < 500_000
    assert sum(map(len, read_chunks(entry, data_dir=tmp_path))) == entry["size_bytes"]
