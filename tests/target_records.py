"""The receipts `record` and `mapping` of a record, which are made together, for tests that need no transformation."""

from pathlib import Path
from typing import Any

from ferry.identity import source_identifier
from ferry.receipts import digest, write_receipt

NOTHING: dict[str, Any] = {
    "profile": "rdm",
    "experiments": [],
    "corrected": [],
    "leaves": {"total": 0, "mapped": 0, "dropped": 0, "unknown": 0},
    "paths": [],
    "added": [],
    "warnings": [],
}
"""What became of a record of which nothing was mapped."""


def target(recid: int, **metadata: Any) -> dict[str, Any]:
    """Return the target metadata of a record, with these fields besides what it must have."""
    needed = {"title": "Title", "creators": [], "publication_date": "1995", "resource_type": {"id": "dataset"}}
    return {
        "metadata": {**needed, "identifiers": [source_identifier(recid)], **metadata},
        "access": {"record": "public", "files": "public"},
        "files": {"enabled": True},
    }


def mapping(recid: int, record: dict[str, Any], source: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the receipt `mapping` that vouches for a record."""
    digests = {"source_sha256": digest(source or {}), "record_sha256": digest(record)}
    return {"recid": recid, **NOTHING, **digests}


def write_target(folder: Path, recid: int, record: dict[str, Any], source: dict[str, Any] | None = None) -> None:
    """Write both receipts."""
    write_receipt(folder / "record.json", "record", record)
    write_receipt(folder / "mapping.json", "mapping", mapping(recid, record, source))
