"""Data that lie on disk already: checked, brought under data/ by a link, and never half of them."""

import errno
import os
import shutil
import zlib

import pytest
from local_steps import contents, download, lay, record

from ferry.bundle.plan import PackageSettings
from ferry.errors import DiskError, IntegrityError, PermanentError
from ferry.receipts import read_receipt, write_receipt
from ferry.schemas import problems
from ferry.source.allowed import AllowedSources
from ferry.source.download import Download, DownloadSettings
from ferry.source.local_data import take_local_files
from ferry.source.local_files import LocalSettings
from ferry.steps.package_files import package

FILES = {"job1/a.root": b"first", "job2/a.root": b"second", "readme.txt": b"", "sp ace/\u03b6.dat": b"greek"}


def take(source, tmp_path, **settings):
    return take_local_files(
        source=source,
        settings=LocalSettings(tmp_path / "root", **settings),
        files_dir=tmp_path / "data" / "files",
        state_path=tmp_path / "data" / "verified.jsonl",
    )


def inode(path):
    return path.stat().st_ino


def test_files_come_by_hard_links_under_their_keys_and_are_proven(tmp_path):
    lay(tmp_path / "root", FILES)
    receipt = take(record(FILES), tmp_path)
    files_dir = tmp_path / "data" / "files"
    assert problems(receipt, "receipts/download") == []
    assert contents(files_dir) == {
        "job1/a.root": b"first", "job2/a.root": b"second", "readme.txt": b"", "\u03b6.dat": b"greek"
    }  # fmt: skip
    assert inode(files_dir / "job1/a.root") == inode(tmp_path / "root/7/job1/a.root")
    assert receipt["files"][0] == {
        "key": "job1/a.root", "size_bytes": 5, "verified": "adler32",
        "adler32": f"{zlib.adler32(b'first'):08x}", "crc32": f"{zlib.crc32(b'first'):08x}",
    }  # fmt: skip


