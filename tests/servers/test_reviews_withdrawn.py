"""What becomes of a record whose request was cancelled by its owner, on the repository's pages."""

import pytest

from ferry.errors import PermanentError
from sandbox import launcher
from sandbox.settings import Settings
from servers.nrp.server import NrpRepository
from servers.reviewing import Case


@pytest.fixture(params=["sandbox", pytest.param("nrp", marks=pytest.mark.nrp)])
def repository(request, tmp_path):
    """Give an NRP repository."""
    if request.param == "nrp":
        yield request.getfixturevalue("nrp")
        return
    started = launcher.start(tmp_path / "repository", settings=Settings(flavour="nrp", index_lag_s=0))
    yield NrpRepository(
        url=started.url,
        token=started.token,
        other_token=started.other_token,
        curator_token=started.curator_token,
        folder=started.directory,
    )
    started.stop()


def cancel(case, receipt):
    answer = case.owner.call("POST", f"/api/requests/{receipt['request']['id']}/actions/cancel", json={})
    assert answer.status_code == 200, answer.text


def test_a_draft_whose_only_request_was_cancelled_is_told_as_that_and_made_anew_once_it_is_deleted(
    repository, tmp_path
):
    case = Case(repository, tmp_path, {"workflow": repository.review_workflow})
    uploaded = case.upload()
    first = case.publish_only(uploaded).receipt
    cancel(case, first)
    with pytest.raises(
        PermanentError, match=r"was cancelled \(.*offers no other .* delete the draft at .*, and run again"
    ):
        case.publish_only(uploaded)
    draft = f"/api/{repository.model}/{first['record_id']}/draft"
    assert case.owner.call("DELETE", draft).status_code == 204
    again = case.publish()
    assert again["state"] == "in_review"
    assert again["record_id"] != first["record_id"]


def test_a_submission_to_a_community_that_was_cancelled_is_submitted_again(repository, tmp_path):
    case = Case(repository, tmp_path, {"community": repository.community})
    uploaded = case.upload()
    first = case.publish_only(uploaded).receipt
    cancel(case, first)
    again = case.publish_only(uploaded).receipt
    assert (again["state"], again["record_id"]) == ("in_review", first["record_id"])
    assert again["request"]["id"] != first["request"]["id"]
