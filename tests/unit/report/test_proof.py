"""The chain of proof of a record: what it says, that it is made of receipts alone, and the manifest of all proofs."""

import shutil
import subprocess

import pytest

from ferry.receipts import file_digest, read_receipt, write_receipt
from ferry.report.evidence import read_evidence
from unit.report.test_stats import RECID, URL, Folder

KEYS = ("a.dat", "sub/b.dat")
ADLER32 = {"algorithm": "adler32", "value": "00000001"}
SHA256 = {"algorithm": "sha256", "value": "d" * 64}
MEMBER = {"adler32": "00000001", "crc32": "00000002"}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def proof(folder: Folder, **changes) -> dict:
    folder.receipts(**changes)
    folder.all_steps()
    folder.stats(publish="published" in changes.get("only", ("published",)))
    return read_receipt(folder.path("proof"), "proof", recid=RECID)


def test_of_a_file_it_says_what_its_source_declares_which_bytes_they_are_and_where_they_went(folder):
    first, _ = proof(folder)["files"]
    assert first == {
        "key": "a.dat",
        "uri": "root://x//a.dat",
        "declared": {"size_bytes": 10, "checksum": ADLER32},
        "verified_by": "record",
        "verified": "adler32",
        "size_bytes": 10,
        **MEMBER,
        "md5": "a" * 32,
        "uploaded_key": "a.dat",
        "member": None,
        "confirmed_by": "repository",
    }


def test_of_a_member_it_names_the_bundle_and_its_md5_stands_with_the_key_that_went_up(folder):
    made = proof(folder, bundled=True)
    assert {(file["key"], file["uploaded_key"], file["member"], file["md5"]) for file in made["files"]} == {
        (key, "b.zip", key, None) for key in KEYS
    }
    bundle = {"key": "b.zip", "kind": "bundle", "size_bytes": 222, "adler32": "0000000b", "md5": "a" * 32}
    assert made["uploads"] == [{**bundle, "confirmed_by": "repository"}]


@pytest.mark.parametrize(
    ("change", "told"),
    [({}, "read_back"), ({"record_id": "other"}, "repository"), ({"repository": "https://other"}, "repository")],
)
def test_what_was_read_back_counts_for_the_record_that_it_was_read_from_alone(folder, change, told):
    proof(folder)
    there = {"repository": URL, "record_id": "ab-cd", **change}
    files = [{"key": "a.dat", "uploaded_key": "a.dat", "md5": "a" * 32}]
    files += [{"key": "sub/b.dat", "uploaded_key": "sub/b.dat", "md5": "b" * 32}]  # other bytes went up since
    noted = {"recid": RECID, **there, "files": files, "uploads": [{"key": "a.dat", "md5": "a" * 32}]}
    write_receipt(folder.path("read_back"), "read_back", noted)
    row = folder.stats()
    made = read_receipt(folder.path("proof"), "proof", recid=RECID)
    assert [file["confirmed_by"] for file in made["files"]] == [told, "repository"]
    assert [upload["confirmed_by"] for upload in made["uploads"]] == [told, "repository"]
    assert row["read_back_count"] == (told == "read_back")


def test_a_proof_that_tells_of_more_that_was_read_back_than_is_noted_is_told(folder):
    made = proof(folder)
    made["files"][0]["confirmed_by"] = "read_back"
    write_receipt(folder.path("proof"), "proof", made)
    evidence = read_evidence(recid=RECID, record_dir=folder.path("proof").parent, journal=folder.journal())
    assert "proof" in evidence.wrong


