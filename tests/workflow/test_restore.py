"""`snakemake restore`: the files of records back from the repository, also where nothing else is left of a run."""

import copy
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import zlib

import pytest
from generated_records import document, put_below, redirect, write_records
from own_records import OWN, own_record

from workflow.conftest import Flow
from workflow.test_chain import assert_ok

LOOSE, BUNDLED, SPLIT, ODD = 7001, 7002, 7003, 7004
SIZES = {LOOSE: [100, 50, 0], BUNDLED: [3000] * 30, SPLIT: [80_000] * 30}
ODD_NAMES = [
    "a/same.txt",
    "b/same.txt",
    "with space %41 & ü.txt",
    "Case.txt",
    "case.txt",
    "con.txt",
    "deep/er/..hidden",
    "MANIFEST",
]


def tree(folder):
    """Return path -> digest of all files below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def want_all(flow):
    """Want one record of each kind, whose files lie in a folder."""
    put = put_below(flow.folder / "far")
    write_records(flow.folder / "metadata", SIZES, put=put)
    files = []
    for number, name in enumerate(ODD_NAMES):
        data = f"{number} {name}\n".encode() * (1 + 700 * number)
        put(f"odd/{name}", data)
        uri = f"root://eospublic.cern.ch//eos/opendata/odd/{name}"
        files.append({"uri": uri, "size": len(data), "checksum": f"adler32:{zlib.adler32(data):08x}"})
    flow.write_metadata(ODD, document(ODD, files))
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "repository": {"finish": "publish"},
        "package": {"max_files": 5, "max_bundle_bytes": 1_000_000},
    }
    flow.want(*SIZES, ODD)


def carry(flow):
    assert_ok(flow.run(*(f"results/{recid}/stats.json" for recid in (*SIZES, ODD))))


@pytest.fixture(scope="module")
def carried_once(tmp_path_factory):
    """Carry the records once for all tests that begin with that."""
    flow = Flow(folder=tmp_path_factory.mktemp("carried"))
    want_all(flow)
    carry(flow)
    return flow


@pytest.fixture
def carried(flow, carried_once):
    """Give a folder of the test's own, with all that was carried."""
    shutil.copytree(carried_once.folder, flow.folder, dirs_exist_ok=True)
    flow.config = copy.deepcopy(carried_once.config)
    return flow


def sources(flow):
    return {recid: tree(flow.folder / f"data/{recid}/files") for recid in (*SIZES, ODD)}


def lose_everything(flow):
    """Remove all that runs have made, but for what the repository has."""
    for name in ("results", "logs", "benchmarks", ".snakemake", "metadata", "far"):
        shutil.rmtree(flow.folder / name)
    for recid in (*SIZES, ODD):
        shutil.rmtree(flow.folder / f"data/{recid}")


def restored(flow):
    return {recid: tree(flow.folder / f"restored/{recid}") for recid in (*SIZES, ODD)}


def told(flow, recid):
    return json.loads((flow.folder / f"restored/{recid}.json").read_bytes())


def content_requests(flow):
    return [
        request for request in flow.requests() if request["path"].endswith("/content") and request["method"] == "GET"
    ]


def test_what_is_restored_after_everything_was_lost_is_what_was_carried(carried):
    source = sources(carried)
    assert len(source[ODD]) == len(ODD_NAMES)
    lose_everything(carried)
    done = carried.run("restore")
    assert_ok(done)
    assert restored(carried) == source
    assert "4 records restored: 71 files" in done.stdout
    assert "proven by the manifest that went up with it" in done.stdout
    for recid in (*SIZES, ODD):
        assert told(carried, recid)["stated_by"] == "manifest"
        assert {file["proven_by"] for file in told(carried, recid)["files"]} == {"manifest"}
    asked = len(content_requests(carried))
    again = carried.run("restore")
    assert_ok(again)
    assert "0 B came from the repository now" in again.stdout
    manifests = 4
    assert len(content_requests(carried)) == asked + manifests, "what is proven is not fetched again"
    rows = list(csv.DictReader((carried.folder / "results/restore.csv").read_text(encoding="utf-8").splitlines()))
    assert [int(row["recid"]) for row in rows] == [*SIZES, ODD]


