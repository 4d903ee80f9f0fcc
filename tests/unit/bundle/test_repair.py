"""Bundles that are found damaged, half written or on a disk that refuses: always the same bytes in the end."""

import errno
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packed_records import (
    data_offset,
    flip,
    many,
    measure_package,
    run_package,
    sha256,
    write_files,
)

from ferry.errors import DiskError, IntegrityError, PermanentError
from needs import require_tool

BUNDLE = "bundles/7_bundle.zip"
FRESH_NAMES = ["7_bundle.zip", "7_bundle.zip.packed.json"]


@pytest.fixture
def record(tmp_path):
    """Give a record of 41 files, one larger than a group and one a text of several blocks, packed once."""
    contents = many(38)
    contents["run1/large.al"] = random.Random(3).randbytes(2_500_000)
    contents["run1/large.txt"] = b"".join(b"%d events\n" % number for number in range(300_000))
    contents["empty.al"] = b""
    write_files(tmp_path, contents)
    run_package(tmp_path)
    return tmp_path


def damage_header(path):
    flip(path, data_offset(path, "run1/f0001.al") - 3)


def damage_member(path):
    flip(path, data_offset(path, "run1/f0001.al") + 1000)


def damage_last_byte_of_large_member(path):
    flip(path, data_offset(path, "run1/large.al") + 2_499_999)


def damage_text(path):
    flip(path, data_offset(path, "run1/large.txt") + 400_000)


def damage_directory(path):
    flip(path, path.stat().st_size - 200)


def cut_directory(path):
    os.truncate(path, path.stat().st_size - 900)


def append_garbage(path):
    with path.open("ab") as stream:
        stream.write(b"something else")


IN_PLACE = [
    (damage_header, 1),
    (damage_member, 1),
    (damage_last_byte_of_large_member, 1),
    (damage_text, 1),
    (damage_directory, 0),
    (cut_directory, 0),
    (append_garbage, 0),
]


