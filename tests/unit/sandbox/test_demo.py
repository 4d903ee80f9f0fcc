"""The demo records: what is committed about their files is what is made on the spot."""

import json
import re
import zlib
from pathlib import Path

import pytest

from sandbox.demo_source import DEMO_PREFIX, LARGE_BYTES, content, listed_files, local_path, write_demo_files

METADATA = sorted((Path(__file__).parents[3] / "metadata").glob("*.json"))
DEMO = [path for path in METADATA if '"opendata-ferry demo"' in path.read_text(encoding="utf-8")]


def record_of(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    return document.get("metadata", document)


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.stem)
def test_committed_sizes_and_checksums_are_those_of_the_files_that_are_made(path, tmp_path):
    document = json.loads(path.read_text(encoding="utf-8"))
    write_demo_files([path], tmp_path)
    for demo_file in listed_files(document):
        made = local_path(demo_file.uri, tmp_path).read_bytes()
        assert len(made) == demo_file.size_bytes
        assert f"adler32:{zlib.adler32(made):08x}" == demo_file.checksum
    assert record_of(path)["distribution"]["size"] == sum(each.size_bytes for each in listed_files(document))
    assert record_of(path)["distribution"]["number_files"] == len(listed_files(document))


def test_the_demo_has_records_of_delphis_kinds_and_calls_them_a_demo():
    records = {path.stem: record_of(path) for path in DEMO}
    assert len(records) == 8
    assert all(record["title"].startswith("[demo] ") and "doi" not in record for record in records.values())
    assert all(record["recid"] == recid for recid, record in records.items())
    kinds = {kind for record in records.values() for kind in record["type"]["secondary"]}
    assert kinds == {"Manual", "Logbook", "Collision", "Simulated"}
    counts = {recid: len(record.get("files") or []) for recid, record in records.items()}
    assert min(counts.values()) == 0
    assert max(counts.values()) > 20
    suffixes = {Path(entry["uri"]).suffix for record in records.values() for entry in record.get("files") or []}
    assert suffixes == {".pdf", ".al", ".sdst", ".xsdst"}
    shapes = {"metadata" in json.loads(path.read_text(encoding="utf-8")) for path in DEMO}
    assert shapes == {True, False}  # both shapes of metadata are tried


def test_the_demo_is_small():
    sizes = [each.size_bytes for path in DEMO for each in listed_files(json.loads(path.read_text(encoding="utf-8")))]
    assert sum(sizes) < 30e6
    assert max(sizes) < 3e6


def test_an_address_becomes_a_path_by_replacing_its_prefix(tmp_path):
    uri = "root://demo.invalid//eos/opendata/delphi/a/b.al"
    replaced = uri.replace(DEMO_PREFIX, f"file://{tmp_path}")
    assert Path(replaced.removeprefix("file://")) == local_path(uri, tmp_path)


def test_an_address_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="leaves"):
        local_path("root://demo.invalid//../../etc/passwd", tmp_path)


def test_only_what_is_missing_or_of_another_length_is_made(tmp_path):
    first = write_demo_files(METADATA, tmp_path)
    assert len(first) == 49
    assert write_demo_files(METADATA, tmp_path) == []
    first[0].unlink()
    first[1].write_bytes(b"half")
    assert write_demo_files(METADATA, tmp_path) == sorted(first[:2], key=first.index)
    assert not list(tmp_path.rglob("*.part"))


def test_metadata_that_is_no_demo_or_not_readable_makes_nothing(tmp_path):
    texts = {
        "1": '{"files": [{"uri": "root://eospublic.cern.ch//eos/x", "size": 1, "checksum": "adler32:00000001"}]}',
        "2": "{ root://demo.invalid/ no JSON",
        "3": '["root://demo.invalid/"]',
        "4": '{"files": [{"uri": "root://demo.invalid//x"}]}',
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.json").write_text(text)
    assert write_demo_files(tmp_path.glob("*.json"), tmp_path / "source") == []


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("x.al", "12345"),
        ("x.al", -1),
        ("x.al", None),
        ("x.al", True),
        ("x.al", 10**15),
        ("x.al", 10**30),
        ("x.pdf", 5),
        ("../../x.dat", 5),
        ("x" * 300, 5),
        ("x\0", 5),
        ("good.al/x", 5),
    ],
)
def test_a_file_that_cannot_be_is_skipped_and_the_others_are_made(tmp_path, name, size):
    entries = [
        {"uri": f"{DEMO_PREFIX}/{each}", "size": length, "checksum": "adler32:00000001"}
        for each, length in [("good.al", 7), (name, size), ("last.al", 8)]
    ]
    (tmp_path / "1.json").write_text(json.dumps({"files": entries}), encoding="utf-8-sig")
    made = write_demo_files([tmp_path / "1.json"], tmp_path / "source")
    assert [path.name for path in made] == ["good.al", "last.al"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["1.json", "good.al", "last.al"]


def test_all_but_the_beginning_of_a_large_file_takes_no_disk(tmp_path):
    entry = {"uri": f"{DEMO_PREFIX}/large.al", "size": 5 * LARGE_BYTES, "checksum": "adler32:00000001"}
    (tmp_path / "1.json").write_text(json.dumps({"files": [entry]}))
    (made,) = write_demo_files([tmp_path / "1.json"], tmp_path / "source")
    assert made.stat().st_size == 5 * LARGE_BYTES
    assert made.stat().st_blocks * 512 <= LARGE_BYTES + 10**6


def test_content_depends_on_nothing_but_address_and_length():
    uri = "root://demo.invalid//a"
    assert content(uri=uri, size_bytes=1000) == content(uri=uri, size_bytes=1000)
    assert content(uri=uri, size_bytes=1000) != content(uri="root://demo.invalid//b", size_bytes=1000)


@pytest.mark.parametrize("size_bytes", [1500, 9_999, 10_000, 50_610])
def test_a_pdf_is_one_and_has_the_length_asked_for(size_bytes):
    document = content(uri="root://demo.invalid//eos/a (1)\\.pdf", size_bytes=size_bytes)
    assert len(document) == size_bytes
    assert document.startswith(b"%PDF-1.4")
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", document)[1])
    assert document[start:].startswith(b"xref\n0 6\n")
    offsets = [int(offset) for offset in re.findall(rb"(\d{10}) 00000 n", document[start:])]
    assert [document[offset:].split(b" ", 1)[0] for offset in offsets] == [b"1", b"2", b"3", b"4", b"5"]


def test_a_pdf_shorter_than_any_pdf_is_refused():
    with pytest.raises(ValueError, match="cannot be made"):
        content(uri="root://demo.invalid//eos/a.pdf", size_bytes=20)