def test_with_its_proof_a_record_is_proven_by_what_cern_declares_and_a_proof_that_was_edited_is_not_believed(carried):
    source = sources(carried)
    kept = {recid: (carried.folder / f"results/{recid}/proof.json").read_bytes() for recid in (LOOSE, BUNDLED)}
    lose_everything(carried)
    for recid, proof in kept.items():
        (carried.folder / f"results/{recid}").mkdir(parents=True)
        (carried.folder / f"results/{recid}/proof.json").write_bytes(proof)
    assert_ok(carried.run("restore"))
    assert restored(carried) == source
    assert [told(carried, recid)["stated_by"] for recid in (LOOSE, BUNDLED, SPLIT)] == ["proof", "proof", "manifest"]
    edited = json.loads(kept[LOOSE])
    edited["files"][0]["adler32"] = "0" * 8
    (carried.folder / f"results/{LOOSE}/proof.json").write_text(json.dumps(edited), encoding="ascii")
    done = carried.run("restore")
    assert done.returncode != 0
    assert (
        f"results/{LOOSE}/proof.json: expected the proof of record {LOOSE}, found one that was changed" in done.stderr
    )
    table = (carried.folder / "results/restore.csv").read_text(encoding="utf-8")
    assert "put back one that is whole, or remove it, to go by the manifest that went up" in table
    (carried.folder / f"results/{LOOSE}/proof.json").unlink()
    assert_ok(carried.run("restore"))
    assert restored(carried) == source
    assert told(carried, LOOSE)["stated_by"] == "manifest"


