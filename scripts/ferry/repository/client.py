"""The repository as this product needs it: the one module that imports nrp_cmd.

nrp-cmd stays the client; its extension points are used, nothing in it is patched. What it leaves open is closed here:
one session per job, a stall limit instead of a total one, bodies that are never
sent twice, answers whose `errors` are read also under a 200, and its many exceptions told apart by what to do next.
"""

import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import aiohttp
from nrp_cmd.async_client import get_async_client
from nrp_cmd.async_client.connection import AsyncConnection
from nrp_cmd.async_client.connection.auth import AuthenticatedClientRequest
from nrp_cmd.async_client.connection.response import RepositoryResponse
from nrp_cmd.async_client.invenio.records import AsyncInvenioRecordsClient
from nrp_cmd.async_client.invenio.requests import AsyncInvenioRequestsClient
from nrp_cmd.config import RepositoryConfig
from nrp_cmd.converter import converter
from nrp_cmd.errors import RepositoryError, RepositoryRetryError, StructureError
from nrp_cmd.types.info import RepositoryInfo
from nrp_cmd.types.records import Record
from yarl import URL

from ferry.errors import FerryError, PermanentError, TransientError
from ferry.flags import TOKEN_REFUSED, RunFlags
from ferry.repository.answers import BoundedResponse
from ferry.repository.errors import (
    AnswerError,
    DeniedError,
    NotFoundError,
    error_for_response,
)
from ferry.repository.files import RepositoryFiles
from ferry.repository.http import HttpSession, RateLimitedRequest
from ferry.repository.models import RemoteRecord
from ferry.repository.origins import origin_of
from ferry.repository.rate_limit import RateLimiter
from ferry.repository.reviews import RepositoryReviews
from ferry.repository.traffic import RequestStats
from ferry.text.safe_text import in_one_line, printable

MOST_HITS = 1000
"""Of a search for one record: a handful of versions and drafts are real, and those that look alike to a search."""
MOST_PAGES = 40


class _Request(RateLimitedRequest, AuthenticatedClientRequest):
    """A request with nrp-cmd's token and our manners."""


class _Response(BoundedResponse, RepositoryResponse):
    """An answer whose refusals keep their text, and are judged here."""

    async def raise_for_invenio_status(self) -> None:
        if self.status == 429:
            raise RepositoryRetryError(-1.0)  # nrp-cmd sleeps this + 1 s and asks again: the session makes it wait
        if not 200 <= self.status < 300:
            raise AnswerError(self.status, await self.text(errors="replace"))


class _Connection(AsyncConnection):
    """nrp-cmd's connection over our session, one attempt a request: trying again is decided above, by state."""

    def __init__(self, *, http: HttpSession, token: str | None, url: URL) -> None:
        super().__init__(tokens={url: token} if token else {}, retry_count=1, retry_after_seconds=0)
        self._http = http

    @contextlib.asynccontextmanager
    async def _client(self, idempotent: bool = False) -> AsyncGenerator[Any, None]:  # noqa: ARG002
        yield self._http


