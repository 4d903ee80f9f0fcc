"""What reviewers of a real NRP repository decide, by a community and by a workflow that wants a review without one."""

import pytest

from ferry.errors import ConfigError, PermanentError
from ferry.repository.errors import DeclinedError, DeniedError
from servers.reviewing import Case

pytestmark = pytest.mark.nrp


@pytest.fixture
def case(nrp, tmp_path):
    """Give a new record for the community that the curator decides for."""
    return Case(nrp, tmp_path, {"community": nrp.community})


@pytest.fixture(params=["community", "workflow"])
def reviewed(request, nrp, tmp_path):
    """Give a new record that the curator decides about, with a community and without."""
    settings = {"community": nrp.community} if request.param == "community" else {"workflow": nrp.review_workflow}
    return Case(nrp, tmp_path, settings)


def test_a_record_is_submitted_once_asked_about_by_one_request_and_public_when_accepted(reviewed):
    uploaded = reviewed.upload()
    first = reviewed.publish_only(uploaded).receipt
    assert (first["state"], first["request"]["status"]) == ("in_review", "submitted")
    again = reviewed.publish_only(uploaded)
    assert again.receipt == first
    assert again.measured["requests"] == 1
    assert len(reviewed.requests_about(first["record_id"])) == 1
    reviewed.decide(first, "accept")
    last = reviewed.publish_only(uploaded).receipt
    assert (last["state"], last["request"]["status"]) == ("published", "accepted")
    assert reviewed.read(first["record_id"])["metadata"]["title"] == reviewed.title


def test_a_review_is_found_again_though_nothing_is_remembered_of_it(reviewed):
    uploaded = reviewed.upload()
    first = reviewed.publish_only(uploaded).receipt
    reviewed.review_path.unlink()
    assert reviewed.publish_only(uploaded).receipt == first
    reviewed.review_path.unlink()
    reviewed.decide(first, "accept")
    assert reviewed.publish_only(uploaded).receipt["state"] == "published"


def test_a_draft_in_review_is_left_as_it_is_by_a_run_from_an_empty_folder(case):
    first = case.publish()
    draft = f"/api/{case.nrp.model}/{first['record_id']}/draft"
    before = case.owner.call("GET", draft).json()
    (case.folder / "deposit.json").unlink()
    case.review_path.unlink()
    assert case.publish() == first
    after = case.owner.call("GET", draft).json()
    assert [after[name] for name in ("revision_id", "updated")] == [before[name] for name in ("revision_id", "updated")]
    assert len(case.requests_about(first["record_id"])) == 1


def test_a_declined_record_fails_with_the_reviewer_s_words_until_it_is_corrected_and_is_then_in_review_again(reviewed):
    first = reviewed.publish()
    reviewed.decide(first, "decline", "Please <b>name</b> the &lt;detector&gt;.")
    for _ in range(2):
        with pytest.raises(DeclinedError, match=r"who say: Please name the <detector>\.; correct the record and"):
            reviewed.publish()
    reviewed.title = "A record of the DELPHI detector"
    second = reviewed.publish()
    assert second["state"] == "in_review"
    assert second["record_id"] == first["record_id"]
    assert second["request"]["id"] != first["request"]["id"]
    reviewed.decide(second, "accept")
    assert reviewed.publish()["state"] == "published"
    assert reviewed.read(first["record_id"])["metadata"]["title"] == reviewed.title


def test_a_declined_record_whose_files_are_corrected_is_in_review_again(case):
    first = case.publish()
    case.decide(first, "decline")
    case.contents["a.al"] = b"second"
    second = case.publish()
    assert second["state"] == "in_review"
    assert second["request"]["id"] != first["request"]["id"]


def test_a_decline_that_nothing_is_remembered_of_is_told_and_not_submitted_over(case):
    first = case.publish()
    case.decide(first, "decline", "No.")
    case.review_path.unlink()
    with pytest.raises(DeclinedError, match=r"who say: No\."):
        case.publish()
    case.title = "Corrected"
    assert case.publish()["state"] == "in_review"


def test_a_decision_about_what_was_changed_under_review_is_a_decision_about_the_change(case):
    first = case.publish()
    case.title = "Changed under review"
    assert case.publish()["request"]["id"] == first["request"]["id"]
    case.decide(first, "decline", "Still no.")
    with pytest.raises(DeclinedError, match=r"Still no\."):
        case.publish()


def test_an_open_community_s_own_record_is_public_at_once_where_publishing_is_asked_for(nrp, tmp_path):
    published = Case(nrp, tmp_path, {"community": nrp.own_community}).publish(finish="publish")
    assert (published["state"], published["request"]["status"]) == ("published", "accepted")
    left = Case(nrp, tmp_path / "left", {"community": nrp.own_community}).publish(finish="review")
    assert (left["state"], left["request"]["status"]) == ("in_review", "submitted")


def test_what_nobody_would_decide_about_is_not_published_where_a_review_is_asked_for(nrp, tmp_path):
    case = Case(nrp, tmp_path, {"workflow": nrp.workflow})
    with pytest.raises(PermanentError, match=r"finish is review, but in its workflow \(individual\) nobody reviews it"):
        case.publish(finish="review")
    assert case.publish(finish="publish")["state"] == "published"


