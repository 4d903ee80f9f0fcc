"""What a refusal for the workflow of a real NRP repository says is done to the letter, for two records at once."""

import itertools
import re
import shutil
import time

import pytest
from generated_records import put_below, redirect, write_records

from servers.raw_api import Api
from workflow.conftest import Flow
from workflow.test_chain import assert_ok

pytestmark = [pytest.mark.nrp, pytest.mark.timeout(900)]

_recids = itertools.count(9_410_000 + int(time.time()) % 9_000)
DELETED = r"delete (?:it|the draft, which keeps its own,) at (?P<page>\S+?),? and run again"


@pytest.fixture
def flow(nrp, tmp_path):
    """Give a flow of two new records into the repository."""
    made = Flow(folder=tmp_path / "run", environment={"NRP_TOKEN": nrp.token})
    recids = [next(_recids) for _ in range(2)]
    write_records(made.folder / "metadata", {recid: [100] for recid in recids}, put=put_below(made.folder / "far"))
    made.config = {
        "source": {"redirects": redirect(made.folder / "far")},
        "transform": {"profile": nrp.base},
        "repository": {"url": nrp.url, "model": nrp.model},
    }
    made.want(*recids)
    return made


def refused(flow, told):
    """Run, and return what was told of each record, each of which is to be refused with these words."""
    done = flow.run("--quiet", "all")
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if re.search(told, line)]
    assert len({re.match(r"\d+", line)[0] for line in lines if re.match(r"\d+ \w+:", line)}) == 2, done.stderr[-3000:]
    return lines


def delete_drafts(lines, nrp):
    """Delete the drafts at the pages that the lines name."""
    pages = {found["page"] for line in lines if (found := re.search(DELETED, line))}
    assert len(pages) == 2
    for page in pages:
        draft = f"/api/{nrp.model}/{page.rstrip('/').rpartition('/')[2]}/draft"
        assert Api(nrp.url, nrp.token).call("DELETE", draft).status_code == 204


def forget_all(flow):
    """Be a run from an empty folder."""
    for name in ("data", "results", "logs"):
        shutil.rmtree(flow.folder / name)


def settle(flow, state, **repository):
    """Set what was named; then one run does it for all, and the next has nothing to do but to ask for decisions."""
    flow.config["repository"] |= repository
    assert_ok(flow.run())
    for path in (flow.folder / "metadata").glob("[1-9]*.json"):
        if state == "draft":
            assert flow.receipt(int(path.stem), "upload")["record_id"]
        else:
            assert flow.receipt(int(path.stem), "published")["state"] == state
    if state != "in_review":
        again = flow.run()
        assert "Nothing to be done" in again.stdout + again.stderr


def test_a_workflow_that_the_repository_does_not_have_is_corrected(flow, nrp):
    flow.config["repository"] |= {"workflow": "no-such"}
    refused(flow, r"the repository has no workflow no-such; correct repository\.workflow")
    settle(flow, "draft", workflow=nrp.workflow)


def test_a_workflow_that_the_community_does_not_take_is_left_out(flow, nrp):
    flow.config["repository"] |= {"workflow": nrp.review_workflow, "community": nrp.community}
    done = flow.run("--quiet", "all")
    assert done.returncode != 0
    told = " ".join((done.stdout + done.stderr).split())
    assert "takes only community; set repository.workflow to one of them, or to null" in told
    settle(flow, "draft", workflow=None)


@pytest.mark.parametrize("way", ["set repository.community", "set another repository.workflow"])
def test_drafts_of_a_workflow_for_communities_are_published_in_either_way(flow, nrp, way):
    flow.config["repository"] |= {"workflow": nrp.community_workflow, "finish": "publish"}
    lines = refused(flow, rf"found none in its workflow \(community\).*{re.escape(way)}")
    if way == "set repository.community":
        settle(flow, "in_review", community=nrp.community)
    else:
        delete_drafts(lines, nrp)
        settle(flow, "published", workflow=nrp.workflow)


@pytest.mark.parametrize("way", ["set repository.finish to publish", "set another repository.workflow"])
def test_drafts_of_a_workflow_without_reviewers_are_published_or_reviewed_in_either_way(flow, nrp, way):
    flow.config["repository"] |= {"workflow": nrp.workflow, "finish": "review"}
    lines = refused(flow, rf"\(individual\) nobody reviews it.*{re.escape(way)}")
    if way == "set repository.finish to publish":
        settle(flow, "published", finish="publish")
    else:
        delete_drafts(lines, nrp)
        settle(flow, "in_review", workflow=nrp.review_workflow)


@pytest.mark.parametrize("way", ["delete it", "set repository.workflow to reviewed"])
@pytest.mark.parametrize("is_empty", [False, True], ids=["the same folder", "an empty folder"])
def test_drafts_of_another_workflow_are_made_anew_or_kept_with_theirs(flow, nrp, way, is_empty):
    settle(flow, "draft", workflow=nrp.review_workflow)
    flow.config["repository"] |= {"workflow": nrp.workflow, "finish": "publish"}
    if is_empty:
        forget_all(flow)
    lines = refused(flow, rf"expected one with the workflow individual, found reviewed, which it keeps; .*{way}")
    if way == "delete it":
        delete_drafts(lines, nrp)
        settle(flow, "published")
    else:
        settle(flow, "in_review", workflow=nrp.review_workflow, finish="review")


@pytest.mark.parametrize("is_empty", [False, True], ids=["the same folder", "an empty folder"])
def test_drafts_of_a_workflow_that_a_community_does_not_take_are_made_anew_for_it(flow, nrp, is_empty):
    settle(flow, "draft", workflow=nrp.review_workflow)
    flow.config["repository"] |= {"workflow": None, "community": nrp.community, "finish": "review"}
    if is_empty:
        forget_all(flow)
    told = (
        r"expected one with the workflow community, found reviewed, .* and run again$"
        if is_empty
        else r"its workflow is reviewed, the community takes community; .* and run again"
    )
    delete_drafts(refused(flow, told), nrp)
    settle(flow, "in_review")
