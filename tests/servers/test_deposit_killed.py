"""A large file that goes up in parts, and the process that sends it killed: what has arrived is not sent again."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
import yaml
from target_records import write_target

from ferry.identity import source_identifier
from ferry.receipts import read_receipt, write_receipt
from ferry.repository.discovery import discover
from ferry.run.run import Target, begin_run
from servers.depositing import requests
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
    receipt_path=Path("upload.json"), data_dir=Path("data"), repository=given["repository"],
    settings=given["settings"], sandbox_dir=Path("."))
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


def step(sandbox, folder):
    """Start the step `upload` in a process of its own."""
    settings = CONFIG["upload"] | {"multipart_from_bytes": PART_BYTES, "part_bytes": PART_BYTES}
    given = {"recid": RECID, "repository": CONFIG["repository"], "settings": settings}
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
    uploads = [lay_file(tmp_path / "data/files" / KEY)]
    write_receipt(tmp_path / "package.json", "package", {"recid": RECID, "uploads": uploads})
    write_target(tmp_path, RECID, document(identifiers=[source_identifier(RECID)]))
    info = asyncio.run(discover(url=sandbox.url, verify_tls=True))
    begin_run(target=Target(sandbox.url, sandbox.url, info), path=tmp_path / "logs/run.json")

    killed = step(sandbox, tmp_path)
    while len(parts_sent(sandbox)) < PARTS * 9 // 10:
        assert killed.poll() is None
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    before = parts_sent(sandbox)
    assert PARTS * 9 // 10 <= len(before) < PARTS

    again = step(sandbox, tmp_path)
    told, _ = again.communicate()
    assert again.returncode == 0
    after = parts_sent(sandbox)[len(before) :]
    assert set(before) | set(after) == set(range(1, PARTS + 1))
    assert len(set(before) & set(after)) <= CONFIG["upload"]["parallel_parts"]
    assert json.loads(told)["bytes_moved"] == len(after) * PART_BYTES <= SIZE_BYTES // 5
    (file,) = read_receipt(tmp_path / "upload.json", "upload", recid=RECID)["files"]
    assert (file["key"], file["size_bytes"]) == (KEY, SIZE_BYTES)
