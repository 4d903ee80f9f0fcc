"""Bundles that open in InvenioRDM 14: each member is listed there and given by itself, equal to the file it is of."""

import random
import zipfile
from urllib.parse import quote

import pytest
from packed_records import RECID as PACKED
from packed_records import run_package, write_files

from ferry.bundle.split import BrowsableLimits
from ferry.deposit.settings import DepositSettings
from ferry.source.keys import relative_keys
from ferry.steps.upload_record import reading
from servers.depositing import deposit, own_recid
from servers.raw_api import Api

pytestmark = [pytest.mark.rdm, pytest.mark.timeout(600)]

SETTINGS = DepositSettings(multipart_from_bytes=10**9, part_bytes=10**8)
FLAT = b"the same line\n" * 300_000
"""A text that deflate makes smaller by more than 200 to 1: one such member keeps a whole bundle closed."""
AWKWARD = ["a//b.txt", "./c.txt", "../d.txt", "x/container/y.txt", "ž ů/50 %?#&+.txt", "back\\slash.txt", 'quo"te.txt']
LARGE = 120_000_000


def published(invenio, data_dir, contents, **settings):
    """Pack, upload and publish these files; return the record's address and its bundles by key."""
    write_files(data_dir, contents)
    packed = run_package(data_dir, **settings)
    done = deposit(
        invenio, data_dir, packed=packed, open_upload=reading(data_dir), settings=SETTINGS, recid=own_recid()
    )
    api = Api(invenio.url, invenio.token)
    record = f"/api/records/{done.receipt['record_id']}"
    assert api.call("POST", f"{record}/draft/actions/publish").status_code == 202
    return api, record, [upload for upload in packed if upload["kind"] == "bundle"]


def listed(api, record, key):
    answer = api.call("GET", f"{record}/files/{quote(key)}/container")
    assert answer.status_code == 200, answer.text[:300]
    assert answer.json()["truncated"] is False
    return {entry["key"]: entry for entry in answer.json()["entries"]}


def test_every_member_of_a_browsable_bundle_is_listed_and_read_back_equal(invenio14, tmp_path):
    keys = relative_keys([*AWKWARD, *(f"run{number % 3}/f{number:04d}.raw" for number in range(1100))])
    contents = {key: f"{key} {number}\n".encode() * 9 for number, key in enumerate(keys)}
    contents |= {"flat.txt": FLAT, "large.raw": random.Random(2).randbytes(LARGE)}
    data_dir = tmp_path / str(PACKED)
    api, record, bundles = published(invenio14, data_dir, contents, browsable=BrowsableLimits())
    assert len(bundles) == 2  # by their entries
    found = {}
    for bundle in bundles:
        entries = listed(api, record, bundle["key"])
        assert set(entries) - {"MANIFEST"} == {member["key"] for member in bundle["members"]}
        with zipfile.ZipFile(data_dir / bundle["path"]) as archive:
            for info in archive.infolist():
                entry = entries[info.filename]
                assert (entry["size"], entry["crc"]) == (info.file_size, info.CRC)
        found |= dict.fromkeys(entries, bundle["key"])
    for key in [*keys[: len(AWKWARD)], keys[-1], "flat.txt", "large.raw"]:
        answer = api.call("GET", f"{record}/files/{quote(found[key])}/container/{quote(key)}")
        assert answer.status_code == 200, (key, answer.text[:300])
        assert answer.content == contents[key]


def test_without_it_one_such_text_keeps_the_bundle_closed(invenio14, tmp_path):
    contents = {"flat.txt": FLAT, **{f"f{number}.raw": b"12345" for number in range(30)}}
    api, record, (bundle,) = published(invenio14, tmp_path / str(PACKED), contents)
    assert api.call("GET", f"{record}/files/{bundle['key']}/container").status_code != 200
