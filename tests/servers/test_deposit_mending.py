"""A bundle whose bytes on disk changed since it was packed: mended while it is sent, and what arrives is right."""

import asyncio
import hashlib

import pytest
from packed_records import data_offset, flip, many, run_package, write_files

from ferry.deposit.deposit import Deposit
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState
from ferry.errors import IntegrityError
from ferry.steps.upload_record import reading
from servers.depositing import IDENTIFIER, RECID, act, document

BUNDLE, DAMAGED = "bundles/7_bundle.zip", "run1/f0001.al"
WHOLE = DepositSettings(settle_s=2)
IN_PARTS = DepositSettings(settle_s=2, multipart_from_bytes=20_000, part_bytes=10_000, parallel_parts=3)


def carry(sandbox, data_dir, uploads, settings):
    async def run(repository):
        return await Deposit(
            repository=repository,
            recid=RECID,
            identifier=IDENTIFIER,
            document=document(),
            uploads=uploads,
            open_upload=reading(data_dir),
            state=DepositState.load(path=data_dir / "deposit.json", recid=RECID, repository=repository.name),
            settings=settings,
            sleep=lambda seconds: asyncio.sleep(min(seconds, 0.05)),
        ).run()

    return act(sandbox, run)


@pytest.fixture
def record(tmp_path):
    """Give a packed record whose bundle got a wrong bit, and the right MD5 of the bundle."""
    write_files(tmp_path, many(38))
    uploads = run_package(tmp_path)
    right = hashlib.md5((tmp_path / BUNDLE).read_bytes()).hexdigest()
    flip(tmp_path / BUNDLE, data_offset(tmp_path / BUNDLE, DAMAGED) + 1500)
    return tmp_path, uploads, right


@pytest.mark.parametrize("settings", [WHOLE, IN_PARTS], ids=["whole", "in parts"])
def test_a_damaged_bundle_is_mended_and_arrives(sandbox, record, settings):
    data_dir, uploads, right = record
    done = carry(sandbox, data_dir, uploads, settings)
    assert [file["md5"] for file in done.receipt["files"]] == [right]
    assert hashlib.md5((data_dir / BUNDLE).read_bytes()).hexdigest() == right


def test_where_the_file_is_wrong_too_nothing_is_called_right(sandbox, record):
    data_dir, uploads, _ = record
    flip(data_dir / "files" / DAMAGED, 7)
    with pytest.raises(
        IntegrityError, match=rf"{DAMAGED}: expected crc32 .* run again, then all files of the record are read anew"
    ):
        carry(sandbox, data_dir, uploads, WHOLE)
