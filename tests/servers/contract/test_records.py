"""Drafts and their metadata: what a repository takes, objects to and refuses."""

import re

import pytest

from servers.raw_api import Api, fields, metadata, new_identifier

CERN = {"type": "organizational", "name": "CERN"}
PERSON = {"type": "personal"}
FIRST_CREATOR = "metadata.creators.0.person_or_org"


def test_the_home_page_names_the_generator(nobody, flavour):
    found = re.search(r'<meta name="generator" content="(\w+ \d+)', nobody.call("GET", "/").text)
    assert found is not None
    assert found[1] == flavour.generator


def test_a_draft_is_made_and_tells_where_its_parts_are(api, flavour):
    answer = api.call("POST", "/api/records", params={"expand": "1"}, json=api.document())
    body = answer.json()
    assert answer.status_code == 201
    assert "errors" not in body
    assert answer.headers["ETag"].strip('"') == str(body["revision_id"])
    assert (body["is_draft"], body["is_published"], body["status"]) == (True, False, "draft")
    here = f"{api.url}/api/{flavour.model}/{body['id']}/draft"
    assert body["links"]["self"] == here
    assert body["links"]["files"] == f"{here}/files"
    assert body["links"]["publish"] == f"{here}/actions/publish"
    assert body["links"]["review"] == f"{api.url}/api/records/{body['id']}/draft/review"
    assert body["files"] == {"enabled": True, "order": [], "count": 0, "total_bytes": 0, "entries": {}}


