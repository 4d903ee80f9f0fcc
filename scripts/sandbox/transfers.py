"""Files of a draft: announced, sent, committed - with all the traps that InvenioRDM sets."""

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sandbox.announced import read_announced
from sandbox.answers import Refusal, denied, field_error, invalid, no_such_file, server_error
from sandbox.bodies import Interrupted, md5_of, pour
from sandbox.settings import Settings
from sandbox.store import Document, Store, now

MAX_KEY_LENGTH = 255
FAILED = "File upload transfer failed."


class Transfers:
    """Changes the file entries of drafts; who may do so was asked before."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._receiving: set[str] = set()
        self._spoilt: set[str] = set()

    def announce(self, record: Document, given: Any) -> None:
        """Make entries for a list of keys, all of them or none.

        Raises:
            Refusal: 400 for a list that is none, a key that is there, too many files; 403 without files; 500 for NUL.
        """
        side = record["draft"]
        if not side["files_enabled"]:
            raise Refusal(403, "Files are not enabled.")
        wanted = read_announced(given, multipart=self._settings.multipart)
        known = set(self._store.entries(side["bucket"]))
        if len(known) + len(wanted) > self._settings.max_files:
            raise Refusal(400, "Uploading selected files will result in exceeding the max amount per record.")
        for item in wanted:
            if "\0" in item["key"]:
                raise server_error()
            if item["key"] in known:
                raise Refusal(400, f"File with key {item['key']} already exists.")
            known.add(item["key"])
        for item in wanted:
            self._store.save_entry(side["bucket"], self._new_entry(item))

    def entry(self, record: Document, side: str, key: str) -> Document:
        """Return the entry of a key.

        Raises:
            Refusal: 404.
        """
        entry = self._store.entries(record[side]["bucket"]).get(key)
        if entry is None:
            raise no_such_file(record["id"], key)
        return entry

    def describe(self, record: Document, key: str, given: Any) -> Document:
        """Replace the metadata of an entry."""
        entry = self.entry(record, "draft", key)
        metadata = given.get("metadata") if isinstance(given, dict) else None
        return self._change(record, entry, metadata=metadata)

    def drop(self, record: Document, key: str | None) -> None:
        """Delete one entry, or all.

        Raises:
            Refusal: 404; 403 for the files of a published version.
        """
        bucket = record["draft"]["bucket"]
        if key is not None:
            self.entry(record, "draft", key)
        _refuse_locked(record)
        for name in [key] if key is not None else list(self._store.entries(bucket)):
            self._store.drop_entry(bucket, name)

    async def receive(
        self, record: Document, key: str, body: AsyncIterator[bytes], length: int | None
    ) -> tuple[Document, bool]:
        """Take the content of a file; return its entry and whether the transfer was good.

        Without a Content-Length nothing is read and the file is empty. Sent to an entry that is complete, or that
        waits for parts, or broken off, the content is thrown away and the entry deleted: the answer is 200 all the
        same.

        Raises:
            Refusal: 404, 403, 413, 400 over the quota; 500 when another body for it is on its way.
        """
        entry = self.entry(record, "draft", key)
        _refuse_locked(record)
        bucket = record["draft"]["bucket"]
        if length is not None and length > self._settings.max_file_bytes:
            raise Refusal(413, "The data value transmitted exceeds the capacity limit.")
        if len(key) > MAX_KEY_LENGTH:
            raise Refusal(400, "Filename is too long.")
        if entry["status"] == "completed" or entry["transfer"]["type"] == "M":
            async for _ in body:
                pass
            self._store.drop_entry(bucket, key)
            return entry, False
        if length is not None and self._used(bucket, but=key) + length > self._settings.quota_bytes:
            raise Refusal(400, "Bucket quota exceeded.")
        if entry["uuid"] in self._receiving:
            self._spoilt.add(entry["uuid"])  # two bodies for one file: both are lost
            self._store.drop_entry(bucket, key)
            raise server_error()
        self._receiving.add(entry["uuid"])
        incoming = self._store.incoming_path()
        try:
            sent = await self._write(body, length, incoming)
            return self._keep(record, entry, incoming, sent)
        finally:
            self._receiving.discard(entry["uuid"])
            self._spoilt.discard(entry["uuid"])
            incoming.unlink(missing_ok=True)

    async def _write(self, body: AsyncIterator[bytes], length: int | None, path: Path) -> Document | None:
        """Write a body to the path; return its size and checksum, None if it broke off."""
        md5 = hashlib.md5(usedforsecurity=False)
        try:
            with path.open("wb") as stream:
                size = await pour(body, length, stream, md5)
        except Interrupted:
            return None
        return {"size": size, "checksum": f"md5:{md5.hexdigest()}"} if size == (length or 0) else None

    def _keep(self, record: Document, entry: Document, incoming: Path, sent: Document | None) -> tuple[Document, bool]:
        """Make a body that has arrived the content of its entry, if that is still there."""
        bucket, key = record["draft"]["bucket"], entry["key"]
        if entry["uuid"] in self._spoilt:
            return entry, False
        known = self._store.entries(bucket) if record["id"] in self._store.records else {}
        current = known.get(key)
        if current is None or current["uuid"] != entry["uuid"]:
            raise server_error()  # deleted while it came in
        if sent is None:
            self._store.drop_entry(bucket, key)
            return entry, False
        changed = {**current, "file_id": self._store.keep_blob(incoming), "sent": sent}
        self._store.save_entry(bucket, changed)
        return changed, True

    async def receive_part(
        self, record: Document, key: str, number: int, body: AsyncIterator[bytes], length: int | None
    ) -> tuple[Document, bool]:
        """Write one part at its place; return the entry and whether the transfer was good.

        Parts that are too short, missing or sent again are all the same to the server.

        Raises:
            Refusal: 404, 403, 413, 400 for an entry that takes no parts.
            Interrupted: the body broke off; what came is in its place.
        """
        entry = self.entry(record, "draft", key)
        _refuse_locked(record)
        if entry["transfer"]["type"] != "M":
            raise Refusal(400, f'Transfer type "{entry["transfer"]["type"]}" does not support multipart uploads.')
        if length is not None and length > self._settings.max_file_bytes:
            raise Refusal(413, "The data value transmitted exceeds the capacity limit.")
        part_size, parts = entry["transfer"]["part_size"], entry["transfer"]["parts"]
        too_long = (length or 0) > part_size and number < parts
        if not 1 <= number <= parts or too_long:
            async for _ in body:
                pass
            return entry, False
        with self._store.blob_path(entry["file_id"]).open("r+b") as stream:
            stream.seek((number - 1) * part_size)
            size = await pour(body, length, stream, None)
        if size != (length or 0):
            raise Interrupted
        return entry, True

    async def commit(self, record: Document, key: str) -> Document:
        """Call a file complete; return its entry. Done twice it changes nothing.

        Raises:
            Refusal: 404; 403; 500 where no content was ever sent.
        """
        entry = self.entry(record, "draft", key)
        if entry["status"] == "completed":
            return entry
        _refuse_locked(record)
        if entry["transfer"]["type"] == "M":
            return await self._commit_parts(record, entry)
        if "sent" not in entry:
            raise server_error()
        if entry["sent"]["size"] == 0 and not self._settings.empty_files:
            raise Refusal(400, "Empty files are not accepted.")
        return self._change(record, entry, status="completed", **entry["sent"])

    def content_path(self, record: Document, side: str, key: str) -> tuple[Document, Path]:
        """Return the entry of a complete file and the path of its bytes.

        Raises:
            Refusal: 404; 500 for a file that is pending, 403 if it waits for parts.
        """
        entry = self.entry(record, side, key)
        if entry["status"] != "completed":
            raise denied() if entry["transfer"]["type"] == "M" else server_error()
        return entry, self._store.blob_path(entry["file_id"])

    def take_over(self, record: Document, previous: Document) -> None:
        """Give a new version the files of the version before.

        Raises:
            Refusal: 400 where there are files already.
        """
        bucket = record["draft"]["bucket"]
        if self._store.entries(bucket):
            raise invalid(field_error("files.enabled", "Please remove all files first."))
        self._store.copy_entries(previous["published"]["bucket"], bucket)

    async def _commit_parts(self, record: Document, entry: Document) -> Document:
        path = self._store.blob_path(entry["file_id"])
        os.truncate(path, entry["size"])
        checksum = entry.get("checksum")  # declared with the entry, and believed
        if checksum is None:
            digest = await asyncio.to_thread(md5_of, path)
            checksum = f"md5:{digest}"
        late = self._settings.checksum_lag_s > 0
        changed = self._change(
            record, entry, status="completed", transfer={"type": "L"}, checksum=None if late else checksum
        )
        if late:
            asyncio.get_running_loop().call_later(
                self._settings.checksum_lag_s,
                self._fill_in_checksum,
                record["draft"]["bucket"],
                entry["uuid"],
                checksum,
            )
        return changed

    def _fill_in_checksum(self, bucket: str, entry_uuid: str, checksum: str) -> None:
        for entry in list(self._store.entries(bucket).values()):
            if entry["uuid"] == entry_uuid:
                self._store.save_entry(bucket, {**entry, "checksum": checksum})

    def _new_entry(self, item: Document) -> Document:
        moment = now()
        transfer = item.get("transfer") or {"type": "L"}
        entry: Document = {
            "uuid": str(uuid.uuid4()),
            "version_id": str(uuid.uuid4()),
            "key": item["key"],
            "created": moment,
            "updated": moment,
            "metadata": item.get("metadata"),
            "transfer": {"type": "L"} | transfer,
            "status": "pending",
        }
        entry |= {name: item[name] for name in ("size", "checksum") if item.get(name) is not None}
        if entry["transfer"]["type"] == "M":
            entry["file_id"] = self._store.sparse_blob(item["size"])
            entry.setdefault("checksum", None)
        return entry

    def _change(self, record: Document, entry: Document, **changes: Any) -> Document:
        changed = {**entry, **changes, "updated": now()}
        self._store.save_entry(record["draft"]["bucket"], changed)
        return changed

    def _used(self, bucket: str, *, but: str) -> int:
        entries = self._store.entries(bucket).values()
        return sum(entry["size"] for entry in entries if entry["status"] == "completed" and entry["key"] != but)


def _refuse_locked(record: Document) -> None:
    if record["draft"]["locked"]:
        raise Refusal(403, "Bucket is locked for modifications.")
