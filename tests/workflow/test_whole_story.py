"""docs/whole-story.md followed to the letter, in what a clone has."""

import json
import re
from functools import partial

import pytest

from workflow.conftest import ROOT
from workflow.test_own_dataset import clone as clone  # noqa: PLC0414 - a fixture is found by its name here
from workflow.test_own_dataset import follow as follow_page
from workflow.test_restore import tree

follow = partial(follow_page, timeout_s=600)


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "whole-story.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.timeout(1500)
def test_the_page_carries_audits_loses_everything_restores_and_proves(clone):
    carry, audit, keep, lose, restore, prove, by_hand, go_on = commands()
    done = follow(clone, carry)
    assert done.returncode == 0, done.stdout + done.stderr
    recids = [int(path.name) for path in (clone / "data").iterdir() if path.name.isdecimal()]
    assert len(recids) == 8
    carried = {recid: tree(clone / f"data/{recid}/files") for recid in recids}
    for commands_ in (audit, keep, lose):
        done = follow(clone, commands_)
        assert done.returncode == 0, done.stdout + done.stderr
    assert not (clone / "results").exists()
    assert not [path for path in (clone / "data").iterdir() if path.name.isdecimal()]
    done = follow(clone, restore)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 records restored" in done.stdout
    assert "proven by the manifest that went up with it" in done.stdout
    assert "1 record without files" in done.stdout
    restored = {recid: tree(clone / f"restored/{recid}") for recid in recids}
    assert restored == carried
    done = follow(clone, prove)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "; 0 B came from the repository now, proven by its proof" in done.stdout
    told = [json.loads((clone / f"restored/{recid}.json").read_bytes())["stated_by"] for recid in recids]
    assert set(told) == {"proof"}, "the record without files too"
    done = follow(clone, by_hand)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(map(len, carried.values()))} files are what their proofs say" in done.stdout
    log = clone / "data/sandbox/repository/requests.jsonl"
    before = len(log.read_text(encoding="utf-8").splitlines())
    done = follow(clone, go_on)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 ok, 0 failed" in done.stdout + done.stderr
    assert len(list((clone / "results").glob("*/proof.json"))) == 8
    asked = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()[before:]]
    assert {request["method"] for request in asked} == {"GET"}
