"""What is known of a record whose bytes are gone, and when it is not enough."""

import gzip

import pytest
from packed_records import run_package, write_files

from ferry.bundle.member_files import BytesError
from ferry.bundle.plan import PackageSettings, plan_packages
from ferry.receipts import read_receipt, write_receipt
from ferry.steps.drop import DroppedFiles, drop

NOTE = "dropped.json.gz"
TEXTS = {f"d/{number}.txt": b"a line of a log\n" * (number + 50) for number in range(3)}


def uploaded(record_dir):
    """Write a receipt of an upload to a repository."""
    receipt = {"recid": 7, "repository": "one", "record_id": "a", "record_url": "https://one.example/a", "files": []}
    write_receipt(record_dir / "upload.json", "upload", receipt)


@pytest.fixture
def gone(tmp_path):
    """Give a packaged record of three texts in one bundle, whose bytes were dropped."""
    write_files(tmp_path, TEXTS)
    run_package(tmp_path, max_files=2)
    files = [
        {"key": key, "uri": f"root://host//{key}", "size_bytes": None, "checksum": None, "online": True}
        for key in TEXTS
    ]
    source = read_receipt(tmp_path / "source.json", "source", recid=7)
    write_receipt(tmp_path / "source.json", "source", {**source, "files": files})
    uploaded(tmp_path)
    drop(recid=7, record_dir=tmp_path, data_dir=tmp_path, remove=["bundles", "files"], ledger=tmp_path / "ledger")
    assert not (tmp_path / "files").exists()
    return tmp_path


def test_what_went_up_is_packaged_again_without_its_bytes(gone):
    before = (gone / "package.json").read_bytes()
    assert b'"deflated"' in before
    (gone / "package.json").unlink()
    run_package(gone, max_files=2)
    assert (gone / "package.json").read_bytes() == before


def test_what_would_be_packaged_in_another_way_needs_its_bytes(gone):
    with pytest.raises(BytesError, match="was not made before the files of the record were removed"):
        run_package(gone, max_files=5)


def test_a_member_with_other_bytes_is_not_the_one_that_went_up(gone):
    known = DroppedFiles.of(gone)
    download = read_receipt(gone / "download.json", "download", recid=7)
    (same,) = plan_packages(recid=7, files=download["files"], settings=PackageSettings(max_files=2)).uploads
    assert known.entry(same) == known.uploads[0]
    download["files"][1]["crc32"] = "00000000"
    (other,) = plan_packages(recid=7, files=download["files"], settings=PackageSettings(max_files=2)).uploads
    assert known.entry(other) is None


EMPTY = gzip.compress(b"{}")


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"{"), gzip.compress(b"[]"), EMPTY, EMPTY[:-9]],
    ids=["empty", "no gzip", "no JSON", "a list", "nothing known", "torn"],
)
def test_a_note_that_is_torn_says_nothing(gone, content):
    (gone / NOTE).write_bytes(content)
    assert DroppedFiles.of(gone) is None


def test_what_went_to_another_repository_has_to_be_fetched(gone):
    files = read_receipt(gone / "source.json", "source", recid=7)["files"]
    known = DroppedFiles.of(gone)
    assert known.has(files, repository="one")
    assert not known.has(files, repository="another")
    assert not known.has(files[1:], repository="one")


@pytest.mark.parametrize("receipt", ["source", "download", "package", "upload"])
def test_without_its_receipts_nothing_is_noted_and_the_bytes_go(tmp_path, receipt):
    write_files(tmp_path, TEXTS)
    run_package(tmp_path, max_files=2)
    uploaded(tmp_path)
    (tmp_path / f"{receipt}.json").unlink(missing_ok=True)
    drop(recid=7, record_dir=tmp_path, data_dir=tmp_path, remove=["files"], ledger=tmp_path / "ledger")
    assert not (tmp_path / "files").exists()
    assert DroppedFiles.of(tmp_path) is None
