"""Index files and the lists that a record holds of them: each file once, and none on trust."""

import json

import pytest
from listed_files import URI, bare, entry, index_entry, read

from ferry.errors import IntegrityError, MetadataError


def test_the_lists_of_indices_in_the_record_take_the_place_of_the_index_files(tmp_path):
    index = {"key": "i.json", "files": [entry("0/a.root", key="i.json_0"), entry("1/a.root", availability="on demand")]}
    listed = [entry("readme.txt"), entry("i.json", type="index.json"), entry("i.txt", type="index.txt")]
    files = read(tmp_path, bare(files=listed, _file_indices=[index]))["files"]
    assert [(file["key"], file["online"]) for file in files] == [
        ("readme.txt", True),
        ("0/a.root", True),
        ("1/a.root", False),
    ]


def test_an_index_file_is_read_where_the_record_does_not_hold_its_list(tmp_path):
    asked = []
    text = json.dumps([entry("x.root"), entry("y.root")]).encode()

    def read_index(uri):
        asked.append(uri)
        return text

    listed = [index_entry("i.json", text), entry("i.txt", type="index.txt")]
    files = read(tmp_path, bare(files=listed), read_index=read_index)["files"]
    assert [file["key"] for file in files] == ["x.root", "y.root"]
    assert asked == [URI + "i.json"], "its twin for people says the same"


def test_an_index_that_is_only_text_gives_files_of_unknown_size(tmp_path):
    text = f"{URI}x.root\n\n{URI}y.root\n".encode()
    files = read(tmp_path, bare(files=[index_entry("i.txt", text)]), read_index=lambda uri: text)["files"]
    assert [(file["key"], file["size_bytes"], file["checksum"]) for file in files] == [
        ("x.root", None, None),
        ("y.root", None, None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"<html>",
        b'{"files": 3}',
        b"[3]",
        b'[{"uri": 3}]',
        b'{"message": "gone"}',
        b"null",
        b'[{"uri": "root://x//a", "uri": "root://x//b"}]',
    ],
)
def test_an_index_that_is_no_index_fails_the_record(tmp_path, text):
    with pytest.raises(MetadataError, match=r"i\.json|files"):
        read(tmp_path, bare(files=[index_entry("i.json", text)]), read_index=lambda uri: text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 3}, "expected 3 bytes, found 2"),
        ({"checksum": "adler32:00000001"}, "expected adler32 00000001, found 011500b9"),
        ({"checksum": "md5:" + "0" * 32}, "expected md5 0{32}, found d751713988987e9331980363e24189ce"),
    ],
)
def test_an_index_file_that_is_not_what_the_record_says_fails_the_record(tmp_path, changes, message):
    listed = [index_entry("i.json", b"[]", **changes)]
    with pytest.raises(IntegrityError, match=rf"7\.json: files\[0\]: root://.*/i\.json: {message}"):
        read(tmp_path, bare(files=listed), read_index=lambda uri: b"[]")


def test_an_index_file_of_which_the_record_says_nothing_is_read(tmp_path):
    listed = [{"uri": URI + "i.json", "type": "index.json"}]
    assert read(tmp_path, bare(files=listed), read_index=lambda uri: b"[]")["files"] == []


@pytest.mark.parametrize("key", ["i.json", "i.txt"])
def test_an_index_file_that_no_held_list_covers_is_read(tmp_path, key):
    text = json.dumps([entry("b.root")]).encode()
    listed = [index_entry("i.json", b"?"), index_entry("i.txt", b"?"), index_entry("j.json", text)]
    record = bare(files=listed, _file_indices=[{"key": key, "number_files": 1, "files": [entry("a.root")]}])
    files = read(tmp_path, record, read_index={URI + "j.json": text}.__getitem__)["files"]
    assert [file["key"] for file in files] == ["b.root", "a.root"]
    kept = read(tmp_path, record, index_files="keep")["files"]
    assert [file["key"] for file in kept] == ["i.json", "i.txt", "j.json"]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"number_files": 2, "files": [entry()]}, r"files: expected 2 files \(number_files\), found 1"),
        ({"number_files": "1", "files": [entry()]}, r"files: expected '1' files \(number_files\), found 1"),
        ({}, "files: expected a list, found null"),
        ({"files": {}}, "files: expected a list, found an object"),
        ({"files": [3]}, r"files\[0\]: expected an object, found a number"),
        ({"files": [entry(size=-1)]}, r"files\[0\].size: expected a number of bytes, found -1"),
    ],
)
def test_what_is_wrong_with_a_held_index_is_said_with_its_place(tmp_path, index, message):
    held = [{"key": "i.json", "files": []}, index]
    with pytest.raises(MetadataError, match=rf"/7\.json: _file_indices\[1\]\.{message}"):
        read(tmp_path, bare(_file_indices=held))


@pytest.mark.parametrize("kind", [["index.json"], {"index.json": 1}, 3, None])
@pytest.mark.parametrize("index_files", ["expand", "keep"])
def test_a_type_that_is_no_text_is_no_index(tmp_path, kind, index_files):
    files = read(tmp_path, bare(files=[entry("i.json", type=kind)]), index_files=index_files)["files"]
    assert [file["key"] for file in files] == ["i.json"]


def test_the_mark_at_the_begin_of_a_text_is_no_part_of_its_first_address(tmp_path):
    text = f"\ufeff{URI}x.root\n{URI}y.root\n".encode()
    listed = [index_entry("i.txt", text)]
    files = read(tmp_path, bare(files=listed), read_index=lambda _: text)["files"]
    assert [file["uri"] for file in files] == [f"{URI}x.root", f"{URI}y.root"]


def test_index_files_can_be_kept_as_they_are(tmp_path):
    listed = [entry("i.json", type="index.json"), entry("i.txt", type="index.txt")]
    files = read(tmp_path, bare(files=listed), index_files="keep")["files"]
    assert [file["key"] for file in files] == ["i.json", "i.txt"]
