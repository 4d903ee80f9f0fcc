"""Publishing, editing what is published, new versions, and the review of a community."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from servers.raw_api import Api, fields, md5, metadata, new_identifier

PENDING = "One or more files have not completed their transfer, please wait."


def test_a_draft_without_files_cannot_be_published(draft):
    answer = draft.publish()
    assert answer.status_code == 400
    assert fields(answer)["files.enabled"].startswith("Missing uploaded files.")


def test_a_draft_with_a_pending_file_cannot_be_published(draft):
    draft.upload("a", b"1")
    draft.init("b")
    answer = draft.publish()
    assert (answer.status_code, fields(answer)) == (400, {"files": PENDING})


def test_a_draft_with_wrong_metadata_cannot_be_published(api):
    draft = api.create(creators=None, title=None)
    draft.upload("a", b"1")
    answer = draft.publish()
    assert answer.status_code == 400
    assert {"metadata.creators", "metadata.title"} <= fields(answer).keys()


def test_a_published_record_can_be_read_by_everybody_and_changed_by_nobody(draft, nobody, flavour):
    draft.upload("a b/c.txt", b"1")
    answer = draft.publish()
    assert answer.status_code == 202
    body = answer.json()
    assert (body["id"], body["is_published"], body["is_draft"], body["status"]) == (draft.id, True, False, "published")
    assert body["pids"]["doi"]["identifier"]
    assert body["links"]["self"] == f"{nobody.url}/api/{flavour.model}/{draft.id}"
    assert nobody.call("GET", draft.record).json()["metadata"]["title"] == metadata()["title"]
    (entry,) = nobody.call("GET", f"{draft.record}/files").json()["entries"]
    assert (entry["key"], entry["checksum"], entry["status"]) == ("a b/c.txt", md5(b"1"), "completed")
    assert nobody.call("GET", entry["links"]["content"]).content == b"1"
    api = draft.api
    assert api.call("POST", f"{draft.record}/files", json=[{"key": "b"}]).status_code == 405
    assert api.call("DELETE", draft.record).status_code == 403
    assert draft.publish().status_code == 404
    assert draft.get().status_code == 404
    assert draft.init("b").status_code == 404
    assert draft.put("a b/c.txt", b"2").status_code == 404
    assert api.call("PUT", draft.path, json=api.document()).status_code == 404


def test_a_record_without_files_can_be_published(api):
    answer = api.call("POST", "/api/records", json={**api.document(), "files": {"enabled": False}})
    draft_path = f"/api/records/{answer.json()['id']}/draft"
    assert api.call("GET", f"{draft_path}/files").json()["enabled"] is False
    assert api.call("POST", f"{draft_path}/files", json=[{"key": "a"}]).status_code == 403
    assert api.call("POST", f"{draft_path}/actions/publish").status_code == 202


def test_a_draft_is_no_published_record(draft):
    assert draft.api.call("GET", draft.record).status_code == 404
    assert draft.api.call("GET", f"{draft.record}/files").status_code == 404


def test_metadata_of_a_published_record_are_changed_by_a_draft_whose_files_are_locked(api):
    draft = api.create()
    draft.upload("a", b"1")
    draft.publish()
    answer = api.call("POST", draft.path)
    assert (answer.status_code, answer.json()["id"], answer.json()["is_published"]) == (201, draft.id, True)
    assert draft.entries()["a"]["status"] == "completed"
    assert draft.put("a", b"2").status_code == 403
    assert draft.delete("a").status_code == 403
    assert api.call("PUT", draft.path, json=api.document(title="A better title")).status_code == 200
    assert api.call("GET", draft.record).json()["metadata"]["title"] == metadata()["title"]
    assert draft.publish().status_code == 202
    assert api.call("GET", draft.record).json()["metadata"]["title"] == "A better title"
    assert draft.content("a").status_code in (403, 404)
    assert api.call("GET", f"{draft.record}/files/a/content").content == b"1"


def test_a_new_version_starts_without_files_and_the_old_date(api, flavour):
    first = api.create()
    first.upload("a", b"1")
    first.publish()
    answer = api.call("POST", f"{first.record}/versions")
    assert answer.status_code == 201
    body = answer.json()
    assert body["id"] != first.id
    assert body["versions"]["index"] == 2
    days = [(datetime.now(UTC) - timedelta(days=past)).date().isoformat() for past in (0, 1)]  # midnight may pass
    assert body["metadata"].get("publication_date") in (days if flavour.new_version_is_dated else [None])
    assert api.call("POST", f"{first.record}/versions").json()["id"] == body["id"]
    second = type(first)(api, body["id"])
    assert second.entries() == {}
    assert api.call("POST", f"{second.path}/actions/files-import").status_code == 201
    assert second.entries()["a"]["checksum"] == md5(b"1")
    assert api.call("POST", f"{second.path}/actions/files-import").status_code == 400
    if not flavour.new_version_is_dated:
        assert "metadata.publication_date" in fields(second.publish())
    second.delete("a")
    second.upload("a", b"2")
    api.call("PUT", second.path, json=api.document())
    assert second.publish().status_code == 202
    assert api.call("GET", f"{first.record}/files/a/content").content == b"1"
    assert api.call("GET", f"{second.record}/files/a/content").content == b"2"


def test_the_same_identifier_is_published_twice_without_a_word(api):
    identifiers = [{"identifier": new_identifier(), "scheme": "url"}]
    for _ in range(2):
        draft = api.create(identifiers=identifiers)
        draft.upload("a", b"1")
        assert draft.publish().status_code == 202


def test_a_doi_that_another_record_has_is_objected_to_and_refused(api, flavour):
    doi = f"10.7483/OPENDATA.TEST.{time.time_ns()}"
    pids = {"doi": {"identifier": doi, "provider": "external"}}
    first, second = (api.call("POST", "/api/records", json={**api.document(), "pids": pids}) for _ in range(2))
    if not flavour.external_dois:
        assert (first.status_code, list(fields(first))) == (201, ["pids.doi"])
        return
    assert (first.status_code, fields(first)) == (201, {})
    drafts = [type(api.create())(api, answer.json()["id"]) for answer in (first, second)]
    for draft in drafts:
        draft.upload("a", b"1")
    assert drafts[0].publish().status_code == 202
    late = api.call("POST", "/api/records", json={**api.document(), "pids": pids})
    assert (late.status_code, list(fields(late))) == (201, ["pids.doi"])
    assert drafts[1].publish().status_code == 400


@pytest.fixture
def community(api, server, stranger):
    """The id of a community whose people review what is submitted, and one of them."""
    if server.community is not None:
        found = api.call("GET", f"/api/communities/{server.community}").json()["id"]
        return found, Api(server.url, server.curator_token, name="curator")
    given = {
        "slug": f"c{time.time_ns()}",
        "metadata": {"title": "Tests"},
        "access": {"visibility": "public", "review_policy": "closed"},
    }
    made = stranger.call("POST", "/api/communities", json=given)
    assert made.status_code == 201, made.text
    return api.call("GET", f"/api/communities/{given['slug']}").json()["id"], stranger


def test_a_draft_goes_through_the_review_of_a_community(api, community, flavour, server):
    found, decider = community
    assert api.call("GET", "/api/communities/no-such").status_code == 404
    draft = api.create(**({"workflow": server.workflows[1]} if flavour.is_nrp else {}))
    draft.upload("a", b"1")
    reviews = f"/api/{flavour.model}/{draft.id}/draft/review"
    assert api.call("GET", reviews).status_code == (500 if flavour.is_nrp else 404)
    assert api.call("GET", f"{draft.path}/review").status_code == 404
    proposal = {"receiver": {"community": found}, "type": "community-submission"}
    answer = api.call("PUT", f"{draft.path}/review", json=proposal)
    assert (answer.status_code, answer.json()["status"]) == (200, "created")
    assert api.call("GET", f"{draft.path}/review").status_code == (500 if flavour.is_nrp else 200)
    assert api.call("GET", reviews).json()["status"] == "created"
    assert draft.publish().status_code == (403 if flavour.is_nrp else 400)
    submitted = api.call("POST", f"{draft.path}/actions/submit-review", json={})
    assert (submitted.status_code, submitted.json()["status"], submitted.json()["is_open"]) == (202, "submitted", True)
    request = submitted.json()["links"]["self"]
    assert api.call("POST", f"{request}/actions/accept", json={}).status_code == 403
    accepted = decider.call("POST", f"{request}/actions/accept", json={})
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert api.call("GET", draft.record).json()["parent"]["communities"]["ids"] == [found]
    assert api.call("GET", request).json()["status"] == "accepted"


def test_who_may_make_a_community(stranger, flavour):
    given = {"slug": f"c{time.time_ns()}", "metadata": {"title": "Tests"}, "access": {"visibility": "public"}}
    expected = 201 if flavour.anybody_makes_communities else 403
    assert stranger.call("POST", "/api/communities", json=given).status_code == expected


def test_a_declined_draft_stays_tied_to_its_request_and_can_be_proposed_anew(api, community, flavour, server):
    found, decider = community
    draft = api.create(**({"workflow": server.workflows[1]} if flavour.is_nrp else {}))
    draft.upload("a", b"1")
    here = f"/api/{flavour.model}/{draft.id}/draft"
    proposal = {"receiver": {"community": found}, "type": "community-submission"}

    def is_tied():
        return "submit-review" in api.call("GET", here).json()["links"]

    assert not is_tied()
    api.call("PUT", f"{here}/review", json=proposal)
    request = api.call("POST", f"{here}/actions/submit-review", json={}).json()["links"]["self"]
    assert is_tied()
    said = {"payload": {"content": "Not yet.", "format": "html"}}
    assert decider.call("POST", f"{request}/actions/decline", json=said).json()["status"] == "declined"
    assert is_tied()
    assert api.call("GET", f"{here}/review").json()["status"] == "declined"
    again = api.call("PUT", f"{here}/review", json=proposal)
    assert (again.status_code, again.json()["status"]) == (200, "created")
    submitted = api.call("POST", f"{here}/actions/submit-review", json={})
    assert (submitted.status_code, submitted.json()["status"]) == (202, "submitted")
    assert submitted.json()["links"]["self"] != request
