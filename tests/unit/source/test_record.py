import json
import lzma
import zlib
from pathlib import Path

import pytest
from listed_files import URI, bare, entry, read

from ferry.errors import MetadataError
from ferry.limits import Limits
from ferry.receipts import read_receipt, write_receipt
from ferry.source.record import read_source

FILE_LISTS = Path(__file__).resolve().parents[2] / "fixtures" / "file_lists.jsonl.xz"


def real_file_lists():
    """The file lists of the 184 records (and 8 API answers) of the portal: everything else is left out."""
    return [json.loads(line) for line in lzma.decompress(FILE_LISTS.read_bytes()).splitlines()]


def recid_of(document):
    return int(document.get("metadata", document)["recid"])


def test_both_shapes_give_the_same_receipt(tmp_path):
    record = bare(files=[entry()])
    from_fixture = read(tmp_path, record)
    from_api = read(tmp_path, {"id": 7, "created": "2024", "metadata": record})
    assert from_api == from_fixture
    assert from_fixture["origin"] == "metadata/7.json"
    assert from_fixture["record"] == record
    assert from_fixture["files"] == [
        {
            "key": "a.dst",
            "uri": URI + "a.dst",
            "size_bytes": 3,
            "checksum": {"algorithm": "adler32", "value": "024d0127"},
            "online": True,
        }
    ]


@pytest.mark.parametrize("files", [{}, {"files": None}, {"files": [], "_file_indices": []}])
def test_a_record_without_files_gives_an_empty_list(tmp_path, files):
    assert read(tmp_path, bare(**files))["files"] == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"<!DOCTYPE html><html>", "expected JSON, found none in line 1, column 1; correct"),
        (b'{"recid": 7, "files": [', "expected JSON"),
        (b"", "expected JSON, found none in line 1, column 1"),
        (b"\xff\xfe", "expected JSON"),
        (b"[" * 100_000, r"json: \[0\]\[0\].*: expected at most 200 levels, found more"),
        (b'{"recid": 7, "x": NaN}', r"json: x: expected a finite number, found nan; NaN is not JSON"),
        (
            b'{"recid": 7, "title": "\\ud800"}',
            r"json: title: expected Unicode text, found half of a character \(a lone surrogate\) in '\\ud800'",
        ),
        (
            b'{"recid": 7, "files": [{"size": 1, "size": 2}]}',
            r"json: files\[0\].size: expected each key once in an object, found 'size' twice",
        ),
        (b'{"recid": 7, "a": {"b": [1, -1e999]}}', r"json: a.b\[1\]: expected a finite number, found -inf"),
        (
            b'{"recid": 7, "a": 18446744073709551616}',
            "json: a: expected .* at most 64 bits, found 18446744073709551616",
        ),
        (b'{"recid": 7, "a": %s}' % (b"9" * 4000), "json: a: expected .* at most 64 bits, found 9{60}…9{60}$"),
        (b'{"recid": 7, "a": %s}' % (b"[" * 300 + b"]" * 300), "expected at most 32 levels, found more"),
        (b'{"recid": 7, "a": [{"b": -%s}]}' % (b"9" * 5000), r"json: a\[0\].b: .* 64 bits, found one of 5000 digits"),
        (
            b'{"recid": 7, "a": %s}' % (b'{"b":' * 5000 + b"1" + b"}" * 5000),
            r"json: a(\.b)+\.….*: expected at most 200",
        ),
        (b"[1]", "expected a JSON object, found a list"),
        ({"title": "x"}, "expected the recid 7 in the record, found none"),
        (bare(recid=8), r"recid: expected 7, found 8; is it another record's file\?"),
        (bare(recid=True), "recid: expected 7, found true"),
        ({"id": "8", "metadata": bare()}, "id: expected 7, found '8'"),
        ({"id": "7", "metadata": bare(recid="8")}, "metadata.recid: expected 7, found '8'"),
        ({"id": "7", "metadata": []}, "metadata: expected an object, found a list"),
        (bare(files={}), "files: expected a list, found an object"),
        (bare(files=[entry(), "x"]), r"files\[1\]: expected an object, found text"),
        (bare(files=[entry(uri=None)]), r"files\[0\].uri: expected an address"),
        (bare(files=[entry(uri="/eos/x")]), r"files\[0\].uri: expected an address"),
        (bare(files=[entry(uri="ftp://x/y")]), r"files\[0\].uri: expected an address"),
        (bare(files=[entry(size=-1)]), r"files\[0\].size: expected a number of bytes, found -1"),
        (bare(files=[entry(size="3")]), r"files\[0\].size: expected a number of bytes, found '3'"),
        (bare(files=[entry(size=True)]), r"files\[0\].size: expected a number of bytes, found true"),
        (bare(files=[entry(size=10**15 + 1)]), r"files\[0\].size: expected at most 10{15} bytes, found 10{14}1"),
        (
            bare(files=[entry(), entry(size=None)]),
            r"files\[1\].size: expected 3, .* as it was listed before, found null",
        ),
        (
            bare(files=[entry(), entry(size=4)]),
            r"files\[1\].size: expected 3, .*a.dst as it was listed before, found 4",
        ),
    ],
)
def test_what_is_wrong_with_a_record_is_said_with_its_place(tmp_path, document, message):
    with pytest.raises(MetadataError, match=message) as raised:
        read(tmp_path, document)
    assert "7.json" in str(raised.value)


