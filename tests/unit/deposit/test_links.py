"""What the repository calls a record, by its receipts."""

import pytest

from ferry.deposit.links import link_of
from ferry.receipts import write_receipt

RECID, REPOSITORY = 8, "sandbox"


@pytest.mark.parametrize("publish", [False, True])
def test_a_record_that_was_left_out_is_not_there(tmp_path, publish):
    record_dir = tmp_path / str(RECID)
    receipt = {"recid": RECID, "repository": REPOSITORY, "record_id": None, "record_url": None, "files": []}
    write_receipt(record_dir / "upload.json", "upload", {**receipt, "skipped": "it has no files"})
    assert link_of(record_dir, repository=REPOSITORY, publish=publish) is None
