"""A default InvenioRDM 14: bodies over 100 MiB go in parts, and no key is one of its addresses."""

import random

import pytest
from packed_records import RECID as PACKED
from packed_records import run_package, write_files

from ferry.deposit.settings import DepositSettings
from ferry.flags import RunFlags
from ferry.repository.errors import TooLargeError
from ferry.repository.files import Announcement
from ferry.source.keys import relative_keys
from ferry.steps.upload_record import reading
from servers.depositing import act, deposit, document, own_recid
from servers.raw_api import Api

pytestmark = [pytest.mark.rdm, pytest.mark.timeout(600)]

DEFAULTS = DepositSettings(multipart_from_bytes=10**9, part_bytes=10**8)


def held(invenio14, receipt):
    async def read(repository):
        draft = await repository.read_draft(receipt["record_id"])
        return {file.key: file for file in await repository.list_files(draft)}

    return act(invenio14, read)


def test_a_file_of_120_mb_and_a_bundle_of_300_mb_go_up_and_are_proven(invenio14, tmp_path):
    flags = RunFlags("run", tmp_path / "flags")
    large = random.Random(1).randbytes(120_000_000)
    done = deposit(
        invenio14, tmp_path, contents={"large.root": large}, settings=DEFAULTS, flags=flags, recid=own_recid()
    )
    (sent,), found = done.receipt["files"], held(invenio14, done.receipt)["large.root"]
    assert (found.size_bytes, found.md5, found.is_complete) == (120_000_000, sent["md5"], True)
    assert done.measured["retries"] == 0
    # search, create, announce, try whole, list, delete, announce, two parts, commit, list
    assert done.measured["requests"] == 11

    contents = {f"run{i}.raw": random.Random(i).randbytes(60_000_000) for i in range(5)}
    data_dir = tmp_path / str(PACKED)
    write_files(data_dir, contents)
    packed = run_package(data_dir, max_files=2)
    (bundle,) = [upload for upload in packed if upload["kind"] == "bundle"]
    assert bundle["size_bytes"] > 300_000_000
    done = deposit(
        invenio14, data_dir, packed=packed, open_upload=reading(data_dir), settings=DEFAULTS, flags=flags,
        recid=own_recid(),
    )  # fmt: skip
    found = held(invenio14, done.receipt)
    assert {key: file.md5 for key, file in found.items()} == {f["key"]: f["md5"] for f in done.receipt["files"]}
    assert found[bundle["key"]].size_bytes == bundle["size_bytes"]
    # the run knows by now: search, create, announce, four parts, commit, list
    assert done.measured["requests"] == 9


def test_what_is_left_of_a_refused_body_is_not_sent(invenio14):
    given = []

    async def send(repository):
        draft = await repository.create(document(recid=own_recid()), workflow=None)
        size_bytes = 2 * invenio14.max_file_bytes
        (entry,) = await repository.init_files(draft, [Announcement(key="big.root", size_bytes=size_bytes)])

        async def body():
            for _ in range(size_bytes >> 20):
                given.append(1 << 20)
                yield bytes(1 << 20)

        with pytest.raises(TooLargeError):
            await repository.send_content(entry, body, size_bytes)
        (left,) = await repository.list_files(draft)
        return left

    assert act(invenio14, send).status == "pending"
    assert sum(given) <= 32 << 20


def test_a_key_with_a_segment_container_is_escaped_and_can_be_read_when_it_is_published(invenio14, tmp_path):
    contents = dict.fromkeys(relative_keys(["a/container/b", "a/container", "container/c"]), b"123")
    done = deposit(invenio14, tmp_path, contents=contents, recid=own_recid())
    api = Api(invenio14.url, invenio14.token)
    record = f"/api/records/{done.receipt['record_id']}"
    assert api.call("POST", f"{record}/draft/actions/publish").status_code == 202
    entries = api.call("GET", f"{record}/files").json()["entries"]
    assert sorted(entry["key"] for entry in entries) == sorted(contents)
    for entry in entries:
        assert api.call("GET", entry["links"]["self"]).json()["key"] == entry["key"]
        assert api.call("GET", entry["links"]["content"]).content == b"123"


def test_how_large_a_request_may_be_is_told_without_sending_one(invenio14):
    async def ask(repository):
        return [await repository.takes_body(size) for size in (invenio14.max_file_bytes, invenio14.max_file_bytes + 1)]

    assert act(invenio14, ask) == [True, False]
