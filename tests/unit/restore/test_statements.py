"""What is known of the files of a record is held against what the repository has of it."""

import json

import pytest
from yarl import URL

from ferry.errors import IntegrityError
from ferry.repository.models import RemoteFile
from ferry.restore.statements import by_listing, by_manifest, read_manifest

RECID, SOURCE = 7, "https://opendata.cern.ch/record/7"
MD5 = "0" * 32


def line(key, *, bundle=None, size_bytes=3, **more):
    member = key if bundle else None
    numbers = {"size_bytes": size_bytes, "adler32": "00000001", "md5": MD5}
    return {"key": key, **numbers, "bundle": bundle, "member": member, **more}


def manifest(*files, bundles=(), **changes):
    listed = [
        {"key": key, "size_bytes": size, "adler32": "00000001", "md5": MD5} for key, size in dict(bundles).items()
    ]
    return {"recid": RECID, "source": SOURCE, "files": list(files), "bundles": listed, **changes}


def remote(key, size_bytes=3, md5=MD5):
    url = URL(f"https://repository.example/{key}")
    return RemoteFile(key, "completed", size_bytes, md5, url / "content", None, url)


def read(document):
    return read_manifest(json.dumps(document).encode(), recid=RECID, identifier=SOURCE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"<html>", "found no JSON"),
        (b"[]", "found something else"),
        (json.dumps(manifest(line("a"), more=1)).encode(), "unknown key 'more'"),
        (json.dumps(manifest(line("a", size_bytes=-1))).encode(), "files"),
        (json.dumps(manifest(line("a"), recid=8)).encode(), r"found that of \(8, "),
        (json.dumps(manifest(line("a"), source="https://opendata.cern.ch/record/8")).encode(), "found that of"),
    ],
)
def test_what_is_no_manifest_of_this_record_is_refused(text, said):
    with pytest.raises(IntegrityError, match=said):
        read_manifest(text, recid=RECID, identifier=SOURCE)


def test_a_manifest_says_where_the_bytes_of_each_file_are():
    document = read(manifest(line("a"), line("b", bundle="7_bundle.zip"), bundles={"7_bundle.zip": 90}))
    statement = by_manifest(document, [remote("a"), remote("7_bundle.zip", 90), remote("7.json"), remote("x")])
    assert {file.key: file.uploaded_key for file in statement.files} == {"a": "a", "b": "7_bundle.zip"}
    assert statement.bundles == {"7_bundle.zip"}
    assert statement.foreign == ("x",), "an attachment is ours"


@pytest.mark.parametrize(
    ("document", "listed", "said"),
    [
        (manifest(line("a"), line("b")), [remote("a")], "b: expected it in the repository"),
        (manifest(line("a")), [remote("a", 4)], "a: expected 3 bytes, as the manifest says, the repository lists 4"),
        (manifest(line("a"), bundles={"z": 1}), [remote("a", None)], "lists None"),
        (manifest(line("a", bundle="7_bundle.zip")), [remote("7_bundle.zip")], "expected it among the uploads"),
    ],
)
def test_what_the_repository_lacks_or_has_in_another_length_is_told_before_a_byte_is_fetched(document, listed, said):
    with pytest.raises(IntegrityError, match=said):
        by_manifest(read(document), listed)


def test_without_a_manifest_bundles_are_known_by_their_names_and_attachments_are_left():
    keys = [
        "a",
        "7.json",
        "ro-crate-metadata.json",
        "7_bundle.zip",
        "7_bundle_001.zip",
        "8_bundle.zip",
        "my_7_bundle.zip",
    ]
    statement = by_listing([remote(key) for key in keys], recid=RECID)
    assert statement.unlisted == {"7_bundle.zip", "7_bundle_001.zip"}
    assert [file.key for file in statement.files] == ["a", "8_bundle.zip", "my_7_bundle.zip"]
    assert {file.proven_by for file in statement.files} == {"repository"}