def test_missing_fields_are_named_under_a_201(api):
    answer = api.call("POST", "/api/records", json={"metadata": {"version": "1"}})
    assert answer.status_code == 201
    assert {
        "metadata.resource_type",
        "metadata.creators",
        "metadata.title",
        "metadata.publication_date",
    } <= fields(answer).keys()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"energy": 91.2}, "metadata.energy"),
        ({"title": "ab"}, "metadata.title"),
        ({"title": 3}, "metadata.title"),
        ({"publication_date": "yesterday"}, "metadata.publication_date"),
        ({"creators": []}, "metadata.creators"),
        ({"creators": [{"person_or_org": {**PERSON, "given_name": "A"}}]}, f"{FIRST_CREATOR}.family_name"),
        ({"creators": [{"person_or_org": {"type": "organizational"}}]}, f"{FIRST_CREATOR}.name"),
        ({"description": "x"}, "metadata.description"),
        ({"identifiers": [{"identifier": "zzz", "scheme": "doi"}]}, "metadata.identifiers.0.identifier"),
        ({"identifiers": [{"identifier": "zzz", "scheme": "recid"}]}, "metadata.identifiers.0.scheme"),
        ({"identifiers": [{"identifier": "https://a.org", "scheme": "url"}] * 2}, "metadata.identifiers"),
        ({"contributors": [{"person_or_org": CERN}]}, "metadata.contributors.0.role"),
        ({"resource_type": "dataset"}, "metadata.resource_type._schema"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_under_a_201(api, flavour, changes, field):
    answer = api.call("POST", "/api/records", json=api.document(**changes))
    assert answer.status_code == 201
    assert (field in fields(answer)) is (field not in flavour.unchecked or 3 in changes.values())


def test_a_wrong_date_is_named_under_a_201(api, flavour):
    dates = [{"date": "soon", "type": {"id": flavour.words.created}}]
    answer = api.call("POST", "/api/records", json=api.document(dates=dates))
    assert (answer.status_code, list(fields(answer))) == (201, ["metadata.dates.0.date"])


@pytest.mark.parametrize(
    "changes",
    [
        {"resource_type": {"id": "no-such-type"}},
        {"languages": [{"id": "xxx"}]},
        {"rights": [{"id": "no-such-licence"}]},
        {"dates": [{"date": "1999", "type": {"id": "no-such-type"}}]},
        {"related_identifiers": [{"identifier": "https://a.org", "scheme": "url", "relation_type": {"id": "no-such"}}]},
    ],
)
def test_an_unknown_vocabulary_id_makes_no_draft(api, changes):
    answer = api.call("POST", "/api/records", json=api.document(**changes))
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Invalid value")


def test_metadata_of_all_kinds_are_taken(api, flavour):
    words = flavour.words
    given = {
        "description": "<p>Simulated with DELSIM.</p>",
        "additional_descriptions": [{"description": "Steps", "type": {"id": "methods"}, "lang": {"id": words.english}}],
        "identifiers": [
            {"identifier": new_identifier(), "scheme": "url"},
            {"identifier": "10.7483/OPENDATA.DELPHI.Q5L9", "scheme": "doi"},
        ],
        "related_identifiers": [
            {
                "identifier": "https://example.org/80502",
                "scheme": "url",
                "relation_type": {"id": words.documented_by},
            }
        ],
        "subjects": [{"subject": "CERN-LEP"}],
        "dates": [{"date": date, "type": {"id": words.created}} for date in ("1998", "2000")],
        "languages": [{"id": words.english}],
        "rights": [{"id": words.cc0}],
        "contributors": [{"person_or_org": CERN, "role": {"id": words.distributor}}],
        "sizes": ["14 files"],
        "formats": ["xsdst"],
        "version": "1",
    }
    answer = api.call("POST", "/api/records", json=api.document(**given))
    assert answer.status_code == 201
    assert set(fields(answer)) == {f"metadata.{name}" for name in flavour.lacks}
    assert answer.json()["metadata"]["rights"][0]["id"] == words.cc0


def test_an_interval_of_years_is_taken_objected_to_or_a_server_error_that_is_stored(api, draft, flavour):
    answer = api.call("POST", "/api/records", json=api.document(publication_date="1998/2000"))
    objected = [] if "publication_date" in flavour.intervals else ["metadata.publication_date"]
    assert (answer.status_code, list(fields(answer))) == (201, objected)
    dates = [{"date": "1998/2000", "type": {"id": flavour.words.created}}]
    draft.upload("a", b"1")
    answer = api.call("PUT", draft.path, json=api.document(title="With an interval", dates=dates))
    assert answer.status_code == (200 if "dates" in flavour.intervals else 500)
    stored = draft.get().json()["metadata"]
    assert (stored["title"], stored["dates"][0]["date"]) == ("With an interval", "1998/2000")
    made = api.call("POST", "/api/records", json=api.document(dates=dates))
    assert made.status_code == (201 if "dates" in flavour.intervals else 500)


def test_no_json_is_refused(api):
    answer = api.call("POST", "/api/records", data="{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_what_was_read_can_be_put_back_as_it_is(api, flavour):
    words = flavour.words
    draft = api.create(languages=[{"id": words.english}], rights=[{"id": words.cc0}])
    draft.upload("a", b"1")
    answer = api.call("PUT", draft.path, json=draft.get().json())
    assert answer.status_code == 200
    assert fields(answer).keys() <= {"metadata.rights.0.icon"}  # shown, yet not taken back; the rest of it is kept
    assert answer.json()["metadata"]["rights"][0]["id"] == words.cc0
    assert answer.json()["metadata"]["languages"][0]["id"] == words.english


def test_an_update_objects_to_files_that_are_not_there_or_that_must_go(api, draft):
    assert list(fields(api.call("PUT", draft.path, json=api.document()))) == ["files.enabled"]
    draft.upload("a", b"1")
    assert fields(api.call("PUT", draft.path, json=api.document())) == {}
    answer = api.call("PUT", draft.path, json={**api.document(), "files": {"enabled": False}})
    assert (answer.status_code, list(fields(answer))) == (200, ["files.enabled"])
    assert set(draft.entries()) == {"a"}


def test_a_stale_revision_is_refused(api, draft):
    revision = draft.get().json()["revision_id"]
    assert api.call("PUT", draft.path, json=api.document(), headers={"If-Match": str(revision)}).status_code == 200
    answer = api.call("PUT", draft.path, json=api.document(title="Another"), headers={"If-Match": str(revision)})
    assert answer.status_code == 412
    assert draft.get().json()["metadata"]["title"] == metadata()["title"]
    assert api.call("DELETE", draft.path, headers={"If-Match": str(revision)}).status_code == 412
    assert api.call("PUT", draft.path, json=api.document(), headers={"If-Match": f'"{revision}"'}).status_code == 400


def test_a_deleted_draft_is_gone(api, draft):
    assert api.call("DELETE", draft.path).status_code == 204
    assert draft.get().status_code == 404
    assert api.call("DELETE", draft.path).status_code == 404


def test_nobody_and_strangers_may_do_nothing_with_a_draft(api, draft, stranger, nobody, server):
    wrong = Api(server.url, "not-a-token", name="wrong")
    for other in (stranger, nobody, wrong):
        for method, path in (
            ("GET", draft.path),
            ("PUT", draft.path),
            ("DELETE", draft.path),
            ("GET", f"{draft.path}/files"),
            ("POST", f"{draft.path}/files"),
            ("POST", f"{draft.path}/actions/publish"),
        ):
            body = (
                {"json": [{"key": "a"}] if path.endswith("files") else api.document()}
                if method in ("PUT", "POST")
                else {}
            )
            assert other.call(method, path, **body).status_code == 403, (method, path)
    for other in (nobody, wrong):
        assert other.call("POST", "/api/records", json=api.document()).status_code == 403
        assert other.call("GET", "/api/user/records").status_code == 403
        assert other.call("GET", "/api/records").status_code == 200


def test_an_unknown_record_is_not_found(api):
    for path in ("", "/draft", "/draft/files"):
        assert api.call("GET", f"/api/records/abcde-12345{path}").status_code == 404
