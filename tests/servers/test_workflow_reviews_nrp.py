"""A run, a decision, another run, at a real NRP repository: by its community and by a workflow with reviewers."""

import itertools
import time

import pytest
from generated_records import put_below, redirect, write_records

from servers.raw_api import Api
from workflow.conftest import Flow
from workflow.test_chain import assert_ok
from workflow.test_reviews import check_decisions, decide, states

pytestmark = [pytest.mark.nrp, pytest.mark.timeout(900)]

_recids = itertools.count(9_390_000 + int(time.time()) % 9_000)


@pytest.fixture
def carried(nrp, tmp_path):
    """Return what makes a flow of so many records with such settings, and runs it once."""

    def carry(count, **settings):
        flow = Flow(folder=tmp_path / "run", environment={"NRP_TOKEN": nrp.token})
        recids = [next(_recids) for _ in range(count)]
        sizes = {recid: [100] for recid in recids}
        write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
        flow.config = {
            "source": {"redirects": redirect(flow.folder / "far")},
            "transform": {"profile": nrp.base},
            "repository": {"url": nrp.url, "model": nrp.model, **settings},
        }
        flow.want(*recids)
        assert_ok(flow.run())
        return flow, recids

    return carry


def test_one_further_run_tells_what_was_accepted_declined_and_left_and_what_is_corrected_is_in_review_again(
    nrp, carried
):
    flow, recids = carried(3, finish="review", community=nrp.community)
    check_decisions(flow, Api(nrp.url, nrp.curator_token), recids)


def test_a_change_of_a_reviewed_record_is_public_when_the_curator_has_accepted_it(nrp, carried):
    flow, (recid,) = carried(1, finish="publish", community=nrp.community, when_published="update_metadata")
    curator = Api(nrp.url, nrp.curator_token)
    decide(flow, curator, recid, "accept")
    assert_ok(flow.run())
    assert states(flow) == {recid: "published"}
    flow.write_metadata(recid, {**flow.metadata(recid), "title": "A better title"})
    flow.config["repository"]["when_published"] = "new_version"  # its own JSON goes up with it
    assert_ok(flow.run())
    assert states(flow) == {recid: "in_review"}
    decide(flow, curator, recid, "accept")
    assert_ok(flow.run())
    assert states(flow) == {recid: "published"}
    record = Api(nrp.url, nrp.token).call("GET", f"/api/{nrp.model}/{flow.receipt(recid, 'published')['record_id']}")
    assert record.json()["metadata"]["title"] == "A better title"
    again = flow.run()
    assert "Nothing to be done" in again.stdout + again.stderr