@pytest.mark.parametrize(("damage", "members"), IN_PLACE, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_damaged_in_its_place_is_written_again_and_nothing_else(record, damage, members):
    bundle = record / BUNDLE
    fresh = sha256(bundle)
    damage(bundle)
    measured = measure_package(record)
    assert sha256(bundle) == fresh
    assert measured["files_moved"] == members
    assert measured["bytes_moved"] < 2_600_000


def test_a_right_bundle_is_left_as_it_is(record):
    before = (record / BUNDLE).stat()
    measured = measure_package(record)
    after = (record / BUNDLE).stat()
    assert (measured["bytes_moved"], measured["files_moved"]) == (0, 0)
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def tear(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    path.write_bytes(b"")


def replace_by_another_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", b"other")


def forget_how_texts_are_packed(path):
    path.with_name(path.name + ".packed.json").write_text('{"codec": 3}')


@pytest.mark.parametrize("damage", [tear, empty, replace_by_another_archive, forget_how_texts_are_packed])
def test_whatever_is_found_ends_with_the_bytes_of_a_fresh_bundle(record, damage):
    fresh = sha256(record / BUNDLE)
    damage(record / BUNDLE)
    run_package(record)
    assert sha256(record / BUNDLE) == fresh
    assert sorted(os.listdir(record / "bundles")) == FRESH_NAMES


def test_a_foreign_member_added_by_zip_is_cut_off_without_writing_a_member(record, tmp_path_factory):
    zip_ = require_tool("zip", package="zip")
    fresh = sha256(record / BUNDLE)
    foreign = tmp_path_factory.mktemp("foreign") / "foreign.al"
    foreign.write_bytes(b"x" * 5000)
    subprocess.run([zip_, "-q", "-j", record / BUNDLE, foreign], check=True)
    assert sha256(record / BUNDLE) != fresh
    assert measure_package(record)["files_moved"] == 0
    assert sha256(record / BUNDLE) == fresh


def test_members_before_one_removed_by_zip_are_not_written_again(record):
    zip_ = require_tool("zip", package="zip")
    fresh = sha256(record / BUNDLE)
    subprocess.run([zip_, "-q", "-d", record / BUNDLE, "run2/f0035.al"], check=True)
    measured = measure_package(record)
    assert sha256(record / BUNDLE) == fresh
    assert measured["files_moved"] == 1  # it is the last data file but for the manifest: nothing is displaced


def test_a_member_that_became_stale_is_replaced_by_what_was_downloaded_since(record):
    contents = many(38)
    stale = "run1/f0001.al"
    contents[stale] = contents[stale][::-1]
    kept = {"run1/large.al", "run1/large.txt", "empty.al"}
    contents |= {key: (record / "files" / key).read_bytes() for key in kept}
    write_files(record, contents)
    assert measure_package(record)["files_moved"] == 1
    with zipfile.ZipFile(record / BUNDLE) as archive:
        assert archive.read(stale) == contents[stale]


def test_a_flipped_bit_in_a_file_leaves_no_bundle_and_after_its_refetch_only_the_rest_is_written(record):
    fresh = sha256(record / BUNDLE)
    (record / BUNDLE).unlink()
    last = record / "files/run2/f0035.al"
    flip(last, 5)
    with pytest.raises(IntegrityError, match=r"run2/f0035\.al: expected crc32 [0-9a-f]{8}, found [0-9a-f]{8}"):
        run_package(record)
    assert not (record / BUNDLE).exists()
    flip(last, 5)
    measured = measure_package(record)
    assert sha256(record / BUNDLE) == fresh
    assert measured["bytes_moved"] < 2_000_000


KILLED = """
import os, sys, threading
from pathlib import Path
limit, count, lock = int(sys.argv[2]), 0, threading.Lock()

def counted(function):
    def call(*args, **kwargs):
        global count
        with lock:
            count += 1
            if count == limit:
                os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return call

for name in ("open", "pwritev", "fsync", "ftruncate", "replace"):
    setattr(os, name, counted(getattr(os, name)))
from packed_records import run_package
run_package(Path(sys.argv[1]))
print(count)
"""


def run_until(data_dir, limit):
    tests = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": f"{tests.parent / 'scripts'}:{tests}"}
    command = [sys.executable, "-c", KILLED, str(data_dir), str(limit)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_kill_at_any_of_twenty_moments_changes_nothing_about_the_final_bytes(record):
    fresh = sha256(record / BUNDLE)
    (record / BUNDLE).unlink()
    (record / f"{BUNDLE}.packed.json").unlink()
    whole = run_until(record, -1)
    assert whole.returncode == 0, whole.stderr
    moments = random.Random(11).sample(range(1, int(whole.stdout) + 1), 20)
    for moment in moments:
        if moment % 2:  # half of the kills hit a bundle that is written anew, half one that an earlier kill has left
            (record / BUNDLE).unlink(missing_ok=True)
            (record / f"{BUNDLE}.part").unlink(missing_ok=True)
        killed = run_until(record, moment)
        assert killed.returncode in (-9, 0), killed.stderr
        if (record / BUNDLE).exists():
            assert sha256(record / BUNDLE) == fresh
    run_package(record)
    assert sha256(record / BUNDLE) == fresh
    assert sorted(os.listdir(record / "bundles")) == FRESH_NAMES


def failing(function, number, at):
    """Return the function, failing with this error at its call number `at`."""
    calls = 0

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(number, os.strerror(number))
        return function(*args, **kwargs)

    return call


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
def test_a_full_disk_leaves_nothing_that_takes_space_and_says_so(record, monkeypatch, at):
    (record / BUNDLE).unlink()
    monkeypatch.setattr(os, "pwritev", failing(os.pwritev, errno.ENOSPC, at))
    with pytest.raises(DiskError, match="the disk is full"):
        run_package(record)
    assert not list((record / "bundles").glob("*.zip")) + list((record / "bundles").glob("*.part"))


@pytest.mark.parametrize("at", [1, 2])
def test_a_failed_fsync_is_no_bundle_and_its_bytes_are_not_trusted_later(record, monkeypatch, at):
    (record / BUNDLE).unlink()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing(os.fsync, errno.EIO, at))
        with pytest.raises(OSError, match="Input/output error"):
            run_package(record)
    assert not (record / BUNDLE).exists()
    assert not (record / f"{BUNDLE}.part").exists()


def test_bundles_that_cannot_fit_on_the_disk_are_refused_before_a_byte_is_written(record, monkeypatch):
    (record / BUNDLE).unlink()
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(PermanentError, match="the disk has 1000 left"):
        run_package(record)
    assert not list((record / "bundles").glob("*.part"))
