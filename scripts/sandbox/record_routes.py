"""Routes of records, drafts, versions and their searches."""

from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from sandbox.answers import denied, no_such_draft, server_error
from sandbox.search import matches
from sandbox.site import Route, Site, json_body
from sandbox.store import Document

RECORD = r"/api/records/([^/\n]+)"
DRAFT = RECORD + "/draft"


class RecordRoutes:
    """Everything about a record but its files."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def table(self) -> list[Route]:
        """Return the routes."""
        return [
            ("GET", r"/api/records", self._search),
            ("POST", r"/api/records", self._create),
            ("GET", r"/api/user/records", self._search_own),
            *self._model_routes(),
            ("GET", DRAFT, self._read_draft),
            ("PUT", DRAFT, self._update_draft),
            ("DELETE", DRAFT, self._delete_draft),
            ("POST", DRAFT, self._edit),
            ("POST", DRAFT + "/actions/publish", self._publish),
            ("POST", DRAFT + "/actions/files-import", self._import_files),
            ("GET", RECORD + "/versions", self._list_versions),
            ("POST", RECORD + "/versions", self._new_version),
            ("GET", RECORD + "/versions/latest", self._read_latest),
            ("GET", RECORD, self._read_record),
            ("PUT", RECORD, self._update_record),
            ("DELETE", RECORD, self._delete_record),
        ]

    def _model_routes(self) -> list[Route]:
        model = self._site.flavour.model
        if not self._site.flavour.is_nrp:
            return []
        return [
            ("GET", rf"/api/{model}", self._search),
            ("POST", rf"/api/{model}", self._create),
            ("GET", rf"/api/user/{model}", self._search_model),
        ]

    async def _create(self, request: BaseRequest) -> web.Response:
        given = await json_body(request)
        record, errors = self._site.deposits.create(self._site.user(request), given)
        return self._site.draft_answer(201, record, errors)

    async def _read_draft(self, request: BaseRequest, record_id: str) -> web.Response:
        record = self._site.deposits.draft(self._site.user(request), record_id, to_read=True)
        return self._site.draft_answer(200, record)

    async def _update_draft(self, request: BaseRequest, record_id: str) -> web.Response:
        given = await json_body(request)
        if_match = request.headers.get("If-Match")
        record, errors = self._site.deposits.update(self._site.user(request), record_id, given, if_match)
        return self._site.draft_answer(200, record, errors)

    async def _delete_draft(self, request: BaseRequest, record_id: str) -> web.Response:
        self._site.deposits.delete_draft(self._site.user(request), record_id, request.headers.get("If-Match"))
        return web.Response(status=204)

    async def _publish(self, request: BaseRequest, record_id: str) -> web.Response:
        return self._site.record_answer(202, self._site.deposits.publish(self._site.user(request), record_id))

    async def _edit(self, request: BaseRequest, record_id: str) -> web.Response:
        return self._site.draft_answer(201, self._site.deposits.edit(self._site.user(request), record_id))

    async def _read_record(self, request: BaseRequest, record_id: str) -> web.Response:
        record = self._site.deposits.published(record_id)
        if record["published"]["access"]["record"] == "restricted" and record["owner"] != self._site.user(request):
            raise denied()
        return self._site.record_answer(200, record)

    async def _update_record(self, request: BaseRequest, record_id: str) -> web.Response:
        self._site.deposits.own_published(self._site.user(request), record_id)
        raise server_error()

    async def _delete_record(self, request: BaseRequest, record_id: str) -> web.Response:
        del request
        self._site.deposits.published(record_id)
        raise denied()

    async def _list_versions(self, request: BaseRequest, record_id: str) -> web.Response:
        return self._site.page_answer(
            request, [self._site.published_view(version) for version in self._published_versions(record_id)]
        )

    async def _new_version(self, request: BaseRequest, record_id: str) -> web.Response:
        return self._site.draft_answer(201, self._site.deposits.new_version(self._site.user(request), record_id))

    async def _read_latest(self, request: BaseRequest, record_id: str) -> web.Response:
        del request
        latest = max(self._published_versions(record_id), key=_index)
        return web.Response(status=301, headers={"Location": f"{self._site.views.api}/records/{latest['id']}"})

    async def _import_files(self, request: BaseRequest, record_id: str) -> web.Response:
        record = self._site.draft_of(request, record_id)
        versions = self._site.deposits.versions(record)
        earlier = [other for other in versions if other["published"] is not None and _index(other) < _index(record)]
        if not earlier:
            raise no_such_draft()
        self._site.transfers.take_over(record, max(earlier, key=_index))
        return self._site.files_answer(201, record)

    async def _search(self, request: BaseRequest) -> web.Response:
        hits = [hit["published"] for hit in self._site.index.refresh().values() if hit["published"] is not None]
        return self._found(request, hits, latest="is_latest")

    async def _search_own(self, request: BaseRequest) -> web.Response:
        user = self._site.user(request)
        if user is None:
            raise denied()
        visible = self._site.index.refresh().values()
        hits = [hit["draft"] or hit["published"] for hit in visible if hit["owner"] == user]
        if published := request.query.get("is_published"):
            hits = [hit for hit in hits if hit["is_published"] == (published == "true")]
        # an NRP repository lists all versions of what is one's own, whatever is asked
        return self._found(request, hits, latest=None if self._site.flavour.is_nrp else "is_latest_draft")

    async def _search_model(self, request: BaseRequest) -> web.Response:
        """One's own drafts and everybody's published records: asked without a token too."""
        user = self._site.user(request)
        visible = self._site.index.refresh().values()
        shown = [hit["draft"] if hit["draft"] and hit["owner"] == user else hit["published"] for hit in visible]
        return self._found(request, [hit for hit in shown if hit is not None], latest="is_latest_draft")

    def _found(self, request: BaseRequest, hits: list[Document], *, latest: str | None) -> web.Response:
        if latest is not None and request.query.get("allversions") != "true":
            hits = [hit for hit in hits if hit["versions"][latest]]
        query, nrp = request.query.get("q", ""), self._site.flavour.is_nrp
        if nrp and request.path != "/api/user/records" and ("://" in query or "*" in query):
            query = '"' + query.replace("\\", "\\\\").replace('"', '\\"') + '"'  # as one phrase, which no record has
        whole = frozenset({"metadata.identifiers.identifier"} if nrp else ())
        return self._site.page_answer(request, [hit for hit in hits if matches(query, hit, whole=whole)])

    def _published_versions(self, record_id: str) -> list[Document]:
        record = self._site.deposits.published(record_id)
        return [version for version in self._site.deposits.versions(record) if version["published"] is not None]


def _index(record: dict[str, Any]) -> int:
    return int(record["index"])
