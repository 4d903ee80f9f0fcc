"""Publishes a draft that holds what was uploaded, and reads the record back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ferry.errors import IntegrityError, TransientError
from ferry.repository import NotFoundError, RemoteRecord, Repository

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """The receipt `published`, and what it took."""

    receipt: dict[str, Any]
    measured: dict[str, int]


async def publish_record(
    *,
    repository: Repository,
    uploaded: Mapping[str, Any],
    attempts: int = 5,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Published:
    """Publish the draft of the receipt `upload`; if it is public already, only compare.

    A lost or late answer (504, connection cut) is resolved by reading the record: published is published.

    Raises:
        IntegrityError: the draft or the record does not hold exactly the uploaded files.
        TransientError: the repository did not get through with it.
    """
    for attempt in range(1, attempts + 1):
        try:
            record = await _publish_once(repository, uploaded)
            break
        except TransientError as error:
            if attempt == attempts:
                raise
            log.warning("%s; looking whether it is published all the same", error)
            await sleep(min(60.0, 2.0 ** (attempt - 1)))
    receipt = {
        "recid": uploaded["recid"],
        "repository": uploaded["repository"],
        "record_id": record.id,
        "record_url": record.page_url,
        "state": "published",
        "doi": _doi(record),
    }
    return Published(
        receipt=receipt,
        measured={"requests": repository.traffic.requests, "requests_refused": repository.traffic.refused},
    )


async def _publish_once(repository: Repository, uploaded: Mapping[str, Any]) -> RemoteRecord:
    record_id = str(uploaded["record_id"])
    try:
        draft = await repository.read_draft(record_id)
    except NotFoundError:
        record = await repository.read_published(record_id)
    else:
        await _compare(repository, draft, uploaded)
        try:
            await repository.publish(draft)
        except NotFoundError:
            log.info("the draft %s is gone: published by an earlier attempt", record_id)
        record = await repository.read_published(record_id)
    await _compare(repository, record, uploaded)
    return record


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


def _doi(record: RemoteRecord) -> str | None:
    doi = ((record.document.get("pids") or {}).get("doi") or {}).get("identifier")
    return str(doi) if doi else None