def test_again_nothing_is_read_or_written(tmp_path, monkeypatch):
    lay(tmp_path / "root", FILES)
    first = take(record(FILES), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def refuse(*_args):
        raise AssertionError("a proven file was read again")

    monkeypatch.setattr("ferry.source.local_data.hash_file", refuse)
    assert take(record(FILES), tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_across_file_systems_files_are_copied_and_the_copies_proven(tmp_path, monkeypatch):
    def other_file_system(*_args, **_named):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", other_file_system)
    lay(tmp_path / "root", FILES)
    receipt = take(record(FILES), tmp_path)
    copy = tmp_path / "data" / "files" / "job1/a.root"
    assert copy.read_bytes() == b"first"
    assert inode(copy) != inode(tmp_path / "root/7/job1/a.root")
    assert take(record(FILES), tmp_path) == receipt


def test_a_disk_that_fills_while_copying_leaves_no_half_file(tmp_path, monkeypatch):
    def no_link(*_args, **_named):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def fills(_source, target, _length):
        target.write(b"fir")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lay(tmp_path / "root", FILES)
    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(shutil, "copyfileobj", fills)
    with pytest.raises(DiskError, match=r"No space left on device; make room"):
        take(record(FILES), tmp_path)
    assert contents(tmp_path / "data" / "files") == {}


def test_a_wrong_file_is_named_with_both_values_and_does_not_stay(tmp_path):
    lay(tmp_path / "root", {**FILES, "job1/a.root": b"fIrst"})
    message = rf"job1/a\.root: expected adler32 {zlib.adler32(b'first'):08x}, found {zlib.adler32(b'fIrst'):08x}"
    with pytest.raises(IntegrityError, match=message):
        take(record(FILES), tmp_path)
    assert "job1/a.root" not in contents(tmp_path / "data" / "files")
    assert (tmp_path / "root/7/job1/a.root").read_bytes() == b"fIrst", "what is not ours is left alone"


def test_a_file_of_another_size_is_an_error(tmp_path):
    lay(tmp_path / "root", {**FILES, "job2/a.root": b"sec"})
    with pytest.raises(IntegrityError, match=r"job2/a\.root: expected 6 bytes, found 3"):
        take(record(FILES), tmp_path)


def test_how_many_more_are_wrong_is_said(tmp_path):
    lay(tmp_path / "root", dict.fromkeys(FILES, b"other bytes"))
    with pytest.raises(IntegrityError, match="; more files of the record that failed: 3"):
        take(record(FILES), tmp_path)


def test_a_file_that_was_changed_after_it_was_proven_is_found_out(tmp_path):
    lay(tmp_path / "root", FILES)
    take(record(FILES), tmp_path)
    (tmp_path / "root/7/job1/a.root").write_bytes(b"FIRST")
    with pytest.raises(IntegrityError, match=r"job1/a\.root: expected adler32"):
        take(record(FILES), tmp_path)


def test_a_replaced_original_takes_the_place_of_the_old_link(tmp_path):
    lay(tmp_path / "root", {**FILES, "job1/a.root": b"wrong"})
    with pytest.raises(IntegrityError):
        take(record(FILES), tmp_path)
    (tmp_path / "root/7/job1/a.root").unlink()
    lay(tmp_path / "root", FILES)
    assert [file["verified"] for file in take(record(FILES), tmp_path)["files"]] == ["adler32"] * 4
    assert contents(tmp_path / "data" / "files")["job1/a.root"] == b"first"


def test_missing_and_extra_files_are_named(tmp_path):
    lay(tmp_path / "root", {"job1/a.root": b"first", "readme.txt": b"", "notes.tmp": b"?"})
    message = (
        r"expected the files that the record lists, found 2 missing \(job2/a\.root, \u03b6\.dat\) "
        r"and 1 that it does not list \(notes\.tmp\)"
    )
    with pytest.raises(IntegrityError, match=message):
        take(record(FILES), tmp_path)
    assert not (tmp_path / "data").exists(), "refused before anything is brought"


def test_a_record_without_a_folder_is_an_error_that_names_the_setting(tmp_path):
    with pytest.raises(PermanentError, match=r"root/7: expected a folder .* see source\.data_root"):
        take(record(FILES), tmp_path)


def test_a_file_is_found_in_other_folders_by_as_much_of_its_path_as_tells_it_apart(tmp_path):
    lay(tmp_path / "root", {f"deep/{name}": content for name, content in FILES.items()})
    assert len(take(record(FILES), tmp_path)["files"]) == 4
    assert contents(tmp_path / "data" / "files")["job2/a.root"] == b"second"


def test_equal_names_that_nothing_tells_apart_are_not_guessed(tmp_path):
    lay(tmp_path / "root", {"x/b.root": b"one", "y/b.root": b"two"})
    with pytest.raises(IntegrityError, match=r"found 1 missing \(b\.root\) and 2 that it does not list"):
        take(record({"b.root": b"one"}), tmp_path)


def test_a_record_that_lists_no_files_takes_all_there_are_by_their_path(tmp_path):
    lay(tmp_path / "root", FILES)
    receipt = take(record({}), tmp_path, allow_unverified=True)
    assert {file["key"]: file["verified"] for file in receipt["files"]} == dict.fromkeys(FILES, "none")
    assert contents(tmp_path / "data" / "files") == FILES
    assert problems(receipt, "receipts/download") == []


def test_names_that_are_not_safe_become_keys_that_are(tmp_path):
    folder = tmp_path / "root" / "7"
    folder.mkdir(parents=True)
    for name in (b"new\nline", b"\xff\xfe.dat", b"a%41", b"7.json"):
        (folder / os.fsdecode(name)).write_bytes(name)
    receipt = take(record({}), tmp_path, allow_unverified=True)
    keys = [file["key"] for file in receipt["files"]]
    assert problems(receipt, "receipts/download") == []
    assert len(set(keys)) == 4
    assert "7.json" not in keys, "that is the name of the record's own upload"
    assert sorted(contents(tmp_path / "data" / "files")) == sorted(keys)


def test_the_step_takes_local_data_where_a_data_root_is_set_and_moves_nothing(tmp_path):
    lay(tmp_path / "root", FILES)
    nothing = {"bytes_moved": 0, "files_moved": 0, "retries": 0, "waited_for_disk_s": 0}
    assert download(tmp_path, record(FILES)) == nothing
    assert len(read_receipt(tmp_path / "download.json", "download", recid=7)["files"]) == 4


def test_what_is_on_tape_at_the_source_may_lie_here(tmp_path):
    lay(tmp_path / "root", FILES)
    download(tmp_path, record(FILES, f0={"online": False}))
    assert (tmp_path / "download.json").exists()


def test_a_listed_file_without_checksum_must_be_allowed_here_too(tmp_path):
    lay(tmp_path / "root", FILES)
    source = record(FILES, f1={"checksum": None})
    with pytest.raises(
        PermanentError, match=r"the record has no checksum of them, found 1 file and no manifest beside them; write one"
    ):
        download(tmp_path, source)
    assert not (tmp_path / "download.json").exists()
    download(tmp_path, source, allow_unverified=True)
    verified = [file["verified"] for file in read_receipt(tmp_path / "download.json", "download", recid=7)["files"]]
    assert verified == ["adler32", "size", "adler32", "adler32"]


def reading(path):
    """Return settings with which this file may be read."""
    return DownloadSettings(allowed=AllowedSources(folders=(path.parent,)))


@pytest.mark.parametrize("original", [b"his own", b"his"], ids=["whole", "cut"])
def test_a_link_that_a_killed_job_left_is_not_written_through(original, tmp_path):
    far, own = tmp_path / "far.dat", tmp_path / "own.dat"
    far.write_bytes(b"another")
    own.write_bytes(original)
    part = tmp_path / "data" / "files" / "a.dat.part"
    part.parent.mkdir(parents=True)
    os.link(own, part)
    checksum = {"algorithm": "adler32", "value": f"{zlib.adler32(b'another'):08x}"}
    file = {"key": "a.dat", "uri": f"file://{far}", "size_bytes": 7, "checksum": checksum, "online": True}
    source = {"recid": 7, "origin": "test", "record": {}, "files": [file]}
    state_path = tmp_path / "data" / "verified.jsonl"
    Download(source=source, files_dir=part.parent, state_path=state_path, settings=reading(far)).run()
    assert own.read_bytes() == original
    assert (part.parent / "a.dat").read_bytes() == b"another"


def test_a_file_that_decayed_on_the_disk_is_fetched_anew_as_the_message_says(tmp_path):
    far, content = tmp_path / "far.dat", b"bytes that decay"
    far.write_bytes(content)
    checksum = {"algorithm": "adler32", "value": f"{zlib.adler32(content):08x}"}
    file = {"key": "a.dat", "uri": f"file://{far}", "size_bytes": len(content), "checksum": checksum, "online": True}
    files = [file, {**file, "key": "b.dat"}]
    source = {"recid": 7, "origin": "test", "record": {"title": "t"}, "files": files}
    folder, receipt = tmp_path / "data", tmp_path / "download.json"
    write_receipt(tmp_path / "source.json", "source", source)

    def fetch_and_pack():
        settings = reading(far)
        download = Download(
            source=source, files_dir=folder / "files", state_path=folder / "verified.jsonl", settings=settings
        )
        write_receipt(receipt, "download", download.run().receipt)
        package(
            recid=7,
            source_path=tmp_path / "source.json",
            download_path=receipt,
            receipt_path=tmp_path / "package.json",
            data_dir=folder,
            settings=PackageSettings(max_files=1),
            threads=1,
        )

    fetch_and_pack()
    (tmp_path / "package.json").unlink()
    shutil.rmtree(folder / "bundles")
    place = folder / "files" / "a.dat"
    before = place.stat()
    place.write_bytes(content.replace(b"decay", b"Decay"))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))  # a disk does not tell
    with pytest.raises(IntegrityError, match=r"run again, then all files of the record are read anew, and fetched"):
        fetch_and_pack()
    (folder / "verified.jsonl").unlink()  # as the step does that finds bytes wrong
    fetch_and_pack()
    assert place.read_bytes() == content
