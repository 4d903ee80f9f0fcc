"""The process that sends is killed: what has arrived is not sent again, and what was announced not announced again."""

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from target_records import write_target

from ferry.identity import source_identifier
from ferry.receipts import read_receipt, write_receipt
from ferry.repository.discovery import discover
from ferry.run.run import Target, begin_run
from servers.depositing import requests, uploads
from servers.fault_proxy import fault_proxy
from servers.faults import Fault
from servers.raw_api import document

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
RECID = 7
KEY = "large.dst"
SIZE_BYTES = 1_000_000_000
PART_BYTES = 20_000_000
PARTS = SIZE_BYTES // PART_BYTES
PROGRAM = """
import json, sys
from pathlib import Path
from ferry.steps.upload_record import upload
given = json.loads(sys.argv[1])
measured = upload(
    recid=given["recid"], record_path=Path("record.json"), package_path=Path("package.json"),
    receipt_path=Path("upload.json"), data_dir=Path("data"), journal=Path("journal.jsonl"),
    repository=given["repository"], settings=given["settings"], empty_records="fail", sandbox_dir=Path("."))
print(json.dumps(measured))
"""


def lay_file(path):
    """Write a file of a block repeated, and return its entry of the receipt `package`."""
    block = random.Random(7).randbytes(1_000_000)
    adler32 = 1
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        for number in range(SIZE_BYTES // len(block)):
            piece = number.to_bytes(8) + block[8:]
            stream.write(piece)
            adler32 = zlib.adler32(piece, adler32)
    named = {"key": KEY, "kind": "file", "path": f"files/{KEY}", "members": []}
    return {**named, "size_bytes": SIZE_BYTES, "adler32": f"{adler32:08x}"}


def step(sandbox, folder, **options):
    """Start the step `upload` in a process of its own."""
    settings = CONFIG["upload"] | {"multipart_from_bytes": PART_BYTES, "part_bytes": PART_BYTES} | options
    given = {"recid": RECID, "repository": CONFIG["repository"] | {"settle_s": 2}, "settings": settings}
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "NRP_TOKEN": sandbox.token}
    command = [sys.executable, "-c", PROGRAM, json.dumps(given)]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE)


def parts_sent(sandbox):
    """Return the numbers of the parts whose sending has ended, also those that broke off."""
    paths = [request["path"] for request in requests(sandbox) if request["method"] == "PUT"]
    return [int(path.rsplit("/", 1)[1]) for path in paths if f"/{KEY}/content/" in path]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_gigabyte_killed_at_nine_tenths_goes_on_with_the_parts_that_were_open(sandbox, tmp_path):
    lay_record(tmp_path, [lay_file(tmp_path / "data/files" / KEY)], url=sandbox.url)

    killed = step(sandbox, tmp_path)
    while len(parts_sent(sandbox)) < PARTS * 9 // 10:
        assert killed.poll() is None
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    done = json.loads((tmp_path / "data/deposit.json").read_bytes())["parts"][KEY]["done"]

    again = step(sandbox, tmp_path)
    told, _ = again.communicate()
    assert again.returncode == 0
    assert json.loads(told)["bytes_moved"] == (PARTS - len(done)) * PART_BYTES <= SIZE_BYTES // 5
    # what was open when the process was killed ends at any time, so what each of the two has sent is not told apart
    sent = Counter(parts_sent(sandbox))
    assert set(sent) == set(range(1, PARTS + 1))
    assert {sent[number] for number in done} == {1}
    twice = [number for number, times in sent.items() if times == 2]
    assert sent.total() - PARTS == len(twice) <= CONFIG["upload"]["parallel_parts"]
    (file,) = read_receipt(tmp_path / "upload.json", "upload", recid=RECID)["files"]
    assert (file["key"], file["size_bytes"]) == (KEY, SIZE_BYTES)


def test_what_was_announced_when_the_process_was_killed_only_needs_its_content(sandbox, tmp_path):
    contents = {f"{number:03}.dst": b"%d" % number for number in range(40)}
    put_files(tmp_path, contents)
    with fault_proxy(sandbox.url) as proxy:
        lay_record(tmp_path, uploads(contents), url=proxy.url)
        fifth = proxy.add(Fault("held", method="PUT", path="/content$", nth=5, hold_upload_s=60))
        killed = step(sandbox, tmp_path, parallel_files=1)
        while not fifth.fired:
            assert killed.poll() is None
            time.sleep(0.005)
        killed.kill()
        killed.communicate()
        before = len(proxy.log)
        again = step(sandbox, tmp_path)
        again.communicate()
        assert again.returncode == 0
        asked = [(each.method, each.path.rpartition("/")[2]) for each in proxy.log[before:]]
    written_down_together = 16
    assert sum(method == "DELETE" for method, _ in asked) <= written_down_together - 4
    assert asked.count(("POST", "commit")) == 36
    assert asked.count(("PUT", "content")) - 36 <= 1  # the one that was held ends in between
    held = read_receipt(tmp_path / "upload.json", "upload", recid=RECID)["files"]
    assert [(file["key"], file["md5"]) for file in held] == [
        (key, hashlib.md5(content, usedforsecurity=False).hexdigest()) for key, content in contents.items()
    ]


def put_files(folder, contents):
    """Write the files of the record, as a download leaves them."""
    (folder / "data/files").mkdir(parents=True)
    for key, content in contents.items():
        (folder / "data/files" / key).write_bytes(content)


def lay_record(folder, files, *, url):
    """Write the receipts that the step reads, and begin a run."""
    write_receipt(folder / "package.json", "package", {"recid": RECID, "uploads": files})
    write_target(folder, RECID, document(identifiers=[source_identifier(RECID)]))
    info = asyncio.run(discover(url=url, verify_tls=True))
    begin_run(target=Target(url, url, info), path=folder / "logs/run.json")
