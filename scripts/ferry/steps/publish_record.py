"""The step `publish_record`: a draft is published, or brought before its community."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.chain import UPLOAD_STEP, mark_again
from ferry.deposit.draft_search import DraftSearch
from ferry.deposit.duplicates import DuplicateError, OneRecord
from ferry.deposit.given import GivenMetadata
from ferry.deposit.publish import Published, publish_record
from ferry.deposit.read_back import DraftGoneError, NotAsUploadedError, PublishedEditedError
from ferry.deposit.state import DepositState
from ferry.receipts import GIVEN, REVIEW, ReceiptError, read_identifier, read_receipt, write_receipt
from ferry.repository.client import Repository
from ferry.repository.errors import DeadEndError
from ferry.repository.models import RemoteRecord
from ferry.retry import RetryPolicy
from ferry.run.open_repository import open_repository, outlasting, settle_s
from ferry.run.run import read_run
from ferry.steps.upload_state import load_state

PROVED_S = 60.0
"""How long a draft counts as read back: what changes meanwhile is found by the read after publishing."""


def publish(
    *,
    recid: int,
    upload_path: Path,
    record_path: Path,
    receipt_path: Path,
    data_dir: Path,
    journal: Path,
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    sandbox_dir: Path,
) -> dict[str, float]:
    """Publish the draft of the receipt `upload`, or bring it before its reviewers; write the receipt `published`.

    What is known of a review lies beside the receipt, in review.json, and what the draft was given in given.json.

    Args:
        upload_path, record_path: the receipts `upload` and `record`.
        receipt_path: where the receipt goes.
        data_dir: data/<recid>, where the upload keeps its state.
        journal: of the record, which tells of earlier attempts where their state is lost.
        repository, settings: those parts of the configuration (`repository`, `upload`).
        sandbox_dir: where the sandbox keeps its token.

    A second draft may have been made meanwhile, of a request that nobody has answered or by another folder: it is
    looked for before, and told.

    Raises:
        DraftGoneError: the draft was deleted; the next run makes it anew.
        EditedError: somebody has changed it, or the record, in the repository.
        ReceiptError: the receipt is of another record or repository.
        NotAsUploadedError: draft and receipt differ; the next run uploads again what it lacks.
        DuplicateError: there are several records of this recid; the next run's upload looks which of them is left.
        DeadEndError: it cannot become public as it is; once it is deleted, the next run makes it anew.
        DeclinedError: reviewers have declined the record, and it is as it was then.
    """
    uploaded = read_receipt(upload_path, "upload", recid=recid)
    if "skipped" in uploaded:
        names = ("recid", "repository", "record_id", "record_url")
        receipt = {name: uploaded[name] for name in names} | {"state": "skipped", "doi": None, "request": None}
        write_receipt(receipt_path, "published", receipt)
        return {}

    document = read_receipt(record_path, "record", recid=recid)
    identifier = read_identifier(record_path, recid=recid)

    run = read_run()

    async def finish_in(opened: Repository) -> Published:
        if uploaded["repository"] != opened.name:
            raise ReceiptError(upload_path, "upload", recid=recid, found=f"one of {uploaded['repository']}")
        state = load_state(
            recid=recid,
            repository=opened.name,
            data_dir=data_dir,
            record_dir=receipt_path.parent,
            journal=journal,
        )
        shown = await _confirm_first(
            opened,
            uploaded=uploaded,
            identifier=identifier,
            state=state,
            repository=repository,
            attempts=settings["attempts"],
            given_path=receipt_path.with_name(GIVEN),
        )
        is_proved = state.is_just_proved(uploaded, run_id=run.run_id, within_s=PROVED_S)
        return await publish_record(
            repository=opened,
            uploaded=uploaded,
            document=document,
            identifier=identifier,
            community=repository["community"],
            workflow=repository["workflow"],
            finish=repository["finish"],
            when_edited=repository["when_edited"],
            review_path=receipt_path.with_name(REVIEW),
            given_path=receipt_path.with_name(GIVEN),
            proved=shown if is_proved and shown is not None and shown.id == uploaded["record_id"] else None,
            attempts=settings["attempts"],
        )

    async def finish() -> dict[str, float]:
        async with open_repository(
            run=run, repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir
        ) as opened:
            done = await outlasting(lambda: finish_in(opened), opened=opened, run=run)
        write_receipt(receipt_path, "published", done.receipt)
        return done.measured

    try:
        return asyncio.run(finish())
    except (DraftGoneError, DuplicateError, NotAsUploadedError, PublishedEditedError, DeadEndError):
        mark_again(UPLOAD_STEP, upload_path.parent)
        raise


async def _confirm_first(
    opened: Repository,
    *,
    uploaded: Mapping[str, Any],
    identifier: str,
    state: DepositState,
    repository: Mapping[str, Any],
    attempts: int,
    given_path: Path,
) -> RemoteRecord | None:
    recid = uploaded["recid"]
    search = DraftSearch(
        one=OneRecord(
            repository=opened,
            recid=recid,
            identifier=identifier,
            model_recid=None,
            duplicates=repository["duplicate_drafts"],
            given=GivenMetadata.load(given_path, recid=recid, repository=opened.name),
        ),
        state=state,
        retry=RetryPolicy(attempts=attempts),
        settle_s=settle_s(repository, name=opened.name),
    )
    try:
        return await search.confirm_first(uploaded["record_id"])
    except DuplicateError:
        state.look_again()
        raise
