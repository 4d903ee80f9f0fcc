"""The deposit logic against the sandbox over HTTP: one draft per recid, nothing sent twice, nothing taken on trust."""

import asyncio
import hashlib
import json
import time
from dataclasses import replace

import pytest

from ferry.deposit.publish import publish_record
from ferry.deposit.settings import DepositSettings
from ferry.errors import IntegrityError, PermanentError, TransientError
from servers.depositing import CONTENTS, act, creations, deposit, document, publish, requests
from servers.fault_proxy import fault_proxy
from servers.faults import Fault
from servers.raw_api import Api


def test_a_record_is_made_and_reads_back_file_by_file(sandbox, tmp_path):
    done = deposit(sandbox, tmp_path)
    assert [file["key"] for file in done.receipt["files"]] == sorted(CONTENTS)
    assert done.measured["files_moved"] == len(CONTENTS)
    assert done.measured["bytes_moved"] == sum(map(len, CONTENTS.values()))


def test_a_repeated_upload_sends_nothing_and_gives_the_same_receipt(sandbox, tmp_path):
    first = deposit(sandbox, tmp_path)
    before = len(requests(sandbox))
    second = deposit(sandbox, tmp_path)
    assert second.receipt == first.receipt
    assert {request["method"] for request in requests(sandbox, before)} == {"GET"}


def test_a_lost_state_is_found_again_by_the_identifier_and_files_are_not_sent_again(sandbox, tmp_path):
    first = deposit(sandbox, tmp_path)
    (tmp_path / "data" / "deposit.json").unlink()
    asyncio.run(asyncio.sleep(1.2))  # the index shows new drafts late
    second = deposit(sandbox, tmp_path)
    assert second.receipt == first.receipt
    assert second.measured["files_moved"] == 0
    assert creations(sandbox) == 1


def test_an_answer_lost_after_the_draft_was_made_does_not_make_a_second(sandbox, tmp_path):
    with fault_proxy(sandbox.url) as proxy:
        proxy.add(Fault("lost", method="POST", path=r"/api/records(\?|$)", drop_answer=True))
        through = replace(sandbox, url=proxy.url)
        done = deposit(through, tmp_path, settings=DepositSettings(settle_s=600))
    assert creations(sandbox) == 1
    assert len(done.receipt["files"]) == len(CONTENTS)


@pytest.mark.parametrize("when_edited", ["fail", "overwrite"])
def test_an_answer_about_another_record_is_not_believed(sandbox, tmp_path, when_edited):
    settings = DepositSettings(settle_s=2, when_edited=when_edited)
    with fault_proxy(sandbox.url) as proxy:
        through = replace(sandbox, url=proxy.url)
        contents = ({"readme": b"1" * 50}, {"readme": b"2" * 60})
        ours, other = (
            deposit(
                through,
                tmp_path / str(n),
                contents=contents[n],
                recid=n + 1,
                doc=document(title=f"No. {n}", recid=n + 1),
            ).receipt
            for n in range(2)
        )
        api = Api(proxy.url, sandbox.token)
        paths = {part: f"/api/records/{{}}/draft{part}" for part in ("", "/files")}
        before = {part: api.call("GET", path.format(other["record_id"])).json() for part, path in paths.items()}
        for part, path in paths.items():

            def mix_up(answer, part=part):
                answer.json = before[part]

            asked = path.format(ours["record_id"])
            proxy.add(Fault(f"of another{part}", method="GET", path=rf"{asked}(\?|$)", change=mix_up, times=1))
        again = deposit(
            through,
            tmp_path / "0",
            contents=contents[0],
            recid=1,
            doc=document(title="No. 0", recid=1),
            settings=settings,
        )
        assert again.receipt == ours
        after = {part: api.call("GET", path.format(other["record_id"])).json() for part, path in paths.items()}
    assert after == before


