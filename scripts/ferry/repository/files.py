"""The files of a draft: announced, sent whole or in parts, committed, listed, deleted. One method, one request."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from ferry.errors import FerryError, PermanentError, TransientError
from ferry.repository.errors import NotFoundError, PartsRefusedError, RefusedError, TooLargeError, raise_for_errors
from ferry.repository.models import Part, RemoteFile, RemoteRecord, md5_of
from ferry.repository.sent_body import SendOnce
from ferry.text.formatting import truncate

MOST_PARTS = 10_000  # what S3 takes
NO_RECORD = "00000-00000"  # InvenioRDM gives no such id

OpenBody = Callable[[], AsyncIterator[bytes]]
"""Gives the body of a request from its beginning, as often as it has to be sent."""


@dataclass(frozen=True)
class Announcement:
    """A file to come."""

    key: str
    size_bytes: int
    part_bytes: int | None = None
    """Length of each part but the last; None: it is sent whole."""

    def document(self) -> dict[str, Any]:
        """Return what the repository is told; never a checksum: a declared one is echoed, whatever arrives."""
        if self.part_bytes is None:
            return {"key": self.key}
        parts = -(-self.size_bytes // self.part_bytes)
        transfer = {"type": "M", "parts": parts, "part_size": self.part_bytes}
        return {"key": self.key, "size": self.size_bytes, "transfer": transfer}


_STORAGE_PASSES = re.compile(r"\b(RequestTimeout|IncompleteBody|SlowDown|OperationAborted|InternalError)\b")
"""What an S3 storage answers with 400 to a part on a slow line, or for a trouble of its own (codes of its errors)."""


class RepositoryFiles:
    """The half of `Repository` that is about files.

    Every method raises TransientError (worth another try), PermanentError (refused for good), or NotFoundError.
    """

    def __init__(
        self,
        *,
        connection: Any,
        asking: Callable[..., contextlib.AbstractAsyncContextManager[None]],
        records_url: URL,
    ) -> None:
        """Talk over nrp-cmd's connection; `asking(action)` is around each request and puts errors in our words.

        `records_url` is where any record is found by its id.
        """
        self._connection = connection
        self._asking = asking
        self._records_url = records_url

    async def takes_body(self, size_bytes: int, *, wait_s: float = 5.0) -> bool | None:
        """Tell whether a request may have a body of this length; None if the repository does not say.

        The content of a file of a record that cannot exist is announced and never sent: nothing can come of it.
        InvenioRDM looks at the length before it looks for the record; a proxy may want all of the body first.
        """
        url = self._records_url / NO_RECORD / "draft" / "files" / "size" / "content"

        async def body() -> AsyncIterator[bytes]:
            yield b"\0"
            await asyncio.sleep(wait_s)
            raise TransientError("no answer before the body was sent")

        try:
            await self._put(f"ask whether {size_bytes} bytes are taken", url, body, size_bytes)
        except TooLargeError:
            return False
        except NotFoundError:
            return True
        except FerryError:
            pass
        return None

    async def list_files(self, record: RemoteRecord) -> list[RemoteFile]:
        """Return the record's file list."""
        async with self._asking(f"list the files of {record.id}"):
            listing = await self._connection.get(url=record.files_url, result_class=dict)
        return _entries(listing, f"list the files of {record.id}", record_id=record.id)

    async def read_file(self, file: RemoteFile) -> RemoteFile:
        """Return the entry as it is now; of a file in parts with addresses that have not expired."""
        async with self._asking(f"read the entry {file.key}"):
            answer = await self._connection.get(url=file.self_url, result_class=dict)
        return _file(answer, key=file.key)

    async def init_files(self, draft: RemoteRecord, files: Sequence[Announcement]) -> list[RemoteFile]:
        """Announce new files, all in one request. A key that exists in any state is refused.

        Raises:
            PartsRefusedError: files in parts are not taken here.
        """
        action = f"announce {len(files)} files to {draft.id}"
        try:
            async with self._asking(action):
                listing = await self._connection.post(
                    url=draft.files_url, json=[file.document() for file in files], result_class=dict
                )
        except RefusedError as error:
            in_parts = any(file.part_bytes is not None for file in files)
            if in_parts and re.search("transfer|multipart", str(error).removeprefix(action), re.IGNORECASE):
                raise PartsRefusedError(str(error)) from error
            raise
        return _entries(listing, action, record_id=draft.id, keys=frozenset(file.key for file in files))

    async def import_files(self, draft: RemoteRecord) -> None:
        """Take over the files of the version before into a draft that has none."""
        async with self._asking(f"take over the files of the version before {draft.id}"):
            await self._connection.post(
                url=draft.self_url / "actions" / "files-import", json={}, result_class=dict, may_repeat=True
            )

    async def send_content(self, file: RemoteFile, open_body: OpenBody, size_bytes: int) -> None:
        """Send the content of an announced file; nothing is committed. After a 429 it is sent again, when it may be.

        Raises:
            TooLargeError: for one request; the entry stays as it was, pending.
        """
        if file.content_url is None:
            raise PermanentError(f"{file.key}: the repository gave no address for the content")
        await self._put(f"send {file.key}", file.content_url, open_body, size_bytes)

    async def send_part(self, file: RemoteFile, part: Part, open_body: OpenBody, size_bytes: int) -> None:
        """Send one part to its address, which may be of another host and then gets no token.

        Raises:
            DeniedError: the address has expired, most likely: `read_file` brings a new one.
            TooLargeError: for one request.
            PartsRefusedError: the storage does not take parts at all.
        """
        try:
            await self._put(f"send part {part.number} of {file.key}", part.url, open_body, size_bytes, is_part=True)
        except TooLargeError:
            raise
        except RefusedError as error:
            if _STORAGE_PASSES.search(str(error)):
                raise TransientError(str(error)) from error
            raise PartsRefusedError(str(error)) from error

    async def _put(self, action: str, url: URL, open_body: OpenBody, size_bytes: int, *, is_part: bool = False) -> None:
        async def open_once() -> SendOnce:  # awaited by nrp-cmd before each try, as in its put_stream
            return SendOnce(open_body())

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
        async with self._asking(action):
            answer: aiohttp.ClientResponse = await self._connection.put(
                url=url, data=open_once, headers=headers, is_part=is_part, result_class=aiohttp.ClientResponse
            )
        text = await answer.text(errors="replace")
        with contextlib.suppress(json.JSONDecodeError):  # a storage answers with nothing, or not in JSON
            raise_for_errors(json.loads(text), action)

    async def commit(self, file: RemoteFile) -> RemoteFile:
        """Tell the repository that the content is complete; done twice it changes nothing."""
        if file.commit_url is None:
            raise PermanentError(f"{file.key}: the repository gave no address to commit the file")
        async with self._asking(f"commit {file.key}"):
            answer = await self._connection.post(url=file.commit_url, json={}, result_class=dict, may_repeat=True)
        raise_for_errors(answer, f"commit {file.key}")
        return _file(answer, key=file.key)

    async def delete_file(self, file: RemoteFile) -> None:
        """Remove a file from a draft; one that is not there any more is fine."""
        with contextlib.suppress(NotFoundError):
            async with self._asking(f"delete {file.key}"):
                await self._connection.delete(url=file.self_url)


