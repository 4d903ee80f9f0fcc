"""`snakemake audit`: what the repository has against the proofs, within its requests, gone on with after a kill."""

import csv
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from generated_records import put_below, redirect, write_records
from sandbox_here import sandbox_here

from ferry.errors import TransientError
from ferry.mapping.diff import record_fields
from ferry.receipts import digest, write_receipt
from ferry.steps.audit import audit_all
from ferry.steps.audit_records import Audit
from workflow.conftest import Flow
from workflow.test_chain import assert_ok

FIRST, RECORDS = 7000, 30


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    """Give a folder that has published its records, and the repository that has them, in this process."""
    flow = Flow(folder=tmp_path_factory.mktemp("audited"))
    sizes = {FIRST + number: [20 + number] * (1 + number % 3) for number in range(RECORDS)}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    with sandbox_here(flow.folder / "repository") as here:
        flow.here = here
        flow.environment = {"NRP_TOKEN": here.token}
        flow.config = {
            "source": {"redirects": redirect(flow.folder / "far")},
            "repository": {
                "url": here.url,
                "finish": "publish",
                "requests_per_minute": None,
                "requests_per_hour": None,
            },
        }
        flow.want(*sizes)
        assert_ok(flow.run())
        yield flow


def asked(flow: Flow) -> list[str]:
    """Return method and path of all requests so far."""
    lines = flow.here.log.read_text(encoding="utf-8").splitlines()
    return [f"{request['method']} {request['path']}" for request in map(json.loads, lines)]


