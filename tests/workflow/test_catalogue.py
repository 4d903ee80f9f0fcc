"""`snakemake catalogue`: a master list from the portal, and no job of a record."""

import json

import pytest

from answering_portal import Answer, portal
from workflow.conftest import Flow
from workflow.test_chain import MANUAL, assert_ok


@pytest.mark.smoke
@pytest.mark.parametrize("has_list", [True, False])
def test_the_list_is_written_and_can_be_run(flow, has_list):
    hits = [{"metadata": {"recid": MANUAL, "title": "A manual", "type": {"secondary": ["Manual"]}}}]
    body = json.dumps({"hits": {"total": 1, "hits": hits}}).encode()
    flow.want(MANUAL)
    if not has_list:
        (flow.folder / "records.csv").unlink()
    with portal(Answer(body=body)) as server:
        flow.config = {"metadata": {"portal": server.url}}
        done = flow.run("catalogue")
    assert_ok(done)
    assert "DELPHI: 1 record in catalogue.csv" in done.stdout
    assert not (flow.folder / "results" / str(MANUAL)).exists()
    flow.config = {"records": {"list": "catalogue.csv"}}
    planned = flow.run("-n", "--quiet", "rules")
    assert_ok(planned)


def test_a_list_that_is_missing_is_told_in_a_folder_that_is_called_catalogue(tmp_path):
    flow = Flow(folder=tmp_path / "catalogue")
    flow.folder.mkdir()
    for arguments in ((), ("--dry-run",)):
        done = flow.run(*arguments)
        assert done.returncode == 1
        assert "records.csv: no such file; expected the master list" in done.stdout + done.stderr


def test_a_list_that_is_missing_is_told_where_more_than_the_catalogue_is_asked_for(flow):
    done = flow.run("catalogue", "check")
    assert done.returncode == 1
    assert "records.csv: no such file; expected the master list" in done.stdout + done.stderr
    assert not (flow.folder / "logs" / "run.json").exists(), "no run was begun"
