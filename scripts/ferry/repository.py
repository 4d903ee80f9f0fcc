"""The repository as this product needs it: the one module that imports nrp_cmd.

nrp-cmd stays the client; its extension points are used, nothing in it is patched. What it leaves open is closed here:
one session per job, a stall limit instead of a total one, bodies that are never
sent twice, answers whose `errors` are read also under a 200, and its many exceptions told apart by what to do next.
"""

import contextlib
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from nrp_cmd.async_client import get_async_client
from nrp_cmd.async_client.connection import AsyncConnection
from nrp_cmd.async_client.connection.auth import AuthenticatedClientRequest
from nrp_cmd.async_client.connection.response import RepositoryResponse
from nrp_cmd.async_client.invenio.records import AsyncInvenioRecordsClient
from nrp_cmd.async_client.invenio.requests import AsyncInvenioRequestsClient
from nrp_cmd.config import Config, RepositoryConfig
from nrp_cmd.converter import converter
from nrp_cmd.errors import (
    DoesNotExistError,
    RepositoryClientError,
    RepositoryError,
    RepositoryRetryError,
    RepositoryServerError,
    StructureError,
)
from nrp_cmd.types.files import File, FilesList
from nrp_cmd.types.info import RepositoryInfo
from nrp_cmd.types.records import Record, RecordList
from yarl import URL

from ferry.errors import ConfigError, FerryError, IntegrityError, PermanentError, TransientError

USER_AGENT = "opendata-ferry/0.1"
TOKEN_VARIABLE = "NRP_TOKEN"  # noqa: S105 - the name of the variable, not a token
CONNECT_TIMEOUT_S = 20.0
MD5_PREFIX = "md5:"


class NotFoundError(PermanentError):
    """The repository does not have it (any more)."""


@dataclass(frozen=True)
class RemoteFile:
    """One entry of a record's file list, as the repository tells it."""

    key: str
    status: str
    size_bytes: int | None
    md5: str | None
    """Lower-case hexadecimal; None while the repository has not computed it."""
    content_url: URL | None
    commit_url: URL | None
    self_url: URL

    @property
    def is_complete(self) -> bool:
        """Whether the repository calls the file complete (which proves nothing yet)."""
        return self.status == "completed"


@dataclass(frozen=True)
class RemoteRecord:
    """A draft or a published record, as the repository tells it."""

    id: str
    page_url: str
    is_published: bool
    document: Mapping[str, Any]
    """Everything else it says: metadata, access, parent, pids …"""
    errors: Sequence[Mapping[str, Any]]
    """What it objects to in the metadata; a draft is made all the same."""
    etag: str | None
    self_url: URL
    files_url: URL
    publish_url: URL | None
    review_url: URL | None


@dataclass
class Traffic:
    """What was asked of the repository, counted as it happens."""

    requests: int = 0
    refused: int = 0
    """Answers 429 and 503."""


class _Connection(AsyncConnection):
    """nrp-cmd's connection over one session, one attempt a request: trying again is decided above, by state."""

    def __init__(self, *, session: aiohttp.ClientSession, token: str | None, url: URL, verify_tls: bool) -> None:
        super().__init__(
            tokens={url: token} if token else {}, verify_tls=verify_tls, retry_count=1, retry_after_seconds=0
        )
        self._session = session

    @contextlib.asynccontextmanager
    async def _client(self, idempotent: bool = False) -> AsyncGenerator[aiohttp.ClientSession, None]:  # noqa: ARG002
        yield self._session