def test_an_entry_that_was_announced_here_and_is_not_wanted_any_more_does_not_stay_pending(sandbox, tmp_path):
    contents = {"a.al": b"first" * 1000, "b.al": b"second" * 1000}
    one_by_one = DepositSettings(settle_s=2, parallel_files=1, order="by_key")
    with pytest.raises(IntegrityError, match=r"a\.al: changed since it was packed"):
        deposit(sandbox, tmp_path, contents=contents, read={**contents, "a.al": b"other" * 1000}, settings=one_by_one)
    renamed = {"a.al": contents["a.al"], "renamed.al": contents["b.al"]}
    done = deposit(sandbox, tmp_path, contents=renamed, settings=one_by_one)
    assert publish(sandbox, done.receipt).receipt["state"] == "published"


def test_changed_bytes_are_never_committed(sandbox, tmp_path):
    changed = {**CONTENTS, "a.al": b"firsT" * 1000}
    with pytest.raises(IntegrityError, match=r"a\.al: changed since it was packed"):
        deposit(sandbox, tmp_path, read=changed)
    state = json.loads((tmp_path / "data" / "deposit.json").read_bytes())

    async def listed(repository):
        return await repository.list_files(await repository.read_draft(state["record_id"]))

    assert not any(file.is_complete for file in act(sandbox, listed) if file.key == "a.al")
    assert deposit(sandbox, tmp_path).receipt["record_id"] == state["record_id"]


def test_a_file_of_other_content_under_the_same_key_is_replaced(sandbox, tmp_path):
    first = deposit(sandbox, tmp_path, contents={"a.al": b"old" * 100})
    second = deposit(sandbox, tmp_path, contents={"a.al": b"new" * 100})
    assert second.receipt["record_id"] == first.receipt["record_id"]
    assert second.receipt["files"][0]["md5"] != first.receipt["files"][0]["md5"]


def test_a_file_edited_to_the_same_size_and_adler32_is_sent_again(sandbox, tmp_path):
    deposit(sandbox, tmp_path, contents={"cuts.txt": b"x=131 GeV\n", "b": b"b"})
    again = deposit(sandbox, tmp_path, contents={"cuts.txt": b"x=212 GeV\n", "b": b"b"})
    assert again.measured["files_moved"] == 1
    (_, cuts) = again.receipt["files"]
    assert cuts["md5"] == hashlib.md5(b"x=212 GeV\n").hexdigest()


def test_what_an_earlier_plan_sent_and_nobody_wants_any_more_goes(sandbox, tmp_path):
    deposit(sandbox, tmp_path)
    done = deposit(sandbox, tmp_path, contents={"a.al": CONTENTS["a.al"]})

    async def listed(repository):
        return await repository.list_files(await repository.read_draft(done.receipt["record_id"]))

    assert [file.key for file in act(sandbox, listed)] == ["a.al"]


def test_changed_metadata_is_brought_to_the_same_draft(sandbox, tmp_path):
    first = deposit(sandbox, tmp_path)
    done = deposit(sandbox, tmp_path, doc=document(title="A corrected manual"))
    assert done.receipt["record_id"] == first.receipt["record_id"]
    assert done.measured["files_moved"] == 0

    async def title(repository):
        return (await repository.read_draft(done.receipt["record_id"])).document["metadata"]["title"]

    assert act(sandbox, title) == "A corrected manual"


def test_metadata_that_the_repository_objects_to_fail_the_record_and_its_draft_is_used_again(sandbox, tmp_path):
    bad = document()
    del bad["metadata"]["creators"]
    with pytest.raises(PermanentError, match="creators"):
        deposit(sandbox, tmp_path, doc=bad)
    deposit(sandbox, tmp_path)
    assert creations(sandbox) == 1


def test_a_wrong_token_is_refused_at_once_and_not_shown(sandbox, tmp_path):
    with pytest.raises(PermanentError, match="NRP_TOKEN") as refused:
        deposit(sandbox, tmp_path, token="wrong-token-value")
    assert "wrong-token-value" not in str(refused.value)


def test_two_records_of_one_recid_are_told_and_not_touched(sandbox, tmp_path):
    async def twice(repository):
        for _ in range(2):
            await repository.create(document(), workflow=None)

    act(sandbox, twice)
    asyncio.run(asyncio.sleep(1.2))
    with pytest.raises(PermanentError, match="expected at most one record"):
        deposit(sandbox, tmp_path)