@pytest.mark.parametrize(
    ("declared", "local", "verified"),
    [
        (ADLER32, {"verified": "adler32"}, ("record", "adler32")),
        (ADLER32, {"verified": "adler32", "stated": [SHA256]}, ("record", "adler32")),
        (None, {"verified": "sha256", "stated": [SHA256]}, ("statement", "sha256")),
        (None, {"verified": "size"}, ("record", "size")),
        (None, {"verified": "none"}, ("nothing", "none")),
    ],
)
def test_it_says_who_says_what_the_bytes_must_be(folder, declared, local, verified):
    size = None if local["verified"] == "none" else 10
    listed = {"key": "a.dat", "uri": "root://x//a.dat", "size_bytes": size, "checksum": declared, "online": True}
    found = {"key": "a.dat", "size_bytes": 10, **MEMBER, **local}
    loose = {"key": "a.dat", "kind": "file", "path": "files/a.dat", "size_bytes": 10, "adler32": "00000001"}
    held = {"key": "a.dat", "size_bytes": 10, "adler32": "00000001", "md5": "a" * 32}
    own = {**held, "key": f"{RECID}_manifest.json"}
    made = proof(
        folder,
        source={"files": [listed]},
        download={"files": [found]},
        package={"uploads": [{**loose, "members": []}]},
        upload={"files": [held, own]},
    )
    (file,) = made["files"]
    assert (file["verified_by"], file["verified"]) == verified
    assert [(upload["key"], upload["kind"]) for upload in made["uploads"]] == [
        (own["key"], "attachment"),
        ("a.dat", "file"),
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"only": ("source", "record", "download", "package", "upload")}, ("draft", None, None)),
        ({"published": {"doi": "10.5555/x", "version": 2}}, ("published", "10.5555/x", 2)),
    ],
)
def test_it_says_how_far_the_record_went_and_where_it_is(folder, changes, told):
    made = proof(folder, **changes)
    assert (made["state"], made["doi"], made["version"]) == told
    assert (made["repository"], made["record_id"], made["record_url"]) == (URL, "ab-cd", f"{URL}/records/ab-cd")
    assert made["identifier"] == f"https://opendata.cern.ch/record/{RECID}"


def test_a_record_that_was_left_out_has_a_proof_that_says_so(folder):
    nowhere = {"record_id": None, "record_url": None}
    made = proof(
        folder,
        source={"files": []},
        download={"files": []},
        package={"uploads": []},
        upload={**nowhere, "files": [], "skipped": "it has no files"},
        published={**nowhere, "state": "skipped"},
    )
    assert (made["state"], made["record_id"], made["files"], made["uploads"]) == ("skipped", None, [], [])


def test_the_same_receipts_give_the_same_bytes(folder):
    proof(folder)
    before = folder.path("proof").read_bytes()
    folder.path("proof").unlink()
    folder.stats()
    assert folder.path("proof").read_bytes() == before


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("files", 0, "adler32"), "00000009"),
        (("files", 0, "declared", "size_bytes"), 11),
        (("uploads", 0, "md5"), "b" * 32),
        (("record_id",), "ef-gh"),
        (("state",), "draft"),
    ],
)
def test_a_proof_that_the_receipts_do_not_make_is_told_even_where_it_is_whole_in_itself(folder, place, value):
    made = proof(folder)
    *way, name = place
    inner = made
    for step in way:
        inner = inner[step]
    inner[name] = value
    write_receipt(folder.path("proof"), "proof", made)
    evidence = read_evidence(recid=RECID, record_dir=folder.path("proof").parent, journal=folder.journal())
    assert evidence.wrong["proof"].found == "one that the other receipts of the record do not make"


def test_the_manifest_of_all_proofs_is_proven_by_sha256sum_alone(folder, tmp_path):
    for recid in (RECID, 7):
        folder.receipts(recid=recid)
        folder.all_steps(recid=recid)
        folder.stats(recid=recid)
    folder.receipts(recid=9, only=("source",))
    folder.aggregate(recids=(RECID, 7, 9))
    manifest = folder.results / "manifest-sha256.txt"
    assert [line.split("  ")[1] for line in manifest.read_text().splitlines()] == [
        "7/proof.json",
        f"{RECID}/proof.json",
    ]
    elsewhere = shutil.copytree(folder.results, tmp_path / "years later")
    assert prove(elsewhere).returncode == 0
    before = file_digest(manifest)
    folder.aggregate(recids=(7, RECID, 9))
    assert file_digest(manifest) == before
    with (elsewhere / "7" / "proof.json").open("ab") as stream:
        stream.write(b" ")
    assert "7/proof.json: FAILED" in prove(elsewhere).stdout


def prove(folder):
    command = ["sha256sum", "--check", "manifest-sha256.txt"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
