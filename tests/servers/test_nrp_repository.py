"""The real NRP repository of the tests: what is in it from the beginning, and what is told where there is none."""

import pytest

from servers.conftest import start_nrp
from servers.nrp import interpreter, server
from servers.raw_api import Api, Draft, document


@pytest.fixture
def no_interpreter(monkeypatch, tmp_path):
    """A machine without Python 3.14 and without apt-get."""
    monkeypatch.setenv("NRP_HOME", str(tmp_path))
    monkeypatch.setattr(interpreter, "_installed", lambda: None)
    monkeypatch.setattr(interpreter, "_runs", lambda python: False)
    monkeypatch.setattr(interpreter.shutil, "which", lambda name: None)
    monkeypatch.setattr(server, "install_servers", lambda: None)
    monkeypatch.setattr(server, "install_debian", lambda packages: None)


def test_without_an_interpreter_the_checks_of_a_change_fail_with_one_line(no_interpreter, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"^expected Python 3\.14 \(an NRP repository needs it\)[^\n]*$"):
        start_nrp(None)


def test_without_an_interpreter_a_developer_s_tests_are_skipped_with_the_same_line(no_interpreter, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^expected Python 3\.14 \(an NRP repository needs it\)[^\n]*$"):
        start_nrp(None)


@pytest.mark.nrp
def test_the_model_and_the_communities_are_there_from_the_beginning(nrp):
    api = Api(nrp.url, nrp.token)
    models = {model["type"]: model for model in api.call("GET", "/.well-known/repository/models").json()}
    assert models[nrp.model]["links"]["records"].startswith(f"{nrp.url}/api/{nrp.model}")
    for slug in (nrp.community, nrp.own_community):
        found = api.call("GET", f"/api/communities/{slug}").json()
        assert found["custom_fields"]["workflow"] == nrp.community_workflow


@pytest.mark.nrp
def test_a_record_is_published_by_its_owner_and_a_reviewed_one_by_the_curator(nrp):
    owner = Api(nrp.url, nrp.token)
    own = _new(owner, nrp, nrp.workflow)
    assert own.publish().status_code == 202
    reviewed = _new(owner, nrp, nrp.review_workflow)
    assert reviewed.publish().status_code == 403
    applicable = owner.call("GET", reviewed.get().json()["links"]["applicable-requests"]).json()["hits"]["hits"]
    (publish,) = [each for each in applicable if each["type_id"] == "publish_draft"]
    request = owner.call("POST", publish["links"]["actions"]["create"], json={}).json()
    assert owner.call("POST", request["links"]["actions"]["submit"], json={}).json()["status"] == "submitted"
    curator = Api(nrp.url, nrp.curator_token)
    links = curator.call("GET", request["links"]["self"]).json()["links"]
    assert curator.call("POST", links["actions"]["accept"], json={}).json()["status"] == "accepted"
    assert owner.call("GET", reviewed.record).status_code == 200


def _new(api, nrp, workflow):
    record = document(resource_type={"id": server.DATASET[nrp.base]})
    made = api.call("POST", f"/api/{nrp.model}", json={**record, "parent": {"workflow": workflow}})
    assert made.status_code == 201, made.text
    draft = Draft(api, made.json()["id"])
    draft.upload("a", b"1")
    return draft