def test_files_that_change_under_review_are_told_as_that_where_the_draft_is_locked(nrp, tmp_path):
    case = Case(nrp, tmp_path, {"workflow": nrp.review_workflow})
    waiting = case.publish()
    case.contents["a.al"] = b"second"
    with pytest.raises(PermanentError, match=r"is in review, and takes no other files until that is decided") as told:
        case.upload()
    assert waiting["request"]["url"] in str(told.value)
    case.decide(waiting, "decline", "Send it again.")
    assert case.publish()["state"] == "in_review"


def published(case):
    """Have the record accepted and published."""
    case.decide(case.publish(), "accept")
    return case.publish()


def test_changed_metadata_of_a_community_s_record_go_to_its_curators_and_are_public_when_they_accept(case):
    first = published(case)
    case.settings["when_published"] = "update_metadata"
    case.title = "Corrected"
    waiting = case.publish()
    assert (waiting["state"], waiting["record_id"]) == ("in_review", first["record_id"])
    assert case.read(first["record_id"])["metadata"]["title"] != "Corrected"
    assert case.publish() == waiting
    case.decide(waiting, "accept")
    assert case.publish()["state"] == "published"
    assert case.read(first["record_id"])["metadata"]["title"] == "Corrected"


def forget_all(case):
    """Be a run from an empty folder."""
    (case.folder / "deposit.json").unlink()
    case.review_path.unlink(missing_ok=True)


def test_a_new_version_of_a_community_s_record_stays_in_it(case):
    first = published(case)
    case.settings["when_published"] = "new_version"
    case.contents["a.al"] = b"second"
    waiting = case.publish()
    assert waiting["state"] == "in_review"
    assert waiting["record_id"] != first["record_id"]
    forget_all(case)
    assert case.publish() == waiting
    case.decide(waiting, "accept")
    second = case.publish()
    assert second["state"] == "published"
    forget_all(case)
    assert case.publish()["record_id"] == second["record_id"]
    ids = case.read(first["record_id"])["parent"]["communities"]["ids"]
    assert case.read(second["record_id"])["parent"]["communities"]["ids"] == ids


def test_changes_and_versions_of_an_individual_s_record_need_nobody(nrp, tmp_path):
    case = Case(nrp, tmp_path)
    first = case.publish()
    assert first["state"] == "published"
    case.settings["when_published"] = "update_metadata"
    case.title = "Corrected"
    assert case.publish()["state"] == "published"
    case.settings["when_published"] = "new_version"
    case.contents["a.al"] = b"second"
    second = case.publish()
    assert second["state"] == "published"
    forget_all(case)
    again = case.publish()
    assert {**again, "request": None} == {**second, "request": None}
    assert drafts_of(case) == 2, "the two versions"


# --- community and workflow ---


def drafts_of(case):
    """Return how many drafts and records there are of the recid."""
    answer = case.owner.call("GET", "/api/user/records", params={"q": f"metadata.recid:{case.recid}"})
    return answer.json()["hits"]["total"]


def test_a_draft_gets_the_workflow_of_its_community(case):
    uploaded = case.upload()
    draft = case.owner.call("GET", f"/api/{case.nrp.model}/{uploaded['record_id']}/draft").json()
    assert draft["parent"]["workflow"] == case.nrp.community_workflow


def test_a_workflow_that_the_community_does_not_take_is_told_before_a_draft_is_made(case):
    case.settings["workflow"] = case.nrp.review_workflow
    with pytest.raises(ConfigError, match=r"repository\.workflow: .* community delphi takes \(community\), found rev"):
        case.upload()
    assert drafts_of(case) == 0


def test_a_community_that_is_not_there_is_told_by_name_before_a_draft_is_made(case):
    case.settings["community"] = "no-such"
    with pytest.raises(PermanentError, match=r"community no-such .* correct repository\.community"):
        case.upload()
    assert drafts_of(case) == 0


@pytest.mark.parametrize("workflow", ["reviewed", None])
def test_a_draft_that_was_made_with_another_workflow_is_told_before_a_file_goes_up(case, workflow):
    community = case.settings.pop("community")
    contents, case.contents = case.contents, {}
    case.settings["workflow"] = workflow
    uploaded = case.upload()
    case.contents, case.settings = contents, {"community": community}
    with pytest.raises(PermanentError, match=r"which it keeps|a draft keeps its workflow") as told:
        case.upload()
    assert not isinstance(told.value, DeniedError)
    assert "NRP_TOKEN" not in str(told.value)
    files = case.owner.call("GET", f"/api/{case.nrp.model}/{uploaded['record_id']}/draft/files").json()
    assert not files.get("entries")


def test_a_workflow_for_communities_only_is_told_as_that_where_there_is_none(nrp, tmp_path):
    case = Case(nrp, tmp_path, {"workflow": nrp.community_workflow})
    with pytest.raises(PermanentError, match=r"found none in its workflow \(community\); .* set repository\.community"):
        case.publish()