class Repository(RepositoryFiles, RepositoryReviews):
    """One repository, as seen by one job. Use it as an asynchronous context manager.

    Every method raises TransientError (worth another try), PermanentError (refused for good), or NotFoundError.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        token: str | None,
        info: Mapping[str, Any],
        verify_tls: bool = True,
        stall_s: float = 120.0,
        model: str | None = None,
        rate_limiter: RateLimiter | None = None,
        flags: RunFlags | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.flags = flags
        self.takes_parts = True
        """Whether files may be sent in parts, as far as is known."""
        self._info: RepositoryInfo = converter.structure(dict(info), RepositoryInfo)
        if self._info.transfers:
            self.takes_parts = "M" in self._info.transfers
        self._model = model or self._info.default_model
        self._http = HttpSession(
            origin=URL(url).origin(),
            verify_tls=verify_tls,
            stall_s=stall_s,
            request_class=_Request,
            response_class=_Response,
            rate_limiter=rate_limiter,
            flags=flags,
        )
        self._connection = _Connection(http=self._http, token=token, url=URL(url))
        RepositoryFiles.__init__(
            self,
            connection=self._connection,
            asking=self._asking_for,
            records_url=URL(url) / "api" / "records",
        )
        RepositoryReviews.__init__(
            self,
            connection=self._connection,
            asking=self._asking_for,
            communities_url=self._info.links.communities or URL(url) / "api" / "communities",
            requests_url=self._info.links.requests or URL(url) / "api" / "requests",
        )
        requests = AsyncInvenioRequestsClient(self._connection, self._info)
        self._records = AsyncInvenioRecordsClient(self._connection, self._info, requests)

    @property
    def models(self) -> list[str]:
        """Names of the models of records that the repository tells of; an NRP repository lists vocabularies too."""
        return sorted(name for name, model in self._info.models.items() if "vocabulary" not in model.features)

    @property
    def default_model(self) -> str | None:
        """Name of the model that records are of where none is asked for."""
        return self._info.default_model or None

    @property
    def has_workflows(self) -> bool:
        """Whether the repository says that its records go through workflows."""
        return "workflows" in (self._info.features or ())

    @property
    def traffic(self) -> RequestStats:
        """What was asked so far."""
        return self._http.traffic

    async def __aenter__(self) -> "Repository":
        # it tells of every attempt as an error of its own; what became of it stands in our log
        logging.getLogger("invenio_nrp").setLevel(logging.CRITICAL)
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    @contextlib.asynccontextmanager
    async def _asking_for(self, action: str) -> AsyncGenerator[None, None]:
        """Tell in our words what goes wrong, and tell the other jobs when it is the token."""
        try:
            yield
        except _TROUBLES as error:
            ours = _translate(action, error)
            if isinstance(ours, DeniedError) and self.flags is not None and not await self._token_works():
                self.flags.set(TOKEN_REFUSED, str(ours))
            raise ours from error

    async def _token_works(self) -> bool:
        """Whether the token is good for anything: what was refused may be a matter of one record."""
        try:
            await self._connection.get(url=self._own_records(), params={"size": "1"}, result_class=dict)
        except _TROUBLES as error:
            return not isinstance(_translate("try the token", error), DeniedError)
        return True

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
        async with self._asking_for("list one's own records"):
            found = await self._connection.get(url=self._own_records(), params={"size": "1"}, result_class=dict)
        return int((found.get("hits") or {}).get("total") or 0)

    async def count_without_files(self) -> int:
        """Return how many public records without files there are, of all models."""
        query = {"q": "files.enabled:false", "size": "1"}
        async with self._asking_for("look for records without files"):
            found = await self._connection.get(url=self._info.links.records, params=query, result_class=dict)
        return int((found.get("hits") or {}).get("total") or 0)

    # --- records ---

    async def search_own(self, identifier: str, *, recid: int | None = None) -> list[RemoteRecord]:
        """Return one's own drafts and records of the run's model that carry the identifier, or the recid.

        Args:
            identifier: in `metadata.identifiers`.
            recid: in `metadata.recid`, for models that have it.
        """
        # written like this it is a query on the routes of models too, which quote whatever contains "://"
        query = 'metadata.identifiers.identifier:"{}"'.format(identifier.replace("/", r"\/"))
        if recid is not None:
            query += f" OR metadata.recid:{recid}"
        # without it InvenioRDM also lists what others share, and what waits for a review of one's community
        params = {"q": query, "size": "25", "shared_with_me": "false"}
        found: list[RemoteRecord] = []
        url: URL | None = self._own_records()
        read: set[URL] = set()
        while url is not None:
            if url in read or len(read) == MOST_PAGES or len(found) > MOST_HITS:
                raise PermanentError(
                    f"search for {identifier}: expected at most {MOST_HITS} hits on {MOST_PAGES} pages, each once, "
                    f"found {len(found)} hits on {len(read)} pages and a next one: the answer was not understood"
                )
            read.add(url)
            async with self._asking_for(f"search for {identifier}"):
                answer = await self._connection.get(
                    url=url, params=params, headers={"Accept": self._info.default_content_type}, result_class=dict
                )
            try:
                found += map(_hit, answer["hits"]["hits"])
                following = (answer.get("links") or {}).get("next")
                url, params = URL(following) if following else None, {}
            except (KeyError, TypeError, ValueError, AttributeError, StructureError) as error:
                raise PermanentError(
                    f"search for {identifier}: expected hits, found an answer that was not understood: "
                    f"{_first_line(error)}"
                ) from error
        # the search analyses its words: only what says exactly this counts
        return [hit for hit in found if hit.is_of(identifier=identifier, recid=recid) and self._is_of_model(hit)]

    def _is_of_model(self, record: RemoteRecord) -> bool:
        """Whether a record may be of the run's model: its address is not below that of another one."""
        model = self._info.models.get(self._model) if self._model else None
        if model is None or _is_below(record.self_url, model.links.records):
            return True
        return not any(_is_below(record.self_url, other.links.records) for other in self._info.models.values())

    async def create(self, document: Mapping[str, Any], *, workflow: str | None) -> RemoteRecord:
        """Make a new draft. What the repository objects to stands in `errors`: the draft exists all the same."""
        if self._model is not None and self._model not in self._info.models:
            found = ", ".join(self.models) or "none"
            raise PermanentError(f"{self._model}: no such model in {self.url}, found {found}; correct repository.model")
        files_enabled = bool(document.get("files", {}).get("enabled", True))
        async with self._asking_for("create a draft"):
            record = await self._records.create(
                dict(document), model=self._model, workflow=workflow, files_enabled=files_enabled
            )
        return _record(record)

    async def read_draft(self, record_id: str) -> RemoteRecord:
        """Return the draft of this id."""
        async with self._asking_for(f"read the draft {record_id}"):
            return _record(await self._records.draft_records.read(record_id, model=self._model))

    async def read_published(self, record_id: str) -> RemoteRecord:
        """Return the published record of this id."""
        async with self._asking_for(f"read the record {record_id}"):
            return _record(await self._records.published_records.read(record_id, model=self._model))

    async def read_whole(self, record: RemoteRecord) -> dict[str, Any]:
        """Return all that the repository tells of a record: nrp-cmd leaves out its parent and its times."""
        async with self._asking_for(f"read the record {record.id}"):
            shown: dict[str, Any] = await self._connection.get(url=record.self_url, result_class=dict)
        return shown

    async def update_draft(self, draft: RemoteRecord, document: Mapping[str, Any]) -> RemoteRecord:
        """Replace the draft's metadata.

        Raises:
            ConflictError: it changed since it was read.
        """
        headers = {"If-Match": draft.etag} if draft.etag else {}
        async with self._asking_for(f"update the draft {draft.id}"):
            record = await self._connection.put(
                url=draft.self_url, json=dict(document), headers=headers, result_class=Record
            )
        return _record(record)

    async def delete_draft(self, draft: RemoteRecord, *, only_as_read: bool = False) -> None:
        """Delete a draft, with what it holds; one that is not there any more is fine.

        Raises:
            ConflictError: it changed since it was read, and is to be deleted only as it was.
        """
        headers = {"If-Match": draft.etag} if only_as_read and draft.etag else {}
        with contextlib.suppress(NotFoundError):
            async with self._asking_for(f"delete the draft {draft.id}"):
                await self._connection.delete(url=draft.self_url, headers=headers)

    async def edit(self, record: RemoteRecord) -> RemoteRecord:
        """Open a draft of a published record, to change its metadata; one that is open is given back as it is."""
        async with self._asking_for(f"edit the record {record.id}"):
            return _record(
                await self._connection.post(url=_without_draft(record.self_url) / "draft", json={}, result_class=Record)
            )

    async def new_version(self, record: RemoteRecord) -> RemoteRecord:
        """Open the draft of the next version, without files; one that is open is given back as it is."""
        async with self._asking_for(f"begin a new version of {record.id}"):
            return _record(
                await self._connection.post(
                    url=_without_draft(record.self_url) / "versions", json={}, result_class=Record
                )
            )

    async def look_up(self, path: str) -> dict[str, Any]:
        """Return what the API answers under a path, e.g. `vocabularies/licenses/cc0-1.0`."""
        url = URL(self.url) / "api"
        for name in path.split("/"):
            url /= name
        async with self._asking_for(f"look up {path}"):
            answer: dict[str, Any] = await self._connection.get(url=url, result_class=dict)
        return answer

    async def read_schema(self) -> dict[str, Any] | None:
        """Return the JSON schema of the run's model; None where the repository offers none."""
        model = self._info.models.get(self._model) if self._model else None
        offered = [each for each in model.content_types if each.content_type == "application/json"] if model else []
        url = next((each.schema for each in offered if each.schema is not None), None)
        if url is None:
            return None
        try:
            async with self._asking_for(f"read the schema of {self._model}"):
                answer: dict[str, Any] = await self._connection.get(url=url, result_class=dict)
        except NotFoundError:  # nrp-cmd names one for a repository that tells of none
            return None
        return answer


