"""Publishes a draft that holds what was uploaded, or brings it before its reviewers, and reads what became of it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ferry.deposit.given import GivenMetadata
from ferry.deposit.metadata import MetadataDeposit, WhenEdited
from ferry.deposit.read_back import NotAsUploadedError, compare_files, read_public
from ferry.deposit.review_state import ReviewState, request_entry
from ferry.deposit.workflow import DraftWorkflow
from ferry.errors import PermanentError
from ferry.receipts import digest
from ferry.repository.client import Repository
from ferry.repository.errors import DeadEndError, DeclinedError, NotFoundError, while_there
from ferry.repository.models import RemoteRecord, ReviewRequest
from ferry.retry import RetryPolicy

Finish = Literal["publish", "review"]

_INDEX_DELAY_S = 2.0
_WITHDRAWN = ("cancelled", "expired")

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
    document: Mapping[str, Any],
    identifier: str | None = None,
    community: str | None = None,
    workflow: str | None = None,
    finish: Finish = "publish",
    when_edited: WhenEdited = "fail",
    review_path: Path | None = None,
    given_path: Path | None = None,
    proved: RemoteRecord | None = None,
    attempts: int = 5,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Published:
    """Publish the draft of the receipt `upload`, or submit it to its reviewers; if it is public, only compare.

    What was submitted before is asked about first: accepted, it is public; declined, it fails with the reviewers' words
    until it was corrected, and is submitted again then. A lost or late answer (504, connection cut) is resolved by
    reading: published is published.

    Args:
        repository: opened.
        uploaded: the receipt.
        document: the target metadata; what the repository has of them is read before and after publishing.
        identifier: in them, by which the record is found again; None: its address on the portal.
        community: that has to accept the record first; its rules may let it accept at once.
        workflow: that the draft has to have, where no community is named; None: any.
        finish: publish also accepts it where the community lets its own people publish without a review, and the
            repository waits for them to say so; review leaves that to them, and publishes nothing that nobody decides
            about.
        when_edited: what becomes of metadata that were changed by hand.
        review_path: where it is remembered what was submitted; None: nowhere.
        given_path: where it is remembered what metadata the record was given; None: nowhere.
        proved: the draft as a search shows it, if its files and metadata were read back just now: then it is not read
            once more before it is published, only after.
        attempts: how often to try.
        sleep: waits.

    Raises:
        NotAsUploadedError: the draft or the record does not hold exactly the uploaded files, or these are not its
            metadata.
        EditedError: its metadata were changed by hand.
        DraftGoneError: the draft was deleted.
        DeclinedError: reviewers have declined it, and it is as it was then.
        DeadEndError: it was made with another workflow.
        PermanentError: the repository has no way to publish it.
        TransientError: the repository did not get through with it.
    """
    retry = RetryPolicy(attempts=attempts, sleep=sleep)
    document = {**document, "files": {"enabled": bool(uploaded["files"])}}
    if uploaded.get("metadata_sha256", digest(document)) != digest(document):
        raise NotAsUploadedError(
            f"record {uploaded['recid']}: expected the metadata that were uploaded, found others in record.json; run "
            "again, they are uploaded then"
        )
    metadata = MetadataDeposit(
        repository=repository,
        recid=uploaded["recid"],
        identifier=identifier,
        retry=RetryPolicy(attempts=1, sleep=sleep),  # what is tried again here is all of it
        given=GivenMetadata.load(given_path, recid=uploaded["recid"], repository=repository.name),
        when_edited=when_edited,
    )
    publication = _Publication(
        repository, uploaded, document, metadata, community, workflow, finish, review_path, sleep
    )

    async def bring_on() -> _Outcome:
        nonlocal proved
        draft, proved = proved, None  # after anything unforeseen, what is there is read
        return await (publication.finish_proved(draft) if draft is not None else publication.finish())

    outcome = await retry.retried(bring_on)
    record = outcome.record
    receipt = {
        "recid": uploaded["recid"],
        "repository": uploaded["repository"],
        "record_id": uploaded["record_id"],
        "record_url": uploaded["record_url"] if record is None else record.page_url,
        "state": "in_review" if record is None else "published",
        "doi": None if record is None else record.doi,
        "request": None if outcome.request is None else request_entry(outcome.request),
    }
    if record is not None:
        receipt["version"] = record.version
    if record is not None and metadata.kept:
        receipt["kept"] = list(metadata.kept)
    measured = {"retries": retry.retries, **repository.traffic.measured()}
    return Published(receipt=receipt, measured=measured)


@dataclass(frozen=True)
class _Outcome:
    record: RemoteRecord | None
    """None as long as somebody has to decide."""
    request: ReviewRequest | None = None


@dataclass(frozen=True)
class _Publication:
    repository: Repository
    uploaded: Mapping[str, Any]
    document: Mapping[str, Any]
    metadata: MetadataDeposit
    community: str | None
    workflow: str | None
    finish_as: Finish
    review_path: Path | None
    sleep: Callable[[float], Awaitable[None]]

    async def finish_proved(self, draft: RemoteRecord) -> _Outcome:
        """Publish a draft whose files and metadata were read back just now; where more is to be looked at, `finish`."""
        is_plain = self.community is None and self.finish_as == "publish" and self._known() is None
        is_ours = not (draft.was_published or draft.has_review) and draft.publish_url is not None
        if is_plain and is_ours and self.metadata.is_as_given(draft, self.document):
            return await self._bring(draft, None)
        return await self.finish()

    async def finish(self) -> _Outcome:
        """Bring the draft on from wherever an earlier attempt, another run or a reviewer has left it."""
        known = self._known()
        request = None
        if known is not None:
            with contextlib.suppress(NotFoundError):
                request = await self.repository.read_request(known.request["id"])
        if request is not None and request.is_pending:
            # what the same configuration has left open could not be accepted from here
            is_as_before = known is not None and known.finish == self.finish_as
            if is_as_before or not await self._may_accept(request):
                return self._waits(request)
        try:
            draft = await self.repository.read_draft(self.uploaded["record_id"])
        except NotFoundError:
            if request is not None and request.status == "declined":
                raise await self._declined(request) from None
            return await self._public(request)
        with while_there(f"the draft {draft.id}"):  # a publication that nobody has answered may be done just now
            await compare_files(self.repository, draft, self.uploaded)
            draft = await self.metadata.bring(draft, self.document)
            request = await self.repository.read_review(draft) or request
        if request is not None and request.status in ("created", "declined") and await self._is_for_others(request):
            request = None
        if request is not None and request.status == "declined":
            error = await self._declined(request)
            if not self._is_corrected(request):
                raise error
            log.warning("%s; corrected meanwhile, and submitted again", error)
        return await self._bring(draft, request)

    async def _bring(self, draft: RemoteRecord, request: ReviewRequest | None) -> _Outcome:
        if request is None or request.status not in ("created", "submitted"):
            try:
                request = await self._ask(draft)
            except NotFoundError:
                log.info("the draft %s is gone: published by an earlier attempt", draft.id)
                request = None
        if request is None:
            return await self._public(None)
        if request.status == "created":
            request = await self.repository.submit(draft, request)
        if request.is_pending and await self._may_accept(request):
            request = await self.repository.accept(request)
        if request.is_pending:
            return self._waits(request)
        if request.status == "accepted":
            return await self._public(request)
        raise PermanentError(
            f"draft {draft.id}: expected the request about it to be submitted or accepted, found it {request.status}; "
            f"look at {request.url} and run again"
        )

    async def _ask(self, draft: RemoteRecord) -> ReviewRequest | None:
        """Have the draft published, None if it is now; where somebody has to accept it, make the request."""
        # a later version, or a change, of a record of a community stays in it: there is nothing to propose
        if self.community is not None and not draft.was_published and not draft.is_later_version:
            return await self.repository.propose(draft, await self.repository.find_community(self.community))
        if self.community is None:  # the draft is from before the configuration named another
            await DraftWorkflow(self.workflow, None, publishes=True).check(draft, self.repository)
        if draft.publish_url is not None:
            if self.finish_as == "review" and self.community is None:
                raise DeadEndError(
                    f"draft {draft.id}: repository.finish is review, but in its workflow "
                    f"({draft.workflow or 'the default one'}) nobody reviews it; set repository.finish to publish and "
                    "run again; or set another repository.workflow, delete the draft, which keeps its own, at "
                    f"{draft.page_url}, and run again"
                )
            await self.repository.publish(draft)
            return None
        try:
            return await self.repository.ask_to_publish(draft)
        except NotFoundError:
            raise
        except PermanentError as error:
            await self.sleep(_INDEX_DELAY_S)  # one that an earlier attempt made is found late, and is the only one
            if (request := await self.repository.read_review(draft)) is None or request.status == "declined":
                raise
            if request.status in _WITHDRAWN:
                raise DeadEndError(
                    f"draft {draft.id}: expected a way to publish it, found that the request about it was "
                    f"{request.status} ({request.url}), and the repository offers no other for this draft; delete the "
                    f"draft at {draft.page_url}, and run again: it is made anew"
                ) from error
            return request

    async def _may_accept(self, request: ReviewRequest) -> bool:
        if self.finish_as != "publish" or self.community is None or "accept" not in request.actions:
            return False
        return (await self.repository.find_community(self.community)).lets_members_publish

    async def _is_for_others(self, request: ReviewRequest) -> bool:
        """Whether it is a request to another community than the one that is configured now."""
        if self.community is None or request.community is None:
            return False
        return (await self.repository.find_community(self.community)).id != request.community

    async def _public(self, request: ReviewRequest | None) -> _Outcome:
        record = await read_public(self.repository, self.uploaded, self.document, self.metadata)
        return _Outcome(record, request)

    def _waits(self, request: ReviewRequest) -> _Outcome:
        self._remember(request)
        log.warning("in review: somebody has still to decide, at %s; the next run asks again", request.url)
        return _Outcome(None, request)

    async def _declined(self, request: ReviewRequest) -> DeclinedError:
        self._remember(request)
        words = await self.repository.reviewers_words(request)
        return DeclinedError(
            f"{self.uploaded['record_id']}: declined by {self.community or 'its reviewers'}"
            f"{f', who say: {words}' if words else ', without a word that can be read here'}; correct the record and "
            f"run again, it is submitted again then; the request: {request.url}"
        )

    def _known(self) -> ReviewState | None:
        return None if self.review_path is None else ReviewState.load(self.review_path, self.uploaded)

    def _is_corrected(self, request: ReviewRequest) -> bool:
        known = self._known()
        return (
            known is not None and known.request["id"] == request.id and known.submitted_sha256 != digest(self.uploaded)
        )

    def _remember(self, request: ReviewRequest) -> None:
        if self.review_path is not None:
            now = ReviewState.of(request, uploaded=self.uploaded, before=self._known(), finish=self.finish_as)
            now.save(self.review_path)
