"""Searches of the repository, in our words: what a search shows was indexed some time ago."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from yarl import URL

from ferry.errors import PermanentError
from ferry.repository.errors import first_line
from ferry.repository.models import RemoteRecord
from ferry.repository.origins import origin_of
from ferry.text.safe_text import in_one_line, printable

MOST_HITS = 1000
"""Of a search for one record: a handful of versions and drafts are real, and those that look alike to a search."""
MOST_PAGES = 40
OWN_PAGE = 100
"""InvenioRDM gives no longer pages."""
MOST_FOUND = 10_000
"""Of a search for any records: InvenioRDM shows no more of one."""


class RepositorySearches:
    """The part of `Repository` that searches.

    Every method raises TransientError (worth another try), PermanentError (refused for good), or NotFoundError.
    """

    def __init__(
        self,
        *,
        connection: Any,
        asking: Callable[..., contextlib.AbstractAsyncContextManager[None]],
        records: Any,
        record_class: type,
        structured: Callable[[Mapping[str, Any]], Any],
        info: Any,
        model: str | None,
        url: str,
    ) -> None:
        """Talk over nrp-cmd's connection; `asking(action)` is around each request and puts errors in our words.

        Args:
            connection, asking: as for all parts of `Repository`.
            records: nrp-cmd's client of records.
            record_class: nrp-cmd's record.
            structured: makes one of the hit of a search; raises ValueError where it is none.
            info: nrp-cmd's description of the repository.
            model: of the records of this run; None: the repository has none.
            url: of the repository.
        """
        self._connection = connection
        self._asking = asking
        self._records = records
        self._record_class = record_class
        self._structured = structured
        self._info = info
        self._model = model
        self.url = url

    def _own_records(self) -> URL:
        """Where one's own drafts and records of all models are listed.

        That of a model will not do: an NRP repository lists everybody's published records there, to any token.
        """
        return self._info.links.drafts or URL(self.url).origin() / "api" / "user" / "records"  # as InvenioRDM has it

    async def count_own(self) -> int:
        """Return how many drafts and records are the user's own, of all models.

        Raises:
            DeniedError: the token is wrong, or expired.
        """
        async with self._asking("list one's own records"):
            found = await self._connection.get(url=self._own_records(), params={"size": "1"}, result_class=dict)
        return int((found.get("hits") or {}).get("total") or 0)

    async def count_without_files(self) -> int:
        """Return how many public records without files there are, of all models."""
        query = {"q": "files.enabled:false", "size": "1"}
        async with self._asking("look for records without files"):
            found = await self._connection.get(url=self._info.links.records, params=query, result_class=dict)
        return int((found.get("hits") or {}).get("total") or 0)

    def _hit(self, hit: Mapping[str, Any]) -> RemoteRecord:
        """Read a hit of a search: nrp-cmd's record does not have the id of the parent."""
        parent = (hit.get("parent") or {}).get("id")
        return replace(remote_record(self._structured(hit)), parent_id=str(parent) if parent else None)

    async def list_own(self, *, page: int, since: str | None) -> list[dict[str, Any]]:
        """Return a page of one's own drafts and latest records of all models, oldest first, as searches show them.

        Args:
            page: from 1 on, of `OWN_PAGE` each; one that is shorter is the last.
            since: only those that were made then or later (ISO 8601): a search shows no more than `MOST_FOUND`.
        """
        params = {"sort": "oldest", "size": str(OWN_PAGE), "page": str(page), "shared_with_me": "false"}
        if since is not None:
            params["q"] = f'created:["{since}" TO *]'
        async with self._asking("list one's own records"):
            answer = await self._connection.get(url=self._own_records(), params=params, result_class=dict)
        try:
            return [dict(hit) for hit in answer["hits"]["hits"]]
        except (KeyError, TypeError, ValueError) as error:
            raise PermanentError(
                f"list one's own records: expected hits, found an answer that was not understood: {first_line(error)}"
            ) from error

    async def search_own(self, identifier: str, *, recid: int | None = None) -> list[RemoteRecord]:
        """Return one's own drafts and records of the run's model that carry the identifier, or the recid.

        Args:
            identifier: in `metadata.identifiers`.
            recid: in `metadata.recid`, for models that have it.
        """
        query = _named(identifier)
        if recid is not None:
            query += f" OR metadata.recid:{recid}"
        # without it InvenioRDM also lists what others share, and what waits for a review of one's community
        params = {"q": query, "size": "25", "shared_with_me": "false"}
        found = await self._search(self._own_records(), params, what=identifier)
        # the search analyses its words: only what says exactly this counts
        return [hit for hit in found if hit.is_of(identifier=identifier, recid=recid)]

    async def search_public(self, identifier: str) -> list[RemoteRecord]:
        """Return the latest versions of published records that carry the identifier, whoever's they are."""
        params = {"q": _named(identifier), "size": "25"}
        found = await self._search(self._info.links.records, params, what=identifier)
        return [hit for hit in found if hit.is_of(identifier=identifier, recid=None)]

    async def search_query(self, query: str) -> list[RemoteRecord]:
        """Return the latest versions of published records that a query of the repository's own finds."""
        params = {"q": query, "size": "25", "sort": "oldest"}
        return await self._search(
            self._info.links.records, params, what=query, most_hits=MOST_FOUND, most_pages=MOST_FOUND // 25
        )

    async def _search(
        self,
        url: URL | None,
        params: dict[str, str],
        *,
        what: str,
        most_hits: int = MOST_HITS,
        most_pages: int = MOST_PAGES,
    ) -> list[RemoteRecord]:
        """Return all hits of the run's model, page by page; a search that does not end is left."""
        found: list[RemoteRecord] = []
        read: set[URL] = set()
        while url is not None:
            if url in read or len(read) == most_pages or len(found) > most_hits:
                raise PermanentError(
                    f"search for {what}: expected at most {most_hits} hits on {most_pages} pages, each once, "
                    f"found {len(found)} hits on {len(read)} pages and a next one: the answer was not understood"
                )
            read.add(url)
            async with self._asking(f"search for {what}"):
                answer = await self._connection.get(
                    url=url, params=params, headers={"Accept": self._info.default_content_type}, result_class=dict
                )
            try:
                found += map(self._hit, answer["hits"]["hits"])
                following = (answer.get("links") or {}).get("next")
                url, params = URL(following) if following else None, {}
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise PermanentError(
                    f"search for {what}: expected hits, found an answer that was not understood: {first_line(error)}"
                ) from error
        return [hit for hit in found if self._is_of_model(hit)]

    def _is_of_model(self, record: RemoteRecord) -> bool:
        """Whether a record may be of the run's model: its address is not below that of another one."""
        model = self._info.models.get(self._model) if self._model else None
        if model is None or _is_below(record.self_url, model.links.records):
            return True
        return not any(_is_below(record.self_url, other.links.records) for other in self._info.models.values())


