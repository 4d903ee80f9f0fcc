"""Gives a parent the links of its members, once they are in the repository: reads first, writes what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ferry.deposit.given import GivenMetadata
from ferry.deposit.metadata import MetadataDeposit, WhenEdited, raise_for_metadata_errors
from ferry.deposit.publish import publish_record
from ferry.deposit.read_back import DraftGoneError
from ferry.deposit.settling import bring_settled
from ferry.deposit.state import DepositState
from ferry.errors import IntegrityError, PermanentError
from ferry.mapping.diff import diff_records
from ferry.mapping.links import Link, diff_but_links, links_in, with_links
from ferry.receipts import ReceiptError, read_receipt
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError
from ferry.repository.models import RemoteRecord
from ferry.retry import RetryPolicy


@dataclass(frozen=True)
class Linked:
    """What became of the links of a parent.

    record: as it is now in the repository.
    links: that it has now, by the recid of the member.
    why_not: why it was left as it is, empty where it has all the links that there are.
    """

    record: RemoteRecord
    links: Mapping[int, Link]
    why_not: str = ""


def link_of(record_dir: Path, *, repository: str, publish: bool) -> Link | None:
    """Return what the repository calls a record by its receipts; None while it is not there.

    Args:
        record_dir: results/<recid> of it.
        repository: that the link is for.
        publish: whether a record counts as there when it is public; else its draft will do.
    """
    recid = int(record_dir.name)
    try:
        uploaded = read_receipt(record_dir / "upload.json", "upload", recid=recid)
        if uploaded["repository"] != repository or "skipped" in uploaded:
            return None
        if not publish:
            return Link(uploaded["record_url"], "url")
        published = read_receipt(record_dir / "published.json", "published", recid=recid)
    except ReceiptError:
        return None
    if published["state"] != "published" or published["record_id"] != uploaded["record_id"]:
        return None
    return Link(published["doi"], "doi") if published["doi"] else Link(published["record_url"], "url")


class LinkMembers:
    """The second pass over one parent."""

    def __init__(
        self,
        *,
        repository: Repository,
        uploaded: Mapping[str, Any],
        document: Mapping[str, Any],
        links: Mapping[int, Link],
        state: DepositState,
        settle_s: float,
        finish: Literal["draft", "publish", "review"],
        when_edited: WhenEdited = "fail",
        given_path: Path | None = None,
        community: str | None = None,
        attempts: int = 5,
    ) -> None:
        """Give a parent its links.

        Args:
            repository: where it is, opened.
            uploaded: its receipt `upload`.
            document: its target metadata, without links.
            links: of those of its members that are there, by recid.
            state: of the parent, where it is written down what nobody has answered.
            settle_s: how late a draft may be opened of a request that nobody has answered.
            finish: what becomes of the change of a published record.
            when_edited: what becomes of metadata that were changed by hand; only what is kept is gone on from here.
            given_path: where it is remembered what metadata the parent was given; None: nowhere.
            community: that such a change may have to pass.
            attempts: rounds without progress.
        """
        self._repository = repository
        self._uploaded = uploaded
        self._document: Mapping[str, Any] = {**document, "files": {"enabled": bool(uploaded["files"])}}
        self._with_kept: Mapping[str, Any] = self._document
        """And with what was changed by hand and is kept, as the parent was read last."""
        self._links = links
        self._state = state
        self._settle_s = settle_s
        self._finish = finish
        self._when_edited: WhenEdited = when_edited
        self._given_path = given_path
        self._community = community
        self._retry = RetryPolicy(attempts=attempts)
        self._metadata = MetadataDeposit(
            repository=repository,
            recid=uploaded["recid"],
            retry=self._retry,
            given=GivenMetadata.load(given_path, recid=uploaded["recid"], repository=repository.name),
            when_edited=when_edited,
        )

    async def run(self) -> Linked:
        """Do it. A member that is not there now, and was, keeps the link that the parent has.

        Raises:
            PermanentError: somebody else has changed the parent's metadata meanwhile.
            MetadataError: the repository objects to the links.
            IntegrityError: what was read back is not what was written.
            DraftGoneError: the parent's draft was deleted.
            FerryError: as the repository's methods do.
        """
        return await bring_settled(
            self._bring, state=self._state, what=("edit",), settle_s=self._settle_s, retry=self._retry
        )

    async def _bring(self) -> Linked:
        live = await self._retry.retried(self._read)
        self._with_kept = self._metadata.with_kept(live, self._document)
        links = {**links_in(live.document, self._with_kept), **self._links}
        wanted = with_links(self._with_kept, links)
        is_equal = not diff_records(wanted, live.document)
        is_open_edit = live.was_published and not live.is_published
        if is_equal and not is_open_edit:
            return self._linked(live)
        if others := self._other_changes(live):
            return self._left(live, f"it differs in more than its links ({others}): see `snakemake diff`")
        if not is_equal:
            live = await self._write(live, wanted)
        if live.was_published and self._finish != "draft":
            done = await publish_record(
                repository=self._repository,
                uploaded=self._uploaded,
                document=self._document,
                community=self._community,
                finish=self._finish,
                when_edited=self._when_edited,
                given_path=self._given_path,
                attempts=self._retry.attempts,
            )
            if done.receipt["state"] != "published":
                return self._left(live, "the change waits for its review")
        live = await self._retry.retried(self._read)
        if changes := diff_records(wanted, live.document):
            raise IntegrityError(
                f"record {live.id}: expected the links of its members as they were written, found another "
                f"{', '.join(change.path for change in changes[:5])}; look at {live.page_url} and run again"
            )
        return self._linked(live)

    def _linked(self, live: RemoteRecord) -> Linked:
        return Linked(live, links_in(live.document, self._with_kept))

    def _left(self, live: RemoteRecord, why: str) -> Linked:
        return Linked(live, links_in(live.document, self._with_kept), why)

    def _other_changes(self, live: RemoteRecord) -> str:
        changes = diff_but_links(self._with_kept, live.document)
        return ", ".join(change.path for change in changes[:5])

    async def _read(self) -> RemoteRecord:
        record_id = str(self._uploaded["record_id"])
        try:
            return await self._repository.read_draft(record_id)
        except NotFoundError:
            pass
        try:
            return await self._repository.read_published(record_id)
        except NotFoundError as error:
            raise DraftGoneError(record_id) from error

    async def _write(self, live: RemoteRecord, wanted: Mapping[str, Any]) -> RemoteRecord:
        async def update() -> RemoteRecord:
            draft = await (self._edit(live) if live.is_published else self._repository.read_draft(live.id))
            if others := self._other_changes(draft):
                raise PermanentError(
                    f"draft {draft.id}: its metadata were changed by somebody else while its members were linked "
                    f"({others}), and are left as they are; look at {draft.page_url} and run again"
                )
            return await self._repository.update_draft(draft, wanted)

        updated = await self._retry.retried(update)
        raise_for_metadata_errors(updated, of="links")
        return updated

    async def _edit(self, live: RemoteRecord) -> RemoteRecord:
        if self._state.record_id != live.id:  # nothing is left of its upload
            self._state.found_record(live.id)
        with self._state.asking("edit", self._repository.traffic):
            return await self._repository.edit(live)
