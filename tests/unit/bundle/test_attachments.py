"""What goes up beside the files: the record as it was, and a manifest that tells no more than was sent."""

import errno
import hashlib
import json
import os

import pytest
from packed_records import RECID, many, run_package, write_files

from ferry.bundle.attachments import attach, most_attached_bytes
from ferry.bundle.proof import MemberDigests
from ferry.bundle.reader import read_chunks
from ferry.deposit.manifest import Manifest
from ferry.deposit.plan import LocalFile
from ferry.errors import DiskError, IntegrityError
from ferry.identity import record_url
from ferry.receipts import read_receipt

CONTENTS = {**many(30), "empty.al": b"", "empty.txt": b"", "same.txt": b"0123456789" * 300_000}


def md5(data):
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def bundle(tmp_path):
    write_files(tmp_path, CONTENTS)
    (entry,) = run_package(tmp_path)
    return entry


@pytest.mark.parametrize("chunk_bytes", [1, 7, 4096, 1 << 20, 1 << 30])
def test_members_are_hashed_while_their_bundle_goes_by_in_pieces_of_any_length(tmp_path, bundle, chunk_bytes):
    assert {"deflated" in member for member in bundle["members"]} == {True, False}
    content = (tmp_path / bundle["path"]).read_bytes()
    members = MemberDigests(bundle)
    for start in range(0, len(content), chunk_bytes):
        members.update(content[start : start + chunk_bytes])
    assert members.values() == {key: md5(data) for key, data in CONTENTS.items()}


def test_a_bundle_of_which_a_part_went_by_has_no_member_digests(tmp_path, bundle):
    members = MemberDigests(bundle)
    members.update((tmp_path / bundle["path"]).read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="expected all of its"):
        members.values()


def sent(data_dir, uploads):
    """Return what the upload knows of them when the repository has confirmed everything."""
    files = []
    for upload in uploads:
        members = MemberDigests(upload) if upload["kind"] == "bundle" else None
        content = b"".join(read_chunks(upload, data_dir=data_dir))
        if members:
            members.update(content)
        files.append(
            LocalFile(
                key=upload["key"],
                size_bytes=len(content),
                adler32=upload["adler32"],
                md5=md5(content),
                member_md5s=members.values() if members else {},
            )
        )
    return files


@pytest.mark.parametrize("mode", ["file", "stream"])
@pytest.mark.parametrize("max_files", [2, 40])
def test_the_manifest_has_every_file_with_its_md5_and_where_it_is(tmp_path, mode, max_files):
    write_files(tmp_path, CONTENTS)
    attached = frozenset({"source", "manifest"})
    uploads = run_package(tmp_path, max_files=max_files, mode=mode, attachments=attached)
    assert read_receipt(tmp_path / "package.json", "package", recid=RECID)["manifest"] is True
    downloaded = read_receipt(tmp_path / "download.json", "download", recid=RECID)["files"]
    manifest = Manifest(
        recid=RECID, source=record_url(RECID), uploads=uploads, downloaded=downloaded, data_dir=tmp_path
    )
    entry = manifest.make(sent(tmp_path, uploads))
    content = b"".join(read_chunks(entry, data_dir=tmp_path))
    document = json.loads(content)
    adler32s = {
        file["key"]: file["adler32"]
        for file in read_receipt(tmp_path / "download.json", "download", recid=RECID)["files"]
    }
    bundle = "7_bundle.zip" if max_files == 2 else None
    assert document["files"] == [
        {
            "key": key,
            "size_bytes": len(CONTENTS[key]),
            "adler32": adler32s[key],
            "md5": md5(CONTENTS[key]),
            "bundle": bundle,
            "member": key if bundle else None,
            "verified": "adler32",
        }
        for key in sorted(CONTENTS)
    ]
    assert [entry["key"] for entry in document["bundles"]] == ([bundle] if bundle else [])
    assert manifest.make(list(reversed(sent(tmp_path, uploads)))) == entry
    record = read_receipt(tmp_path / "source.json", "source", recid=RECID)["record"]
    written = sum(path.stat().st_size for path in (tmp_path / "attachments").iterdir())
    assert written <= most_attached_bytes(record=record, keys=list(CONTENTS)) < 3 * written


def test_the_record_goes_up_as_the_portal_gave_it(tmp_path):
    write_files(tmp_path, {"a.al": b"a"})
    uploads = run_package(tmp_path, attachments=frozenset({"source"}))
    assert [(upload["key"], upload["kind"]) for upload in uploads] == [("7.json", "attachment"), ("a.al", "file")]
    content = b"".join(read_chunks(uploads[0], data_dir=tmp_path))
    assert json.loads(content) == read_receipt(tmp_path / "source.json", "source", recid=RECID)["record"]
    assert "manifest" not in read_receipt(tmp_path / "package.json", "package", recid=RECID)


def test_a_record_without_files_has_no_attachments(tmp_path):
    write_files(tmp_path, {})
    assert run_package(tmp_path, attachments=frozenset({"source", "manifest"})) == []
    assert "manifest" not in read_receipt(tmp_path / "package.json", "package", recid=RECID)


def test_a_full_disk_leaves_no_half_attachment(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="the disk is full"):
        attach("7.json", {"a": 1}, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
