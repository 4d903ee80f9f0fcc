"""What becomes of a complete draft, and of a record that is public already."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sandbox_here import sandbox_here

from ferry.deposit.metadata import EditedError
from ferry.deposit.settings import DepositSettings
from ferry.errors import IntegrityError, MetadataError, PermanentError
from ferry.flags import TOKEN_REFUSED, RunFlags
from ferry.repository.errors import DeclinedError
from sandbox.settings import Settings
from servers import depositing
from servers.depositing import CONTENTS, RECID, act, creations, deposit, document, requests
from servers.raw_api import Api, Draft

SETTINGS = DepositSettings(settle_s=2)


def publish(sandbox, uploaded, **options):
    return depositing.publish(sandbox, uploaded, **options).receipt


def published(sandbox, tmp_path):
    receipt = deposit(sandbox, tmp_path).receipt
    assert publish(sandbox, receipt)["state"] == "published"
    return receipt


def read(sandbox, record_id):
    async def both(repository):
        record = await repository.read_published(record_id)
        return record, await repository.list_files(record)

    return act(sandbox, both)


def test_a_published_record_that_is_equal_is_adopted_also_when_the_state_is_lost(sandbox, tmp_path):
    first = published(sandbox, tmp_path)
    (tmp_path / "data" / "deposit.json").unlink()
    asyncio.run(asyncio.sleep(1.2))  # the index shows new records late
    assert deposit(sandbox, tmp_path).receipt["files"] == first["files"]
    assert creations(sandbox) == 1


def test_a_published_record_with_other_metadata_is_told_and_left_alone(sandbox, tmp_path):
    first = published(sandbox, tmp_path)
    with pytest.raises(MetadataError, match=r"metadata differ: metadata\.title"):
        deposit(sandbox, tmp_path, doc=document(title="Another"))
    assert read(sandbox, first["record_id"])[0].document["metadata"]["title"] == "A manual"


def test_metadata_of_a_published_record_are_updated_where_config_says_so(sandbox, tmp_path):
    first = published(sandbox, tmp_path)
    update = replace(SETTINGS, when_published="update_metadata")
    again = deposit(sandbox, tmp_path, doc=document(title="Corrected"), settings=update)
    assert again.receipt["record_id"] == first["record_id"]
    assert again.measured["bytes_moved"] == 0
    assert publish(sandbox, again.receipt, doc=document(title="Corrected"))["state"] == "published"
    assert read(sandbox, first["record_id"])[0].document["metadata"]["title"] == "Corrected"


@pytest.mark.parametrize("edited_by_hand", [False, True])
def test_an_edit_that_is_open_is_gone_on_with(sandbox, tmp_path, edited_by_hand):
    first = published(sandbox, tmp_path)
    update = replace(SETTINGS, when_published="update_metadata")
    if edited_by_hand:
        path = f"/api/records/{first['record_id']}/draft"
        assert Api(sandbox.url, sandbox.token).call("POST", path, json={}).status_code == 201
    else:
        deposit(sandbox, tmp_path, doc=document(title="Corrected"), settings=update)
    again = deposit(sandbox, tmp_path, doc=document(title="Corrected again"), settings=update)
    assert publish(sandbox, again.receipt, doc=document(title="Corrected again"))["state"] == "published"
    assert read(sandbox, first["record_id"])[0].document["metadata"]["title"] == "Corrected again"


def test_a_new_version_is_begun_though_an_edit_is_open(sandbox, tmp_path):
    first = published(sandbox, tmp_path)
    Api(sandbox.url, sandbox.token).call("POST", f"/api/records/{first['record_id']}/draft", json={})
    version = replace(SETTINGS, when_published="new_version")
    second = deposit(sandbox, tmp_path, contents={**CONTENTS, "a.al": b"other"}, settings=version)
    assert second.receipt["record_id"] != first["record_id"]
    assert publish(sandbox, second.receipt)["state"] == "published"


def test_files_that_nobody_here_has_sent_are_not_made_public(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    Draft(Api(sandbox.url, sandbox.token), uploaded["record_id"]).upload("theirs.txt", b"x")
    with pytest.raises(IntegrityError, match=r"found also theirs\.txt \(1 such files\), which nobody here has sent"):
        publish(sandbox, uploaded)
    cleared = deposit(sandbox, tmp_path, settings=replace(SETTINGS, foreign_files="remove")).receipt
    assert publish(sandbox, cleared)["state"] == "published"


def test_files_of_a_published_record_are_not_touched_by_a_metadata_update(sandbox, tmp_path):
    published(sandbox, tmp_path)
    with pytest.raises(IntegrityError, match=r"its files differ: a\.al; .* set .* to new_version"):
        deposit(
            sandbox,
            tmp_path,
            contents={**CONTENTS, "a.al": b"other"},
            settings=replace(SETTINGS, when_published="update_metadata"),
        )


def test_a_new_version_takes_over_what_is_right_and_is_the_same_one_when_asked_again(sandbox, tmp_path):
    first = published(sandbox, tmp_path)
    version = replace(SETTINGS, when_published="new_version")
    changed = {**CONTENTS, "a.al": b"other"}
    second = deposit(sandbox, tmp_path, contents=changed, settings=version)
    assert second.receipt["record_id"] != first["record_id"]
    assert second.measured["bytes_moved"] == len(b"other")
    assert deposit(sandbox, tmp_path, contents=changed, settings=version).receipt == second.receipt
    assert publish(sandbox, second.receipt)["state"] == "published"
    _, files = read(sandbox, first["record_id"])
    assert {file.key: file.size_bytes for file in files} == {key: len(data) for key, data in CONTENTS.items()}
    asyncio.run(asyncio.sleep(1.2))
    (tmp_path / "data" / "deposit.json").unlink()
    assert deposit(sandbox, tmp_path, contents=changed).receipt["record_id"] == second.receipt["record_id"]


def community(sandbox, token, policy):
    api = Api(sandbox.url, token)
    given = {"slug": f"delphi-{policy}", "metadata": {"title": "DELPHI"}, "access": {"review_policy": policy}}
    assert api.call("POST", "/api/communities", json=given).status_code == 201
    return given["slug"]


def test_a_draft_is_submitted_once_and_public_when_its_community_accepts(sandbox, tmp_path):
    slug = community(sandbox, sandbox.other_token, "closed")
    uploaded = deposit(sandbox, tmp_path).receipt
    first = publish(sandbox, uploaded, community=slug)
    assert (first["state"], first["request"]["status"]) == ("in_review", "submitted")
    assert publish(sandbox, uploaded, community=slug) == first
    submissions = [request for request in requests(sandbox) if "submit-review" in request["path"]]
    assert len(submissions) == 1
    accept = f"/api/requests/{first['request']['id']}/actions/accept"
    assert Api(sandbox.url, sandbox.other_token).call("POST", accept, json={}).status_code == 200
    assert publish(sandbox, uploaded, community=slug)["state"] == "published"


def test_a_community_that_accepts_its_own_at_once_makes_the_record_public(sandbox, tmp_path):
    slug = community(sandbox, sandbox.token, "open")
    receipt = publish(sandbox, deposit(sandbox, tmp_path).receipt, community=slug)
    assert (receipt["state"], receipt["request"]["status"]) == ("published", "accepted")


def test_what_waits_for_a_review_is_accepted_once_the_configuration_says_publish(tmp_path):
    with sandbox_here(tmp_path / "repository", Settings(rate_limits=(), flavour="nrp")) as here:
        for each in here.site.store.others["communities"].values():
            each["access"]["review_policy"] = "open"
        server = SimpleNamespace(url=here.url, token=here.token, directory=tmp_path / "repository")
        doc = document()
        doc["metadata"] |= {"recid": RECID, "resource_type": {"id": "c_ddb1"}}
        settings = replace(SETTINGS, community="delphi-open")
        uploaded = deposit(server, tmp_path, settings=settings, doc=doc).receipt
        paths = {"review_path": tmp_path / "review.json", "given_path": tmp_path / "given.json"}
        for finish, state in (("review", "in_review"), ("review", "in_review"), ("publish", "published")):
            receipt = publish(server, uploaded, finish=finish, doc=doc, community="delphi-open", **paths)
            assert receipt["state"] == state


def test_a_token_that_dies_stops_every_job_of_the_run_and_the_next_run_goes_on(sandbox, tmp_path):
    flags = RunFlags("run", tmp_path / "flags")
    with pytest.raises(PermanentError, match="NRP_TOKEN"):
        deposit(sandbox, tmp_path, token="revoked-token", flags=flags)
    assert "revoked-token" not in flags.get(TOKEN_REFUSED)
    asked = len(requests(sandbox))
    with pytest.raises(PermanentError, match="refused before"):
        deposit(sandbox, tmp_path, flags=flags)
    discovery = [request["path"] for request in requests(sandbox, asked)]
    assert not any("records" in path for path in discovery)
    assert deposit(sandbox, tmp_path, flags=RunFlags("next", tmp_path / "flags")).receipt["files"]


def test_what_is_refused_for_one_record_does_not_stop_the_run(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    flags = RunFlags("run", tmp_path / "flags")

    async def read_it(repository):
        await repository.read_draft(uploaded["record_id"])

    with pytest.raises(PermanentError, match="right is missing"):
        act(sandbox, read_it, token=sandbox.other_token, flags=flags)
    assert flags.get(TOKEN_REFUSED) is None


def test_metadata_that_somebody_else_changes_meanwhile_are_not_overwritten(sandbox, tmp_path):
    deposit(sandbox, tmp_path)

    def spoil(repository):
        update = repository.update_draft

        async def after_another(draft, given):
            await update(await repository.read_draft(draft.id), document(title="By hand"))
            return await update(draft, given)

        repository.update_draft = after_another

    with pytest.raises(EditedError, match=r'metadata\.title is "By hand", ours "Ours"'):
        deposit(sandbox, tmp_path, doc=document(title="Ours"), spoil=spoil)


def decide(sandbox, receipt, action, words=None):
    path = f"/api/requests/{receipt['request']['id']}/actions/{action}"
    said = {"payload": {"content": words, "format": "html"}} if words else {}
    assert Api(sandbox.url, sandbox.other_token).call("POST", path, json=said).status_code == 200


def test_a_declined_draft_fails_with_the_reviewers_words_and_is_submitted_again_once_it_is_corrected(sandbox, tmp_path):
    options = {"community": community(sandbox, sandbox.other_token, "closed"), "review_path": tmp_path / "review.json"}
    first = publish(sandbox, deposit(sandbox, tmp_path).receipt, **options)
    decide(sandbox, first, "decline", "<p>Which detector,\u001b[31m &amp; when?</p>" + "x" * 2000)
    uploaded = deposit(sandbox, tmp_path).receipt
    for _ in range(2):
        with pytest.raises(DeclinedError, match=r"who say: Which detector, \[31m & when\? x{900,980} …; correct"):
            publish(sandbox, uploaded, **options)
    corrected = document(title="Corrected")
    second = publish(sandbox, deposit(sandbox, tmp_path, doc=corrected).receipt, doc=corrected, **options)
    assert (second["state"], second["record_id"]) == ("in_review", first["record_id"])
    assert second["request"]["id"] != first["request"]["id"]


def test_a_draft_that_is_asked_about_takes_one_request(sandbox, tmp_path):
    options = {"community": community(sandbox, sandbox.other_token, "closed"), "review_path": tmp_path / "review.json"}
    uploaded = deposit(sandbox, tmp_path).receipt
    first = publish(sandbox, uploaded, **options)
    asked = depositing.publish(sandbox, uploaded, **options)
    assert asked.receipt == first
    assert asked.measured["requests"] == 1


def test_a_draft_in_review_is_found_from_an_empty_folder_without_a_request_that_writes(sandbox, tmp_path):
    slug = community(sandbox, sandbox.other_token, "closed")
    options = {"community": slug, "review_path": tmp_path / "review.json"}
    settings = replace(SETTINGS, community=slug)
    first = publish(sandbox, deposit(sandbox, tmp_path, settings=settings).receipt, **options)
    asyncio.run(asyncio.sleep(1.2))  # the index shows new records late
    (tmp_path / "data" / "deposit.json").unlink()
    (tmp_path / "review.json").unlink()
    before = len(requests(sandbox))
    assert publish(sandbox, deposit(sandbox, tmp_path, settings=settings).receipt, **options) == first
    assert {request["method"] for request in requests(sandbox, before)} == {"GET"}


def test_a_decline_by_one_community_does_not_keep_the_draft_from_another(sandbox, tmp_path):
    review_path = tmp_path / "review.json"
    uploaded = deposit(sandbox, tmp_path).receipt
    first = community(sandbox, sandbox.other_token, "closed")
    decide(sandbox, publish(sandbox, uploaded, community=first, review_path=review_path), "decline")
    other = community(sandbox, sandbox.token, "open")
    assert publish(sandbox, uploaded, community=other, review_path=review_path)["state"] == "published"


def test_a_new_version_of_a_community_s_record_is_published_directly_and_stays_in_it(sandbox, tmp_path):
    slug = community(sandbox, sandbox.token, "open")
    first = publish(sandbox, deposit(sandbox, tmp_path).receipt, community=slug)
    version = replace(SETTINGS, when_published="new_version", community=slug)
    second = deposit(sandbox, tmp_path, contents={**CONTENTS, "a.al": b"other"}, settings=version).receipt
    assert second["record_id"] != first["record_id"]
    assert publish(sandbox, second, community=slug)["state"] == "published"
    assert read(sandbox, second["record_id"])[0].document["is_published"]
    communities = Api(sandbox.url, sandbox.token).call("GET", f"/api/records/{second['record_id']}").json()["parent"]
    assert len(communities["communities"]["ids"]) == 1