def test_publishing_is_read_back_and_a_second_time_only_compares(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    first = publish(sandbox, uploaded)
    before = len(requests(sandbox))
    second = publish(sandbox, uploaded)
    assert first.receipt == second.receipt
    assert {request["method"] for request in requests(sandbox, before)} == {"GET"}


def test_a_lost_answer_to_publish_is_a_success_and_one_record(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt

    async def run(repository):
        publish = repository.publish

        async def publish_and_lose(draft):
            await publish(draft)
            raise TransientError("504")

        repository.publish = publish_and_lose

        async def sleep(_seconds):
            return None

        return await publish_record(repository=repository, uploaded=uploaded, document=document(), sleep=sleep)

    assert act(sandbox, run).receipt["record_id"] == uploaded["record_id"]


def test_a_draft_that_lost_a_file_is_not_published(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt

    async def remove(repository):
        draft = await repository.read_draft(uploaded["record_id"])
        (entry,) = [file for file in await repository.list_files(draft) if file.key == "a.al"]
        await repository.delete_file(entry)

    act(sandbox, remove)
    with pytest.raises(IntegrityError, match=r"a\.al: expected \(bytes, md5\)"):
        publish(sandbox, uploaded)


def test_a_published_record_with_other_files_is_told_and_left_alone(sandbox, tmp_path):
    uploaded = deposit(sandbox, tmp_path).receipt
    publish(sandbox, uploaded)
    with pytest.raises(IntegrityError, match=r"published already and its files differ: a\.al"):
        deposit(sandbox, tmp_path, contents={**CONTENTS, "a.al": b"other"})


def test_a_record_without_files_is_made_without_them(sandbox, tmp_path):
    assert deposit(sandbox, tmp_path, contents={}).receipt["files"] == []


def test_a_record_that_has_lost_its_last_file_keeps_none_in_the_repository(sandbox, tmp_path):
    first = deposit(sandbox, tmp_path)
    done = deposit(sandbox, tmp_path, contents={}, doc=document(files_enabled=False))
    assert (done.receipt["record_id"], done.receipt["files"]) == (first.receipt["record_id"], [])

    async def left(repository):
        return (await repository.read_draft(done.receipt["record_id"])).document["files"]["enabled"]

    assert act(sandbox, left) is False
    assert deposit(sandbox, tmp_path, contents={}, doc=document(files_enabled=False)).receipt == done.receipt


def test_files_of_somebody_else_are_told_where_there_should_be_none(sandbox, tmp_path):
    deposit(sandbox, tmp_path)
    (tmp_path / "data" / "deposit.json").unlink()
    asyncio.run(asyncio.sleep(1.2))  # the index shows new drafts late
    with pytest.raises(PermanentError, match="found files that were not sent from here"):
        deposit(sandbox, tmp_path, contents={}, doc=document(files_enabled=False))


def test_many_files_cost_two_requests_each_and_one_announcement(sandbox, tmp_path):
    contents = {f"f{number:02d}.al": b"x" * number for number in range(40)}
    done = deposit(sandbox, tmp_path, contents=contents)
    assert done.measured["requests"] <= 2 * len(contents) + 5


def test_a_file_that_went_up_under_its_former_name_leaves_no_twin(sandbox, tmp_path):
    deposit(sandbox, tmp_path, contents={"a/container/x": b"1", "b": b"2"})
    time.sleep(1.2)  # the search shows it by then
    # from an empty folder: nothing is remembered of what was sent
    done = deposit(sandbox, tmp_path / "empty", contents={"a/%63ontainer/x": b"1", "b": b"2"})
    assert done.measured["files_moved"] == 1

    async def keys(repository):
        listed = await repository.list_files(await repository.read_draft(done.receipt["record_id"]))
        return sorted(file.key for file in listed)

    assert act(sandbox, keys) == ["a/%63ontainer/x", "b"]
