"""Packaging: what goes up, and archives that hold exactly the downloaded bytes."""

import hashlib
import io
import random
import subprocess
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry.bundle.plan import PackageSettings, plan_packages
from ferry.bundle.reader import read_chunks
from ferry.bundle.write import write_bundle
from ferry.errors import IntegrityError, PermanentError
from ferry.receipts import read_receipt, write_receipt
from ferry.steps.package_files import package
from needs import require_tool


def entry(key, data):
    checks = {"adler32": f"{zlib.adler32(data):08x}", "crc32": f"{zlib.crc32(data):08x}"}
    return {"key": key, "size_bytes": len(data), **checks, "verified": "adler32"}


def write_files(data_dir, contents):
    for key, data in contents.items():
        path = data_dir / "files" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    receipt = {"recid": 7, "files": [entry(key, data) for key, data in contents.items()]}
    write_receipt(data_dir / "download.json", "download", receipt)


def run_package(data_dir, threads=2, **changes):
    package(
        recid=7,
        source_path=data_dir / "source.json",
        download_path=data_dir / "download.json",
        receipt_path=data_dir / "package.json",
        data_dir=data_dir,
        settings=PackageSettings(**changes),
        threads=threads,
    )
    return read_receipt(data_dir / "package.json", "package", recid=7)["uploads"]


def many(count, size=3000):
    rng = random.Random(5)
    return {f"run{i % 3}/f{i:02d}.{'al' if i % 2 else 'txt'}": rng.randbytes(size) * 2 for i in range(count)}


def test_up_to_the_limit_files_go_up_loose_and_above_it_as_one_zip(tmp_path):
    write_files(tmp_path, many(3))
    assert [upload["kind"] for upload in run_package(tmp_path, max_files=3)] == ["file"] * 3
    (bundle,) = run_package(tmp_path, max_files=2)
    assert (bundle["key"], bundle["kind"], len(bundle["members"])) == ("7_bundle.zip", "bundle", 3)


def test_a_single_file_and_no_file_are_never_bundled():
    one = [entry("raw.log", b"x")]
    plan = plan_packages(recid=7, files=one, settings=PackageSettings(max_files=1, patterns=("*.log",)))
    assert [upload.kind for upload in plan.uploads] == ["file"]
    assert plan_packages(recid=7, files=[], settings=PackageSettings()).uploads == ()


@pytest.mark.parametrize("mode", ["file", "stream"])
def test_a_record_with_nothing_but_an_empty_file_goes_up_as_a_zip_that_holds_it(tmp_path, mode):
    write_files(tmp_path, {"empty.txt": b""})
    (bundle,) = run_package(tmp_path, empty_files="bundle", mode=mode)
    data = b"".join(read_chunks(bundle, data_dir=tmp_path))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert (opened.namelist(), opened.read("empty.txt")) == (["empty.txt", "MANIFEST"], b"")


def test_a_pattern_bundles_a_small_record():
    files = [entry("a.log", b"x"), entry("b.pdf", b"y")]
    plan = plan_packages(recid=7, files=files, settings=PackageSettings(patterns=("*.log",)))
    assert [upload.key for upload in plan.uploads] == ["7_bundle.zip"]


def test_what_exceeds_the_largest_bundle_is_split_by_whole_files(tmp_path):
    write_files(tmp_path, many(30))
    uploads = run_package(tmp_path, max_bundle_bytes=70_000)
    assert [upload["key"] for upload in uploads] == [f"7_bundle_{n:03d}.zip" for n in range(1, len(uploads) + 1)]
    assert len(uploads) > 1
    assert all(upload["size_bytes"] <= 70_000 for upload in uploads)
    assert sorted(member["key"] for upload in uploads for member in upload["members"]) == sorted(many(30))


