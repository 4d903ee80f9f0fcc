"""The HTTP side of the sandbox: which path and method does what.

Paths are matched after decoding, as a WSGI server does it, so that the same keys work and fail as in InvenioRDM.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from sandbox.answers import Refusal, denied, no_such_draft, no_such_page, no_such_record, server_error
from sandbox.answers import wrong_content_type, wrong_method
from sandbox.deposits import Deposits
from sandbox.rate_limit import RateLimiter
from sandbox.reviews import Reviews
from sandbox.search import Index, matches, page
from sandbox.settings import Settings
from sandbox.store import Document, Store
from sandbox.transfers import FAILED, Interrupted, Transfers
from sandbox.views import GENERATOR, Views, mimetype
from sandbox.vocabularies import VOCABULARIES

LOG = logging.getLogger(__name__)
MAX_JSON_BYTES = 100 * 2**20
OCTETS = "application/octet-stream"

Handler = Callable[..., Awaitable[web.StreamResponse]]


class Application:
    """All routes over one store.

    Args:
        store: records and files.
        settings: limits and manners.
        url: address that stands in links.
        tokens: user id by token.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        url: str,
        tokens: dict[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._settings = settings
        self._tokens = tokens
        self._views = Views(settings.public_url or url)
        self._index = Index(self._snapshot, settings.index_lag_s, clock)
        self._deposits = Deposits(store, self._index)
        self._transfers = Transfers(store, settings)
        self._reviews = Reviews(store, self._deposits, self._views.api)
        self._limiter = RateLimiter(settings.rate_limits, clock)
        self._routes = self._table()
        for record_id in store.records:
            self._index.changed(record_id)
        self._index.refresh(all_of_it=True)

    def web_application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=MAX_JSON_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    # --- dispatch

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            handler, arguments = self._find(request)
            verdict = self._limiter.check(f"{request.headers.get('User-Agent', '')} {request.remote}")
            headers = verdict.headers
            if not verdict.allowed:
                return _json(429, {"message": verdict.limit, "status": 429}, headers)
            response = await handler(request, *arguments)
        except Refusal as refusal:
            return _json(refusal.status, refusal.body(), headers)
        except Interrupted:
            return _json(400, {"status": 400, "message": "The body broke off."}, headers)
        except Exception:
            LOG.exception("%s %s", request.method, request.path)
            return _json(500, server_error().body(), headers)
        if not response.prepared:
            response.headers.update(headers)
        return response

    def _find(self, request: web.Request) -> tuple[Handler, list[str]]:
        path = re.sub(r"//+", "/", unquote(request.rel_url.raw_path, errors="replace"))
        method = "GET" if request.method == "HEAD" else request.method
        known = False
        for route_method, pattern, handler in self._routes:
            if match := pattern.fullmatch(path):
                known = True
                if route_method == method:
                    return handler, list(match.groups())
        raise wrong_method() if known else no_such_page()

    def _table(self) -> list[tuple[str, re.Pattern[str], Handler]]:
        record, draft, file = r"/api/records/([^/\n]+)", r"/api/records/([^/\n]+)/draft", r"/draft/files/([^\n]+)"
        table: list[tuple[str, str, Handler]] = [
            ("GET", r"/", self._home),
            ("GET", r"/\.well-known/repository/?", self._discovery),
            ("GET", r"/\.well-known/repository/models/?", self._models),
            ("GET", r"/api/records", self._search),
            ("POST", r"/api/records", self._create),
            ("GET", r"/api/user/records", self._search_own),
            ("GET", r"/api/communities", self._list_communities),
            ("POST", r"/api/communities", self._create_community),
            ("GET", r"/api/communities/([^/]+)", self._read_community),
            ("GET", r"/api/requests/([^/]+)", self._read_request),
            ("POST", r"/api/requests/([^/]+)/actions/([a-z]+)", self._act_on_request),
            ("GET", r"/api/vocabularies/([a-z]+)", self._list_vocabulary),
            ("GET", r"/api/vocabularies/([a-z]+)/(.+)", self._read_term),
            ("GET", draft, self._read_draft),
            ("PUT", draft, self._update_draft),
            ("DELETE", draft, self._delete_draft),
            ("POST", draft, self._edit),
            ("POST", draft + "/actions/publish", self._publish),
            ("POST", draft + "/actions/files-import", self._import_files),
            ("POST", draft + "/actions/submit-review", self._submit_review),
            ("GET", draft + "/review", self._read_review),
            ("PUT", draft + "/review", self._propose_review),
            ("DELETE", draft + "/review", self._drop_review),
            ("GET", draft + "/files", self._list_draft_files),
            ("POST", draft + "/files", self._announce_files),
            ("DELETE", draft + "/files", self._drop_files),
            ("PUT", record + file + r"/content/(\d+)", self._put_part),
            ("PUT", record + file + "/content", self._put_content),
            ("GET", record + file + "/content", self._get_draft_content),
            ("POST", record + file + "/commit", self._commit),
            ("GET", record + file, self._read_draft_file),
            ("PUT", record + file, self._describe_file),
            ("DELETE", record + file, self._drop_file),
            ("GET", record + "/files", self._list_files),
            ("GET", record + r"/files/([^\n]+)/content", self._get_content),
            ("GET", record + r"/files/([^\n]+)", self._read_file),
            ("GET", record + "/versions", self._list_versions),
            ("POST", record + "/versions", self._new_version),
            ("GET", record + "/versions/latest", self._read_latest),
            ("GET", record, self._read_record),
            ("PUT", record, self._update_record),
            ("DELETE", record, self._delete_record),
        ]
        return [(method, re.compile(pattern, re.DOTALL), handler) for method, pattern, handler in table]

    # --- pages and discovery

    async def _home(self, request: web.Request) -> web.Response:
        del request
        text = f'<!DOCTYPE html>\n<html><head><meta name="generator" content="{GENERATOR}"/></head></html>\n'
        return web.Response(text=text, content_type="text/html")

    async def _discovery(self, request: web.Request) -> web.Response:
        del request
        if not self._settings.discovery:
            raise no_such_page()
        return _json(200, self._views.discovery(multipart=self._settings.multipart))

    async def _models(self, request: web.Request) -> web.Response:
        del request
        if not self._settings.discovery:
            raise no_such_page()
        return _json(200, self._views.models())

    async def _list_vocabulary(self, request: web.Request, name: str) -> web.Response:
        terms = sorted(VOCABULARIES.get(name, []))
        found = [self._term(name, term) for term in terms]
        query = dict(request.query)
        shown, number, size = page([{**term, "created": ""} for term in found], query=query, sort="oldest")
        return _json(200, self._views.hits(request.path, shown, total=len(found), query=query, page=number, size=size))

    async def _read_term(self, request: web.Request, name: str, term: str) -> web.Response:
        del request
        if term not in VOCABULARIES.get(name, ()):
            raise no_such_record()
        return _json(200, self._term(name, term))

    def _term(self, name: str, term: str) -> Document:
        links = {"self": f"{self._views.api}/vocabularies/{name}/{term}"}
        return {"id": term, "title": {"en": term}, "type": name, "revision_id": 1, "links": links}

    # --- records

    async def _create(self, request: web.Request) -> web.Response:
        record, errors = self._deposits.create(self._user(request), await _body(request))
        return self._draft_answer(201, record, errors)

    async def _read_draft(self, request: web.Request, record_id: str) -> web.Response:
        return self._draft_answer(200, self._deposits.draft(self._user(request), record_id, to_read=True))

    async def _update_draft(self, request: web.Request, record_id: str) -> web.Response:
        given = await _body(request)
        record, errors = self._deposits.update(self._user(request), record_id, given, request.headers.get("If-Match"))
        return self._draft_answer(200, record, errors)

    async def _delete_draft(self, request: web.Request, record_id: str) -> web.Response:
        self._deposits.delete_draft(self._user(request), record_id, request.headers.get("If-Match"))
        return web.Response(status=204)

    async def _publish(self, request: web.Request, record_id: str) -> web.Response:
        return self._record_answer(202, self._deposits.publish(self._user(request), record_id))

    async def _edit(self, request: web.Request, record_id: str) -> web.Response:
        return self._draft_answer(201, self._deposits.edit(self._user(request), record_id))

    async def _read_record(self, request: web.Request, record_id: str) -> web.Response:
        record = self._deposits.published(record_id)
        if record["published"]["access"]["record"] == "restricted" and record["owner"] != self._user(request):
            raise denied()
        return self._record_answer(200, record)

    async def _update_record(self, request: web.Request, record_id: str) -> web.Response:
        self._deposits.own_published(self._user(request), record_id)
        raise server_error()

    async def _delete_record(self, request: web.Request, record_id: str) -> web.Response:
        del request
        self._deposits.published(record_id)
        raise denied()

    async def _list_versions(self, request: web.Request, record_id: str) -> web.Response:
        record = self._deposits.published(record_id)
        found = [self._published_view(other) for other in self._deposits.versions(record) if other["published"]]
        query = dict(request.query)
        shown, number, size = page(found, query=query, sort="newest")
        return _json(200, self._views.hits(request.path, shown, total=len(found), query=query, page=number, size=size))

    async def _new_version(self, request: web.Request, record_id: str) -> web.Response:
        return self._draft_answer(201, self._deposits.new_version(self._user(request), record_id))

    async def _read_latest(self, request: web.Request, record_id: str) -> web.Response:
        del request
        found = [other for other in self._deposits.versions(self._deposits.published(record_id)) if other["published"]]
        return self._record_answer(200, max(found, key=lambda other: int(other["index"])))

    async def _import_files(self, request: web.Request, record_id: str) -> web.Response:
        record = self._deposits.draft(self._user(request), record_id)
        earlier = [
            other
            for other in self._deposits.versions(record)
            if other["published"] is not None and other["index"] < record["index"]
        ]
        if not earlier:
            raise no_such_draft()
        self._transfers.take_over(record, max(earlier, key=lambda other: int(other["index"])))
        return self._files_answer(201, record)

    # --- search

    async def _search(self, request: web.Request) -> web.Response:
        every = request.query.get("allversions") == "true"
        visible = [hit["published"] for hit in self._index.refresh().values() if hit["published"] is not None]
        hits = [hit for hit in visible if every or hit["versions"]["is_latest"]]
        return self._hits(request, hits)

    async def _search_own(self, request: web.Request) -> web.Response:
        user = self._user(request)
        if user is None:
            raise denied()
        every = request.query.get("allversions") == "true"
        own = [hit["draft"] or hit["published"] for hit in self._index.refresh().values() if hit["owner"] == user]
        hits = [hit for hit in own if every or hit["versions"]["is_latest_draft"]]
        if published := request.query.get("is_published"):
            hits = [hit for hit in hits if hit["is_published"] == (published == "true")]
        return self._hits(request, hits)

    def _hits(self, request: web.Request, hits: list[Document]) -> web.Response:
        query = dict(request.query)
        found = [hit for hit in hits if matches(query.get("q", ""), hit)]
        shown, number, size = page(found, query=query, sort=query.get("sort", "newest"))
        return _json(200, self._views.hits(request.path, shown, total=len(found), query=query, page=number, size=size))

    def _snapshot(self, record_id: str) -> Document | None:
        record = self._store.records.get(record_id)
        if record is None:
            return None
        return {
            "owner": record["owner"],
            "draft": self._draft_view(record) if record["draft"] else None,
            "published": self._published_view(record) if record["published"] else None,
        }

    # --- files

    async def _list_draft_files(self, request: web.Request, record_id: str) -> web.Response:
        return self._files_answer(200, self._draft_of(request, record_id))

    async def _announce_files(self, request: web.Request, record_id: str) -> web.Response:
        record = self._draft_of(request, record_id)
        self._transfers.announce(record, await _body(request, any_shape=True))
        return self._files_answer(201, record)

    async def _drop_files(self, request: web.Request, record_id: str) -> web.Response:
        self._transfers.drop(self._draft_of(request, record_id), None)
        return web.Response(status=204)

    async def _read_draft_file(self, request: web.Request, record_id: str, key: str) -> web.Response:
        record = self._draft_of(request, record_id)
        return self._file_answer(record, self._transfers.entry(record, "draft", key))

    async def _describe_file(self, request: web.Request, record_id: str, key: str) -> web.Response:
        if request.content_type != "application/json":
            raise wrong_content_type("application/json")
        record = self._draft_of(request, record_id)
        return self._file_answer(record, self._transfers.describe(record, key, await _body(request)))

    async def _drop_file(self, request: web.Request, record_id: str, key: str) -> web.Response:
        self._transfers.drop(self._draft_of(request, record_id), key)
        return web.Response(status=204)

    async def _put_content(self, request: web.Request, record_id: str, key: str) -> web.Response:
        _check_octets(request)
        record = self._draft_of(request, record_id)
        entry, good = await self._transfers.receive(record, key, self._incoming(request), request.content_length)
        return self._file_answer(record, entry, good=good)

    async def _put_part(self, request: web.Request, record_id: str, key: str, number: str) -> web.Response:
        _check_octets(request)
        record = self._draft_of(request, record_id)
        entry, good = await self._transfers.receive_part(
            record, key, int(number), self._incoming(request), request.content_length
        )
        return self._file_answer(record, entry, good=good)

    async def _commit(self, request: web.Request, record_id: str, key: str) -> web.Response:
        record = self._draft_of(request, record_id)
        return self._file_answer(record, await self._transfers.commit(record, key))

    async def _list_files(self, request: web.Request, record_id: str) -> web.Response:
        record = self._published_of(request, record_id)
        entries = self._store.entries(record["published"]["bucket"])
        return _json(200, self._views.file_list(record_id, record["published"], entries, draft=False))

    async def _read_file(self, request: web.Request, record_id: str, key: str) -> web.Response:
        record = self._published_of(request, record_id)
        entry = self._transfers.entry(record, "published", key)
        return _json(200, self._views.file(record_id, record["published"]["bucket"], entry, draft=False))

    async def _get_draft_content(self, request: web.Request, record_id: str, key: str) -> web.StreamResponse:
        return self._content_answer(self._draft_of(request, record_id), "draft", key)

    async def _get_content(self, request: web.Request, record_id: str, key: str) -> web.StreamResponse:
        return self._content_answer(self._published_of(request, record_id), "published", key)

    async def _incoming(self, request: web.Request) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._settings.body_timeout_s):
                    chunk = await request.content.readany()
            except (TimeoutError, ConnectionError, web.HTTPException, OSError) as error:
                raise Interrupted from error
            except Exception as error:  # aiohttp's parsers raise several kinds for a body that breaks off
                if "payload" in type(error).__name__.lower() or "length" in type(error).__name__.lower():
                    raise Interrupted from error
                raise
            if not chunk:
                return
            yield chunk

    # --- reviews

    async def _list_communities(self, request: web.Request) -> web.Response:
        found = self._reviews.communities()
        query = dict(request.query)
        hits = [community for community in found if matches(query.get("q", ""), community)]
        shown, number, size = page(hits, query=query, sort="newest")
        return _json(200, self._views.hits(request.path, shown, total=len(hits), query=query, page=number, size=size))

    async def _create_community(self, request: web.Request) -> web.Response:
        return _json(201, self._reviews.create_community(self._user(request), await _body(request)))

    async def _read_community(self, request: web.Request, name: str) -> web.Response:
        del request
        return _json(200, self._reviews.show_community(self._reviews.community(name)))

    async def _read_review(self, request: web.Request, record_id: str) -> web.Response:
        return _json(200, self._reviews.show(self._reviews.of_draft(self._draft_of(request, record_id))))

    async def _propose_review(self, request: web.Request, record_id: str) -> web.Response:
        given = await _body(request)
        return _json(200, self._reviews.propose(self._draft_of(request, record_id), given))

    async def _drop_review(self, request: web.Request, record_id: str) -> web.Response:
        record = self._draft_of(request, record_id)
        self._reviews.of_draft(record)
        self._deposits.set_review(record, None)
        return web.Response(status=204)

    async def _submit_review(self, request: web.Request, record_id: str) -> web.Response:
        return _json(202, self._reviews.submit(self._draft_of(request, record_id), self._user(request)))

    async def _read_request(self, request: web.Request, request_id: str) -> web.Response:
        return _json(200, self._reviews.show(self._reviews.request(request_id, self._user(request))))

    async def _act_on_request(self, request: web.Request, request_id: str, action: str) -> web.Response:
        return _json(200, self._reviews.act(request_id, action, self._user(request)))

    # --- help

    def _user(self, request: web.Request) -> str | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._tokens.get(token.strip()) if kind.lower() == "bearer" else None

    def _draft_of(self, request: web.Request, record_id: str) -> Document:
        return self._deposits.draft(self._user(request), record_id)

    def _published_of(self, request: web.Request, record_id: str) -> Document:
        record = self._store.records.get(record_id)
        if record is not None and record["published"] is None:
            raise no_such_draft()
        record = self._deposits.published(record_id)
        if "restricted" in record["published"]["access"].values() and record["owner"] != self._user(request):
            raise denied()
        return record

    def _draft_view(self, record: Document) -> Document:
        entries = self._store.entries(record["draft"]["bucket"])
        return self._views.draft(record, entries, latest=self._deposits.is_latest(record, draft=True))

    def _published_view(self, record: Document) -> Document:
        return self._views.published(
            record,
            self._store.entries(record["published"]["bucket"]),
            latest=self._deposits.is_latest(record, draft=False),
            latest_draft=self._deposits.is_latest(record, draft=True),
        )

    def _draft_answer(self, status: int, record: Document, errors: list[Any] | None = None) -> web.Response:
        body = self._draft_view(record)
        if errors:
            body["errors"] = errors
        return _json(status, body, {"ETag": f'"{body["revision_id"]}"'})

    def _record_answer(self, status: int, record: Document) -> web.Response:
        body = self._published_view(record)
        return _json(status, body, {"ETag": f'"{body["revision_id"]}"'})

    def _files_answer(self, status: int, record: Document) -> web.Response:
        entries = self._store.entries(record["draft"]["bucket"])
        return _json(status, self._views.file_list(record["id"], record["draft"], entries, draft=True))

    def _file_answer(self, record: Document, entry: Document, *, good: bool = True) -> web.Response:
        body = self._views.file(record["id"], record["draft"]["bucket"], entry, draft=True)
        return _json(200, body if good else {**body, "errors": FAILED})

    def _content_answer(self, record: Document, side: str, key: str) -> web.StreamResponse:
        entry, path = self._transfers.content_path(record, side, key)
        checksum = str(entry["checksum"] or "")
        headers = {
            "Content-Type": mimetype(key),
            "Content-Disposition": "attachment",
            "Content-MD5": checksum.removeprefix("md5:"),
            "ETag": f'"{checksum}"',
        }
        return web.FileResponse(path, headers=headers)


def _check_octets(request: web.Request) -> None:
    if "Content-Type" in request.headers and request.content_type != OCTETS:
        raise wrong_content_type(OCTETS)


async def _body(request: web.Request, *, any_shape: bool = False) -> Any:
    """Return the JSON body; what is no object counts as an empty one, as in InvenioRDM."""
    text = await request.read()
    try:
        given = json.loads(text) if text else {}
    except ValueError as error:
        raise Refusal(400, "Unable to decode JSON data in request body.") from error
    return given if any_shape or isinstance(given, dict) else {}


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, text=json.dumps(body, ensure_ascii=False), content_type="application/json", headers=headers
    )