class _SendOnce:
    """A request body that cannot be sent a second time: aiohttp would repeat a lost PUT with what is left of it."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._started = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._started:
            raise TransientError("the connection was lost while the body was sent; the file is sent anew")
        self._started = True
        return self._chunks


class Repository:
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
    ) -> None:
        self.name = name
        self.url = url
        self.traffic = Traffic()
        self._token = token
        self._info: RepositoryInfo = converter.structure(dict(info), RepositoryInfo)
        self._verify_tls = verify_tls
        self._stall_s = stall_s
        self._model = model or self._info.default_model
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Repository":
        session = aiohttp.ClientSession(
            request_class=AuthenticatedClientRequest,
            response_class=RepositoryResponse,
            # a kept connection that the server has closed meanwhile fails the next POST, and whether a POST took
            # effect is the one thing that must not be in doubt
            connector=aiohttp.TCPConnector(ssl=self._verify_tls, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=self._stall_s),
            headers={"User-Agent": USER_AGENT},
            trace_configs=[self._counting()],
        )
        await self._stack.enter_async_context(session)
        self._connection = _Connection(
            session=session, token=self._token, url=URL(self.url), verify_tls=self._verify_tls
        )
        requests = AsyncInvenioRequestsClient(self._connection, self._info)
        self._records = AsyncInvenioRecordsClient(self._connection, self._info, requests)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def _counting(self) -> aiohttp.TraceConfig:
        async def count(_session: object, _context: object, params: aiohttp.TraceRequestEndParams) -> None:
            self.traffic.requests += 1
            if params.response.status in (429, 503):
                self.traffic.refused += 1

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(count)  # type: ignore[arg-type]  # aiohttp calls it with three arguments
        return trace

    # --- records ---

    async def search_own(self, identifier: str) -> list[RemoteRecord]:
        """Return one's own drafts and records that carry this identifier in `metadata.identifiers`."""
        drafts = (self._info.models[self._model].links.drafts if self._model else None) or self._info.links.drafts
        if drafts is None:
            raise PermanentError(f"{self.url}: tells no address where one's own drafts are listed; is it InvenioRDM?")
        query = {"q": f'metadata.identifiers.identifier:"{identifier}"', "size": "25"}
        with _translated(f"search for {identifier}"):
            hits = await self._connection.get(
                url=drafts,
                params=query,
                headers={"Accept": self._info.default_content_type},
                result_class=RecordList,
            )
        found = [_record(hit) for hit in hits]
        # the search analyses its words: only what says exactly this counts
        return [hit for hit in found if identifier in _identifiers(hit)]

    async def create(self, document: Mapping[str, Any], *, community: str | None, workflow: str | None) -> RemoteRecord:
        """Make a new draft. What the repository objects to stands in `errors`: the draft exists all the same."""
        files_enabled = bool(document.get("files", {}).get("enabled", True))
        with _translated("create a draft"):
            record = await self._records.create(
                dict(document),
                model=self._model,
                community=community,
                workflow=workflow,
                files_enabled=files_enabled,
            )
        return _record(record)

    async def read_draft(self, record_id: str) -> RemoteRecord:
        """Return the draft of this id."""
        with _translated(f"read the draft {record_id}"):
            return _record(await self._records.draft_records.read(record_id, model=self._model))

    async def read_published(self, record_id: str) -> RemoteRecord:
        """Return the published record of this id."""
        with _translated(f"read the record {record_id}"):
            return _record(await self._records.published_records.read(record_id, model=self._model))

    async def update_draft(self, draft: RemoteRecord, document: Mapping[str, Any]) -> RemoteRecord:
        """Replace the draft's metadata; refused (PermanentError) when it changed since it was read."""
        headers = {"If-Match": draft.etag} if draft.etag else {}
        with _translated(f"update the draft {draft.id}"):
            record = await self._connection.put(
                url=draft.self_url, json=dict(document), headers=headers, result_class=Record
            )
        return _record(record)

    async def publish(self, draft: RemoteRecord) -> RemoteRecord:
        """Publish the draft."""
        if draft.publish_url is None:
            raise PermanentError(f"the draft {draft.id} offers no way to publish it; is a review needed?")
        with _translated(f"publish the draft {draft.id}"):
            return _record(await self._connection.post(url=draft.publish_url, json={}, result_class=Record))

    # --- files ---

    async def list_files(self, record: RemoteRecord) -> list[RemoteFile]:
        """Return the record's file list."""
        with _translated(f"list the files of {record.id}"):
            listing = await self._connection.get(url=record.files_url, result_class=FilesList)
        return [_file(entry) for entry in listing.entries]

    async def init_files(self, draft: RemoteRecord, keys: Sequence[str]) -> list[RemoteFile]:
        """Announce new files, all in one request. A key that exists in any state is refused."""
        with _translated(f"announce {len(keys)} files to {draft.id}"):
            listing = await self._connection.post(
                url=draft.files_url, json=[{"key": key} for key in keys], result_class=FilesList
            )
        wanted = set(keys)
        return [entry for entry in map(_file, listing.entries) if entry.key in wanted]

    async def send_content(self, file: RemoteFile, chunks: AsyncIterator[bytes], size_bytes: int) -> None:
        """Send the content of an announced file; nothing is committed."""
        if file.content_url is None:
            raise PermanentError(f"{file.key}: the repository gave no address for the content")
        body = _SendOnce(chunks)

        async def open_body() -> _SendOnce:
            return body

        with _translated(f"send {file.key}"):
            answer = await self._connection.put(
                url=file.content_url,
                data=open_body,  # type: ignore[arg-type]  # awaited by nrp-cmd, see its put_stream
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)},
                allow_redirects=False,
                result_class=dict,
            )
        _raise_for_errors(answer, f"send {file.key}")

    async def commit(self, file: RemoteFile) -> RemoteFile:
        """Tell the repository that the content is complete."""
        if file.commit_url is None:
            raise PermanentError(f"{file.key}: the repository gave no address to commit the file")
        with _translated(f"commit {file.key}"):
            answer = await self._connection.post(url=file.commit_url, json={}, result_class=dict)
        _raise_for_errors(answer, f"commit {file.key}")
        return _file(converter.structure(answer, File))

    async def delete_file(self, file: RemoteFile) -> None:
        """Remove a file from a draft; one that is not there any more is fine."""
        with contextlib.suppress(NotFoundError), _translated(f"delete {file.key}"):
            await self._connection.delete(url=file.self_url)