def test_a_file_that_the_repository_does_not_take_is_refused_by_name(tmp_path):
    write_files(tmp_path, {"huge.al": b"x" * 2000})
    with pytest.raises(PermanentError, match=r"huge\.al \(2000 bytes\)"):
        run_package(tmp_path, max_upload_bytes=1999)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_bundle_holds_the_files_and_has_the_same_bytes_whatever_the_threads(tmp_path, threads):
    contents = {**many(25), "big.txt": b"0123456789 text\n" * 300_000, "empty.al": b"", "Übung 1.txt": b"a" * 100}
    write_files(tmp_path, contents)
    (bundle,) = run_package(tmp_path, threads=threads)
    data = (tmp_path / bundle["path"]).read_bytes()
    assert (len(data), f"{zlib.adler32(data):08x}") == (bundle["size_bytes"], bundle["adler32"])
    with zipfile.ZipFile(tmp_path / bundle["path"]) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist() if name != "MANIFEST"} == contents
        assert archive.getinfo("big.txt").compress_type == zipfile.ZIP_DEFLATED
        assert archive.getinfo("run1/f01.al").compress_type == zipfile.ZIP_STORED
    reference = tmp_path / "reference"
    write_files(reference, contents)
    (again,) = run_package(reference, threads=3)
    assert hashlib.sha256((reference / again["path"]).read_bytes()).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("tool", "package", "options"), [("unzip", "unzip", ["-tqq"]), ("7z", "p7zip-full", ["t", "-bso0"])]
)
def test_other_tools_read_a_bundle(tmp_path, tool, package, options):
    program = require_tool(tool, package=package)
    write_files(tmp_path, many(25))
    (bundle,) = run_package(tmp_path)
    subprocess.run([program, *options, tmp_path / bundle["path"]], check=True, capture_output=True)


@pytest.mark.parametrize("key", ["run0/f00.txt", "run1/f01.al"])
def test_a_bit_that_flipped_after_the_download_is_caught_and_leaves_no_bundle(tmp_path, key):
    write_files(tmp_path, many(25))
    path = tmp_path / "files" / key
    data = bytearray(path.read_bytes())
    data[17] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=rf"{key}.*expected crc32"):
        run_package(tmp_path)
    assert not (tmp_path / "bundles" / "7_bundle.zip").exists()


def test_a_missing_or_cut_file_is_named_with_both_lengths(tmp_path):
    write_files(tmp_path, many(25))
    path = tmp_path / "files" / "run0/f00.txt"
    path.write_bytes(b"short")
    with pytest.raises(IntegrityError, match=r"f00\.txt: expected 6000 bytes, found 5"):
        run_package(tmp_path)
    path.unlink()
    with pytest.raises(IntegrityError, match=r"f00\.txt: expected 6000 bytes, found no file"):
        run_package(tmp_path)


def test_a_bundle_of_an_earlier_plan_does_not_stay(tmp_path):
    write_files(tmp_path, many(5))
    run_package(tmp_path, max_files=2)
    run_package(tmp_path, max_files=20)
    assert list((tmp_path / "bundles").iterdir()) == []


def test_what_is_read_for_the_upload_is_what_was_packed(tmp_path):
    write_files(tmp_path, many(25))
    (bundle,) = run_package(tmp_path)
    assert b"".join(read_chunks(bundle, data_dir=tmp_path)) == (tmp_path / bundle["path"]).read_bytes()
    (tmp_path / bundle["path"]).unlink()
    with pytest.raises(IntegrityError, match=r"7_bundle\.zip.*found no file"):
        list(read_chunks(bundle, data_dir=tmp_path))


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    contents=st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=300), min_size=1)
)
def test_any_set_of_names_and_sizes_comes_out_of_the_archive_as_it_went_in(tmp_path_factory, contents):
    tmp_path = tmp_path_factory.mktemp("bundle")
    contents = {key: data for key, data in contents.items() if len(key.encode()) <= 200}
    write_files(tmp_path, contents)
    members = (
        plan_packages(recid=7, files=[entry(*item) for item in contents.items()], settings=PackageSettings(max_files=1))
        .uploads[0]
        .members
    )
    write_bundle(path=tmp_path / "b.zip", members=members, files_dir=tmp_path / "files", threads=2)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        read = {info.filename: archive.read(info) for info in archive.infolist()[:-1]}
    assert read == {member.key: contents[member.key] for member in members}


@pytest.mark.parametrize(
    ("attachment", "key"),
    [("source", "7.json"), ("manifest", "7_manifest.json"), ("ro-crate", "ro-crate-metadata.json")],
)
def test_a_file_that_is_called_as_an_attachment_is_refused_and_not_replaced(tmp_path, attachment, key):
    write_files(tmp_path, {key: b"of the source"})
    source = {"recid": 7, "origin": "metadata/7.json", "record": {"recid": "7"}, "files": []}
    write_receipt(tmp_path / "source.json", "source", source)
    with pytest.raises(PermanentError, match=f"record 7: two uploads or members would be called '{key}'"):
        run_package(tmp_path, attachments=frozenset({attachment}))
    assert not (tmp_path / "package.json").exists()
