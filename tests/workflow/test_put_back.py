"""The receipts of a record as all of them were some time ago, put back: they fit each other, and are not believed."""

import json
import os
import shutil

import pytest
from generated_records import put_below, redirect, write_records

from workflow.test_chain import assert_ok
from workflow.test_changed_between_runs import mend

RECID = 7001


@pytest.fixture
def put_back(flow):
    """Give a folder with the receipts of the first of two states of a record; the repository holds the second."""
    write_records(flow.folder / "metadata", {RECID: [100]}, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}}
    flow.want(RECID)
    assert_ok(carry(flow))
    shutil.copytree(flow.folder / "results", flow.folder / "last week")
    (flow.folder / "metadata/corrections").mkdir(exist_ok=True)
    (flow.folder / f"metadata/corrections/{RECID}.yaml").write_text("title: A corrected title\n", encoding="utf-8")
    assert_ok(carry(flow))
    assert titles(flow) == ["A corrected title"]
    shutil.copytree(flow.folder / "last week", flow.folder / "results", dirs_exist_ok=True)
    for path in (flow.folder / "results").rglob("*"):
        os.utime(path)
    return flow


def carry(flow):
    return flow.run(f"results/{RECID}/stats.json")


def titles(flow):
    paths = (flow.folder / "data/sandbox/repository/records").glob("*.json")
    held = [json.loads(path.read_bytes()) for path in paths]
    return [(record["published"] or record["draft"])["metadata"]["title"] for record in held]


def test_check_names_them_and_its_one_command_makes_them_anew(put_back):
    found = put_back.run("check")
    assert found.returncode != 0
    assert "an older one: by its journal, another was made at 20" in found.stdout + found.stderr
    assert_ok(mend(put_back, found))
    assert_ok(put_back.run("check"))
    assert_ok(carry(put_back))
    assert titles(put_back) == ["A corrected title"]
    assert put_back.receipt(RECID, "record")["metadata"]["title"] == "A corrected title"


def test_the_next_run_that_touches_the_record_makes_them_anew(put_back):
    put_back.config["repository"] = {"finish": "publish"}
    failed = carry(put_back)
    assert failed.returncode != 0
    assert "an older one: by its journal" in put_back.receipt(RECID, "failure")["error"]
    assert_ok(carry(put_back))
    assert titles(put_back) == ["A corrected title"]
    assert put_back.receipt(RECID, "record")["metadata"]["title"] == "A corrected title"