def test_what_a_receipt_can_hold_is_taken(tmp_path):
    deep = json.loads("[" * 190 + "]" * 190)
    record = bare(deep=deep, numbers=[2**64 - 1, -(2**63), 1e308], files=[entry(size=10**15)])
    receipt = read(tmp_path, record, limits=Limits(levels=200))
    write_receipt(tmp_path / "source.json", "source", receipt)
    assert read_receipt(tmp_path / "source.json", "source", recid=receipt["recid"]) == receipt


def test_a_recid_may_be_a_number_or_text(tmp_path):
    assert read(tmp_path, bare(recid=7))["files"] == read(tmp_path, bare(recid="7"))["files"]


def test_a_file_that_is_listed_twice_alike_stands_there_once(tmp_path):
    assert len(read(tmp_path, bare(files=[entry(), entry()]))["files"]) == 1


def test_unusable_checksums_and_missing_sizes_are_null(tmp_path):
    first, second = read(tmp_path, bare(files=[{"uri": URI + "a"}, entry("b", checksum="crc:1")]))["files"]
    assert (first["size_bytes"], first["checksum"]) == (None, None)
    assert second["checksum"] is None


@pytest.mark.parametrize(
    ("record", "file", "online"),
    [
        ({}, {}, True),
        ({}, {"availability": "online"}, True),
        ({}, {"availability": "on demand"}, False),
        ({"availability": "ondemand"}, {}, False),
        ({"availability": "ondemand"}, {"availability": "online"}, True),
        ({"distribution": {"availability": "ondemand"}}, {}, False),
        ({"availability": "partial"}, {"availability": "online"}, True),
    ],
)
def test_files_on_tape_are_told_from_those_online(tmp_path, record, file, online):
    assert read(tmp_path, bare(**record, files=[entry(**file)]))["files"][0]["online"] is online


def test_a_record_from_the_portal_may_not_name_files_of_this_machine(tmp_path):
    record = bare(files=[entry(uri="file:///etc/passwd")])
    with pytest.raises(MetadataError, match=r"files\[0\].uri"):
        read_source(recid=7, fetch_record=lambda recid: ("https://portal/api/records/7", record))
    assert read(tmp_path, record)["files"][0]["key"] == "passwd"


def test_an_index_of_a_record_from_the_portal_is_not_read_from_this_machine():
    record = bare(files=[{"uri": "file:///etc/passwd", "type": "index.txt"}])
    with pytest.raises(
        MetadataError, match=r"expected an index file that is not on this machine, found 'file:///etc/p"
    ):
        read_source(
            recid=7,
            fetch_record=lambda recid: ("https://portal/api/records/7", record),
            read_index=lambda uri: pytest.fail("was read"),
        )


def test_a_record_that_is_nowhere_is_an_error(tmp_path):
    with pytest.raises(MetadataError, match=r"record 7: expected .*7\.json, found no file"):
        read_source(recid=7, metadata_path=tmp_path / "7.json")


def test_the_portal_is_asked_only_for_what_is_not_here(tmp_path):
    origin = "https://portal/api/records/7"
    receipt = read_source(
        recid=7, metadata_path=tmp_path / "7.json", fetch_record=lambda recid: (origin, {"id": "7", "metadata": bare()})
    )
    assert receipt["origin"] == origin
    assert read(tmp_path, bare(), fetch_record=None)["origin"] == "metadata/7.json"


def test_the_records_own_upload_names_are_not_given_to_a_file(tmp_path):
    keys = [file["key"] for file in read(tmp_path, bare(files=[entry("7.json"), entry("x")]))["files"]]
    assert keys[0].startswith("7~")
    assert keys[1] == "x"


@pytest.mark.parametrize(
    "document",
    [
        {"id": 7, "metadata": {"files": [entry("7.json")]}},
        {"recid": "7 ", "title": "A record", "files": [entry("7.json")]},
    ],
)
def test_the_own_names_are_those_of_the_recid_that_was_asked_for(tmp_path, document):
    (file,) = read(tmp_path, document)["files"]
    assert file["key"].startswith("7~")


def index_as_published(document):
    """Answer for the portal: one index file holds all that distribution declares, the others nothing.

    The real ones are not here, so what the record says of their bytes becomes what is true for these.
    """
    record = document.get("metadata", document)
    first = next(e["uri"] for e in record["files"] if e.get("type") == "index.json")
    declared = record["distribution"]
    others = [e for e in record["files"] if "type" not in e]
    number = declared["number_files"] - len(others)
    size = declared["size"] - sum(e["size"] for e in others)

    sizes = [size // number] * (number - 1)
    sizes.append(size - sum(sizes))
    text = json.dumps([entry(f"{n % 7}/file{n // 7}.root", size=one) for n, one in enumerate(sizes)]).encode()

    def read_index(uri):
        return text if uri == first else b"[]"

    for index in record["files"]:
        if "type" in index:
            found = read_index(index["uri"])
            index |= {"size": len(found), "checksum": f"adler32:{zlib.adler32(found):08x}"}
    return read_index


@pytest.mark.parametrize("document", real_file_lists(), ids=lambda document: str(recid_of(document)))
def test_real_records_give_file_lists_that_sum_to_what_they_list(tmp_path, document):
    record = document.get("metadata", document)
    listed = (record.get("files") or []) + [f for index in record.get("_file_indices") or [] for f in index["files"]]
    has_index = any("type" in e for e in listed)
    files = read(
        tmp_path, document, recid_of(document), read_index=index_as_published(document) if has_index else None
    )["files"]
    if has_index:
        expected = (record["distribution"]["number_files"], record["distribution"]["size"])
    else:
        expected = (len(listed), sum(e["size"] for e in listed))
    assert (len(files), sum(file["size_bytes"] for file in files)) == expected
    assert len({file["key"].casefold() for file in files}) == len(files)
