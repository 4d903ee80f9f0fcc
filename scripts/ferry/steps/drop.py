"""Dropping a record's bytes once they are in the repository (storage.remove), and doing without them later.

What was proven of the bytes stays in data/<recid>/dropped.json.gz. A record whose metadata changes and whose files do
not goes on from there: a new title fetches no terabyte. Where a byte is needed after all, all are fetched again.
"""

import gzip
import logging
import shutil
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from ferry.bundle.plan import PlannedUpload
from ferry.bundle.receipt import member_entry
from ferry.chain import has_arrived
from ferry.errors import FerryError
from ferry.files import write_whole
from ferry.receipts import digest, read_receipt
from ferry.run.disk_budget import DROPPED, LEDGER, DiskBudget, notes_bytes

log = logging.getLogger(__name__)


def drop(*, recid: int, record_dir: Path, data_dir: Path, remove: Collection[str], ledger: Path = LEDGER) -> int:
    """Remove what is not needed once the repository has confirmed every upload; return the bytes that this freed.

    Args:
        recid: of the record, on the portal.
        record_dir: results/<recid>, with its receipts.
        data_dir: data/<recid>.
        remove: `bundles` (they can be made again from the files), `files` (they would have to be fetched again; with
            them go the attachments).
        ledger: where the record's room is noted; it is given back.
    """
    if "files" in remove and (data_dir / "files").exists():
        _note(recid, record_dir, data_dir)
    freed = 0
    for name in (*remove, *(["attachments"] if "files" in remove else [])):
        freed += sum(path.stat().st_size for path in (data_dir / name).rglob("*") if path.is_file())
        if (data_dir / name).exists():
            shutil.rmtree(data_dir / name)
    if "files" in remove:
        (data_dir / "verified.jsonl").unlink(missing_ok=True)
        DiskBudget(ledger).release(recid=recid, notes_bytes=notes_bytes(data_dir))
    return freed


def drop_arrived(*, remove: Collection[str], publish: bool, but: Collection[int]) -> None:
    """Remove what `remove` names of all records of this folder that have arrived, before it named that.

    Args:
        remove: as for one record.
        publish: whether records go on from a draft.
        but: recids of records that keep it: the run that begins has something to do for them.
    """
    held = {path.parent for name in remove for path in Path("data").glob(f"[1-9]*/{name}")}
    for data_dir in sorted(path for path in held if path.name.isdecimal()):
        recid, record_dir = int(data_dir.name), Path("results", data_dir.name)
        if recid not in but and has_arrived(record_dir, publish=publish):
            drop(recid=recid, record_dir=record_dir, data_dir=data_dir, remove=remove)


def _note(recid: int, record_dir: Path, data_dir: Path) -> None:
    """Write down what was proven; nothing where receipts or disk do not let us, or of files that nobody has listed."""
    try:
        files = read_receipt(record_dir / "source.json", "source", recid=recid)["files"]
        download = read_receipt(record_dir / "download.json", "download", recid=recid)
        package = read_receipt(record_dir / "package.json", "package", recid=recid)
        repository = read_receipt(record_dir / "upload.json", "upload", recid=recid)["repository"]
        if sorted(file["key"] for file in files) != sorted(file["key"] for file in download["files"]):
            return
        known = DroppedFiles(repository, digest(files), download, package["uploads"])
        # packed, since it counts against storage.max_bytes
        write_whole(data_dir / DROPPED, gzip.compress(orjson.dumps(vars(known)), mtime=0))
    except (FerryError, OSError) as error:
        log.warning("%s; if a byte is needed again, all files are fetched again", error)


@dataclass(frozen=True)
class DroppedFiles:
    """What is known of a record whose bytes are not here any more."""

    repository: str
    """Name of the one that has them."""
    files_sha256: str
    """Of `files` of the receipt `source`, as it was."""
    download: dict[str, Any]
    """The receipt `download`."""
    uploads: list[dict[str, Any]]
    """Of the receipt `package`."""

    @classmethod
    def of(cls, data_dir: Path) -> Self | None:
        """Return what was noted of a record; None where its bytes are here, or nothing is known of them."""
        try:
            return cls(**orjson.loads(gzip.decompress((data_dir / DROPPED).read_bytes())))
        except (OSError, EOFError, zlib.error, orjson.JSONDecodeError, TypeError):
            return None

    def has(self, files: list[dict[str, Any]], *, repository: str) -> bool:
        """Tell whether it is these files (`files` of the receipt `source`) that went, and went to this repository."""
        return (self.repository, self.files_sha256) == (repository, digest(files))

    def entry(self, upload: PlannedUpload) -> dict[str, Any] | None:
        """Return the entry of an upload in the receipt `package`, if it is one that was made then."""
        entry = next((entry for entry in self.uploads if entry["key"] == upload.key), None)
        if entry is None or entry["kind"] != upload.kind:
            return None
        wanted = [member_entry(member) for member in upload.members]
        if upload.kind == "file":
            (member,) = wanted
            is_same = all(entry[name] == value for name, value in member.items() if name in entry)
        else:
            is_same = [_without_packing(member) for member in entry["members"]] == wanted
        return entry if is_same else None


def _without_packing(member: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in member.items() if name != "deflated"}
