"""A restore that is killed at any moment leaves nothing wrong under a name, and goes on from what is right."""

import hashlib
import multiprocessing
import random
import time
from pathlib import Path

import pytest
from loopback import serving
from packed_records import many, run_package, write_files

from ferry.restore.statements import StatedFile, Statement
from unit.restore.test_content import Server, restore, stated, tree

_SPAWNED = multiprocessing.get_context("fork")
LARGE = {f"f{number}.raw": random.Random(number).randbytes(2_000_000) for number in range(12)}


def loose_files(server):
    remotes = [server.add(key, data) for key, data in LARGE.items()]
    files = tuple(
        StatedFile(remote.key, remote.size_bytes, ({"algorithm": "md5", "value": remote.md5},), remote.key, "manifest")
        for remote in remotes
    )
    return Statement("manifest", files), remotes, LARGE


def bundled_files(server, folder):
    contents = many(40, size=600_000)
    write_files(folder, contents)
    [packed] = run_package(folder, max_files=5)
    remote = server.add(packed["key"], (folder / packed["path"]).read_bytes())
    return stated(remote, contents), [remote], contents


@pytest.mark.parametrize("kind", ["loose", "bundled"])
@pytest.mark.parametrize("part", [0.5, *(pytest.param(part, marks=pytest.mark.slow) for part in (0.1, 0.95))])
def test_what_a_killed_restore_has_brought_is_not_fetched_again(tmp_path: Path, kind: str, part: float) -> None:
    with serving(Server()) as server:
        server.bytes_per_s = 40e6
        given = loose_files(server) if kind == "loose" else bundled_files(server, tmp_path / "data")
        statement, listed, contents = given
        total = sum(map(len, contents.values()))
        folder = tmp_path / "restored"
        killed = _SPAWNED.Process(target=restore, args=(server, folder, statement, listed))
        killed.start()
        deadline = time.monotonic() + 60
        while server.sent_bytes < part * total and time.monotonic() < deadline:
            time.sleep(0.002)
        killed.kill()
        killed.join()
        digests = {key: hashlib.md5(data).hexdigest() for key, data in contents.items()}
        for name, data in tree(folder).items():
            assert name.endswith(".part") or hashlib.md5(data).hexdigest() == digests[name]
        kept = sum(len(data) for name, data in tree(folder).items() if kind == "loose" or not name.endswith(".part"))
        server.bytes_per_s = None
        done = restore(server, folder, statement, listed)
        assert tree(folder) == contents
        assert done.bytes_fetched <= total - kept + 1_000_000, "the directory of a bundle, and a header of each member"
        assert kept > 0 or part < 0.95
