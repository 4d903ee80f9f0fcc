"""What is known of other records without asking for them: title and kind, by the metadata and the catalogue."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ferry.errors import MetadataError
from ferry.source.facts import source_facts
from ferry.source.record import read_record

_LONGEST_TITLE = 2_000
"""Characters: what is longer is no title, and none is shown of it."""


@dataclass(frozen=True)
class KnownRecord:
    """A record of the portal as others speak of it."""

    title: str | None
    primary: str | None
    secondary: str | None


@dataclass(frozen=True)
class KnownRecords:
    """Looks records up in the folder of metadata, then in the catalogue; either may be missing."""

    metadata_dir: Path
    catalogue_path: Path
    folders: Sequence[str] = ()
    """Into which metadata may be links (source.allow.folders)."""

    def find(self, recid: int) -> KnownRecord | None:
        """Return what is known of a record, None if nothing is."""
        path = self.metadata_dir / f"{recid}.json"
        return _of_metadata(path, recid, self.folders) or _of_catalogue(self.catalogue_path).get(recid)


def _of_metadata(path: Path, recid: int, folders: Sequence[str]) -> KnownRecord | None:
    if not path.is_file():
        return None
    try:
        record = read_record(path, recid=recid, folders=folders)
    except MetadataError:
        return None  # its own job tells what is wrong with it
    facts, title = source_facts(record), record.get("title")
    return KnownRecord(
        title[:_LONGEST_TITLE] if isinstance(title, str) else None, facts["type_primary"], facts["type_secondary"]
    )


@cache
def _of_catalogue(path: Path) -> dict[int, KnownRecord]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        return {
            int(row["recid"]): KnownRecord(
                row.get("title") or None, row.get("type_primary") or None, row.get("type_secondary") or None
            )
            for row in csv.DictReader(stream)
            if (row.get("recid") or "").isdecimal()
        }
