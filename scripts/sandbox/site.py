"""What all routes share: the store and what works on it, who asks, and the answers."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from sandbox.answers import Refusal, denied, no_such_draft
from sandbox.deposits import Deposits
from sandbox.flavours import find_flavour
from sandbox.reviews import Reviews
from sandbox.search import Index, page
from sandbox.settings import Settings
from sandbox.store import Document, Store
from sandbox.transfers import FAILED, Transfers
from sandbox.views import Views

Handler = Callable[..., Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
"""Method, pattern of the decoded path, and what answers; the pattern's groups are the handler's arguments."""


class Site:
    """One repository over one store.

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
        self.store = store
        self.settings = settings
        self.clock = clock
        self.flavour = find_flavour(settings.flavour)
        self.views = Views(settings.public_url or url, self.flavour)
        self.index = Index(self._snapshot, settings.index_lag_s, clock)
        self.deposits = Deposits(store, self.index, self.flavour, metadata_only=settings.metadata_only)
        self.transfers = Transfers(store, settings)
        self.reviews = Reviews(store, self.deposits, self.views.api)
        self._tokens = tokens
        for record_id in store.records:
            self.index.changed(record_id)
        self.index.refresh(all_of_it=True)

    def user(self, request: BaseRequest) -> str | None:
        """Return the user whose token the request has; None without one, and for a wrong one."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._tokens.get(token.strip()) if kind.lower() == "bearer" else None

    def draft_of(self, request: BaseRequest, record_id: str) -> Document:
        """Return the record whose draft the asking user may change.

        Raises:
            Refusal: 404, 403.
        """
        return self.deposits.draft(self.user(request), record_id)

    def published_of(self, request: BaseRequest, record_id: str) -> Document:
        """Return the published record whose files the asking user may read.

        Raises:
            Refusal: 404, 403.
        """
        record = self.store.records.get(record_id)
        if record is not None and record["published"] is None:
            raise no_such_draft()
        record = self.deposits.published(record_id)
        if "restricted" in record["published"]["access"].values() and record["owner"] != self.user(request):
            raise denied()
        return record

    def draft_view(self, record: Document) -> Document:
        """Return the draft as the API shows it."""
        entries = self.store.entries(record["draft"]["bucket"])
        return self.views.draft(
            record,
            entries,
            latest=self.deposits.is_latest(record, draft=True),
            review=self.store.others["requests"].get(record["draft"]["review"]),
            publishes=self.deposits.is_published_by_owner(record),
        )

    def published_view(self, record: Document) -> Document:
        """Return the published record as the API shows it."""
        return self.views.published(
            record,
            self.store.entries(record["published"]["bucket"]),
            latest=self.deposits.is_latest(record, draft=False),
            latest_draft=self.deposits.is_latest(record, draft=True),
        )

    def draft_answer(self, status: int, record: Document, errors: list[Any] | None = None) -> web.Response:
        """Answer with the draft, its ETag, and what was wrong with the metadata."""
        body = self.draft_view(record)
        if errors:
            body["errors"] = errors
        return json_answer(status, body, {"ETag": f'"{body["revision_id"]}"'})

    def record_answer(self, status: int, record: Document) -> web.Response:
        """Answer with the published record and its ETag."""
        body = self.published_view(record)
        return json_answer(status, body, {"ETag": f'"{body["revision_id"]}"'})

    def files_answer(self, status: int, record: Document) -> web.Response:
        """Answer with all files of the draft."""
        entries = self.store.entries(record["draft"]["bucket"])
        return json_answer(status, self.views.file_list(record["id"], record["draft"], entries, draft=True))

    def file_answer(self, record: Document, entry: Document, *, good: bool = True) -> web.Response:
        """Answer with one file of the draft: always 200, also when the transfer was not good."""
        body = self.views.file(record["id"], record["draft"]["bucket"], entry, draft=True)
        return json_answer(200, body if good else {**body, "errors": FAILED})

    def page_answer(self, request: BaseRequest, found: list[Document], *, sort: str = "newest") -> web.Response:
        """Answer with the page of the found documents that the request asks for.

        Raises:
            Refusal: 400 for a page that cannot be.
        """
        query = dict(request.query)
        shown, number, size = page(found, query=query, sort=query.get("sort", sort))
        hits = self.views.hits(request.path, shown, total=len(found), query=query, page=number, size=size)
        return json_answer(200, hits)

    def _snapshot(self, record_id: str) -> Document | None:
        record = self.store.records.get(record_id)
        if record is None:
            return None
        return {
            "owner": record["owner"],
            "draft": self.draft_view(record) if record["draft"] else None,
            "published": self.published_view(record) if record["published"] else None,
        }


async def json_body(request: BaseRequest, *, any_shape: bool = False) -> Any:
    """Return the JSON body; what is no object counts as an empty one, as in InvenioRDM.

    Raises:
        Refusal: 400, not JSON.
    """
    text = await request.read()
    try:
        given = json.loads(text) if text else {}
    except ValueError as error:
        raise Refusal(400, "Unable to decode JSON data in request body.") from error
    return given if any_shape or isinstance(given, dict) else {}


def json_answer(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer with a JSON body."""
    return web.Response(
        status=status, text=json.dumps(body, ensure_ascii=False), content_type="application/json", headers=headers
    )
