import hashlib
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry.checksums import HEX_DIGITS, Digests, digest_file, normalise_checksum
from ferry.report import files_table

SCHEMAS = Path(__file__).parents[2] / "schemas" / "receipts"


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("adler32:8feda990", "8feda990"),
        ("adler32:8FEDA990", "8feda990"),
        ("ADLER32:8feda990", "8feda990"),
        ("adler32:feda990", "0feda990"),
        ("adler32:1", "00000001"),
        ("alder32:8feda990", "8feda990"),
        (" adler32 : 8feda990\n", "8feda990"),
    ],
)
def test_an_adler32_is_taken_for_what_it_means(declared, value):
    assert normalise_checksum(declared) == {"algorithm": "adler32", "value": value}


@pytest.mark.parametrize(("algorithm", "digits"), [("md5", 32), ("sha1", 40), ("sha256", 64)])
def test_other_algorithms_are_kept(algorithm, digits):
    value = "Ab" * (digits // 2)
    assert normalise_checksum(f"{algorithm}:{value}") == {"algorithm": algorithm, "value": value.lower()}


@pytest.mark.parametrize(
    "declared",
    [None, "", 7, [], "adler32:", "adler32", "8feda990", "adler32:8feda9901", "adler32:8feda99g", "md5:1234",
     "sha1:" + "0" * 39, "crc32:8feda990", "adler32:-1", "adler32:٣"],
)  # fmt: skip
def test_what_proves_nothing_is_none_and_never_silently_right(declared):
    assert normalise_checksum(declared) is None


@given(st.lists(st.binary(max_size=100), max_size=10), st.sampled_from([None, "adler32", "md5", "sha1", "sha256"]))
def test_digests_of_pieces_are_those_of_the_whole(pieces, algorithm):
    whole = b"".join(pieces)
    digests = Digests(algorithm)
    for piece in pieces:
        digests.update(piece)
    expected = {"adler32": f"{zlib.adler32(whole):08x}", "crc32": f"{zlib.crc32(whole):08x}"}
    if algorithm not in {None, "adler32"}:
        expected[algorithm] = hashlib.new(algorithm, whole).hexdigest()
    assert digests.values() == expected
    assert digests.size_bytes == len(whole)


def test_a_file_is_digested_whole(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    digests = digest_file(tmp_path / "file", "md5")
    assert digests.size_bytes == len(content)
    assert digests.values()["md5"] == hashlib.md5(content).hexdigest()


def test_one_line_of_the_table_is_all_that_another_algorithm_takes_in_the_code(monkeypatch):
    monkeypatch.setitem(HEX_DIGITS, "sha3_256", 64)
    value = hashlib.sha3_256(b"a").hexdigest()
    assert normalise_checksum(f"sha3_256:{value}") == {"algorithm": "sha3_256", "value": value}
    digests = Digests("sha3_256")
    digests.update(b"a")
    assert digests.values()["sha3_256"] == value
    local = {"size_bytes": 1, "adler32": "00620062", "verified": "sha3_256"}
    source = {"size_bytes": 1, "checksum": {"algorithm": "sha3_256", "value": value}}
    assert files_table._problem(files_table._Trail(source, local, None, None, None)) == "not packaged"


def test_receipts_take_the_algorithms_that_are_known():
    def enums(document):
        if isinstance(document, dict):
            yield from [document["enum"]] if "enum" in document else []
            document = list(document.values())
        for part in document if isinstance(document, list) else []:
            yield from enums(part)

    for name, more in (("source", []), ("download", ["size", "none"])):
        found = list(enums(json.loads((SCHEMAS / f"{name}.json").read_bytes())))
        assert [*HEX_DIGITS, *more] in found, name
