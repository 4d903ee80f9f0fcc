"""Finds the one record of a recid in the repository, or makes it: never a second one, whatever was lost before."""

import logging
from collections.abc import Mapping
from typing import Any

from ferry.answers import NotFoundError
from ferry.deposit_state import DepositState
from ferry.errors import PermanentError, TransientError
from ferry.patience import Patience
from ferry.remote import RemoteRecord
from ferry.repository import Repository

log = logging.getLogger(__name__)


class DraftSearch:
    """The search for one record, by what an earlier attempt wrote down and by the identifier of its source."""

    def __init__(
        self,
        *,
        repository: Repository,
        identifier: str,
        state: DepositState,
        patience: Patience,
        index_delay_s: float,
    ) -> None:
        """Look for the record with this identifier.

        Args:
            repository: where to look.
            identifier: that each record of this recid carries in `metadata.identifiers`.
            state: what an earlier attempt wrote down.
            patience: how often to try.
            index_delay_s: how late the repository's search may show a new draft.
        """
        self._repository = repository
        self._identifier = identifier
        self._state = state
        self._patience = patience
        self._index_delay_s = index_delay_s

    async def find_or_create(self, document: Mapping[str, Any], *, workflow: str | None) -> RemoteRecord:
        """Return the draft or published record; a draft is made of the document if there is none.

        Raises:
            PermanentError: several records carry the identifier, or the repository refuses to make one.
            TransientError: the repository does not get through with it.
        """
        found = await self.find()
        if found is None:
            found = await self._create(document, workflow)
        if (self._state.record_id, self._state.creating) != (found.id, False):
            self._state.record_id, self._state.creating = found.id, False
            self._state.save()
        return found

    async def find(self) -> RemoteRecord | None:
        """Return the draft or published record, None if there is none; nothing is changed, here or there.

        Raises:
            PermanentError: several records carry the identifier.
            TransientError: the repository does not get through with it.
        """
        if self._state.record_id is not None:
            known = await self._patience.retried(lambda: self._read(str(self._state.record_id)))
            if known is not None:
                return known
            log.warning("record %s is gone from the repository; looking for another", self._state.record_id)
            self._state.forget_record()
        return await self._patience.retried(self._find)

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
            found = {record.id: record for record in await self._repository.search_own(self._identifier)}
            if len(found) > 1:
                raise PermanentError(
                    f"{self._identifier}: expected at most one record of one's own in the repository, found "
                    f"{', '.join(sorted(found))}; delete what is too much there and run again"
                )
            if found:
                # the search shows what was indexed; what counts is the record itself
                return await self._read(next(iter(found)))
            if not self._state.creating or waited >= self._index_delay_s:
                return None
            await self._patience.sleep(1.0)
            waited += 1.0

    async def _create(self, document: Mapping[str, Any], workflow: str | None) -> RemoteRecord:
        for attempt in range(1, self._patience.attempts + 1):
            self._state.creating = True
            self._state.save()
            try:
                record = await self._repository.create(document, workflow=workflow)
            except TransientError as error:
                if attempt == self._patience.attempts:
                    raise
                log.warning("%s; looking whether the draft was made all the same", error)
                await self._patience.pause(attempt)
                found = await self._patience.retried(self._find)
                if found is not None:
                    return found
                continue
            except PermanentError:
                self._state.creating = False
                self._state.save()
                raise
            self._state.record_id, self._state.creating = record.id, False
            if record.metadata_errors:  # the draft is given them once more, and then what is wrong is told
                self._state.save()
            else:
                self._state.remember_document(document)
            return record
        raise AssertionError("unreachable: attempts is at least 1")
