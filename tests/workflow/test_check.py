"""`snakemake check` as a user runs it: bytes against proofs, what it could not check, and the command that mends."""

import hashlib
import json
import os
import random
import shutil
import subprocess

import pytest
from generated_records import PREFIX, document, put_below, redirect

from ferry.receipts import read_receipt, write_receipt
from ferry.report.proof import proof_of
from workflow.conftest import Flow
from workflow.test_chain import assert_ok
from workflow.test_changed_between_runs import mend

LOOSE, BUNDLED, EMPTY = 7001, 7002, 7003


def text(length: int) -> bytes:
    return bytes(random.Random(length).choices(b"abcdefgh \n", k=length))


def write(flow: Flow) -> None:
    """Write a record of loose files, one whose bundle has texts that are packed, and one without files."""
    contents = {LOOSE: [b"\1" * 50, b"\2" * 70], BUNDLED: [text(3000 + n) for n in range(8)], EMPTY: []}
    for recid, files in contents.items():
        paths = [f"c/{recid}/f{n}.{'txt' if recid == BUNDLED else 'al'}" for n in range(len(files))]
        for path, content in zip(paths, files, strict=True):
            put_below(flow.folder / "far")(path, content)
        listed = [
            {"uri": PREFIX + path, "size": len(content), "checksum": f"md5:{hashlib.md5(content).hexdigest()}"}
            for path, content in zip(paths, files, strict=True)
        ]
        flow.write_metadata(recid, document(recid, listed))
    flow.want(*contents)
    flow.config["source"] = {"redirects": redirect(flow.folder / "far")}


@pytest.fixture(scope="module", params=["file", "stream"])
def template(request, tmp_path_factory):
    flow = Flow(folder=tmp_path_factory.mktemp("template"))
    flow.config = {"package": {"max_files": 5, "mode": request.param, "patterns": []}}
    write(flow)
    flow.first = flow.run()
    assert_ok(flow.first)
    return flow


@pytest.fixture
def carried(template, tmp_path):
    shutil.copytree(template.folder, tmp_path, dirs_exist_ok=True)
    flow = Flow(folder=tmp_path, config=dict(template.config))
    flow.first = template.first
    return flow


def flip(path, at):
    times, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_digest_that_closes_the_run_is_told_at_its_end_on_the_report_and_by_the_check(carried):
    told = carried.first.stderr.rpartition("closes with sha256 ")[2].split()[0]
    summed = subprocess.run(
        ["sha256sum", "results/manifest-sha256.txt"], cwd=carried.folder, capture_output=True, check=True
    )
    assert summed.stdout.decode().split()[0] == told
    assert told in (carried.folder / "results" / "overview.html").read_text(encoding="utf-8")
    whole = carried.run("check")
    assert_ok(whole)
    assert told in whole.stdout
    assert "0 files not as proven" in whole.stdout


