"""What goes up beside the files of a record: its metadata as the portal gave them, an RO-Crate, a manifest.

A record without files has no attachments: it gets no files in the repository at all.
"""

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.bundle.member_files import write_exactly
from ferry.files import part_file
from ferry.upload_names import source_key

FOLDER = "attachments"
"""Below data/<recid>."""
LINE_BYTES = 360
"""More than a file takes in the manifest beside its key, and a bundle with its own line."""


def attach_source(*, recid: int, record: Mapping[str, Any], data_dir: Path) -> dict[str, Any]:
    """Write the record as the portal gave it, before any correction; return its entry of the receipt `package`."""
    return attach(source_key(recid), record, data_dir)


def most_attached_bytes(*, record: Mapping[str, Any], keys: Sequence[str]) -> int:
    """Return the most bytes that the attachments of a record take."""
    return len(_content(record)) + sum(2 * len(key.encode()) + LINE_BYTES for key in ["", *keys]) if keys else 0


def _content(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


def attach(key: str, document: Mapping[str, Any], data_dir: Path) -> dict[str, Any]:
    """Write a document below data/<recid>; return its entry, in the form that the receipt `package` has."""
    content = _content(document)
    path = data_dir / FOLDER / key
    with part_file(path) as target:
        os.ftruncate(target, 0)
        write_exactly(target, content, offset=0)
    return {
        "key": key,
        "kind": "attachment",
        "path": f"{FOLDER}/{key}",
        "size_bytes": len(content),
        "adler32": f"{zlib.adler32(content):08x}",
        "crc32": f"{zlib.crc32(content):08x}",
        "members": [],
    }
