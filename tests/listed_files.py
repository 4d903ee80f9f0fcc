"""Small records of the portal that list files, and the receipt that is read from one."""

import json
import zlib

from ferry.schemas import problems
from ferry.source.record import read_source

URI = "root://eospublic.cern.ch//eos/opendata/delphi/"


def entry(name="a.dst", **changes):
    return {"uri": URI + name, "size": 3, "checksum": "adler32:024d0127", **changes}


def index_entry(name, text, **changes):
    """The entry of an index file with these bytes."""
    checks = {"size": len(text), "checksum": f"adler32:{zlib.adler32(text):08x}"}
    return entry(name, type=f"index.{name.rpartition('.')[2]}", **{**checks, **changes})


def bare(**changes):
    return {"recid": "7", "title": "A record", **changes}


def read(tmp_path, document, recid=7, **options):
    path = tmp_path / f"{recid}.json"
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    receipt = read_source(recid=recid, metadata_path=path, **options)
    assert problems(receipt, "receipts/source") == []
    return receipt