def _entries(
    listing: Mapping[str, Any], action: str, *, record_id: str, keys: frozenset[str] | None = None
) -> list[RemoteFile]:
    """Return the entries of a list, or those of some keys: whatever is asked for, an answer tells of all files.

    Raises:
        TransientError: it is no list, or that of another record, as a cache or a server on the way has mixed up.
    """
    if listing.get("enabled") is False:
        return []
    entries = listing.get("entries")
    if not isinstance(entries, list):
        raise TransientError(f"{action}: expected a list of files, found {truncate(str(listing), 200)}")
    files = [_file(entry) for entry in entries if keys is None or str(entry.get("key")) in keys]
    for file in files:
        if record_id not in file.self_url.parts:
            raise TransientError(f"{action}: expected files of that record, found {file.key} at {file.self_url}")
    return files


def _file(entry: Mapping[str, Any], *, key: str | None = None) -> RemoteFile:
    links = entry.get("links") or {}
    try:
        found, self_url = str(entry["key"]), URL(links["self"])
    except (KeyError, ValueError, TypeError) as error:
        raise TransientError(
            f"expected the entry of a file with its links, found {truncate(str(entry), 200)}"
        ) from error
    if key is not None and key != found:
        raise TransientError(f"expected an answer about the file {key}, found one about {found}")
    transfer = entry.get("transfer") or {}
    return RemoteFile(
        key=found,
        status=entry.get("status") or "pending",
        size_bytes=entry.get("size"),
        md5=md5_of(entry.get("checksum")),
        content_url=_url(links.get("content")),
        commit_url=_url(links.get("commit")),
        self_url=self_url,
        container_url=_url(links.get("container")),
        created=entry.get("created"),
        part_bytes=transfer.get("part_size") if transfer.get("type") == "M" else None,
        parts=tuple(Part(number=part["part"], url=URL(part["url"], encoded=True)) for part in links.get("parts") or ()),
    )


def _url(link: Any) -> URL | None:
    return URL(link) if isinstance(link, str) else None
