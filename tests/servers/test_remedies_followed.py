"""What a message about a record in the repository says is to be done is done to the letter, and then all is well."""

import asyncio
from types import SimpleNamespace

import pytest

from ferry.deposit.links import LinkMembers
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState
from ferry.errors import IntegrityError, MetadataError, PermanentError
from ferry.identity import record_url
from ferry.mapping.links import Link
from ferry.restore.find import find_record
from servers.depositing import CONTENTS, IDENTIFIER, RECID, act, deposit, document, publish
from servers.fault_proxy import fault_proxy
from servers.faults import Fault
from servers.raw_api import Api, Draft, eventually

OTHER = {**CONTENTS, "a.al": b"other"}


@pytest.mark.parametrize("way", ["set upload.foreign_files to remove", "remove them at its page"])
def test_files_of_another_hand_in_a_draft_that_is_to_have_none_go_in_either_way(sandbox, tmp_path, way):
    first = deposit(sandbox, tmp_path).receipt
    (tmp_path / "data" / "deposit.json").unlink()
    asyncio.run(asyncio.sleep(1.2))  # the index shows new drafts late
    without = {"contents": {}, "doc": document(files_enabled=False)}
    with pytest.raises(PermanentError, match=r"look at \S+, or have them removed \(upload\.foreign_files: remove\)"):
        deposit(sandbox, tmp_path, **without)
    if way.startswith("set"):
        without["settings"] = DepositSettings(settle_s=2, foreign_files="remove")
    else:
        draft = Draft(Api(sandbox.url, sandbox.token), first["record_id"])
        for key in CONTENTS:
            assert draft.delete(key).ok
    done = deposit(sandbox, tmp_path, **without).receipt
    assert (done["record_id"], done["files"]) == (first["record_id"], [])


@pytest.mark.parametrize("tried_before", [None, "update_metadata"])
def test_a_public_record_with_other_files_gets_a_new_version_where_the_message_is_followed(
    sandbox, tmp_path, tried_before
):
    first = deposit(sandbox, tmp_path).receipt
    publish(sandbox, first)
    named = "set repository.when_published to what shall become of it"
    with pytest.raises(IntegrityError, match=named):
        deposit(sandbox, tmp_path, contents=OTHER)
    if tried_before:
        settings = DepositSettings(settle_s=2, when_published=tried_before)
        with pytest.raises(IntegrityError, match=r"set repository\.when_published to new_version"):
            deposit(sandbox, tmp_path, contents=OTHER, settings=settings)
    settings = DepositSettings(settle_s=2, when_published="new_version")
    again = deposit(sandbox, tmp_path, contents=OTHER, settings=settings).receipt
    assert publish(sandbox, again).receipt["version"] == 2
    assert again["record_id"] != first["record_id"]


@pytest.mark.parametrize("choice", ["update_metadata", "new_version"])
def test_a_public_record_with_other_metadata_is_changed_where_the_message_is_followed(sandbox, tmp_path, choice):
    publish(sandbox, deposit(sandbox, tmp_path).receipt)
    corrected = document(title="Corrected")
    with pytest.raises(MetadataError, match=r"set repository\.when_published to what shall become of it"):
        deposit(sandbox, tmp_path, doc=corrected)
    settings = DepositSettings(settle_s=2, when_published=choice)
    again = deposit(sandbox, tmp_path, doc=corrected, settings=settings).receipt
    public = publish(sandbox, again, doc=corrected).receipt
    api = Api(sandbox.url, sandbox.token)
    assert api.call("GET", f"/api/records/{public['record_id']}").json()["metadata"]["title"] == "Corrected"


def test_a_collection_that_is_changed_while_it_is_linked_is_linked_once_it_is_as_it_was(sandbox, tmp_path):
    ours, member = document(), 7001
    part = {"identifier": record_url(member), "scheme": "url", "relation_type": {"id": "haspart"}}
    ours["metadata"]["related_identifiers"] = [part]
    uploaded = deposit(sandbox, tmp_path, doc=ours).receipt
    draft = Draft(Api(sandbox.url, sandbox.token), uploaded["record_id"])
    links = {member: Link("10.5281/zenodo.7001", "doi")}

    def set_title(title):
        held = draft.get().json()
        changed = {**held, "metadata": {**held["metadata"], "title": title}}
        assert draft.api.call("PUT", draft.path, json=changed).ok

    async def link(repository):
        return await LinkMembers(
            repository=repository,
            uploaded=uploaded,
            document=ours,
            links=links,
            state=DepositState(path=tmp_path / "links.json", recid=RECID, repository=repository.name),
            settle_s=1,
            finish="draft",
        ).run()

    with fault_proxy(sandbox.url) as proxy:
        proxy.add(Fault("read", method="GET", path=r"/draft(\?|$)", change=lambda _answer: set_title("By hand")))
        with pytest.raises(PermanentError, match=r"changed by somebody else while .*; look at \S+ and run again"):
            act(SimpleNamespace(url=proxy.url, token=sandbox.token), link)
    set_title(ours["metadata"]["title"])
    assert act(sandbox, link).links == links


@pytest.mark.parametrize("way", ["put back results/<recid> with its receipts", "set NRP_TOKEN of their owner"])
def test_of_public_records_of_two_owners_ours_is_restored_by_its_receipt_or_with_its_owners_token(
    sandbox, tmp_path, way
):
    uploaded = {}
    for name, token in (("ours", sandbox.token), ("theirs", sandbox.other_token)):
        owner = SimpleNamespace(url=sandbox.url, token=token)
        uploaded[name] = deposit(owner, tmp_path / name).receipt
        publish(owner, uploaded[name])
    anybody = Api(sandbox.url, None)
    eventually(lambda: anybody.search("/api/records", IDENTIFIER)["hits"]["total"] == 2)

    def find(**known):
        async def found(repository):
            return await find_record(repository, **{"identifier": IDENTIFIER, "known_id": None, **known})

        return act(sandbox, found).id

    with pytest.raises(PermanentError, match="found several, and nothing that tells which one is ours") as told:
        find(has_token=False)
    assert way in str(told.value)
    known = (
        {"has_token": True}
        if way.startswith("set")
        else {"has_token": False, "known_id": uploaded["ours"]["record_id"]}
    )
    assert find(**known) == uploaded["ours"]["record_id"]
