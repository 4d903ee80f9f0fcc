"""What only an NRP repository has: models, workflows, requests to publish."""

import pytest

from servers.contract.conftest import NRP, OTHER_NRP
from servers.raw_api import Api, Draft, eventually, fields, new_identifier

pytestmark = pytest.mark.parametrize("server", [*NRP, *OTHER_NRP], indirect=True, scope="session")


def total(api, path, query):
    answer = api.call("GET", path, params={"q": query})
    assert answer.status_code == 200, answer.text
    return answer.json()["hits"]["total"]


def test_it_tells_of_its_model_whose_links_carry_a_query(api, flavour):
    told = api.call("GET", "/.well-known/repository/").json()
    assert told["default_model"] == flavour.model
    assert "workflows" in told["features"]
    model = {model["type"]: model for model in api.call("GET", told["links"]["models"]).json()}[flavour.model]
    here = f"{flavour.model}?type={flavour.model}"
    assert {name: model["links"][name] for name in ("records", "deposit", "drafts")} == {
        "records": f"{api.url}/api/{here}",
        "deposit": f"{api.url}/api/{here}",
        "drafts": f"{api.url}/api/user/{here}",
    }


def test_the_list_of_ones_own_of_a_model_has_everybody_s_and_asks_for_no_token(api, stranger, nobody, server, flavour):
    published, draft = api.create(), api.create()
    published.upload("a", b"1")
    assert published.publish().status_code == 202
    models, everything = f"/api/user/{flavour.model}", "/api/user/records"
    eventually(lambda: total(nobody, models, f"id:{published.id}") == 1)
    eventually(lambda: total(api, everything, f"id:{draft.id}") == 1)
    for other in (stranger, nobody, Api(server.url, "not-a-token", name="wrong")):
        assert total(other, models, f"id:{published.id}") == 1
        assert total(other, models, f"id:{draft.id}") == 0
    assert total(api, models, f"id:{draft.id}") == 1
    assert total(stranger, everything, f"id:{published.id}") == 0
    for other in (nobody, Api(server.url, "not-a-token", name="wrong")):
        assert other.call("GET", everything).status_code == 403


def test_the_list_of_ones_own_has_all_versions(api):
    identifier = new_identifier()
    first = api.create(identifiers=[{"identifier": identifier, "scheme": "url"}])
    first.upload("a", b"1")
    assert first.publish().status_code == 202
    second = Draft(api, api.call("POST", f"{first.record}/versions").json()["id"])
    query = f'metadata.identifiers.identifier:"{identifier}"'
    eventually(lambda: total(api, "/api/user/records", query) == 2)
    assert second.get().json()["parent"]["id"] == api.call("GET", first.record).json()["parent"]["id"]
    assert second.get().json()["versions"]["index"] == 2


def test_only_the_list_of_all_models_takes_an_address_or_a_star(api, flavour):
    identifier = new_identifier()
    api.create(identifiers=[{"identifier": identifier, "scheme": "url"}])
    query = f'metadata.identifiers.identifier:"{identifier}"'
    eventually(lambda: total(api, "/api/user/records", query) == 1)
    assert total(api, "/api/user/records", "*") > 0
    for asked in (query, "*"):
        assert total(api, f"/api/user/{flavour.model}", asked) == 0


def test_a_draft_of_an_unknown_workflow_is_not_made(api):
    given = {**api.document(), "parent": {"workflow": "no-such"}}
    answer = api.call("POST", "/api/records", json=given)
    assert (answer.status_code, list(fields(answer))) == (400, ["_schema"])


def test_a_draft_keeps_the_workflow_that_it_was_made_with(api, server):
    assert api.create().get().json()["parent"]["workflow"] is None
    draft = api.create(workflow=server.workflows[0])
    api.call("PUT", draft.path, json={**api.document(), "parent": {"workflow": server.workflows[1]}})
    assert draft.get().json()["parent"]["workflow"] == server.workflows[0]


def test_only_a_workflow_for_communities_takes_a_community(api, server):
    told = api.call("GET", f"/api/communities/{server.community}").json()
    assert told["custom_fields"] == {"workflow": server.workflows[1], "allowed_workflows": [server.workflows[1]]}
    proposal = {"receiver": {"community": told["id"]}, "type": "community-submission"}
    for draft, status in ((api.create(), 403), (api.create(workflow=server.workflows[1]), 200)):
        assert api.call("PUT", f"{draft.path}/review", json=proposal).status_code == status


def applicable(draft):
    found = draft.api.call("GET", draft.get().json()["links"]["applicable-requests"]).json()["hits"]["hits"]
    return {each["type_id"]: each["links"]["actions"]["create"] for each in found}


def submit(draft, kind):
    """Ask for the draft to be published; return the address of the request."""
    made = draft.api.call("POST", applicable(draft)[kind], json={})
    assert (made.status_code, made.json()["status"], made.json()["type"]) == (201, "created", kind)
    sent = draft.api.call("POST", made.json()["links"]["actions"]["submit"], json={})
    assert (sent.status_code, sent.json()["status"]) == (200, "submitted")
    return made.json()["links"]["self"]


def test_a_draft_of_a_workflow_with_a_review_is_published_by_a_request(api, curator, server):
    draft = api.create(workflow=server.workflows[0])
    draft.upload("a", b"1")
    assert "publish" not in draft.get().json()["links"]
    assert draft.publish().status_code == 403
    assert list(applicable(draft)) == ["publish_draft"]
    request = submit(draft, "publish_draft")
    assert applicable(draft) == {}
    assert api.call("GET", draft.get().json()["links"]["requests"]).json()["hits"]["hits"][0]["status"] == "submitted"
    assert api.call("POST", f"{request}/actions/accept", json={}).status_code == 403
    declined = curator.call("POST", f"{request}/actions/decline", json={})
    assert (declined.status_code, declined.json()["status"]) == (200, "declined")
    assert draft.get().json()["is_published"] is False
    request = submit(draft, "publish_draft")
    accepted = curator.call("POST", f"{request}/actions/accept", json={})
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert api.call("GET", draft.record).json()["is_published"] is True
    assert draft.get().status_code == 404


def test_a_request_that_its_owner_cancels_is_the_last_one_about_the_draft(api, server):
    draft = api.create(workflow=server.workflows[0])
    draft.upload("a", b"1")
    request = submit(draft, "publish_draft")
    cancelled = api.call("POST", f"{request}/actions/cancel", json={})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert applicable(draft) == {}
    assert "publish" not in draft.get().json()["links"]
    assert api.call("DELETE", draft.path).status_code == 204


def test_changes_of_what_is_published_are_asked_for_by_a_request_of_their_own(api, curator, server):
    draft = api.create(workflow=server.workflows[0])
    draft.upload("a", b"1")
    curator.call("POST", f"{submit(draft, 'publish_draft')}/actions/accept", json={})
    assert api.call("POST", draft.path).status_code == 201
    assert api.call("PUT", draft.path, json=api.document(title="A better title")).status_code == 200
    assert draft.publish().status_code == 403
    assert list(applicable(draft)) == ["publish_changed_metadata"]
    submit(draft, "publish_changed_metadata")
    version = api.call("POST", f"{draft.record}/versions").json()
    assert list(applicable(Draft(api, version["id"]))) == ["publish_new_version"]
