"""What the plan says a run will take, held against what it took."""

import csv

import pytest
from generated_records import put_below, redirect, write_records

from workflow.test_chain import assert_ok


@pytest.mark.parametrize("finish", ["draft", "publish"])
def test_a_record_takes_as_many_requests_as_were_planned(flow, finish):
    sizes = {7001: [100, 50], 7002: [], 7003: [10] * 30}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}, "repository": {"finish": finish}}
    flow.want(*sizes)
    assert_ok(flow.run("plan"))
    with (flow.folder / "results" / "plan.csv").open(encoding="utf-8", newline="") as stream:
        planned = {int(row["recid"]): int(row["requests"]) for row in csv.DictReader(stream)}
    assert_ok(flow.run())
    assert flow.stats()["requests"].to_dict() == planned
