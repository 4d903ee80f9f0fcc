"""A folder of one's own that changes after it was carried: a plain run takes it up."""

import hashlib
import json
import os
import shutil

from own_records import OWN, own_record

from workflow.conftest import Flow
from workflow.test_chain import assert_ok


def state(flow: Flow) -> None:
    """Write the manifest of all that lies there, as somebody does who has changed something."""
    folder = flow.folder / "own" / "7"
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*.txt"))
    ]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def carried(flow: Flow) -> dict[str, int]:
    files = flow.receipt(7, "upload")["files"]
    return {file["key"]: file["size_bytes"] for file in files if file["key"].endswith(".txt")}


def test_a_folder_that_changes_after_its_run_is_taken_up_by_the_next(flow: Flow) -> None:
    flow.config = {**OWN, "source": {"data_root": "own"}, "repository": {"finish": "draft"}}
    flow.want(7)
    flow.write_metadata(7, own_record())
    folder = flow.folder / "own" / "7"
    (folder / "deep").mkdir(parents=True)
    first = folder / "deep" / "a.txt"
    first.write_text("one", encoding="ascii")
    state(flow)
    assert_ok(flow.run())
    assert carried(flow) == {"deep/a.txt": 3}

    (folder / "deep" / "b.txt").write_text("another", encoding="ascii")
    state(flow)
    checked = flow.run("check")
    assert "1 record whose folder in source.data_root has changed since (7)" in checked.stdout + checked.stderr
    assert_ok(flow.run())
    assert carried(flow) == {"deep/a.txt": 3, "deep/b.txt": 7}

    before = first.stat()
    first.write_text("replaced", encoding="ascii")
    state(flow)
    for path in (first, folder / "SHA256SUMS"):  # as `cp -p` of an older state does
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))
    assert_ok(flow.run())
    assert carried(flow) == {"deep/a.txt": 8, "deep/b.txt": 7}

    unchanged = flow.run()
    assert "Nothing to be done" in unchanged.stdout + unchanged.stderr
    shutil.rmtree(folder)
    gone = flow.run()
    assert "Nothing to be done" in gone.stdout + gone.stderr, "what was carried needs its folder no more"
    assert json.loads((flow.folder / "results" / "7" / "download.json").read_bytes())["recid"] == 7
