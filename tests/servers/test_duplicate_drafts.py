"""A second draft of one record is removed only where it holds nothing but what it was given from here."""

import pytest

from ferry.deposit.duplicates import DuplicateError
from ferry.deposit.settings import DepositSettings
from ferry.identity import source_identifier
from servers.depositing import CONTENTS, deposit, document, own_recid
from servers.raw_api import Api, Draft, eventually

REMOVE = DepositSettings(settle_s=2, duplicate_drafts="remove")
RECID = own_recid()
OURS = document(recid=RECID)


@pytest.fixture(params=["sandbox", pytest.param("invenio", marks=pytest.mark.rdm)])
def repository(request):
    """Give a repository without a draft of the record, and take away what a test leaves there."""
    yield (found := request.getfixturevalue(request.param))
    api = Api(found.url, found.token)
    for record_id in shown(api):
        api.call("DELETE", f"/api/records/{record_id}/draft")
    eventually(lambda: not shown(api))


@pytest.fixture
def doubled(repository, tmp_path):
    """A record that was brought in, and a second draft as a late answer to the same request makes it; no state."""
    used = bring(repository, tmp_path).receipt["record_id"]
    api, other = make_second(repository, tmp_path)
    return api, used, other


def bring(repository, tmp_path, **options):
    return deposit(repository, tmp_path, recid=RECID, **options)


def make_second(repository, tmp_path):
    api = Api(repository.url, repository.token)
    other = api.call("POST", "/api/records", json=OURS).json()["id"]
    (tmp_path / "data" / "deposit.json").unlink()
    eventually(lambda: len(shown(api)) == 2)
    return api, other


def shown(api):
    identifier = source_identifier(RECID)["identifier"]
    return {hit["id"] for hit in api.search("/api/user/records", identifier)["hits"]["hits"]}


def is_there(api, record_id):
    return api.call("GET", f"/api/records/{record_id}/draft").status_code == 200


def change(api, record_id, **parts):
    """Write other parts of a draft, as its page does."""
    path = f"/api/records/{record_id}/draft"
    given = {**OURS, **parts}
    assert api.call("PUT", path, json=given).status_code == 200


def test_one_that_is_as_it_was_given_is_removed(doubled, repository, tmp_path):
    api, used, other = doubled
    done = bring(repository, tmp_path, settings=REMOVE)
    assert done.receipt["record_id"] == used
    assert not is_there(api, other)
    assert done.measured["bytes_moved"] == 0


def test_one_that_is_as_it_was_given_before_is_removed(repository, tmp_path):
    bring(repository, tmp_path)
    corrected = document(title="A manual, corrected", recid=RECID)
    used = bring(repository, tmp_path, doc=corrected).receipt["record_id"]
    api, other = make_second(repository, tmp_path)
    assert bring(repository, tmp_path, doc=corrected, settings=REMOVE).receipt["record_id"] == used
    assert not is_there(api, other)


@pytest.mark.parametrize("has_files", [False, True], ids=["empty", "with the same files"])
@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"metadata": {**OURS["metadata"], "title": "As somebody has written it"}}, "metadata.title"),
        ({"metadata": {**OURS["metadata"], "description": "Of hand"}}, "metadata.description"),
        ({"access": {"record": "public", "files": "restricted"}}, "access.files"),
        ({"access": {"record": "restricted", "files": "restricted"}}, "access.files, access.record"),
    ],
)
def test_one_that_somebody_has_a_hand_in_is_left_at_once_too(doubled, repository, tmp_path, parts, field, has_files):
    api, used, other = doubled
    if has_files:
        for key, data in CONTENTS.items():
            Draft(api, other).upload(key, data)
    change(api, other, **parts)
    with pytest.raises(DuplicateError) as failure:
        bring(repository, tmp_path, settings=REMOVE)
    assert f"it holds what it was not given from here: {field}" in str(failure.value)
    assert "set repository.duplicate_drafts" not in str(failure.value)
    assert {used, other} <= set(str(failure.value).replace("/", " ").split())
    assert is_there(api, used)
    assert is_there(api, other)


@pytest.mark.parametrize("parts", [{"key": "a.al", "data": b"others"}, {"key": "note.txt", "data": b"of hand"}])
def test_one_with_files_of_its_own_is_left(doubled, repository, tmp_path, parts):
    api, used, other = doubled
    Draft(api, other).upload(parts["key"], parts["data"])
    with pytest.raises(DuplicateError, match=f"it holds other files: {parts['key']}"):
        bring(repository, tmp_path, settings=REMOVE)
    assert is_there(api, used)
    assert is_there(api, other)
