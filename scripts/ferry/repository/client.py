"""The repository as this product needs it: the one module that imports nrp_cmd.

nrp-cmd stays the client; its extension points are used, nothing in it is patched. What it leaves open is closed here:
one session per job, a stall limit instead of a total one, bodies that are never
sent twice, answers whose `errors` are read also under a 200, and its many exceptions told apart by what to do next.
"""

import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Any

import aiohttp
import pylibmagic  # noqa: F401 - before nrp_cmd, which imports magic: that finds the library of this wheel then

# isort: split
from nrp_cmd.async_client import get_async_client
from nrp_cmd.async_client.connection import AsyncConnection
from nrp_cmd.async_client.connection.auth import AuthenticatedClientRequest
from nrp_cmd.async_client.connection.limiter import limit_connections
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
from ferry.repository.errors import AnswerError, DeniedError, NotFoundError, error_for_response, first_line
from ferry.repository.files import RepositoryFiles
from ferry.repository.http import HttpSession
from ferry.repository.rate_limit import RateLimiter
from ferry.repository.records import RepositoryRecords
from ferry.repository.reviews import RepositoryReviews
from ferry.repository.sent_body import RateLimitedRequest
from ferry.repository.traffic import RequestStats

MOST_AT_ONCE = 10_000


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


class Repository(RepositoryRecords, RepositoryFiles, RepositoryReviews):
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
        self._unlimited = contextlib.ExitStack()
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
        RepositoryRecords.__init__(
            self,
            connection=self._connection,
            asking=self._asking_for,
            records=AsyncInvenioRecordsClient(self._connection, self._info, requests),
            record_class=Record,
            structured=_structured,
            info=self._info,
            model=self._model,
            url=url,
        )

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
        # how many requests are on their way at once is decided where their answers are looked at
        self._unlimited.enter_context(limit_connections(MOST_AT_ONCE))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlimited.close()
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
        return not isinstance(await self._trouble("try the token"), DeniedError)

    async def answers(self) -> bool:
        """Ask for what concerns no record, once, and tell whether any answer comes that is no failure of all."""
        return not isinstance(await self._trouble("see whether it answers"), TransientError)

    async def _trouble(self, action: str) -> FerryError | None:
        """Return what is wrong with a request that is no more than a list of one's own records; None: nothing."""
        try:
            await self._connection.get(url=self._own_records(), params={"size": "1"}, result_class=dict)
        except _TROUBLES as error:
            return _translate(action, error)
        return None

    async def take_turn(self) -> None:
        """Return when a request may leave that goes another way than by this client; it is counted as one of its own.

        Raises:
            DeniedError: the token was refused to another job of the run.
        """
        await self._http.wait_for_turn()
        self.traffic.requests += 1

    def slow_down(self, status: int, headers: Mapping[str, str]) -> None:
        """Heed an answer to such a request: where it says that the repository is busy, everybody waits."""
        self._http.slow_down(status, headers)

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


async def read_info(*, url: URL, verify_tls: bool) -> dict[str, Any]:
    """Have nrp-cmd ask a repository what it is; return its RepositoryInfo as plain JSON.

    Raises:
        TransientError: it has found none; what of that may pass by itself nrp-cmd does not tell.
    """
    asked = RepositoryConfig(alias="target", url=url, verify_tls=verify_tls, retry_count=1, retry_after_seconds=0)
    try:
        client = await get_async_client(asked)
    except (ValueError, *_TROUBLES) as error:
        raise TransientError(f"no repository that nrp-cmd knows: {first_line(error)}") from error
    info: dict[str, Any] = json.loads(json.dumps(converter.unstructure(client.config.info), default=str))
    return info


def _structured(hit: Mapping[str, Any]) -> Record:
    """Make nrp-cmd's record of the hit of a search.

    Raises:
        ValueError: it is none.
    """
    try:
        record: Record = converter.structure(dict(hit), Record)
    except StructureError as error:
        raise ValueError(first_line(error)) from error
    return record


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
                f"{action}: expected a certificate that can be trusted, found {first_line(cause)}; nothing was sent"
            )
        cause = cause.__cause__
    if isinstance(error, RepositoryRetryError):
        return TransientError(f"{action}: the repository asks to slow down (429), also after waiting as it asked")
    if isinstance(error, StructureError):
        return PermanentError(f"{action}: the repository's answer was not understood: {first_line(error)}")
    return TransientError(f"{action}: connection failed: {first_line(error)}")
    if isinstance(error, RepositoryRetryError):
        return TransientError(f"{action}: the repository asks to slow down (429), also after waiting as it asked")
    if isinstance(error, StructureError):
        return PermanentError(f"{action}: the repository's answer was not understood: {first_line(error)}")
    return TransientError(f"{action}: connection failed: {first_line(error)}")
