"""Brings the metadata of a draft up to ours: what it has is not written again, what a person wrote not overwritten."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ferry.deposit.given import GivenMetadata
from ferry.errors import MetadataError, PermanentError
from ferry.identity import source_identifier
from ferry.mapping.diff import FieldChange, field_of, with_fields
from ferry.mapping.links import diff_but_links, links_in, with_links, without_links
from ferry.repository.client import Repository
from ferry.repository.errors import FailedError
from ferry.repository.models import RemoteRecord
from ferry.retry import RetryPolicy
from ferry.text.formatting import truncate
from ferry.text.notices import notice

WhenEdited = Literal["fail", "keep", "overwrite"]

_MOST_NAMED = 5
_LONGEST_VALUE = 80

log = logging.getLogger(__name__)

Document = Mapping[str, Any]


class EditedError(PermanentError):
    """Somebody has changed a record in the repository: a person has to say what counts."""


class MetadataDeposit:
    """The metadata of one record."""

    def __init__(
        self,
        *,
        repository: Repository,
        recid: int,
        identifier: str | None = None,
        retry: RetryPolicy,
        given: GivenMetadata,
        when_edited: WhenEdited,
    ) -> None:
        """Bring metadata into one record.

        Args:
            repository: that has it, opened.
            recid: of it, on the portal.
            identifier: by which it is found again; None: its address on the portal.
            retry: how often to try.
            given: what the record was given before.
            when_edited: what becomes of what was changed by hand.
        """
        self._repository = repository
        self._recid = recid
        self._identifier = identifier or source_identifier(recid)["identifier"]
        self._retry = retry
        self._when_edited = when_edited
        self._given = given
        self._told: set[str] = set()
        self.kept: tuple[str, ...] = ()
        """Fields that were changed by hand and left so, as the record was seen last."""

    def begin(self, document: Document) -> None:
        """Note that a draft is about to be made of the document: should the answer be lost, what it holds is ours."""
        self._given.begin(document)

    def made(self, draft: RemoteRecord, document: Document) -> None:
        """Note what the answer to the creation of a draft shows; what is not all is given to it again."""
        if draft.metadata_errors or diff_but_links(document, draft.document):
            self._given.take_for_ours(draft.document, document)
        else:
            self._given.answered(draft.document, document)

    async def bring(
        self, draft: RemoteRecord, document: Document, *, shown: RemoteRecord | None = None
    ) -> RemoteRecord:
        """Give the draft our metadata, unless it has them; see to what was changed by hand, as the configuration says.

        Args:
            draft: as it was read.
            document: the target metadata.
            shown: what a search shows of a draft that was found again, with nothing written down of what it was given.

        Raises:
            EditedError: it was changed by hand.
            MetadataError: the repository objects to ours.
        """
        by_hand, behind = self._given.sort(document, draft.document)
        self._see_to(by_hand, draft, document)
        if not behind and (not by_hand or self.kept) and self._was_given_all(draft, document, shown=shown):
            self._given.answered(draft.document, document, but=self.kept)
            return draft
        return await self._write(draft, document)

    def check(self, record: RemoteRecord, document: Document) -> list[FieldChange]:
        """Return how a public record differs from ours, without what was changed by hand and is kept.

        Raises:
            EditedError: it was changed by hand, and it is known what it was given.
        """
        by_hand, behind = self._given.sort(document, record.document)
        if self._given.is_known:
            self._see_to(by_hand, record, document)
        return behind if self.kept else [*by_hand, *behind]

    def is_as_given(self, draft: RemoteRecord, document: Document) -> bool:
        """Tell whether a draft holds nothing but what it was given, as far as it is shown."""
        return self._given.is_known and not any(self._given.sort(document, draft.document))

    def take_for_ours(self, held: Document, document: Document) -> None:
        """Have what a record holds overwritten without asking further, but for what is kept."""
        self._given.take_for_ours(held, document, but=self.kept)

    def with_kept(self, record: RemoteRecord, document: Document) -> Document:
        """Return our document with what was changed by hand in a record, where that is to be kept.

        Raises:
            EditedError: what was changed is that by which the record is found.
        """
        if self._when_edited != "keep":
            return document
        by_hand, _ = self._given.sort(document, record.document)
        self._require_identity(by_hand, record, document)
        return with_fields(document, without_links(record.document, document), _fields(by_hand))

    async def _write(self, draft: RemoteRecord, document: Document) -> RemoteRecord:
        answered = draft if draft.etag else None  # with its ETag, what was read is written over only as it was read

        async def update() -> RemoteRecord:
            nonlocal answered
            current, answered = answered or await self._repository.read_draft(draft.id), None
            by_hand, _ = self._given.sort(document, current.document)
            self._see_to(by_hand, current, document)
            self._given.begin(document, but=self.kept)
            links = links_in(current.document, document)  # of a collection's members: added once they are there
            wanted = with_fields(document, without_links(current.document, document), self.kept)
            return await self._repository.update_draft(current, _with_preview(with_links(wanted, links), current))

        try:
            updated = await self._retry.retried(update)
        except FailedError as error:
            raise FailedError(
                f"{error}. A draft that always gets this answer has metadata which the repository cannot store or "
                f"index: ask its operators which, correct the record and run again; the draft is {draft.page_url}"
            ) from error
        raise_for_metadata_errors(updated)
        self._given.answered(updated.document, document, but=self.kept)
        self._tell_otherwise(updated, document)
        return updated

    def _see_to(self, by_hand: Sequence[FieldChange], record: RemoteRecord, document: Document) -> None:
        """Decide about what was changed by hand; told once.

        Raises:
            EditedError: a person has to.
        """
        self.kept = ()
        if self._when_edited == "keep":
            self._require_identity(by_hand, record, document)
            self.kept = _fields(by_hand)
        if not by_hand:
            return
        told = _told(by_hand, record)
        if self._when_edited == "fail":
            raise EditedError(
                f"{told}; look at {record.page_url}, then set repository.when_edited to keep (what is there stays), or "
                f"to {_overwrite(record)} (ours is written again), or bring ours up to it by a correction, and run "
                "again"
            )
        told += "; kept" if self._when_edited == "keep" else "; ours counts"
        if told not in self._told:
            self._told.add(told)
            notice(self._recid, f"{told}, as repository.when_edited says")

    def _require_identity(self, by_hand: Sequence[FieldChange], record: RemoteRecord, document: Document) -> None:
        """Make sure that the record can be found again, if what was changed by hand is kept.

        Raises:
            EditedError: it cannot: the next search would show none, and a second one would be made.
        """
        own, metadata = self._identifier, record.document.get("metadata") or {}
        lost = [] if own in record.identifiers else ["metadata.identifiers"]
        model_recid = document["metadata"].get("recid")
        if model_recid is not None and str(metadata.get("recid")) != str(model_recid):
            lost.append("metadata.recid")
        changes = [change for change in by_hand if field_of(change.path) in lost]
        if changes:
            raise EditedError(
                f"{_told(changes, record)}; the record is found by that, so repository.when_edited: keep does not "
                f"cover it: enter {own if lost[0] != 'metadata.recid' else model_recid} again at {record.page_url}, or "
                f"set repository.when_edited to {_overwrite(record)} (ours is written again), and run again"
            )

    def _tell_otherwise(self, updated: RemoteRecord, document: Document) -> None:
        """Tell what the repository shows otherwise than it was just given.

        Raises:
            PermanentError: it is about who may see the record.
        """
        changes = [
            change for change in diff_but_links(document, updated.document) if field_of(change.path) not in self.kept
        ]
        if not changes:
            return
        told = f"draft {updated.id}: the repository shows otherwise what it was given: {named_changes(changes)}"
        if any(change.path.startswith("access.") for change in changes):
            raise PermanentError(
                f"{told}; it decides by itself who may see a record: set transform.access to what it allows, or ask "
                "its operators, and run again"
            )
        log.warning("%s", told)

    def _was_given_all(self, draft: RemoteRecord, document: Document, *, shown: RemoteRecord | None) -> bool:
        """Whether the repository has what it was given, stored and, as far as that can be seen, indexed.

        A repository that cannot index what it is given answers 500 and has stored it all the same.
        """
        if draft.has_files != bool(document["files"]["enabled"]):
            return False
        if self._given.is_known:
            return self._given.is_answered or (shown is not None and not diff_but_links(document, shown.document))
        return shown is None or not diff_but_links(document, shown.document)


def raise_for_metadata_errors(record: RemoteRecord, *, of: str = "metadata") -> None:
    """Raise a MetadataError if the repository objects to what a draft was given."""
    if errors := record.metadata_errors:
        found = "; ".join(f"{error.get('field')}: {error.get('messages')}" for error in errors[:5])
        more = f" (and {len(errors) - 5} more)" if len(errors) > 5 else ""
        raise MetadataError(f"the repository objects to the {of} of draft {record.id}: {found}{more}")


def _told(by_hand: Sequence[FieldChange], record: RemoteRecord) -> str:
    kind = "record" if record.is_published else "draft"
    return f"{kind} {record.id} holds what it was not given from here: {named_changes(by_hand)}"


def _with_preview(document: Document, current: RemoteRecord) -> Document:
    """Return our document with the file that is shown first, which somebody has chosen: what is left out is unset."""
    chosen = (current.document.get("files") or {}).get("default_preview")
    if not chosen or not document["files"]["enabled"]:
        return document
    return {**document, "files": {**document["files"], "default_preview": chosen}}


def _overwrite(record: RemoteRecord) -> str:
    return "overwrite" + (" and repository.when_published to update_metadata" if record.was_published else "")


def _fields(changes: Sequence[FieldChange]) -> tuple[str, ...]:
    return tuple(sorted({field_of(change.path) for change in changes}))


def named_changes(changes: Sequence[FieldChange]) -> str:
    """Return the first changes with both values, as one line."""
    named = [f"{change.path} is {_value(change.before)}, ours {_value(change.after)}" for change in changes]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return ", ".join(named[:_MOST_NAMED]) + more


def _value(value: Any) -> str:
    return "none" if value is None else truncate(json.dumps(value, ensure_ascii=False), _LONGEST_VALUE)
