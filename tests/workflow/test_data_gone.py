"""data/ that goes away, or is not what it was, between two runs: one plain run has it right again."""

import json
import os
import shutil

import pytest
from generated_records import put_below, redirect, write_records

from workflow.test_chain import assert_ok

LOOSE, BUNDLED = 7001, 7002
RECIDS = (LOOSE, BUNDLED)


@pytest.fixture(params=["file", "stream"])
def half_way(flow, request):
    """Give a flow whose records, one of loose files and one with a bundle, are packaged and not uploaded."""
    sizes = {LOOSE: [100, 50], BUNDLED: [3000] * 30}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "package": {"mode": request.param, "max_files": 5},
        "download": {"attempts": 1},
    }
    flow.want(*RECIDS)
    assert_ok(flow.run(*(f"results/{recid}/package.json" for recid in RECIDS)))
    return flow


def carry(flow):
    return flow.run(*(f"results/{recid}/stats.json" for recid in RECIDS))


def written(flow):
    """Return what the repository was asked to change."""
    log = flow.folder / "data/sandbox/repository/requests.jsonl"
    return [request for request in flow.requests() if request["method"] != "GET"] if log.exists() else []


def records(flow):
    paths = (flow.folder / "data/sandbox/repository/records").glob("*.json")
    return {json.loads(path.read_bytes())["draft"]["metadata"]["title"] for path in paths}


def assert_all_there(flow):
    files = {recid: {file["key"] for file in flow.receipt(recid, "upload")["files"]} for recid in RECIDS}
    assert [len(files[LOOSE]), len(files[BUNDLED])] == [2 + 2, 1 + 2]
    assert len(list((flow.folder / "data/sandbox/repository/records").glob("*.json"))) == len(RECIDS)


def test_data_that_go_before_the_upload_are_fetched_by_it_and_nothing_is_made_before_they_are_there(half_way):
    for recid in RECIDS:
        shutil.rmtree(half_way.folder / f"data/{recid}")
    reached = half_way.config["source"]
    half_way.config["source"] = {"redirects": redirect(half_way.folder / "nowhere")}
    failed = carry(half_way)
    assert failed.returncode != 0
    assert written(half_way) == [], "no draft without the bytes that belong to it"
    half_way.config["source"] = reached
    assert_ok(carry(half_way))
    assert_all_there(half_way)


def test_files_that_are_not_what_they_were_are_fetched_again_by_the_step_that_reads_them(half_way):
    for recid in RECIDS:
        for path in (half_way.folder / f"data/{recid}").rglob("*"):
            if path.is_file() and path.stat().st_size:
                times = path.stat()
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.write_bytes(data)
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert_ok(carry(half_way))
    assert_all_there(half_way)


def test_a_new_title_after_all_data_went_changes_the_one_draft(half_way):
    assert_ok(carry(half_way))
    for recid in RECIDS:
        shutil.rmtree(half_way.folder / f"data/{recid}")
        half_way.write_metadata(recid, {**half_way.metadata(recid), "title": f"A new title of {recid}"})
    assert_ok(carry(half_way))
    assert_all_there(half_way)
    assert records(half_way) == {f"A new title of {recid}" for recid in RECIDS}


@pytest.mark.parametrize("kept", [True, False], ids=["deposit.json is kept", "all of data/ is gone"])
def test_a_change_of_metadata_alone_needs_no_bytes(half_way, kept):
    assert_ok(carry(half_way))
    corrections = half_way.folder / "metadata/corrections"
    corrections.mkdir(exist_ok=True)
    for recid in RECIDS:
        state = half_way.folder / f"data/{recid}/deposit.json"
        content = state.read_bytes()
        shutil.rmtree(state.parent)
        if kept:
            state.parent.mkdir()
            state.write_bytes(content)
        (corrections / f"{recid}.yaml").write_text(f"title: A corrected title of {recid}\n", encoding="utf-8")
    half_way.config["source"] = {"redirects": redirect(half_way.folder / "nowhere")}
    assert_ok(carry(half_way))
    assert_all_there(half_way)
    assert records(half_way) == {f"A corrected title of {recid}" for recid in RECIDS}
    assert not list((half_way.folder / "data").glob("700?/files/*"))