def rows(flow: Flow) -> list[dict[str, str]]:
    with (flow.folder / "results" / "audit.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_whole_repository_takes_a_request_a_record_and_gives_no_alarm(carried):
    before = len(asked(carried))
    done = carried.run("audit")
    assert_ok(done)
    requests = [each for each in asked(carried)[before:] if "/api/records/" in each or "/api/user/records" in each]
    assert len(requests) == RECORDS + 1
    assert {each.partition(" ")[0] for each in requests} == {"GET"}
    assert f"{RECORDS} records asked in the repository: {RECORDS} as proven; {RECORDS + 1} requests" in done.stdout
    assert [row["result"] for row in rows(carried)] == ["ok"] * RECORDS
    assert "None was made" not in (carried.folder / "results/tables/audit.html").read_text(encoding="utf-8")


def look(flow, **changes):
    """Audit in this process, in the folder; return what was told."""
    made = Audit(
        repository={"verify_tls": True, "model": None, **flow.config["repository"]},
        settings={"stall_s": 10, "attempts": 1, "parallel_files": 1, **changes},
        identifier_prefix=None,
        publish=True,
        results_dir=Path("results"),
        data_dir=Path("data"),
        logs_dir=Path("logs"),
        sandbox_dir=Path("data/sandbox"),
    )
    recids = range(FIRST, FIRST + RECORDS)
    return audit_all(made, recids, seed=1, results_dir=Path("results"), table_path=Path("results/audit.csv"))


def test_an_audit_that_is_broken_off_goes_on_and_asks_for_no_record_again(carried, monkeypatch):
    assert_ok(carried.run("audit"))  # the folder knows its repository
    monkeypatch.chdir(carried.folder)
    monkeypatch.setenv("NRP_TOKEN", carried.here.token)
    before = len(asked(carried))
    answer, left = carried.here.site.record_answer, iter([True] * 12)

    def breaks_off(*arguments):
        if next(left, False):
            return answer(*arguments)
        raise RuntimeError("on its way down")

    monkeypatch.setattr(carried.here.site, "record_answer", breaks_off)
    with pytest.raises(TransientError, match=f"12 records of {RECORDS} asked so far: run again, none of them is asked"):
        look(carried)
    monkeypatch.setattr(carried.here.site, "record_answer", answer)
    assert "12 records were asked before" in look(carried)
    times = Counter(each for each in asked(carried)[before:] if "/api/records/" in each)
    assert sorted(times.values()) == [1] * (RECORDS - 1) + [2], "the one that was not answered is asked once more"
    look(carried)
    assert len([each for each in asked(carried)[before:] if "/api/records/" in each]) == 2 * RECORDS + 1, "all anew"


def test_what_is_lost_or_changed_is_brought_again_by_the_command_that_is_told(flow):
    write_records(flow.folder / "metadata", {1: [30, 40], 2: [50]}, put=put_below(flow.folder / "far"))
    with sandbox_here(flow.folder / "repository") as here:
        flow.environment = {"NRP_TOKEN": here.token}
        flow.config = {
            "source": {"redirects": redirect(flow.folder / "far")},
            "repository": {"url": here.url, "requests_per_minute": None, "requests_per_hour": None},
        }
        flow.want(1, 2)
        assert_ok(flow.run())
        ids = {recid: flow.receipt(recid, "upload")["record_id"] for recid in (1, 2)}
        bucket = here.site.store.records[ids[1]]["draft"]["bucket"]
        here.site.store.drop_entry(bucket, "f00001.al")
        here.site.store.delete_record(ids[2])
        found = flow.run("audit")
        assert found.returncode != 0
        assert "1  lost, file f00001.al: expected 40 bytes, md5 " in found.stderr
        assert f"2  lost, record: expected {ids[2]}, found no record of this id" in found.stderr
        (command,) = [line.partition(": ")[2] for line in found.stderr.splitlines() if "to bring again" in line]
        environment = {**os.environ, **flow.environment}
        done = subprocess.run(
            command, shell=True, cwd=flow.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert_ok(done)
        assert_ok(flow.run("audit"))
        assert "f00001.al" in here.site.store.entries(bucket)
        assert flow.receipt(2, "upload")["record_id"] != ids[2]
        assert_ok(flow.run("mend"))
        assert (flow.folder / "results/1/stats.json").exists(), "an audit speaks of no record that was made anew since"


LOOSE, BUNDLED = 1, 2


def read_back_flow(flow, here, *, share):
    """Write a record of loose files and one with a bundle, for a folder that reads a share of them back."""
    sizes = {LOOSE: [30 + n for n in range(4)], BUNDLED: [3000 + n for n in range(40)]}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.here, flow.environment = here, {"NRP_TOKEN": here.token}
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "package": {"max_files": 20},
        "repository": {"url": here.url, "finish": "publish", "requests_per_minute": None, "requests_per_hour": None},
        "audit": {"read_back": share, "seed": 7},
    }
    flow.want(*sizes)


def test_what_was_read_back_is_told_as_that_by_proof_stats_tables_and_report(flow):
    with sandbox_here(flow.folder / "repository") as here:
        read_back_flow(flow, here, share=0.3)
        assert_ok(flow.run())
        before = len(asked(flow))
        first = flow.run("audit")
        assert_ok(first)
        read = {
            (recid, file["key"])
            for recid in (LOOSE, BUNDLED)
            for file in flow.receipt(recid, "proof")["files"]
            if file["confirmed_by"] == "read_back"
        }
        assert 0 < len(read) < 44
        assert f"{len(read)} files read back from the repository and right (audit.read_back, 0.3 of all" in first.stdout
        contents = [each for each in asked(flow)[before:] if each.endswith("/content")]
        loose = sum(recid == LOOSE for recid, _ in read)
        assert len(contents) == loose + 2, (
            "the sandbox gives no parts of a file: asked for one, then the bundle is read"
        )
        assert_ok(flow.run("check"))
        assert_ok(flow.run())
        files = pd.read_parquet(flow.folder / "results" / "files.parquet")
        told = files[files["confirmed_by"] == "read_back"]
        assert set(zip(told["recid"], told["key"], strict=True)) == read
        assert flow.stats()["read_back_count"].sum() == len(read)
        overview = (flow.folder / "results/overview.html").read_text(encoding="utf-8")
        assert f"{len(read)} of 44: read again and compared; of the others the repository says" in overview
        again = flow.run("audit")
        assert f"{len(read)} files read back" in again.stdout, "the same seed reads the same files"
        assert_ok(flow.run())
        flow.config["audit"] = {"read_back": "all"}
        assert_ok(flow.run("audit"))
        for recid in (LOOSE, BUNDLED):
            proof = flow.receipt(recid, "proof")
            assert {each["confirmed_by"] for each in (*proof["files"], *proof["uploads"])} == {"read_back"}
        assert_ok(flow.run("check"))


def test_public_files_are_read_back_without_the_token(flow):
    with sandbox_here(flow.folder / "repository") as here:
        read_back_flow(flow, here, share="all")
        assert_ok(flow.run())
        seen = []
        published_of = here.site.published_of

        def note(request, record_id):
            if request.path.endswith("/content"):
                seen.append(request.headers.get("Authorization"))
            return published_of(request, record_id)

        here.site.published_of = note
        assert_ok(flow.run("audit"))
        assert seen
        assert set(seen) == {None}


@pytest.mark.parametrize("gives", ["zeros", "nothing"])
def test_a_server_that_swallows_each_body_and_echoes_its_size_and_md5_is_found_out(flow, gives):
    with sandbox_here(flow.folder / "repository") as here:
        read_back_flow(flow, here, share=0)
        flow.config["upload"] = {"stall_s": 1}  # it promises bytes, and gives none
        keep = here.site.store.keep_blob

        def swallow(incoming):
            file_id = keep(incoming)
            blob = here.site.store.blob_path(file_id)
            blob.write_bytes(bytes(blob.stat().st_size) if gives == "zeros" else b"")
            return file_id

        here.site.store.keep_blob = swallow
        assert_ok(flow.run())
        assert set(flow.stats()["status"]) == {"ok"}, "its word is believed"
        assert_ok(flow.run("audit"))
        flow.config["audit"] = {"read_back": "all"}
        found = flow.run("audit")
        assert found.returncode != 0
        wrong = {(row["recid"], row["what"]) for row in rows(flow) if row["result"] in ("changed", "lost")}
        keys = {
            (str(recid), f"file {each['key']}") for recid in (1, 2) for each in flow.receipt(recid, "proof")["uploads"]
        }
        assert keys <= wrong
        assert {each["confirmed_by"] for each in flow.receipt(1, "proof")["files"]} == {"repository"}
        if gives == "zeros":
            here.site.store.keep_blob = keep
            what_was_swallowed_is_sent_again(flow)


def what_was_swallowed_is_sent_again(flow):
    """Follow what the audit said, beside a server that keeps its bodies now."""
    assert_ok(flow.run("mend"))
    refused = flow.run()
    assert refused.returncode != 0, "what is public is not changed unless that is asked for"
    assert "is published already and its files differ" in refused.stdout + refused.stderr
    flow.config["repository"]["when_published"] = "new_version"
    assert_ok(flow.run())
    assert_ok(flow.run("audit"))
    for recid in (LOOSE, BUNDLED):
        proof = flow.receipt(recid, "proof")
        assert {each["confirmed_by"] for each in (*proof["files"], *proof["uploads"])} == {"read_back"}
    writes = [each for each in asked(flow) if not each.startswith("GET ")]
    assert_ok(flow.run())
    assert [each for each in asked(flow) if not each.startswith("GET ")] == writes


def copied(flow, here, *, of, recids):
    """Give the folder, and the repository, a record for each recid that is as the one carried but for its numbers."""
    folder, results = flow.folder, flow.folder / "results"
    template = {name: flow.receipt(of, name) for name in ("record", "mapping", "upload", "proof", "given")}
    record_id = template["upload"]["record_id"]
    stored = here.site.store.records[record_id]
    for recid in recids:
        new_id = f"copy-{recid}"

        def renumbered(document, recid=recid, new_id=new_id):
            return json.loads(json.dumps(document).replace(str(of), str(recid)).replace(record_id, new_id))

        receipts = {name: renumbered(document) for name, document in template.items()}
        changed = zip(
            record_fields(template["record"]).values(), record_fields(receipts["record"]).values(), strict=True
        )
        digests = {digest(before): digest(after) for before, after in changed}
        for name in ("given", "shown"):
            given = receipts["given"][name]
            receipts["given"][name] = {field: digests.get(value, value) for field, value in given.items()}
        receipts["mapping"]["record_sha256"] = digest(receipts["record"])
        for name, document in receipts.items():
            unsealed = {key: value for key, value in document.items() if key != "sha256"}
            own = {} if name == "record" else {"recid": recid}
            write_receipt(results / str(recid) / f"{name}.json", name, unsealed | own)
        here.site.store.records[new_id] = renumbered(stored) | {"id": new_id}
        here.site.index.changed(new_id)
    flow.want(of, *recids)
    return folder


def test_a_thousand_records_take_a_request_each_also_when_the_audit_is_killed(flow):
    """Killed at about a third and at a half; what was answered and noted is not asked again."""
    records, at_once, of = 1000, 4, 7_654_321
    write_records(flow.folder / "metadata", {of: [20]}, put=put_below(flow.folder / "far"))
    with sandbox_here(flow.folder / "repository") as here:
        flow.here, flow.environment = here, {"NRP_TOKEN": here.token}
        flow.config = {
            "source": {"redirects": redirect(flow.folder / "far")},
            "repository": {"url": here.url, "requests_per_minute": None, "requests_per_hour": None},
            "upload": {"parallel_files": at_once},
            "package": {"attachments": []},  # they are named by their records
        }
        flow.want(of)
        assert_ok(flow.run())
        copied(flow, here, of=of, recids=range(1_000_001, 1_000_000 + records))
        begun = len(asked(flow))
        for share in (3, 2):
            process = subprocess.Popen(
                flow.command("audit"),
                env={**os.environ, **flow.environment},
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while len(asked(flow)) < begun + records // share and process.poll() is None:
                time.sleep(0.05)
            assert process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        done = flow.run("audit")
        assert_ok(done)
        assert f"{records:,} as proven" in done.stdout
        times = Counter(each for each in asked(flow)[begun:] if "/api/records/" in each or "/user/records" in each)
        print(f"{sum(times.values())} requests for {records} records, killed twice")
        assert sum(times.values()) <= 1.05 * records
        again = sum(count - 1 for path, count in times.items() if "/api/records/" in path)
        assert again <= 2 * at_once, "only what nobody had answered, or noted yet, at the moment of a kill"
        assert len(rows(flow)) == records
