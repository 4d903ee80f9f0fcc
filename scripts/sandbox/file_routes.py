"""Routes of the files of drafts and of published records."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_request import BaseRequest

from sandbox.answers import wrong_content_type
from sandbox.bodies import Interrupted
from sandbox.rate_limit import LIMIT_HEADERS
from sandbox.record_routes import DRAFT, RECORD
from sandbox.site import Route, Site, json_answer, json_body
from sandbox.store import Document
from sandbox.views import mimetype

OCTETS = "application/octet-stream"
KEY = r"/files/([^\n]+)"
_CHUNK = 1 << 20


class FileRoutes:
    """Lists of files, single files, their content."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def table(self) -> list[Route]:
        """Return the routes; where two fit, the first one counts, so that a key may hold any `/`."""
        return [
            ("GET", DRAFT + "/files", self._list_draft_files),
            ("POST", DRAFT + "/files", self._announce),
            ("DELETE", DRAFT + "/files", self._drop_all),
            ("PUT", DRAFT + KEY + r"/content/(\d+)", self._put_part),
            ("PUT", DRAFT + KEY + "/content", self._put_content),
            ("GET", DRAFT + KEY + "/content", self._get_draft_content),
            ("POST", DRAFT + KEY + "/commit", self._commit),
            ("GET", DRAFT + KEY, self._read_draft_file),
            ("PUT", DRAFT + KEY, self._describe),
            ("DELETE", DRAFT + KEY, self._drop),
            ("GET", RECORD + "/files", self._list_files),
            ("GET", RECORD + KEY + "/content", self._get_content),
            ("GET", RECORD + KEY, self._read_file),
        ]

    async def _list_draft_files(self, request: BaseRequest, record_id: str) -> web.Response:
        return self._site.files_answer(200, self._site.draft_of(request, record_id))

    async def _announce(self, request: BaseRequest, record_id: str) -> web.Response:
        given = await json_body(request, any_shape=True)
        record = self._site.draft_of(request, record_id)
        self._site.transfers.announce(record, given)
        return self._site.files_answer(201, record)

    async def _drop_all(self, request: BaseRequest, record_id: str) -> web.Response:
        self._site.transfers.drop(self._site.draft_of(request, record_id), None)
        return web.Response(status=204)

    async def _read_draft_file(self, request: BaseRequest, record_id: str, key: str) -> web.Response:
        record = self._site.draft_of(request, record_id)
        return self._site.file_answer(record, self._site.transfers.entry(record, "draft", key))

    async def _describe(self, request: BaseRequest, record_id: str, key: str) -> web.Response:
        if request.content_type != "application/json":
            raise wrong_content_type("application/json")
        given = await json_body(request)
        record = self._site.draft_of(request, record_id)
        return self._site.file_answer(record, self._site.transfers.describe(record, key, given))

    async def _drop(self, request: BaseRequest, record_id: str, key: str) -> web.Response:
        self._site.transfers.drop(self._site.draft_of(request, record_id), key)
        return web.Response(status=204)

    async def _put_content(self, request: BaseRequest, record_id: str, key: str) -> web.Response:
        _check_octets(request)
        record = self._site.draft_of(request, record_id)
        entry, good = await self._site.transfers.receive(record, key, self._body(request), request.content_length)
        return self._site.file_answer(record, entry, good=good)

    async def _put_part(self, request: BaseRequest, record_id: str, key: str, number: str) -> web.Response:
        _check_octets(request)
        record = self._site.draft_of(request, record_id)
        entry, good = await self._site.transfers.receive_part(
            record, key, int(number), self._body(request), request.content_length
        )
        return self._site.file_answer(record, entry, good=good)

    async def _commit(self, request: BaseRequest, record_id: str, key: str) -> web.Response:
        record = self._site.draft_of(request, record_id)
        return self._site.file_answer(record, await self._site.transfers.commit(record, key))

    async def _list_files(self, request: BaseRequest, record_id: str) -> web.Response:
        record = self._site.published_of(request, record_id)
        entries = self._site.store.entries(record["published"]["bucket"])
        return json_answer(200, self._site.views.file_list(record_id, record["published"], entries, draft=False))

    async def _read_file(self, request: BaseRequest, record_id: str, key: str) -> web.Response:
        record = self._site.published_of(request, record_id)
        entry = self._site.transfers.entry(record, "published", key)
        return json_answer(200, self._site.views.file(record_id, record["published"]["bucket"], entry, draft=False))

    async def _get_draft_content(self, request: BaseRequest, record_id: str, key: str) -> web.StreamResponse:
        return await self._send(request, self._site.draft_of(request, record_id), "draft", key)

    async def _get_content(self, request: BaseRequest, record_id: str, key: str) -> web.StreamResponse:
        return await self._send(request, self._site.published_of(request, record_id), "published", key)

    async def _send(self, request: BaseRequest, record: Document, side: str, key: str) -> web.StreamResponse:
        entry, path = self._site.transfers.content_path(record, side, key)
        checksum = str(entry["checksum"] or "")
        response = web.StreamResponse(
            headers={
                "Content-Type": mimetype(key),
                "Content-Disposition": "attachment",
                "Content-MD5": checksum.removeprefix("md5:"),
                "ETag": f'"{checksum}"',
            }
        )
        response.content_length = entry["size"]  # the whole of it: a Range is not looked at
        response.headers.update(request.get(LIMIT_HEADERS, {}))
        await response.prepare(request)
        if request.method != "HEAD":
            with path.open("rb") as stream:
                while chunk := await asyncio.to_thread(stream.read, _CHUNK):
                    await response.write(chunk)
        await response.write_eof()
        return response

    async def _body(self, request: BaseRequest) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._site.settings.body_timeout_s):
                    chunk = await request.content.readany()
            except (TimeoutError, OSError, HttpProcessingError, ClientPayloadError) as error:
                raise Interrupted from error
            if not chunk:
                return
            yield chunk


def _check_octets(request: BaseRequest) -> None:
    if "Content-Type" in request.headers and request.content_type != OCTETS:
        raise wrong_content_type(OCTETS)
