"""A second draft of one record is removed only where it holds nothing but what it was given from here."""

import pytest

from ferry.deposit.duplicates import DuplicateError
from ferry.deposit.settings import DepositSettings
from servers.depositing import CONTENTS, IDENTIFIER, deposit, document
from servers.raw_api import Api, Draft, eventually

REMOVE = DepositSettings(settle_s=2, duplicate_drafts="remove")


@pytest.fixture
def doubled(sandbox, tmp_path):
    """A record that was brought in, and a second draft as a late answer to the same request makes it; no state."""
    used = deposit(sandbox, tmp_path).receipt["record_id"]
    api, other = make_second(sandbox, tmp_path)
    return api, used, other


def make_second(sandbox, tmp_path):
    api = Api(sandbox.url, sandbox.token)
    other = api.call("POST", "/api/records", json=document()).json()["id"]
    (tmp_path / "data" / "deposit.json").unlink()
    eventually(lambda: len(shown(api)) == 2)
    return api, other


def shown(api):
    return {hit["id"] for hit in api.search("/api/user/records", IDENTIFIER)["hits"]["hits"]}


def is_there(api, record_id):
    return api.call("GET", f"/api/records/{record_id}/draft").status_code == 200


def change(api, record_id, **parts):
    """Write other parts of a draft, as its page does."""
    path = f"/api/records/{record_id}/draft"
    given = {**document(), **parts}
    assert api.call("PUT", path, json=given).status_code == 200


def test_one_that_is_as_it_was_given_is_removed(doubled, sandbox, tmp_path):
    api, used, other = doubled
    done = deposit(sandbox, tmp_path, settings=REMOVE)
    assert done.receipt["record_id"] == used
    assert not is_there(api, other)
    assert done.measured["bytes_moved"] == 0


def test_one_that_is_as_it_was_given_before_is_removed(sandbox, tmp_path):
    deposit(sandbox, tmp_path)
    corrected = document(title="A manual, corrected")
    used = deposit(sandbox, tmp_path, doc=corrected).receipt["record_id"]
    api, other = make_second(sandbox, tmp_path)
    assert deposit(sandbox, tmp_path, doc=corrected, settings=REMOVE).receipt["record_id"] == used
    assert not is_there(api, other)


@pytest.mark.parametrize("has_files", [False, True], ids=["empty", "with the same files"])
@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"metadata": {**document()["metadata"], "title": "As somebody has written it"}}, "metadata.title"),
        ({"metadata": {**document()["metadata"], "description": "Of hand"}}, "metadata.description"),
        ({"access": {"record": "public", "files": "restricted"}}, "access.files"),
        ({"access": {"record": "restricted", "files": "restricted"}}, "access.files, access.record"),
    ],
)
def test_one_that_somebody_has_a_hand_in_is_left_at_once_too(doubled, sandbox, tmp_path, parts, field, has_files):
    api, used, other = doubled
    if has_files:
        for key, data in CONTENTS.items():
            Draft(api, other).upload(key, data)
    change(api, other, **parts)
    with pytest.raises(DuplicateError) as failure:
        deposit(sandbox, tmp_path, settings=REMOVE)
    assert f"it holds what it was not given from here: {field}" in str(failure.value)
    assert "set repository.duplicate_drafts" not in str(failure.value)
    assert {used, other} <= set(str(failure.value).replace("/", " ").split())
    assert is_there(api, used)
    assert is_there(api, other)


@pytest.mark.parametrize("parts", [{"key": "a.al", "data": b"others"}, {"key": "note.txt", "data": b"of hand"}])
def test_one_with_files_of_its_own_is_left(doubled, sandbox, tmp_path, parts):
    api, used, other = doubled
    Draft(api, other).upload(parts["key"], parts["data"])
    with pytest.raises(DuplicateError, match=f"it holds other files: {parts['key']}"):
        deposit(sandbox, tmp_path, settings=REMOVE)
    assert is_there(api, used)
    assert is_there(api, other)
