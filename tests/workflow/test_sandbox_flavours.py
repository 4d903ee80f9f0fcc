"""The demo with a sandbox that stands in for an NRP repository instead of a plain InvenioRDM."""

import shutil

import pytest

COLLISION, MANY_FILES, NO_FILES = 81642, 81147, 81494


@pytest.fixture
def nrp_flow(flow):
    """A folder whose sandbox has models, workflows and communities."""
    flow.config = {
        "sandbox": {"flavour": "nrp"},
        "repository": {"model": "particles", "finish": "publish"},
        "transform": {"profile": "ccmm1"},
    }
    return flow


def assert_ok(done):
    assert done.returncode == 0, done.stdout + done.stderr


def written(flow):
    return [asked for asked in flow.requests() if asked["method"] not in ("GET", "HEAD")]


def test_the_demo_is_published_in_an_nrp_repository_and_found_again_from_an_empty_folder(nrp_flow):
    nrp_flow.want(COLLISION, MANY_FILES, NO_FILES)
    assert_ok(nrp_flow.run())
    stats = nrp_flow.stats()
    assert set(stats["status"]) == {"ok"}
    assert stats["published"].all()
    assert any(asked["path"] == "/api/particles" for asked in written(nrp_flow))
    ids = {recid: nrp_flow.receipt(recid, "published")["record_id"] for recid in stats.index}
    sent = len(written(nrp_flow))
    shutil.rmtree(nrp_flow.folder / "results")
    for recid in stats.index:
        shutil.rmtree(nrp_flow.folder / "data" / str(recid), ignore_errors=True)
    assert_ok(nrp_flow.run())
    assert set(nrp_flow.stats()["status"]) == {"ok"}
    assert {recid: nrp_flow.receipt(recid, "published")["record_id"] for recid in ids} == ids
    assert len(written(nrp_flow)) == sent


def test_the_demo_goes_to_the_review_of_a_community(nrp_flow):
    nrp_flow.config["repository"] |= {"community": "delphi", "workflow": "community", "finish": "review"}
    nrp_flow.want(COLLISION)
    assert_ok(nrp_flow.run())
    assert nrp_flow.receipt(COLLISION, "published")["state"] == "in_review"
    assert any(asked["path"].endswith("/actions/submit-review") for asked in written(nrp_flow))


def test_drafts_that_were_uploaded_with_another_workflow_are_not_published_by_it(nrp_flow):
    nrp_flow.want(COLLISION, NO_FILES)
    nrp_flow.config["repository"] |= {"workflow": "reviewed", "finish": "draft"}
    assert_ok(nrp_flow.run())
    sent = len(written(nrp_flow))
    nrp_flow.config["repository"] |= {"workflow": "individual", "finish": "publish"}
    done = nrp_flow.run("--quiet", "all")
    assert done.returncode != 0
    told = "expected one with the workflow individual, found reviewed, which it keeps"
    assert set(nrp_flow.stats()["error"].str.contains(told)) == {True}
    assert len(written(nrp_flow)) == sent
    nrp_flow.config["repository"] |= {"workflow": "reviewed"}  # as the message says
    assert_ok(nrp_flow.run())
    assert {nrp_flow.receipt(recid, "published")["state"] for recid in (COLLISION, NO_FILES)} == {"in_review"}


def test_a_folder_of_one_flavour_is_not_taken_for_the_other(flow):
    flow.want(COLLISION)
    assert_ok(flow.run())
    flow.config = {"sandbox": {"flavour": "nrp"}}
    (flow.folder / "results" / "published" / f"{COLLISION}.json").unlink(missing_ok=True)
    done = flow.run("--forceall")
    assert done.returncode != 0
    assert "expected records of a sandbox of the flavour nrp, found those of rdm" in done.stdout + done.stderr