def test_bytes_that_changed_are_found_and_the_one_command_brings_them_again_and_sends_none(carried):
    data = carried.folder / "data"
    wrong = [data / str(LOOSE) / "files" / "f0.al", data / str(LOOSE) / "attachments" / f"{LOOSE}.json"]
    wrong += sorted((data / str(BUNDLED) / "bundles").glob("*.zip*"))[:1]
    for path in wrong:
        flip(path, path.stat().st_size // 2)
    gone = data / str(BUNDLED) / "files" / "f3.txt"
    gone.unlink()
    found = carried.run("check")
    assert found.returncode != 0
    for path in (*wrong, gone):
        assert f"  {path.relative_to(carried.folder)}: expected " in found.stderr
    before = [request for request in carried.requests() if request["method"] == "PUT"]
    assert_ok(mend(carried, found))
    assert_ok(carried.run("check"))
    assert [
        request for request in carried.requests() if request["method"] == "PUT" and "content" in request["path"]
    ] == [request for request in before if "content" in request["path"]]
    assert gone.exists()


def test_bytes_are_left_alone_where_the_configuration_says_so_and_the_check_says_that(carried):
    flip(carried.folder / "data" / str(LOOSE) / "files" / "f0.al", 3)
    carried.config["check"] = {"bytes": "none"}
    done = carried.run("check")
    assert_ok(done)
    assert "not checked: bytes on this disk (check.bytes: none)" in done.stdout


def test_bytes_that_are_not_here_and_files_that_nobody_knows_are_told_as_not_checked(carried):
    shutil.rmtree(carried.folder / "data" / str(BUNDLED))
    (carried.folder / "data" / str(LOOSE) / "files" / "mine.txt").write_text("mine")
    done = carried.run("check")
    assert_ok(done)
    assert "not checked: 8 source files of which no byte is here, only in the repository" in done.stdout
    assert "not checked: 1 file below data/ of which no receipt knows" in done.stdout


def test_a_proof_made_after_the_manifest_is_none_that_was_changed(carried):
    carried.write_metadata(LOOSE, {**carried.metadata(LOOSE), "title": "Another title"})
    assert_ok(carried.run(f"results/{LOOSE}/stats.json"))
    done = carried.run("check")
    assert_ok(done)
    assert "not checked: 1 proof made after manifest-sha256.txt, which a plain run brings up to date" in done.stdout
    assert_ok(carried.run())
    assert "made after" not in carried.run("check").stdout


def test_a_proof_that_was_made_to_fit_changed_receipts_is_told_by_the_manifest(carried):
    """Whoever changes all receipts of a record in one sense, and the proof with them, has not changed the manifest."""
    folder = carried.folder / "results" / str(LOOSE)
    receipts = {
        name: read_receipt(folder / f"{name}.json", name, recid=LOOSE)
        for name in ("source", "mapping", "download", "package", "upload")
    }
    receipts["upload"]["files"][0]["md5"] = "0" * 32
    write_receipt(folder / "upload.json", "upload", receipts["upload"])
    write_receipt(folder / "proof.json", "proof", proof_of(receipts))
    done = carried.run("check")
    assert done.returncode != 0
    assert f"another digest of {LOOSE}/proof.json, which was not made after it" in done.stderr


def test_a_folder_of_an_earlier_release_gets_its_proofs_by_a_plain_run_that_asks_nobody(carried):
    for path in (carried.folder / "results").glob("*/proof.json"):
        path.unlink()
    (carried.folder / "results" / "manifest-sha256.txt").unlink()
    before = carried.requests()
    assert_ok(carried.run())
    assert carried.requests() == before
    assert json.loads((carried.folder / "results" / str(LOOSE) / "proof.json").read_bytes())["recid"] == LOOSE
    assert_ok(carried.run("check"))


@pytest.mark.parametrize("line", [f"{'0' * 64}  99999/proof.json", f"{'0' * 64}  7001/../nothing/proof.json", "junk"])
def test_a_line_of_the_manifest_without_its_proof_is_found_and_the_one_command_takes_it_away(carried, line):
    manifest = carried.folder / "results" / "manifest-sha256.txt"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole + f"{line}\n".encode())
    done = carried.run("check")
    assert done.returncode == 1
    assert str(manifest.relative_to(carried.folder)) in done.stdout + done.stderr
    assert mend(carried, done).returncode == 0
    assert manifest.read_bytes() == whole
    assert_ok(carried.run("check"))


