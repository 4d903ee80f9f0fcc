"""`snakemake diff`: the change is shown field by field, nothing is written, and an upload writes only what changed."""

import csv
import json

import pytest

from workflow.test_chain import MANUAL, assert_ok, first_record


def table(flow):
    return list(csv.DictReader((flow.folder / "results/diff.csv").read_text(encoding="utf-8").splitlines()))


def test_a_change_is_shown_then_uploaded_and_then_there_is_none(flow):
    flow.want(MANUAL)
    absent = flow.run("diff")
    assert_ok(absent)
    assert "1 record: 1 not there yet" in absent.stdout
    assert_ok(flow.run())
    equal = flow.run("diff")
    assert_ok(equal)
    assert "1 record: 1 equal" in equal.stdout
    document = flow.metadata(MANUAL)
    old = first_record(document)["title"]
    first_record(document)["title"] = "A corrected title"
    flow.write_metadata(MANUAL, document)
    before = len(flow.requests())
    changed = flow.run("diff")
    assert_ok(changed)
    assert f'metadata.title: {json.dumps(old)} -> "A corrected title"' in changed.stdout
    [row] = table(flow)
    assert (row["recid"], row["state"], row["path"], row["kind"]) == (str(MANUAL), "draft", "metadata.title", "changed")
    assert {request["method"] for request in flow.requests()[before:]} == {"GET"}
    assert_ok(flow.run())
    done = flow.run("diff")
    assert "1 record: 1 equal" in done.stdout


@pytest.mark.smoke
def test_a_record_that_cannot_be_compared_is_told_beside_the_others(flow):
    flow.want(MANUAL, 99)
    flow.write_metadata(99, {"recid": "99"})
    done = flow.run("diff")
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "  99  title: expected a text, found none" in told
    assert "2 records: 1 not there yet, 1 not compared" in told
    assert "compared are metadata and access; files are compared by the upload itself" in told
