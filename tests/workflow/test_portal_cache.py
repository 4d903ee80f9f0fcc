"""The portal is asked once for each record, by whatever needs it first; again on demand, and then what changed runs."""

import csv
import json
import shutil

import pytest
from generated_records import put_below, redirect, write_records
from record_portal import record_portal

from workflow.test_chain import assert_ok

RECIDS = [7001, 7002, 7003]


@pytest.fixture
def of_portal(flow):
    """Return a folder whose list holds records that only the portal has, and these."""
    far = flow.folder / "far"
    write_records(flow.folder / "made", {recid: [100, 50] for recid in RECIDS}, put=put_below(far))
    records = {recid: json.loads((flow.folder / "made" / f"{recid}.json").read_bytes()) for recid in RECIDS}
    flow.want(*RECIDS)
    flow.config = {"source": {"redirects": redirect(far)}}
    return flow, records


def read_by(done):
    return {int(line.split("recid=")[1]) for line in done.stdout.splitlines() if "wildcards: recid=" in line}


def test_catalogue_plan_validate_diff_and_run_ask_the_portal_once_for_each_record(of_portal):
    flow, records = of_portal
    with record_portal(records) as portal:
        flow.config |= {"metadata": {"portal": portal.url}}
        assert_ok(flow.run("catalogue"))
        listed = len(portal.asked)
        assert listed == 2, "how many there are, and their page"
        planned = flow.run("plan")
        assert_ok(planned)
        assert "portal           3 records as of 2" in planned.stdout
        for arguments in (("validate",), ("diff",), (), ("validate",), ("--dry-run",)):
            assert_ok(flow.run(*arguments))
        assert sorted(portal.asked[listed:]) == [f"/api/records/{recid}" for recid in RECIDS]
        assert portal.connections <= 1 + 2, "one for the list, one for each process of the plan"
        assert set(flow.stats()["status"]) == {"ok"}
        assert flow.receipt(7001, "source")["origin"] == f"{portal.url}/api/records/7001"
        again = flow.run()
    assert_ok(again)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_what_the_portal_says_otherwise_is_read_by_the_next_run_and_by_nothing_before(of_portal):
    flow, records = of_portal
    with record_portal(records) as portal:
        flow.config |= {"metadata": {"portal": portal.url}}
        assert_ok(flow.run("validate", f"results/{RECIDS[0]}/source.json"))
        assert_ok(flow.run())
        portal.change(7002, records[7002] | {"title": "Another title"}, "2026-01-01T00:00:00+00:00")
        before = len(portal.asked)
        assert_ok(flow.run("plan"))
        nothing = flow.run("--dry-run")
        assert "Nothing to be done" in nothing.stdout + nothing.stderr
        assert len(portal.asked) == before
        told = flow.run("refresh")
        assert_ok(told)
        assert "changed          1 record (7002): the next run begins them anew" in told.stdout
        assert "as before        2 records" in told.stdout
        assert (len(portal.asked), portal.unchanged) == (before + 3, 2)
        assert read_by(flow.run("--dry-run")) == {7002}
        assert_ok(flow.run())
        assert flow.receipt(7002, "record")["metadata"]["title"] == "Another title"
        assert len(portal.asked) == before + 3
        assert "as before        3 records" in flow.run("refresh").stdout


def test_a_run_that_nothing_came_before_asks_itself_and_a_refresh_holds_what_comes_against_the_receipts(of_portal):
    flow, records = of_portal
    with record_portal(records, tells_etags=False) as portal:
        flow.config |= {"metadata": {"portal": portal.url}}
        assert_ok(flow.run())
        assert len(portal.asked) == 3
        assert_ok(flow.run("validate"))
        assert len(portal.asked) == 3
        shutil.rmtree(flow.folder / "metadata" / "cache")
        assert "as before        3 records" in flow.run("refresh").stdout
        nothing = flow.run("--dry-run")
        assert "Nothing to be done" in nothing.stdout + nothing.stderr
        portal.change(7003, records[7003] | {"title": "Another title"}, "2026-01-01T00:00:00+00:00")
        assert "changed          1 record (7003)" in flow.run("refresh").stdout
        assert read_by(flow.run("--dry-run")) == {7003}
        del portal.records[7001]
        told = flow.run("refresh")
        assert told.returncode == 1
        assert "not found        1 record (7001) at the portal" in told.stderr


def test_a_listing_that_tells_of_changes_has_those_records_asked_for_again(of_portal):
    flow, records = of_portal
    with record_portal(records) as portal:
        flow.config |= {"metadata": {"portal": portal.url}}
        assert_ok(flow.run("plan"))
        portal.change(7003, records[7003] | {"title": "Another title"}, "2026-01-01T00:00:00+00:00")
        assert_ok(flow.run("catalogue"))
        before = len(portal.asked)
        assert_ok(flow.run("plan"))
        assert portal.asked[before:] == ["/api/records/7003"]


def test_the_answers_may_be_removed_and_nothing_is_done_again_for_that(of_portal):
    flow, records = of_portal
    with record_portal(records) as portal:
        flow.config |= {"metadata": {"portal": portal.url}}
        assert_ok(flow.run("plan"))
        assert_ok(flow.run())
        shutil.rmtree(flow.folder / "metadata" / "cache")
        before = len(flow.jobs())
        nothing = flow.run()
        assert "Nothing to be done" in nothing.stdout + nothing.stderr
        assert len(flow.jobs()) == before
        assert len(portal.asked) == 3


def test_a_portal_that_is_away_is_not_missed_once_the_plan_has_asked(of_portal):
    flow, records = of_portal
    with record_portal(records) as portal:
        flow.config |= {"metadata": {"portal": portal.url}}
        assert_ok(flow.run("plan"))
    assert_ok(flow.run("validate"))
    assert_ok(flow.run())
    with (flow.folder / "results" / "stats.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["status"] for row in csv.DictReader(stream)] == ["ok"] * 3
