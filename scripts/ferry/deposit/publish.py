"""Publishes a draft that holds what was uploaded, and reads the record back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ferry.errors import IntegrityError, PermanentError
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError
from ferry.repository.models import RemoteRecord, ReviewRequest
from ferry.retry import RetryPolicy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """The receipt `published`, and what it took."""

    receipt: dict[str, Any]
    measured: dict[str, float]


async def publish_record(
    *,
    repository: Repository,
    uploaded: Mapping[str, Any],
    community: str | None = None,
    attempts: int = 5,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Published:
    """Publish the draft of the receipt `upload`, or submit it to its community; if it is public, only compare.

    A lost or late answer (504, connection cut) is resolved by reading the record: published is published.

    Args:
        repository: opened.
        uploaded: the receipt.
        community: that has to accept the record first; its rules may let it accept at once.
        attempts: how often to try.
        sleep: waits.

    Raises:
        IntegrityError: the draft or the record does not hold exactly the uploaded files.
        PermanentError: the community has declined it.
        TransientError: the repository did not get through with it.
    """
    retry = RetryPolicy(attempts=attempts, sleep=sleep)
    outcome = await retry.retried(lambda: _finish(repository, uploaded, community))
    receipt = {
        "recid": uploaded["recid"],
        "repository": uploaded["repository"],
        "record_id": outcome.record.id,
        "record_url": outcome.record.page_url,
        "state": "published" if outcome.record.is_published else "in_review",
        "doi": _doi(outcome.record),
        "request": None if outcome.request is None else asdict(outcome.request),
    }
    traffic = repository.traffic
    measured = {
        "retries": retry.retries,
        "requests": traffic.requests,
        "requests_refused": traffic.refused,
        "rate_wait_s": round(traffic.waited_s, 3),
    }
    return Published(receipt=receipt, measured=measured)


@dataclass(frozen=True)
class _Outcome:
    record: RemoteRecord
    request: ReviewRequest | None = None


async def _finish(repository: Repository, uploaded: Mapping[str, Any], community: str | None) -> _Outcome:
    record_id = str(uploaded["record_id"])
    try:
        draft = await repository.read_draft(record_id)
    except NotFoundError:
        record = await repository.read_published(record_id)
        await _compare(repository, record, uploaded)
        return _Outcome(record)
    await _compare(repository, draft, uploaded)
    request = None
    try:
        if community is not None and not draft.was_published:
            request = await _submit(repository, draft, community)
        else:
            request = await repository.publish(draft)
    except NotFoundError:
        log.info("the draft %s is gone: published by an earlier attempt", record_id)
    if request is not None and request.status not in ("accepted", "published"):
        return _Outcome(draft, request)
    record = await repository.read_published(record_id)
    await _compare(repository, record, uploaded)
    return _Outcome(record, request)


async def _submit(repository: Repository, draft: RemoteRecord, community: str) -> ReviewRequest:
    """Bring the draft before its community, from wherever an earlier attempt left it."""
    request = await repository.read_review(draft)
    if request is None or request.status in ("cancelled", "expired"):
        request = await repository.propose(draft, community)
    if request.status == "declined":
        raise PermanentError(
            f"draft {draft.id}: declined by the community {community}; read why at {request.url}, correct the record "
            "and submit it there"
        )
    return await repository.submit(draft) if request.status == "created" else request


async def _compare(repository: Repository, record: RemoteRecord, uploaded: Mapping[str, Any]) -> None:
    expected = {file["key"]: (file["size_bytes"], file["md5"]) for file in uploaded["files"]}
    found = {}
    if expected:
        found = {file.key: (file.size_bytes, file.md5) for file in await repository.list_files(record)}
    wrong = sorted(key for key in expected if found.get(key) != expected[key])
    if wrong:
        key = wrong[0]
        raise IntegrityError(
            f"{record.id}, {key}: expected (bytes, md5) {expected[key]} as uploaded, found {found.get(key)} in the "
            f"repository ({len(wrong)} such files); delete results/{uploaded['recid']}/upload.json and run again"
        )
    if others := sorted(found.keys() - expected.keys()):
        raise IntegrityError(
            f"{record.id}: expected the {len(expected)} files that were uploaded, found also {', '.join(others[:5])} "
            f"({len(others)} such files), which nobody here has sent; look at {record.page_url} and remove them there, "
            f"or set upload.foreign_files to remove, delete results/{uploaded['recid']}/upload.json and run again"
        )


def _doi(record: RemoteRecord) -> str | None:
    doi = ((record.document.get("pids") or {}).get("doi") or {}).get("identifier")
    return str(doi) if doi else None
