"""What `mend` does to a record of which several things are wrong at once."""

import json
import os

import pytest

from ferry.deposit.state import DepositState
from ferry.receipts import write_receipt
from ferry.steps.check import mend_all
from ferry.steps.check_records import Scope

RECID, KEY = 5, "a.dst"


@pytest.fixture
def scope(tmp_path):
    """Give a record of which a receipt is torn, so that no step after that one counts."""
    folders = {name: tmp_path / name for name in ("logs", "results", "data")}
    record_dir = folders["results"] / str(RECID)
    record_dir.mkdir(parents=True)
    (record_dir / "source.json").write_text("{")
    return Scope(
        recids=[RECID],
        publish=True,
        settings={},
        reads_bytes=False,
        threads=1,
        **{f"{name}_dir": path for name, path in folders.items()},
    )


def state_of(scope):
    path = scope.data_dir / str(RECID) / "deposit.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return DepositState.load(path=path, recid=RECID, repository="sandbox")


def test_what_the_audit_has_read_back_wrong_is_sent_again_also_of_a_record_with_other_misfits(scope):
    record_dir = scope.results_dir / str(RECID)
    state_of(scope).save()
    (record_dir / "upload.json").write_text("{}")
    os.utime(record_dir / "upload.json", (1, 1))
    noted = {"recid": RECID, "repository": "sandbox", "record_id": "x", "files": [], "uploads": []}
    write_receipt(record_dir / "read_back.json", "read_back", {**noted, "wrong": [{"key": KEY, "md5": "0" * 32}]})
    (scope.results_dir / "audit.csv").write_text(f"recid,result\n{RECID},changed\n")
    told = mend_all(scope)
    assert "1 record of which the audit found something lost or changed" in told
    assert state_of(scope).doubted == [KEY]
    assert not (record_dir / "upload.json").exists()


def test_a_draft_is_asked_for_again_after_two_500s_whatever_else_is_wrong_of_the_record(scope):
    state = state_of(scope)
    state.failed_creations = 2
    state.save()
    assert "answered 500 to the creation of a draft" in mend_all(scope)
    assert json.loads(state.path.read_bytes())["failed_creations"] == 0
