"""Brings the metadata of a draft up to ours: what it has already is not written again."""

from collections.abc import Mapping
from typing import Any

from ferry.deposit.state import DepositState
from ferry.errors import MetadataError, PermanentError
from ferry.mapping.links import diff_but_links, links_in, with_links
from ferry.repository.client import Repository
from ferry.repository.errors import FailedError
from ferry.repository.models import RemoteRecord
from ferry.retry import RetryPolicy


class MetadataDeposit:
    """The metadata of one record."""

    def __init__(self, *, repository: Repository, state: DepositState, retry: RetryPolicy) -> None:
        self._repository = repository
        self._state = state
        self._retry = retry

    async def bring(
        self, draft: RemoteRecord, document: Mapping[str, Any], *, shown: RemoteRecord | None
    ) -> RemoteRecord:
        """Give the draft our metadata, unless it was last given just these, or has them from an earlier folder.

        Args:
            draft: as it was found.
            document: the target metadata.
            shown: what a search shows of a draft that was found again, with nothing written down of what it was given.

        Raises:
            PermanentError: somebody else has changed the draft's metadata meanwhile.
            MetadataError: the repository objects to ours.
        """
        if self._state.has_document(document):
            return draft
        if _was_given_all(draft, document, shown=shown):
            self._state.remember_document(document)
            return draft
        seen: list[RemoteRecord] = []

        async def update() -> RemoteRecord:
            current = await self._repository.read_draft(draft.id)
            is_changed = bool(seen) and current.document.get("metadata") != seen[0].document.get("metadata")
            # an update may be done although its answer was lost, or 500: then the change is ours
            if is_changed and diff_but_links(document, current.document):
                raise PermanentError(
                    f"draft {draft.id}: its metadata were changed by somebody else while they were updated, and are "
                    f"left as they are; look at {draft.page_url} and run again"
                )
            seen.append(current)
            links = links_in(current.document, document)  # of a collection's members: added once they are there
            return await self._repository.update_draft(current, with_links(document, links))

        try:
            updated = await self._retry.retried(update)
        except FailedError as error:
            raise FailedError(
                f"{error}. A draft that always gets this answer has metadata which the repository cannot store or "
                f"index: ask its operators which, correct the record and run again; the draft is {draft.page_url}"
            ) from error
        raise_for_metadata_errors(updated)
        self._state.remember_document(document)
        return updated


def _was_given_all(draft: RemoteRecord, document: Mapping[str, Any], *, shown: RemoteRecord | None) -> bool:
    """Whether a draft that was found again has our metadata, as it is stored and as it is indexed.

    A repository that cannot index what it is given answers 500 and has stored it all the same.
    """
    return (
        shown is not None
        and shown.id == draft.id
        and draft.has_files == bool(document["files"]["enabled"])
        and not any(diff_but_links(document, each.document) for each in (draft, shown))
    )


def raise_for_metadata_errors(record: RemoteRecord, *, of: str = "metadata") -> None:
    """Raise a MetadataError if the repository objects to what a draft was given."""
    if errors := record.metadata_errors:
        found = "; ".join(f"{error.get('field')}: {error.get('messages')}" for error in errors[:5])
        more = f" (and {len(errors) - 5} more)" if len(errors) > 5 else ""
        raise MetadataError(f"the repository objects to the {of} of draft {record.id}: {found}{more}")
