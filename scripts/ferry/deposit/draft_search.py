"""Finds the one record of a recid in the repository, or makes it: never a second one, whatever was lost before."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ferry.deposit.state import DepositState
from ferry.errors import PermanentError, TransientError
from ferry.repository.client import Repository
from ferry.repository.errors import FailedError, NotFoundError
from ferry.repository.models import RemoteRecord
from ferry.retry import RetryPolicy

log = logging.getLogger(__name__)

MOST_FAILED_CREATIONS = 2
_NAMES = ("title", "identifiers", "recid")
"""What of the metadata a draft needs to be found again."""


class DraftSearch:
    """The search for one record, by what an earlier attempt wrote down and by the identifier of its source."""

    def __init__(
        self,
        *,
        repository: Repository,
        identifier: str,
        recid: int | None,
        state: DepositState,
        retry: RetryPolicy,
        index_delay_s: float,
        before_creating: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """Look for the record with this identifier.

        Args:
            repository: where to look.
            identifier: that each record of this recid carries in `metadata.identifiers`.
            recid: that it carries in `metadata.recid`, None where its model has none.
            state: what an earlier attempt wrote down.
            retry: how often to try.
            index_delay_s: how late the repository's search may show a new draft.
            before_creating: is told of what a draft is about to be made.
        """
        self._repository = repository
        self._identifier = identifier
        self._recid = recid
        self._state = state
        self._retry = retry
        self._index_delay_s = index_delay_s
        self._before_creating = before_creating
        self.rediscovered: RemoteRecord | None = None
        """As the search shows it: a record that was found with nothing written down here of what it was given."""
        self.has_made = False
        """Whether the draft was made by this very search."""

    async def find_or_create(self, document: Mapping[str, Any], *, workflow: str | None) -> RemoteRecord:
        """Return the draft or published record; a draft is made of the document if there is none.

        Raises:
            PermanentError: several records carry the identifier, or the repository refuses to make one.
            TransientError: the repository does not get through with it.
        """
        found = await self.find()
        if found is None:
            found = await self._create(document, workflow)
        if self._state.record_id != found.id or self._state.creating:
            self._state.found_record(found.id)
        return found

    async def find(self) -> RemoteRecord | None:
        """Return the draft or published record, None if there is none; nothing is changed, here or there.

        Raises:
            PermanentError: several records carry the identifier.
            TransientError: the repository does not get through with it.
        """
        if self._state.record_id is not None:
            known = await self._retry.retried(lambda: self._read(str(self._state.record_id)))
            if known is not None:
                return known
            log.warning("record %s is gone from the repository; looking for another", self._state.record_id)
            self._state.forget_record()
        return await self._retry.retried(self._find)

    async def _read(self, record_id: str) -> RemoteRecord | None:
        for read in (self._repository.read_draft, self._repository.read_published):
            try:
                return await read(record_id)
            except NotFoundError:
                continue
        return None

    async def _find(self) -> RemoteRecord | None:
        """Find the record by the identifier of its source, allowing for a search index that is late."""
        waited = 0.0
        while True:
            hits = await self._repository.search_own(self._identifier, recid=self._recid)
            # an NRP repository lists all versions of a record: the latest is the one to go on with
            found = {
                record.parent_id or record.id: record for record in sorted(hits, key=lambda record: record.version)
            }
            if len(found) > 1:
                ids = sorted(record.id for record in found.values())
                raise PermanentError(
                    f"{self._identifier}: expected at most one record of one's own in the repository, found "
                    f"{', '.join(ids)}; delete what is too much there and run again"
                )
            if found:
                # the search shows what was indexed; what counts is the record itself
                (hit,) = found.values()
                if not self._state.creating:  # what came of a request whose answer was lost has yet to be told
                    self.rediscovered = hit
                return await self._read(hit.id)
            if not self._state.creating or waited >= self._index_delay_s:
                return None
            await self._retry.sleep(1.0)
            waited += 1.0

    async def _create(self, document: Mapping[str, Any], workflow: str | None) -> RemoteRecord:
        for attempt in range(1, self._retry.attempts + 1):
            failed = self._state.failed_creations
            if failed >= MOST_FAILED_CREATIONS:
                raise self._too_often()
            self._state.creating = True
            self._state.save()
            if self._before_creating is not None:
                self._before_creating(document)
            # what the repository cannot index it stores and never finds again: after a failure the draft is made of
            # what it is found by alone, and given the rest by its id
            given = document if failed == 0 else _named(document)
            try:
                record = await self._repository.create(given, workflow=workflow)
            except TransientError as error:
                if isinstance(error, FailedError):
                    self._state.failed_creations += 1
                    self._state.save()
                if attempt == self._retry.attempts:
                    raise
                log.warning("%s; looking whether the draft was made all the same", error)
                await self._retry.pause(attempt)
                found = await self._retry.retried(self._find)
                if found is not None:
                    return found
                continue
            except PermanentError:
                self._state.creating = False
                self._state.save()
                raise
            self._state.record_id, self._state.creating, self._state.failed_creations = record.id, False, 0
            self.has_made = True
            self._state.save()
            return record
        raise AssertionError("unreachable: attempts is at least 1")

    def _too_often(self) -> PermanentError:
        return PermanentError(
            f"{self._identifier}: expected a draft, found the repository answering 500 to {MOST_FAILED_CREATIONS} "
            "requests for one; each may have stored a draft that no search shows, so no more are asked for. Ask the "
            "repository's operators what failed and have such drafts deleted, correct the record if it is its "
            f"metadata, then delete {self._state.path} and run again"
        )


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    metadata = document["metadata"]
    return {**document, "metadata": {name: metadata[name] for name in _NAMES if name in metadata}}
