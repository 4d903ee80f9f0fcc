"""What becomes of a draft or record that somebody has changed, or deleted, in the repository."""

import asyncio
from dataclasses import replace

import pytest

from ferry.deposit.metadata import EditedError
from ferry.deposit.read_back import DraftGoneError, PublishedEditedError
from ferry.deposit.settings import DepositSettings
from ferry.errors import MetadataError, PermanentError, TransientError
from ferry.identity import source_identifier
from servers import depositing
from servers.depositing import CONTENTS, IDENTIFIER, RECID, act, creations, deposit, document, requests
from servers.raw_api import Api, Draft

SETTINGS = DepositSettings(settle_s=2)
KEEP = replace(SETTINGS, when_edited="keep")
OVERWRITE = replace(SETTINGS, when_edited="overwrite")
RESTRICTED = {"record": "restricted", "files": "restricted"}
BY_HAND = r'metadata\.title is "By hand", ours "A manual"'


def edit(sandbox, record_id, *, access=None, **changes):
    """Change a draft as the repository's own form does: all of it is read, and written."""
    api = Api(sandbox.url, sandbox.token)
    path = f"/api/records/{record_id}/draft"
    held = api.call("GET", path).json()
    metadata = {name: value for name, value in {**held["metadata"], **changes}.items() if value is not None}
    given = {"metadata": metadata, "access": access or held["access"], "files": {"enabled": held["files"]["enabled"]}}
    assert api.call("PUT", path, json=given).status_code == 200


def held(sandbox, record_id, *, draft=True):
    """Return what the repository has: title and access."""
    path = f"/api/records/{record_id}" + ("/draft" if draft else "")
    found = Api(sandbox.url, sandbox.token).call("GET", path).json()
    return found["metadata"]["title"], found["access"]["record"]


def publish(sandbox, tmp_path, uploaded, **options):
    return depositing.publish(sandbox, uploaded, given_path=tmp_path / "given.json", **options)


@pytest.mark.parametrize("title", ["A manual", "Corrected"])
def test_a_draft_that_was_changed_by_hand_is_told_by_field_and_left(sandbox, tmp_path, title):
    record_id = deposit(sandbox, tmp_path).receipt["record_id"]
    edit(sandbox, record_id, title="By hand", access=RESTRICTED)
    with pytest.raises(EditedError) as told:
        deposit(sandbox, tmp_path, doc=document(title=title))
    assert f'metadata.title is "By hand", ours "{title}"' in str(told.value)
    assert 'access.record is "restricted", ours "public"' in str(told.value)
    assert "set repository.when_edited" in str(told.value)
    assert held(sandbox, record_id) == ("By hand", "restricted")


def test_what_was_changed_by_hand_stays_where_config_says_so_and_the_rest_follows_ours(sandbox, tmp_path):
    record_id = deposit(sandbox, tmp_path).receipt["record_id"]
    edit(sandbox, record_id, title="By hand <p>1 &lt; 2</p>")
    corrected = document(title="Corrected")
    corrected["metadata"]["publisher"] = "Another publisher"
    for doc in (document(), corrected, corrected):
        assert deposit(sandbox, tmp_path, doc=doc, settings=KEEP).receipt["kept"] == ["metadata.title"]
    draft = Draft(Api(sandbox.url, sandbox.token), record_id).get().json()["metadata"]
    assert (draft["title"], draft["publisher"]) == ("By hand <p>1 &lt; 2</p>", "Another publisher")
    with pytest.raises(EditedError, match=r"metadata\.title"):
        deposit(sandbox, tmp_path, doc=corrected)


