"""What can be asked of a record that has arrived, and how each says that something is wrong: in one folder, shortly."""

import os
import shutil

import pytest

from workflow.test_chain import MANUAL, assert_ok
from workflow.test_restore import tree

TARGET = f"results/{MANUAL}/stats.json"


def flip(path):
    times, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.smoke
def test_a_record_is_published_checked_audited_and_restored_and_a_wrong_byte_is_told_by_each(flow):
    flow.want(MANUAL)
    flow.config = {"repository": {"finish": "publish"}, "audit": {"read_back": 1.0}}
    assert_ok(flow.run(TARGET))
    assert flow.receipt(MANUAL, "published")["state"] == "published"
    files = tree(flow.folder / f"data/{MANUAL}/files")
    assert files
    assert_ok(flow.run("audit"))
    assert_ok(flow.run("restore"))
    assert tree(flow.folder / f"restored/{MANUAL}") == files
    assert_ok(flow.run("check"))

    here = next(path for path in (flow.folder / f"data/{MANUAL}/files").rglob("*") if path.is_file())
    there = [
        path
        for path in (flow.folder / "data/sandbox/repository").rglob("*")
        if path.is_file() and path.read_bytes() == here.read_bytes()
    ]
    shutil.rmtree(flow.folder / "restored")
    for path in (here, *there):
        flip(path)
    told = {rule: flow.run(rule) for rule in ("check", "audit", "restore")}
    assert {rule: done.returncode for rule, done in told.items()} == dict.fromkeys(told, 1)
    assert f"{here.relative_to(flow.folder)}: expected " in told["check"].stderr
    assert all(here.name in done.stdout + done.stderr for done in told.values())
