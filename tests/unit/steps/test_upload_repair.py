"""A bundle that is found damaged while it is sent: the damaged member is written again, and nothing else."""

import random
import zipfile

import pytest
from packed_records import data_offset, flip, many, run_package, sha256, write_files

from ferry.errors import IntegrityError, TransientError
from ferry.steps.upload_record import reading

BUNDLE = "bundles/7_bundle.zip"
SMALL, LARGE, TEXT, EMPTY = "run1/f0001.al", "run1/large.al", "run1/f0004.txt", "empty.al"


@pytest.fixture
def record(tmp_path):
    contents = many(38) | {EMPTY: b""}
    contents[LARGE] = random.Random(3).randbytes(2_500_000)
    contents["run1/large.txt"] = b"".join(b"%d events\n" % number for number in range(300_000))
    write_files(tmp_path, contents)
    return tmp_path, run_package(tmp_path)[0]


def in_header(path, key):
    return data_offset(path, key) - 3


def in_directory(path, _key):
    return path.stat().st_size - 200


def whole(read, entry):
    return b"".join(read(entry))


def in_parts(read, entry):
    size_bytes = entry["size_bytes"]
    return b"".join(b"".join(read(entry, offset=at, length=700_000)) for at in range(0, size_bytes, 700_000))


@pytest.mark.parametrize("passing", [whole, in_parts])
@pytest.mark.parametrize(
    ("place", "key"),
    [
        (data_offset, SMALL),
        (in_header, SMALL),
        (data_offset, LARGE),
        (data_offset, TEXT),
        (data_offset, "run1/large.txt"),
        (in_header, TEXT),
        (in_header, EMPTY),
        (in_directory, None),
    ],
)
def test_what_a_reading_finds_damaged_is_written_again_and_the_next_reading_is_right(record, place, key, passing):
    data_dir, entry = record
    fresh = sha256(data_dir / BUNDLE)
    flip(data_dir / BUNDLE, place(data_dir / BUNDLE, key))
    read = reading(data_dir)
    with pytest.raises(TransientError, match="was damaged on disk, and is written again from its file"):
        passing(read, entry)
    assert sha256(data_dir / BUNDLE) == fresh
    assert passing(read, entry) == (data_dir / BUNDLE).read_bytes()


def test_no_other_member_is_written(record):
    data_dir, entry = record
    bundle = data_dir / BUNDLE
    flip(bundle, data_offset(bundle, SMALL) + 9)
    flip(bundle, later := data_offset(bundle, LARGE))
    damaged = bundle.read_bytes()
    with pytest.raises(TransientError, match=rf"7_bundle\.zip: {SMALL}: was damaged"):
        whole(reading(data_dir), entry)
    mended = bundle.read_bytes()
    assert mended[later:] == damaged[later:]
    assert [at for at in range(len(damaged)) if damaged[at] != mended[at]] == [data_offset(bundle, SMALL) + 9]


@pytest.mark.parametrize("key", [SMALL, LARGE, "run1/large.txt"])
def test_a_member_whose_file_changed_too_is_refused_and_named(record, key):
    data_dir, entry = record
    flip(data_dir / BUNDLE, data_offset(data_dir / BUNDLE, key) + 9)
    flip(data_dir / "files" / key, 100)
    with pytest.raises(IntegrityError, match=rf"{key}: expected"):
        whole(reading(data_dir), entry)
    with pytest.raises(IntegrityError, match=rf"{key}: expected"):
        whole(reading(data_dir), entry)


def test_a_text_that_is_packed_otherwise_now_leaves_its_neighbours_alone(record):
    data_dir, entry = record
    bundle, key = data_dir / BUNDLE, "run1/large.txt"
    (data_dir / "files" / key).write_bytes(random.Random(5).randbytes((data_dir / "files" / key).stat().st_size))
    flip(bundle, data_offset(bundle, key))
    with pytest.raises(IntegrityError, match="when packed again"):
        whole(reading(data_dir), entry)
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() == key
        assert archive.read("run2/f0002.al") == (data_dir / "files/run2/f0002.al").read_bytes()


def test_nothing_can_be_mended_of_a_bundle_that_is_made_while_it_is_sent(tmp_path):
    write_files(tmp_path, many(38))
    (entry,) = run_package(tmp_path, mode="stream")
    flip(tmp_path / "files" / SMALL, 5)
    with pytest.raises(IntegrityError, match=SMALL):
        whole(reading(tmp_path), entry)