def test_the_identifier_by_which_a_record_is_found_is_never_kept_away(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    edit(sandbox, uploaded["record_id"], identifiers=None, title="By hand")
    named = rf"metadata\.identifiers.*is none, ours .*{IDENTIFIER}.*when_edited: keep does not cover it"
    for act_again in (
        lambda: deposit(sandbox, tmp_path, settings=KEEP),
        lambda: deposit(sandbox, tmp_path, doc=document(title="Corrected"), settings=KEEP),
        lambda: publish(sandbox, tmp_path, uploaded, when_edited="keep"),
    ):
        with pytest.raises(EditedError, match=named):
            act_again()
    edit(sandbox, uploaded["record_id"], identifiers=[{"identifier": "of-another-hand", "scheme": "other"}])
    with pytest.raises(EditedError, match="keep does not cover it"):
        publish(sandbox, tmp_path, uploaded, when_edited="keep")
    entries = [source_identifier(RECID), {"identifier": "of-another-hand", "scheme": "other"}]
    edit(sandbox, uploaded["record_id"], identifiers=entries)
    kept = publish(sandbox, tmp_path, uploaded, when_edited="keep").receipt["kept"]
    assert kept == ["metadata.identifiers", "metadata.title"]


def test_an_identifier_that_was_taken_away_is_written_again_where_config_says_overwrite(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    edit(sandbox, uploaded["record_id"], identifiers=None)
    publish(sandbox, tmp_path, uploaded, when_edited="overwrite")
    found = Api(sandbox.url, sandbox.token).call("GET", f"/api/records/{uploaded['record_id']}").json()
    assert found["metadata"]["identifiers"] == [source_identifier(RECID)]


def test_what_was_changed_by_hand_is_overwritten_where_config_says_so_and_that_is_told(sandbox, tmp_path, caplog):
    record_id = deposit(sandbox, tmp_path).receipt["record_id"]
    edit(sandbox, record_id, title="By hand", access=RESTRICTED)
    receipt = deposit(sandbox, tmp_path, settings=OVERWRITE).receipt
    assert "kept" not in receipt
    assert held(sandbox, record_id) == ("A manual", "public")
    assert 'metadata.title is "By hand", ours "A manual"' in caplog.text
    assert "; ours counts, as repository.when_edited says" in caplog.text
    assert deposit(sandbox, tmp_path).receipt == receipt


def test_a_field_that_was_taken_away_by_hand_is_told_and_one_that_we_give_anew_is_not(sandbox, tmp_path):
    record_id = deposit(sandbox, tmp_path).receipt["record_id"]
    described = document()
    described["metadata"]["description"] = "A description"
    deposit(sandbox, tmp_path, doc=described)
    edit(sandbox, record_id, description=None)
    with pytest.raises(EditedError, match=r'metadata\.description is none, ours "A description"'):
        deposit(sandbox, tmp_path, doc=described)


def test_metadata_of_ours_that_change_are_no_change_by_hand_also_from_a_folder_without_data(sandbox, tmp_path):
    deposit(sandbox, tmp_path)
    (tmp_path / "data" / "deposit.json").unlink()
    asyncio.run(asyncio.sleep(1.2))  # the index shows new records late
    record_id = deposit(sandbox, tmp_path, doc=document(title="Corrected")).receipt["record_id"]
    assert held(sandbox, record_id)[0] == "Corrected"
    assert creations(sandbox) == 1


def test_a_draft_of_which_nothing_is_known_is_not_overwritten_and_one_that_lacks_something_is_filled(sandbox, tmp_path):
    record_id = deposit(sandbox, tmp_path).receipt["record_id"]
    described = document()
    described["metadata"]["description"] = "A description"
    (tmp_path / "given.json").unlink()
    deposit(sandbox, tmp_path, doc=described)
    edit(sandbox, record_id, title="By hand")
    (tmp_path / "given.json").unlink()
    with pytest.raises(EditedError, match=BY_HAND):
        deposit(sandbox, tmp_path, doc=described)


def test_an_update_whose_answer_was_lost_is_no_change_by_hand(sandbox, tmp_path):
    deposit(sandbox, tmp_path)

    def spoil(repository):
        update = repository.update_draft

        async def update_and_lose(draft, given):
            await update(draft, given)
            raise TransientError("504")

        repository.update_draft = update_and_lose

    with pytest.raises(TransientError, match="504"):
        deposit(sandbox, tmp_path, doc=document(title="Lost"), settings=replace(SETTINGS, attempts=1), spoil=spoil)
    record_id = deposit(sandbox, tmp_path, doc=document(title="After that")).receipt["record_id"]
    assert held(sandbox, record_id)[0] == "After that"


def test_a_draft_that_is_as_it_was_given_takes_no_request_more_than_its_reading(sandbox, tmp_path):
    deposit(sandbox, tmp_path)
    before = len(requests(sandbox))
    deposit(sandbox, tmp_path)
    asked = [(request["method"], request["path"].rsplit("/", 1)[-1]) for request in requests(sandbox, before)]
    assert [each for each in asked if each[1] in ("draft", "files")] == [("GET", "draft"), ("GET", "files")]
    assert {method for method, _ in asked} == {"GET"}


def test_what_was_changed_by_hand_is_not_published(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    edit(sandbox, uploaded["record_id"], title="By hand", access=RESTRICTED)
    with pytest.raises(EditedError, match=BY_HAND):
        publish(sandbox, tmp_path, uploaded)
    kept = publish(sandbox, tmp_path, uploaded, when_edited="keep").receipt
    assert kept["kept"] == ["access.files", "access.record", "metadata.title"]
    assert held(sandbox, uploaded["record_id"], draft=False) == ("By hand", "restricted")


def test_ours_is_written_again_before_it_is_published_where_config_says_so(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    edit(sandbox, uploaded["record_id"], title="By hand", access=RESTRICTED)
    receipt = publish(sandbox, tmp_path, uploaded, when_edited="overwrite").receipt
    assert "kept" not in receipt
    assert held(sandbox, uploaded["record_id"], draft=False) == ("A manual", "public")


def test_a_change_between_the_last_look_and_publishing_is_told(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt

    async def run(repository):
        publishes = repository.publish

        async def after_another(draft):
            edit(sandbox, draft.id, title="By hand")
            await publishes(draft)

        repository.publish = after_another
        return await depositing.publish_record(
            repository=repository, uploaded=uploaded, document=document(), given_path=tmp_path / "given.json"
        )

    with pytest.raises(PublishedEditedError, match=BY_HAND):
        act(sandbox, run)


def edited_in_public(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    publish(sandbox, tmp_path, uploaded)
    api = Api(sandbox.url, sandbox.token)
    assert api.call("POST", f"/api/records/{uploaded['record_id']}/draft", json={}).status_code == 201
    edit(sandbox, uploaded["record_id"], title="By hand")
    assert Draft(api, uploaded["record_id"]).publish().status_code == 202
    return uploaded


def test_a_public_record_that_a_curator_changed_is_told_kept_or_changed_back(sandbox, tmp_path):
    uploaded = edited_in_public(sandbox, tmp_path)
    with pytest.raises(EditedError, match=BY_HAND):
        deposit(sandbox, tmp_path)
    assert deposit(sandbox, tmp_path, settings=KEEP).receipt["kept"] == ["metadata.title"]
    with pytest.raises(MetadataError, match=r"set repository\.when_published"):
        deposit(sandbox, tmp_path, settings=OVERWRITE)
    again = deposit(sandbox, tmp_path, settings=replace(OVERWRITE, when_published="update_metadata")).receipt
    publish(sandbox, tmp_path, again, when_edited="overwrite")
    assert held(sandbox, uploaded["record_id"], draft=False)[0] == "A manual"


def test_an_update_of_a_public_record_keeps_what_a_curator_changed(sandbox, tmp_path):
    uploaded = edited_in_public(sandbox, tmp_path)
    corrected = document(title="Corrected")
    corrected["metadata"]["publisher"] = "Another publisher"
    update = replace(KEEP, when_published="update_metadata")
    again = deposit(sandbox, tmp_path, doc=corrected, settings=update).receipt
    assert again["kept"] == ["metadata.title"]
    assert publish(sandbox, tmp_path, again, doc=corrected, when_edited="keep").receipt["kept"] == ["metadata.title"]
    assert held(sandbox, uploaded["record_id"], draft=False)[0] == "By hand"


def test_a_new_version_does_not_take_its_own_date_for_a_change_by_hand(sandbox, tmp_path):
    publish(sandbox, tmp_path, deposit(sandbox, tmp_path).receipt)
    version = replace(SETTINGS, when_published="new_version")
    doc = document(title="The second version")
    second = deposit(sandbox, tmp_path, contents={**CONTENTS, "a.al": b"other"}, doc=doc, settings=version).receipt
    assert publish(sandbox, tmp_path, second, doc=doc).receipt["state"] == "published"
    assert held(sandbox, second["record_id"], draft=False)[0] == "The second version"


def test_a_draft_that_was_deleted_before_it_is_published_is_told_as_that_and_made_anew(sandbox, tmp_path, caplog):
    uploaded = deposit(sandbox, tmp_path).receipt
    api = Api(sandbox.url, sandbox.token)
    assert api.call("DELETE", f"/api/records/{uploaded['record_id']}/draft").status_code == 204
    with pytest.raises(DraftGoneError, match="it was deleted in the repository; run again, it is made anew"):
        publish(sandbox, tmp_path, uploaded)
    again = deposit(sandbox, tmp_path).receipt
    assert f"{uploaded['record_id']} is gone from the repository, deleted there" in caplog.text
    assert f"the record is made anew, as {again['record_id']}" in caplog.text
    assert again["files"] == uploaded["files"]
    assert publish(sandbox, tmp_path, again).receipt["state"] == "published"


def test_a_draft_that_is_deleted_while_its_files_go_up_is_made_anew_in_the_same_run(sandbox, tmp_path, caplog):
    api = Api(sandbox.url, sandbox.token)
    deleted = []

    def spoil(repository):
        commit = repository.commit

        async def after_deletion(entry):
            if not deleted:
                deleted.append(entry.self_url.path.split("/draft")[0].rsplit("/", 1)[1])
                assert api.call("DELETE", f"/api/records/{deleted[0]}/draft").status_code == 204
            await commit(entry)

        repository.commit = after_deletion

    receipt = deposit(sandbox, tmp_path, spoil=spoil).receipt
    assert receipt["record_id"] != deleted[0]
    assert {file["key"] for file in receipt["files"]} == set(CONTENTS)
    assert f"{deleted[0]} is gone from the repository, deleted there; the record is made anew" in caplog.text
    assert creations(sandbox) == 2


@pytest.mark.parametrize("is_made", [True, False])
def test_a_repository_that_makes_public_what_is_to_be_restricted_is_told_each_time(sandbox, tmp_path, is_made):
    restricted = {**document(), "access": RESTRICTED}
    if is_made:
        deposit(sandbox, tmp_path)

    def spoil(repository):
        create, update = repository.create, repository.update_draft

        async def create_public(given, **options):
            return await create({**given, "access": document()["access"]}, **options)

        async def update_public(draft, given):
            return await update(draft, {**given, "access": document()["access"]})

        repository.create, repository.update_draft = create_public, update_public

    for _ in range(2):
        with pytest.raises(
            PermanentError, match=r'access\.record is "public", ours "restricted"; it decides by itself'
        ):
            deposit(sandbox, tmp_path, doc=restricted, spoil=spoil)
    assert creations(sandbox) == 1
    receipt = deposit(sandbox, tmp_path, doc=restricted).receipt
    assert held(sandbox, receipt["record_id"])[1] == "restricted"
