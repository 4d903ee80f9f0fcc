"""What goes up beside the files of a record: its metadata as the portal gave them, an RO-Crate, a manifest.

A record without files has no attachments: it gets no files in the repository at all.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.bundle.member_files import write_exactly
from ferry.deposit.plan import LocalFile
from ferry.part_file import part_file
from ferry.source.identity import record_url

FOLDER = "attachments"
"""Below data/<recid>."""
RO_CRATE_KEY = "ro-crate-metadata.json"
"""By its specification it can have no other name."""
LINE_BYTES = 320
"""More than a file takes in the manifest beside its key, and a bundle with its own line."""


def source_key(recid: int) -> str:
    """Return the name of the record's own metadata, e.g. 80505.json."""
    return f"{recid}.json"


def manifest_key(recid: int) -> str:
    """Return the name of the manifest, e.g. 80505_manifest.json."""
    return f"{recid}_manifest.json"


def attach_source(*, recid: int, record: Mapping[str, Any], data_dir: Path) -> dict[str, Any]:
    """Write the record as the portal gave it, before any correction; return its entry of the receipt `package`."""
    return attach(source_key(recid), record, data_dir)


@dataclass(frozen=True)
class Manifest:
    """The file that goes up last, since it tells what the repository has confirmed of all others."""

    recid: int
    uploads: Sequence[Mapping[str, Any]]
    """Of the receipt `package`."""
    data_dir: Path

    @property
    def key(self) -> str:
        """Its name in the repository."""
        return manifest_key(self.recid)

    def make(self, confirmed: Sequence[LocalFile]) -> dict[str, Any]:
        """Write it; the same files always give the same bytes.

        Args:
            confirmed: each upload with the md5 that was computed while it was sent and read back.

        Returns:
            Its entry, in the form that entries of the receipt `package` have.
        """
        document = {
            "recid": self.recid,
            "source": record_url(self.recid),
            "files": sorted(self._files(confirmed), key=lambda file: str(file["key"])),
            "bundles": [
                {"key": sent.key, "size_bytes": sent.size_bytes, "adler32": sent.adler32, "md5": sent.md5}
                for sent in sorted(confirmed, key=lambda sent: sent.key)
                if sent.member_md5s
            ],
        }
        return attach(self.key, document, self.data_dir)

    def _files(self, confirmed: Sequence[LocalFile]) -> Iterator[dict[str, str | int | None]]:
        sent_by_key = {sent.key: sent for sent in confirmed}
        for upload in self.uploads:
            sent = sent_by_key[upload["key"]]
            if upload["kind"] == "file":
                yield _line(upload, md5=sent.md5, bundle=None)
            for member in upload["members"]:
                yield _line(member, md5=sent.member_md5s[member["key"]], bundle=sent.key)


def _line(file: Mapping[str, Any], *, md5: str | None, bundle: str | None) -> dict[str, str | int | None]:
    return {
        "key": file["key"],
        "size_bytes": file["size_bytes"],
        "adler32": file["adler32"],
        "md5": md5,
        "bundle": bundle,
        "member": file["key"] if bundle else None,
    }


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
        "members": [],
    }