def test_what_is_gone_or_was_changed_is_brought_again_and_nothing_else(carried):
    source = sources(carried)
    assert_ok(carried.run("restore"))
    loose, packed = (carried.folder / f"restored/{recid}/f00001.al" for recid in (LOOSE, BUNDLED))
    times = loose.stat()
    loose.write_bytes(b"x" * times.st_size)
    os.utime(loose, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a disk does that fails after years
    packed.unlink()
    done = carried.run("restore")
    assert_ok(done)
    assert restored(carried) == source
    assert [row["files_fetched"] for row in rows_of(carried)] == ["1", "1", "0", "0"]
    assert_ok(carried.run("restore"))
    assert restored(carried) == source
    assert [row["files_fetched"] for row in rows_of(carried)] == ["0", "0", "0", "0"], "read and proven, not fetched"


@pytest.mark.parametrize("max_files", [20, 2])
def test_records_of_ones_own_come_back_by_their_proofs_and_every_manifest_beside_them_is_held(flow, max_files):
    """What a manifest states was not computed of a file that came alone: the whole restore ended in a KeyError."""
    folder = flow.folder / "mine" / "1001"
    files = {"a.txt": b"1\n", "night/b.txt": b"22\n", "night/c.txt": b""}
    for name, data in files.items():
        put_below(folder)(name, data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    flow.write_metadata(1001, own_record())
    flow.config = {
        **OWN,
        "source": {"data_root": str(folder.parent)},
        "package": {"max_files": max_files},
        "repository": {"finish": "publish"},
    }
    flow.want(1001)
    assert_ok(flow.run("results/1001/stats.json"))
    assert_ok(flow.run("restore"))
    assert tree(flow.folder / "restored/1001") == digests
    assert told(flow, 1001)["stated_by"] == "proof"


def test_a_killed_restore_goes_on_where_it_was(carried):
    source = sources(carried)
    run = subprocess.Popen(
        carried.command("restore"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 100
    while not list((carried.folder / "restored").glob(f"{SPLIT}/*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    there = [path for recid in source for path in (carried.folder / f"restored/{recid}").glob("*")]
    assert there, "it had begun"
    assert_ok(carried.run("restore"))
    assert restored(carried) == source


def rows_of(flow):
    return list(csv.DictReader((flow.folder / "results/restore.csv").read_text(encoding="utf-8").splitlines()))


def test_one_record_is_a_target_and_patterns_choose_files(carried):
    source = sources(carried)
    lose_everything(carried)
    (carried.folder / "records.csv").unlink()
    carried.config["restore"] = {"patterns": ["f0000[12].al"]}
    done = carried.run(f"restored/{BUNDLED}.json")
    assert_ok(done)
    chosen = {"f00001.al", "f00002.al"}
    assert tree(carried.folder / f"restored/{BUNDLED}") == {name: source[BUNDLED][name] for name in chosen}
    assert told(carried, BUNDLED)["patterns"] == ["f0000[12].al"]
    assert not (carried.folder / f"restored/{LOOSE}").exists()


def test_a_query_of_the_repository_chooses_records(carried):
    source = sources(carried)
    lose_everything(carried)
    (carried.folder / "records.csv").unlink()
    carried.config["restore"] = {"query": f'metadata.title:"Generated record {LOOSE}"'}
    assert_ok(carried.run("restore"))
    assert tree(carried.folder / f"restored/{LOOSE}") == source[LOOSE]
    carried.config["restore"] = {"query": "metadata.title:nothing"}
    done = carried.run("restore")
    assert done.returncode != 0
    assert "expected records of ours that fit 'metadata.title:nothing', found none" in done.stderr


@pytest.mark.parametrize("attachments", [[], ["source"]], ids=["nothing", "source"])
def test_without_a_manifest_the_result_says_what_proves_each_file(flow, attachments):
    carried = flow
    want_all(carried)
    carried.config["package"]["attachments"] = attachments
    carry(carried)
    source = sources(carried)
    lose_everything(carried)
    done = carried.run("restore")
    assert_ok(done)
    assert restored(carried) == source
    assert "proven by the repository's own checksums alone" in done.stdout
    proven = {recid: {file["proven_by"] for file in told(carried, recid)["files"]} for recid in (*SIZES, ODD)}
    assert proven == {LOOSE: {"repository"}, BUNDLED: {"bundle"}, SPLIT: {"bundle"}, ODD: {"bundle"}}
    assert_ok(carried.run("restore"))
    assert restored(carried) == source


def test_what_was_restored_is_a_source_that_proves_published_records_without_asking_cern(carried):
    source = sources(carried)
    metadata = {recid: carried.metadata(recid) for recid in source}
    lose_everything(carried)
    assert_ok(carried.run("restore"))
    for recid, as_it_was in metadata.items():
        carried.write_metadata(recid, as_it_was)
    carried.config["source"] = {"data_root": "restored", "hidden": ["..hidden"]}
    before = len(carried.requests())
    assert_ok(carried.run(*(f"results/{recid}/stats.json" for recid in source)))
    assert {request["method"] for request in carried.requests()[before:]} == {"GET"}
    for recid in source:
        assert carried.receipt(recid, "stats")["status"] == "ok"
        assert carried.receipt(recid, "published")["state"] == "published"
        assert carried.receipt(recid, "proof")["files"], "by what CERN declares"
    assert sources(carried) == source


def test_a_draft_is_restored_too(flow):
    want_all(flow)
    flow.config["repository"] = {"finish": "draft"}
    flow.want(LOOSE)
    target = f"results/{LOOSE}/stats.json"
    assert_ok(flow.run(target))
    source = tree(flow.folder / f"data/{LOOSE}/files")
    for name in ("results", "logs", f"data/{LOOSE}"):
        shutil.rmtree(flow.folder / name)
    assert_ok(flow.run("restore"))
    assert tree(flow.folder / f"restored/{LOOSE}") == source
    assert not told(flow, LOOSE)["is_published"]


def test_a_record_that_is_not_there_is_told_and_the_others_come(carried):
    source = sources(carried)
    carried.want(*SIZES, ODD, 99)
    done = carried.run("restore")
    assert done.returncode != 0
    assert "https://opendata.cern.ch/record/99: expected a record in the repository, found none" in done.stderr
    assert restored(carried) == source


def test_bytes_that_changed_in_the_repository_are_told_and_get_no_name(carried):
    for recid in (LOOSE, BUNDLED):
        spoil(carried, recid)
    lose_everything(carried)
    done = carried.run("restore")
    assert done.returncode != 0
    rows = {int(row["recid"]): row for row in rows_of(carried)}
    assert "IntegrityError" in rows[LOOSE]["error"]
    assert "md5" in rows[LOOSE]["error"]
    assert "IntegrityError" in rows[BUNDLED]["error"]
    assert not rows[SPLIT]["error"]
    assert not (carried.folder / f"restored/{LOOSE}/f00000.al").exists()


def spoil(flow, recid):
    """Change one byte of the first upload of a record, where the sandbox keeps it."""
    md5s = {file["key"]: file["md5"] for file in flow.receipt(recid, "upload")["files"]}
    md5 = next(md5 for key, md5 in sorted(md5s.items()) if key.endswith((".al", ".zip")))
    [path] = [
        path
        for path in (flow.folder / "data/sandbox/repository").rglob("*")
        if path.is_file() and hashlib.md5(path.read_bytes()).hexdigest() == md5
    ]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
