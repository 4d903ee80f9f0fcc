"""A second draft of one record is removed only where it holds nothing but what it was given from here."""

from types import SimpleNamespace

import pytest

from ferry.deposit.draft_search import DraftSearch
from ferry.deposit.duplicates import DuplicateError, OneRecord
from ferry.deposit.given import GivenMetadata
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState
from ferry.errors import TransientError
from ferry.identity import source_identifier
from ferry.retry import RetryPolicy
from servers.depositing import CONTENTS, act, deposit, document, own_recid
from servers.fault_proxy import fault_proxy
from servers.faults import Fault
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("parts", [{"key": "a.al", "data": b"others"}, {"key": "note.txt", "data": b"of hand"}])
def test_one_with_files_of_its_own_is_left(doubled, repository, tmp_path, parts):
    api, used, other = doubled
    Draft(api, other).upload(parts["key"], parts["data"])
    with pytest.raises(DuplicateError, match=f"it holds other files: {parts['key']}"):
        bring(repository, tmp_path, settings=REMOVE)
    assert is_there(api, used)
    assert is_there(api, other)


@pytest.fixture
def confirm_first(sandbox, tmp_path):
    """Give what is asked before a record is published."""

    def confirm(record_id, *, url=sandbox.url):
        async def asked(repository):
            one = OneRecord(
                repository=repository,
                recid=RECID,
                identifier=source_identifier(RECID)["identifier"],
                model_recid=None,
                duplicates="fail",
                given=GivenMetadata(None, recid=RECID, repository="sandbox"),
            )
            state = DepositState(path=tmp_path / "deposit.json", recid=RECID, repository="sandbox")
            await DraftSearch(one=one, state=state, retry=RetryPolicy(), settle_s=3).confirm_first(record_id)

        act(SimpleNamespace(url=url, token=sandbox.token), asked)

    return confirm


def test_a_draft_that_no_search_shows_is_not_published(sandbox, tmp_path, confirm_first):
    record_id = bring(sandbox, tmp_path).receipt["record_id"]

    def nothing_found(answer):
        answer.json = {**answer.json, "hits": {"hits": [], "total": 0}}

    confirm_first(record_id)
    with fault_proxy(sandbox.url) as proxy:
        proxy.add(Fault("unseen", method="GET", path=r"/api/user/records\?", change=nothing_found, times=None))
        with pytest.raises(TransientError, match="expected a search to show it before it is published"):
            confirm_first(record_id, url=proxy.url)


@pytest.mark.parametrize("how", ["deleted", "without its identifier"])
def test_a_draft_that_no_search_can_show_is_left_to_what_tells_of_that(sandbox, tmp_path, confirm_first, how):
    record_id, api = bring(sandbox, tmp_path).receipt["record_id"], Api(sandbox.url, sandbox.token)
    if how == "deleted":
        assert api.call("DELETE", f"/api/records/{record_id}/draft").status_code == 204
    else:
        change(api, record_id, metadata={**OURS["metadata"], "identifiers": []})
    confirm_first(record_id)


@pytest.mark.parametrize("how", ["published", "deleted"])
def test_an_older_draft_that_goes_away_while_it_is_looked_at_is_looked_for_again(sandbox, tmp_path, confirm_first, how):
    older = bring(sandbox, tmp_path).receipt["record_id"]
    api, newer = make_second(sandbox, tmp_path)

    def go(_answer):
        gone = Draft(api, older).publish() if how == "published" else api.call("DELETE", f"/api/records/{older}/draft")
        assert gone.ok, gone.text

    with fault_proxy(sandbox.url) as proxy:
        read = proxy.add(Fault("read", method="GET", path=rf"/api/records/{older}/draft(\?|$)", change=go))
        if how == "deleted":
            confirm_first(newer, url=proxy.url)
        else:
            with pytest.raises(DuplicateError, match=rf"{older} \(published, .*Delete what is too much \({newer}\)"):
                confirm_first(newer, url=proxy.url)
    assert read.fired == 1


@pytest.mark.rdm
@pytest.mark.parametrize("repository", ["invenio"], indirect=True)
@pytest.mark.parametrize("what", ["parent.access", "files.default_preview"])
def test_one_that_is_shared_or_has_a_chosen_preview_is_left(doubled, repository, tmp_path, what):
    api, used, other = doubled
    if what == "parent.access":
        shared = api.call("POST", f"/api/records/{other}/access/links", json={"permission": "view"})
        assert shared.status_code == 201
    else:
        Draft(api, other).upload("a.al", CONTENTS["a.al"])
        change(api, other, files={"enabled": True, "default_preview": "a.al"})
    with pytest.raises(DuplicateError, match=f"it holds what it was not given from here: {what}"):
        bring(repository, tmp_path, settings=REMOVE)
    assert is_there(api, used)
    assert is_there(api, other)
