"""The sandbox's records and files on disk, in a form that a kill at any moment leaves whole.

records/<id>.json              one record: its draft, its published side, or both; the rename of this file is
                               what makes a change real
buckets/<bucket>/<uuid>.json   one file entry each; a bucket that no record names is forgotten
blobs/<file id>                content; one that no entry names is forgotten
incoming/                      bodies that are still arriving; emptied at the start
others/<kind>/<id>.json        communities and requests
"""

import datetime
import json
import shutil
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from ferry.files import write_whole

Document = dict[str, Any]


def now() -> str:
    """Return the time as InvenioRDM writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat()


class Store:
    """All documents in memory, each of them also on disk."""

    def __init__(self, directory: Path) -> None:
        self._root = directory
        for name in ("records", "buckets", "blobs", "incoming", "others"):
            (directory / name).mkdir(parents=True, exist_ok=True)
            (directory / name).chmod(0o700)  # what others could read once lies there too
        self.records: dict[str, Document] = _read_documents(directory / "records")
        self.others: dict[str, dict[str, Document]] = {
            kind: _read_documents(directory / "others" / kind) for kind in ("communities", "requests")
        }
        self._buckets: dict[str, dict[str, Document]] = {}
        self._references: Counter[str] = Counter()
        self._load_buckets()
        self._forget_leftovers()

    def save_record(self, record: Document) -> None:
        """Write a record; from now on this is its state."""
        _write_document(self._root / "records" / f"{record['id']}.json", record)
        self.records[record["id"]] = record

    def delete_record(self, record_id: str) -> None:
        """Forget a record; its buckets are dropped by the caller."""
        (self._root / "records" / f"{record_id}.json").unlink(missing_ok=True)
        self.records.pop(record_id, None)

    def save_other(self, kind: str, document: Document) -> None:
        """Write a community or a request."""
        _write_document(self._root / "others" / kind / f"{document['id']}.json", document)
        self.others[kind][document["id"]] = document

    def new_bucket(self) -> str:
        """Return the id of an empty bucket."""
        bucket_id = str(uuid.uuid4())
        (self._root / "buckets" / bucket_id).mkdir()
        self._buckets[bucket_id] = {}
        return bucket_id

    def entries(self, bucket_id: str) -> dict[str, Document]:
        """Return the file entries of a bucket by key, in the order in which they were made."""
        return self._buckets[bucket_id]

    def save_entry(self, bucket_id: str, entry: Document) -> None:
        """Write a file entry; a blob that its older state named and no other entry names is deleted."""
        known = self._buckets[bucket_id].get(entry["key"])
        _write_document(self._entry_path(bucket_id, entry), entry)
        self._buckets[bucket_id][entry["key"]] = entry
        self._count(entry, 1)
        if known is not None:
            self._count(known, -1)

    def drop_entry(self, bucket_id: str, key: str) -> None:
        """Forget a file entry and its content."""
        entry = self._buckets[bucket_id].pop(key, None)
        if entry is not None:
            self._entry_path(bucket_id, entry).unlink(missing_ok=True)
            self._count(entry, -1)

    def copy_entries(self, source: str, target: str) -> None:
        """Give one bucket the entries of another; the content is shared."""
        for entry in self._buckets[source].values():
            self.save_entry(target, {**entry, "uuid": str(uuid.uuid4()), "version_id": str(uuid.uuid4())})

    def drop_bucket(self, bucket_id: str) -> None:
        """Forget a bucket and all in it."""
        for key in list(self._buckets[bucket_id]):
            self.drop_entry(bucket_id, key)
        del self._buckets[bucket_id]
        shutil.rmtree(self._root / "buckets" / bucket_id, ignore_errors=True)

    def incoming_path(self) -> Path:
        """Return a path for a body that is arriving."""
        return self._root / "incoming" / str(uuid.uuid4())

    def keep_blob(self, incoming: Path) -> str:
        """Make a body that has arrived a blob; return its file id, to be named by an entry at once."""
        file_id = str(uuid.uuid4())
        incoming.replace(self.blob_path(file_id))
        return file_id

    def sparse_blob(self, size_bytes: int) -> str:
        """Return the file id of a new blob of this length that reads as zeros."""
        file_id = str(uuid.uuid4())
        with self.blob_path(file_id).open("wb") as stream:
            stream.truncate(size_bytes)
        return file_id

    def blob_path(self, file_id: str) -> Path:
        """Return where the content of a file lies."""
        return self._root / "blobs" / file_id

    def _entry_path(self, bucket_id: str, entry: Document) -> Path:
        return self._root / "buckets" / bucket_id / f"{entry['uuid']}.json"

    def _count(self, entry: Document, step: int) -> None:
        file_id = entry.get("file_id")
        if file_id is None:
            return
        self._references[file_id] += step
        if self._references[file_id] <= 0:
            del self._references[file_id]
            self.blob_path(file_id).unlink(missing_ok=True)

    def _load_buckets(self) -> None:
        for record in self.records.values():
            for side in ("draft", "published"):
                if record[side] is None or record[side]["bucket"] in self._buckets:
                    continue
                bucket_id = record[side]["bucket"]
                folder = self._root / "buckets" / bucket_id
                folder.mkdir(exist_ok=True)
                entries = sorted(_read_documents(folder).values(), key=lambda entry: (entry["created"], entry["key"]))
                self._buckets[bucket_id] = {entry["key"]: entry for entry in entries}
                for entry in entries:
                    self._count(entry, 1)

    def _forget_leftovers(self) -> None:
        for path in (self._root / "incoming").iterdir():
            path.unlink()
        for path in (self._root / "buckets").iterdir():
            if path.name not in self._buckets:
                shutil.rmtree(path)
        for path in (self._root / "blobs").iterdir():
            if path.name not in self._references:
                path.unlink()


def _read_documents(folder: Path) -> dict[str, Document]:
    folder.mkdir(parents=True, exist_ok=True)
    for part in folder.glob("*.part"):
        part.unlink()
    return {path.stem: json.loads(path.read_bytes()) for path in folder.glob("*.json")}


def _write_document(path: Path, document: Document) -> None:
    # no fsync: what a killed process has written is there; only a power cut would lose it, and it is a sandbox
    write_whole(path, json.dumps(document, ensure_ascii=False), synced=False)