def _is_below(url: URL, parent: URL) -> bool:
    return url.path.startswith(f"{parent.path.rstrip('/')}/")


def _without_draft(url: URL) -> URL:
    """Return the address of a record, from its own or that of its draft."""
    return url.parent if url.name == "draft" else url


async def read_info(*, url: URL, verify_tls: bool) -> dict[str, Any]:
    """Have nrp-cmd ask a repository what it is; return its RepositoryInfo as plain JSON.

    Raises:
        TransientError: it has found none; what of that may pass by itself nrp-cmd does not tell.
    """
    asked = RepositoryConfig(alias="target", url=url, verify_tls=verify_tls, retry_count=1, retry_after_seconds=0)
    try:
        client = await get_async_client(asked)
    except (ValueError, *_TROUBLES) as error:
        raise TransientError(f"no repository that nrp-cmd knows: {_first_line(error)}") from error
    info: dict[str, Any] = json.loads(json.dumps(converter.unstructure(client.config.info), default=str))
    return info


# --- translation ---

_TROUBLES = (RepositoryError, RepositoryRetryError, StructureError, aiohttp.ClientError, OSError, ExceptionGroup)


def _translate(action: str, error: BaseException) -> FerryError:
    """Turn what nrp-cmd and aiohttp raise (also wrapped in groups and causes) into this package's errors."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[-1]
    cause: BaseException | None = error
    while cause is not None:  # what the body of a request raised comes back wrapped by aiohttp and by nrp-cmd
        if isinstance(cause, FerryError):
            return cause
        if isinstance(cause, AnswerError):
            return error_for_response(action, cause.status, cause.text)
        if isinstance(cause, aiohttp.ClientSSLError):
            return PermanentError(
                f"{action}: expected a certificate that can be trusted, found {_first_line(cause)}; nothing was sent"
            )
        cause = cause.__cause__
    if isinstance(error, RepositoryRetryError):
        return TransientError(f"{action}: the repository asks to slow down (429), also after waiting as it asked")
    if isinstance(error, StructureError):
        return PermanentError(f"{action}: the repository's answer was not understood: {_first_line(error)}")
    return TransientError(f"{action}: connection failed: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def _hit(hit: Mapping[str, Any]) -> RemoteRecord:
    """Read a hit of a search: nrp-cmd's record does not have the id of the parent."""
    parent = (hit.get("parent") or {}).get("id")
    return replace(_record(converter.structure(dict(hit), Record)), parent_id=str(parent) if parent else None)


def _record(record: Record) -> RemoteRecord:
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