def _named(identifier: str) -> str:
    """Return the query for an identifier, on the routes of models too, which quote whatever contains "://"."""
    return 'metadata.identifiers.identifier:"{}"'.format(identifier.replace("/", r"\/"))


def _is_below(url: URL, parent: URL) -> bool:
    return url.path.startswith(f"{parent.path.rstrip('/')}/")


def remote_record(record: Any) -> RemoteRecord:
    extra = dict(record._extra_data)  # nrp-cmd's place for what its model does not name
    links = {key: str(value) for key, value in getattr(record.links, "_extra_data", {}).items()}
    named = links.get("self_html") or record.links.self_html
    # tables and pages show it: an address of somebody else's is none of the record
    is_own = named and origin_of(named) == origin_of(record.links.self_)
    page = named if is_own else record.links.self_
    files_url = record.links.files or record.links.self_ / "files"
    is_draft = bool(extra.get("is_draft", str(record.links.self_).rstrip("/").endswith("/draft")))
    return RemoteRecord(
        id=str(record.id),
        page_url=in_one_line(printable(str(page))),
        is_published=bool(extra.get("is_published", not is_draft)) and not is_draft,
        document=extra,
        errors=tuple(extra.get("errors") or ()),
        etag=record.get_etag(),
        self_url=record.links.self_,
        files_url=files_url,
        publish_url=URL(links["publish"]) if "publish" in links else None,
        requests_url=URL(links["requests"]) if "requests" in links else None,
        applicable_requests_url=URL(links["applicable-requests"]) if "applicable-requests" in links else None,
        has_review="submit-review" in links,
        workflow=record.parent.workflow if record.parent else None,
    )
