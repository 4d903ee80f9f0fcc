"""Versions that somebody else has begun or published, and what is left of one's own that were given up."""

import asyncio
import shutil
from dataclasses import replace

from ferry.deposit.settings import DepositSettings
from servers.depositing import act, creations, deposit, publish
from servers.raw_api import Api

SETTINGS = DepositSettings(settle_s=2)
NEW_VERSION = replace(SETTINGS, when_published="new_version")
SHOWN_AFTER_S = 1.5
"""By then the search of the sandbox shows what was written."""


def wait_for_index():
    asyncio.run(asyncio.sleep(SHOWN_AFTER_S))


def test_a_folder_with_an_older_state_finds_the_version_that_another_has_published(sandbox, tmp_path, caplog):
    changed = {"a": b"2" * 60}
    publish(sandbox, deposit(sandbox, tmp_path / "one", contents={"a": b"1" * 50}).receipt)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    second = deposit(sandbox, tmp_path / "one", contents=changed, settings=NEW_VERSION).receipt
    assert publish(sandbox, second).receipt["version"] == 2
    wait_for_index()
    for settings in (SETTINGS, NEW_VERSION):
        again = deposit(sandbox, tmp_path / "other", contents=changed, settings=settings)
        assert again.receipt["record_id"] == second["record_id"]
        assert publish(sandbox, again.receipt).receipt["version"] == 2
    assert "has a later version, published elsewhere" in caplog.text
    assert "deleted" not in caplog.text


def test_a_version_that_somebody_has_begun_by_hand_is_not_filled_where_the_public_record_is_equal(sandbox, tmp_path):
    contents = {"a": b"1" * 50}
    first = deposit(sandbox, tmp_path / "one", contents=contents).receipt
    publish(sandbox, first)

    async def begin(repository):
        return await repository.new_version(await repository.read_published(first["record_id"]))

    draft = act(sandbox, begin)
    wait_for_index()
    again = deposit(sandbox, tmp_path / "empty", contents=contents)
    assert again.receipt["record_id"] == first["record_id"]
    assert again.measured["bytes_moved"] == 0
    held = Api(sandbox.url, sandbox.token).call("GET", f"/api/records/{draft.id}/draft/files").json()
    assert held["entries"] == []


def test_a_version_begun_here_is_gone_on_with_though_nothing_here_knows_of_it(sandbox, tmp_path):
    publish(sandbox, deposit(sandbox, tmp_path / "one", contents={"a": b"1" * 50}).receipt)
    wait_for_index()
    contents = {"a": b"2" * 60}
    second = deposit(sandbox, tmp_path / "one", contents=contents, settings=NEW_VERSION).receipt
    (tmp_path / "one" / "data" / "deposit.json").unlink()
    wait_for_index()
    again = deposit(sandbox, tmp_path / "one", contents=contents, settings=NEW_VERSION)
    assert again.receipt["record_id"] == second["record_id"]
    assert again.measured["bytes_moved"] == 0
    assert creations(sandbox) == 1


def test_files_of_ones_own_version_before_do_not_stay_in_a_version_that_is_made_anew(sandbox, tmp_path):
    publish(sandbox, deposit(sandbox, tmp_path, contents={"a": b"1" * 50, "b": b"2" * 50}).receipt)
    second = deposit(sandbox, tmp_path, contents={"a": b"1" * 50}, settings=NEW_VERSION).receipt
    path = f"/api/records/{second['record_id']}/draft"
    assert Api(sandbox.url, sandbox.token).call("DELETE", path).status_code == 204
    wait_for_index()
    again = deposit(sandbox, tmp_path, contents={"a": b"1" * 50}, settings=NEW_VERSION).receipt
    assert [file["key"] for file in again["files"]] == ["a"]
    assert publish(sandbox, again).receipt["version"] == 2