@pytest.mark.parametrize("template", ["file"], indirect=True)
def test_tables_that_were_cut_or_edited_are_found_and_the_one_command_makes_them_again(carried):
    results = carried.folder / "results"
    cut = [results / name for name in ("stats.csv", "stats.parquet", "files.parquet", "coverage.csv")]
    edited = [results / name for name in ("stats.jsonl", "failures.csv", "overview.html", "figures/failures.svg")]
    before = {path: path.read_bytes() for path in (*cut, *edited)}
    for path in cut:
        os.truncate(path, path.stat().st_size // 2)
    for path in edited:
        path.write_bytes(before[path].replace(b"e", b"a", 1))
    found = carried.run("check")
    assert found.returncode != 0
    told = [line.split(": ")[0].strip() for line in found.stderr.splitlines() if " it was cut or edited since" in line]
    assert sorted(told) == sorted(str(path.relative_to(carried.folder)) for path in before)
    asked = carried.requests()
    assert_ok(mend(carried, found))
    assert carried.requests() == asked
    assert {path for path, content in before.items() if path.read_bytes() != content} == set()
    assert_ok(carried.run("check"))


def test_a_record_that_failed_is_named_and_the_check_does_not_end_well(carried):
    for folder in ("results", "data"):
        shutil.rmtree(carried.folder / folder / str(LOOSE))
    assert_ok(carried.run("check"))  # not begun is no failure
    carried.config["source"] = {"redirects": redirect(carried.folder / "nowhere")}
    assert carried.run().returncode == 1
    done = carried.run("check")
    assert done.returncode == 1
    assert f"  {LOOSE}  failed in download_files: " in done.stdout + done.stderr


def test_a_run_of_a_shorter_list_leaves_nothing_that_the_check_of_the_whole_list_finds_wrong(carried):
    (carried.folder / "results" / str(LOOSE) / "stats.json").unlink()
    carried.want(LOOSE)
    assert_ok(carried.run())
    assert_ok(carried.run("check"))
    carried.want(LOOSE, BUNDLED, EMPTY)
    done = carried.run("check")
    assert_ok(done)
    assert "3 complete" in done.stdout


def test_receipts_of_another_repository_are_found_and_the_record_is_carried_here(carried):
    results = carried.folder / "results" / str(LOOSE)
    for name in ("upload", "given", "proof", "stats"):
        document = read_receipt(results / f"{name}.json", name, recid=LOOSE)
        times = (results / f"{name}.json").stat()
        write_receipt(results / f"{name}.json", name, {**document, "repository": "https://other.example.org"})
        os.utime(results / f"{name}.json", ns=(times.st_atime_ns, times.st_mtime_ns))
    found = carried.run("check")
    assert found.returncode != 0
    assert f"results/{LOOSE}/upload.json" in found.stderr
    assert "that of another repository, https://other.example.org" in found.stderr
    assert_ok(mend(carried, found))
    assert_ok(carried.run("check"))
    assert carried.receipt(LOOSE, "upload")["repository"] == "sandbox"


def test_attachments_that_went_with_the_bytes_are_not_missed_beside_one_that_was_made_anew(carried):
    carried.config["storage"] = {"remove": ["bundles", "files"]}
    carried.write_metadata(LOOSE, {**carried.metadata(LOOSE), "title": "Another title"})
    assert_ok(carried.run())
    carried.config["storage"] = {"remove": []}
    document = carried.metadata(LOOSE)
    carried.write_metadata(LOOSE, {**document, "title": "Yet another title"})
    assert_ok(carried.run())
    assert_ok(carried.run("check"))


def test_a_list_without_a_record_and_a_line_of_a_proof_that_is_gone_are_told_as_what_they_are(carried):
    (carried.folder / "results" / str(LOOSE) / "proof.json").unlink()
    (carried.folder / "records.csv").write_text("recid\n")
    found = carried.run("check")
    assert "Traceback" not in found.stderr


def test_a_record_that_is_public_already_is_told_as_that_where_the_configuration_makes_drafts(carried):
    carried.config["repository"] = {"finish": "publish"}
    assert_ok(carried.run())
    carried.config["repository"] = {"finish": "draft"}
    for name in ("upload", "published", "proof", "stats"):
        (carried.folder / "results" / str(LOOSE) / f"{name}.json").unlink()
    assert_ok(carried.run())
    assert carried.receipt(LOOSE, "proof")["state"] == "published"
    assert carried.receipt(LOOSE, "stats")["state"] == "published"
    assert_ok(carried.run("audit"))
    assert_ok(carried.run("check"))
