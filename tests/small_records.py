"""Real records with small files: the metadata as they are, sizes and checksums those of files made for the test."""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

RECORDS = Path(__file__).resolve().parent / "fixtures" / "records"
MOST_BYTES = 4000
SOURCE_PREFIX = "root://eospublic.cern.ch/"


def load(recid: int) -> dict:
    """Return a real record in the shape in which the portal or the fixtures give it."""
    return json.loads((RECORDS / f"{recid}.json").read_text(encoding="utf-8"))


def with_small_files(document: dict, put: Callable[[str, bytes], object]) -> dict:
    """Cut the record's files to a few kB; `put(path, content)` lays each where it will be read.

    The path is that of its address, without the leading slashes. The files of index files go, the index stays.
    """
    record = document.get("metadata", document)
    record.pop("_file_indices", None)
    for entry in record.get("files") or []:
        path = entry["uri"].removeprefix(SOURCE_PREFIX).lstrip("/")
        content = hashlib.shake_128(path.encode()).digest(min(entry["size"], MOST_BYTES))
        put(path, content)
        entry["size"] = len(content)
        entry["checksum"] = f"adler32:{zlib.adler32(content):08x}"
    return document