async def discover(*, url: str, verify_tls: bool) -> dict[str, Any]:
    """Ask a repository what it is and return nrp-cmd's RepositoryInfo as plain JSON.

    Raises:
        PermanentError: nothing there that nrp-cmd can talk to.
    """
    try:
        client = await get_async_client(RepositoryConfig(alias="target", url=URL(url), verify_tls=verify_tls))
    except (
        ValueError,
        RepositoryError,
        StructureError,
        aiohttp.ClientError,
        OSError,
        ExceptionGroup,
    ) as error:
        raise PermanentError(
            f"{url}: expected an NRP or InvenioRDM repository, found none that answers ({_first_line(error)}); "
            "check repository.url and the network"
        ) from error
    info: dict[str, Any] = json.loads(json.dumps(converter.unstructure(client.config.info), default=str))
    return info


def read_token(*, url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the token for this repository: NRP_TOKEN, else nrp-cmd's own configuration, else None.

    Raises:
        ConfigError: nrp-cmd's configuration can be read by others.
    """
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if token:
        return token
    default = Path.home() / ".nrp" / "invenio-config.json"
    path = Path(environment.get("NRP_CMD_CONFIG_PATH", default))
    if not path.exists():
        return None
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: holds tokens and can be read by others; run: chmod 600 {path}")
    host = URL(url).host
    for repository in Config.from_file(path).repositories:
        if repository.enabled and repository.url.host == host and repository.url.scheme == URL(url).scheme:
            return repository.token
    return None


# --- translation ---


@contextlib.contextmanager
def _translated(action: str) -> Iterator[None]:
    """Turn what nrp-cmd and aiohttp raise (also wrapped in groups) into this package's errors."""
    try:
        yield
    except (RepositoryError, RepositoryRetryError, StructureError, aiohttp.ClientError, OSError) as error:
        raise _translate(action, error) from error
    except ExceptionGroup as group:
        raise _translate(action, _last_leaf(group)) from group


def _last_leaf(group: ExceptionGroup[Exception]) -> Exception:
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[-1]
    return error


def _translate(action: str, error: BaseException) -> Exception:
    cause: BaseException | None = error
    while cause is not None:  # what the body of a request raised comes back wrapped by aiohttp and by nrp-cmd
        if isinstance(cause, FerryError):
            return cause
        cause = cause.__cause__
    if isinstance(error, DoesNotExistError):
        return NotFoundError(f"{action}: the repository answers that it is not there (404)")
    if isinstance(error, RepositoryServerError):
        return TransientError(f"{action}: the repository failed: {_answer(error)}")
    if isinstance(error, RepositoryClientError):
        if error.json.get("status") in (401, 403):
            return PermanentError(
                f"{action}: the repository refused the token or the right is missing ({_answer(error)}); "
                f"check {TOKEN_VARIABLE}"
            )
        return PermanentError(f"{action}: the repository refused: {_answer(error)}")
    if isinstance(error, RepositoryRetryError):
        return TransientError(f"{action}: the repository asks to slow down (429), also after waiting as it asked")
    if isinstance(error, StructureError):
        return PermanentError(f"{action}: the repository's answer was not understood: {_first_line(error)}")
    return TransientError(f"{action}: connection failed: {_first_line(error)}")


def _answer(error: RepositoryClientError | RepositoryServerError) -> str:
    text = json.dumps(error.json, ensure_ascii=False)
    return text if len(text) <= 600 else text[:600] + " …"


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def _raise_for_errors(answer: Any, action: str) -> None:
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if errors:
        # seen with 200: content put on a committed file; the repository has dropped the file by then
        raise TransientError(f"{action}: the repository answered 200 with errors: {json.dumps(errors)[:300]}")


def _record(record: Record) -> RemoteRecord:
    extra = dict(record._extra_data)  # nrp-cmd's place for what its model does not name
    links = {key: str(value) for key, value in getattr(record.links, "_extra_data", {}).items()}
    page = links.get("self_html") or record.links.self_html or record.links.self_
    files_url = record.links.files or record.links.self_ / "files"
    is_draft = bool(extra.get("is_draft", str(record.links.self_).rstrip("/").endswith("/draft")))
    return RemoteRecord(
        id=str(record.id),
        page_url=str(page),
        is_published=bool(extra.get("is_published", not is_draft)) and not is_draft,
        document=extra,
        errors=tuple(extra.get("errors") or ()),
        etag=record.get_etag(),
        self_url=record.links.self_,
        files_url=files_url,
        publish_url=URL(links["publish"]) if "publish" in links else None,
        review_url=URL(links["review"]) if "review" in links else None,
    )


def _identifiers(record: RemoteRecord) -> set[str]:
    metadata = record.document.get("metadata") or {}
    return {str(entry.get("identifier")) for entry in metadata.get("identifiers") or ()}


def _file(entry: File) -> RemoteFile:
    checksum = str(entry._extra_data.get("checksum") or "")
    md5 = checksum.removeprefix(MD5_PREFIX)
    if entry.links is None:
        raise IntegrityError(f"{entry.key}: the repository lists the file without links")
    return RemoteFile(
        key=entry.key,
        status=entry.status or "pending",
        size_bytes=entry.size,
        md5=md5 if re.fullmatch(r"[0-9a-f]{32}", md5) else None,
        content_url=entry.links.content,
        commit_url=entry.links.commit,
        self_url=entry.links.self_,
    )
