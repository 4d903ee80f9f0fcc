"""The order in which records go: by priority, by size if that is asked for, and each to its end before the next."""

from itertools import groupby

from generated_records import put_below, redirect, write_records

from workflow.test_chain import assert_ok


def test_each_record_is_finished_before_the_next_begins_prioritised_ones_first_then_the_largest(flow):
    sizes = {7001: [100], 7002: [40_000] * 3, 7003: [3_000], 7004: [200]}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}, "records": {"largest_first": True}}
    flow.want(*sizes, priorities={7004: 1})
    assert_ok(flow.run("plan"))
    assert_ok(flow.run(*(f"results/{recid}/stats.json" for recid in sizes), cores=1))
    assert [recid for recid, _ in groupby(recid for recid, _ in flow.jobs())] == [7004, 7002, 7003, 7001]
