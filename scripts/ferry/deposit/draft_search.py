"""Finds the one record of a recid in the repository, or makes it: never a second one, whatever was lost before."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from ferry.deposit.duplicates import OneRecord
from ferry.deposit.state import Asked, DepositState
from ferry.errors import PermanentError, TransientError
from ferry.repository.errors import FailedError
from ferry.repository.models import RemoteRecord
from ferry.retry import RetryPolicy
from ferry.waiting import LATE_EFFECT, waiting

log = logging.getLogger(__name__)

MOST_FAILED_CREATIONS = 2
INDEX_DELAY_S = 1.5
"""How late a search shows a draft where nothing holds it up: OpenSearch shows what is new once a second."""
_LONGEST_PAUSE_S = 15.0
"""Between two looks for a draft that may still be made."""
_LONG_S = 86_400.0
"""After a request for a draft that nobody has answered, no second draft is looked for any more."""
_MAKES_DRAFTS: tuple[Asked, ...] = ("creation", "edit")
_NAMES = ("title", "identifiers", "recid")
"""What of the metadata a draft needs to be found again."""


class DraftSearch:
    """The search for one record, by what an earlier attempt wrote down and by the identifier of its source."""

    def __init__(
        self,
        *,
        one: OneRecord,
        state: DepositState,
        retry: RetryPolicy,
        settle_s: float,
        before_creating: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """Look for one record.

        Args:
            one: searches for it, and knows what becomes of a second one.
            state: what an earlier attempt wrote down.
            retry: how often to try.
            settle_s: how late a draft may be made of a request that nobody has answered, and be shown by the search.
            before_creating: is told of what a draft is about to be made.
        """
        self._one = one
        self._repository = one.repository
        self._state = state
        self._retry = retry
        self._settle_s = settle_s
        self._before_creating = before_creating
        self.rediscovered: RemoteRecord | None = None
        """As the search shows it: a record that was found with nothing written down here of what it was given."""
        self.later_version_id: str | None = None
        """Of a version that was published since by somebody else, and is gone on with in place of the one known."""
        self.has_made = False
        """Whether the draft was made by this very search."""
        self.is_new = False
        """Whether it was made when it was asked for last: then it has no files yet."""

    async def find_or_create(self, document: Mapping[str, Any], *, workflow: str | None) -> RemoteRecord:
        """Return the draft or published record; a draft is made of the document if there is none.

        Raises:
            PermanentError: several records carry the identifier, or the repository refuses to make one.
            TransientError: the repository does not get through with it.
        """
        self.is_new = False
        found = await self.find()
        if found is None:
            found = await self._create(document, workflow)
        if self._state.record_id != found.id:
            self._state.found_record(found.id)
        return found

    async def find(self) -> RemoteRecord | None:
        """Return the draft or published record, None if there is none.

        Nothing is changed, here or there, unless there are several, and the configuration has drafts too many deleted.

        Raises:
            DuplicateError: several records carry the identifier.
            TransientError: the repository does not get through with it.
        """
        if self._state.record_id is not None:
            known = await self._retry.retried(lambda: self._one.read(str(self._state.record_id)))
            if known is not None:
                return await self._latest(known) if known.is_outdated else known
            log.warning("record %s is gone from the repository; looking for another", self._state.record_id)
            self._state.forget_record()
        return await self._find()

    async def _latest(self, known: RemoteRecord) -> RemoteRecord:
        """Return the latest version of a public record, which another folder or a person has published since."""
        hit = await self._retry.retried(lambda: self._one.latest_published(known))
        latest = None if hit is None else await self._retry.retried(lambda: self._one.read(hit.id))
        if latest is None:
            return known
        self.later_version_id = latest.id
        return latest

    async def confirm(self, used_id: str) -> None:
        """Make sure that no request for a draft, of those that nobody has answered, has made a second one.

        Raises:
            DuplicateError: one has.
        """
        if self._may_come_late():
            await self._retry.retried(lambda: self._one.confirm(used_id, is_late=True))
            for what in _MAKES_DRAFTS:
                if time.time() > self._state.may_come_until(_LONG_S, what):
                    self._state.forget_unknown(what)

    async def confirm_first(self, used_id: str) -> RemoteRecord | None:
        """Make sure, before a record is published, that there is no other one, also of nobody's lost request.

        Of two drafts of two folders each sees the other, or the one that was made last sees the first: it looks until
        the search shows its own, and with it what is older.

        Returns:
            The record as the search shows it; None if it cannot be found any more.

        Raises:
            DuplicateError: there is one, and it is gone on with, or nobody can tell.
            TransientError: the search does not show the record itself.
        """
        is_late, waited_s, pause_s = self._may_come_late(), 0.0, 1.0
        made_s_ago = self._state.made_s_ago(used_id)
        if made_s_ago is not None and 0 <= made_s_ago < INDEX_DELAY_S:
            await self._retry.sleep(INDEX_DELAY_S - made_s_ago)  # to ask before would be to ask twice
        while True:
            shown = await self._retry.retried(lambda: self._one.confirm(used_id, is_late=is_late))
            if shown is not None:
                return shown
            if waited_s and not await self._retry.retried(lambda: self._one.can_be_found(used_id)):
                return None  # what becomes of that is for what reads it next
            if waited_s >= self._settle_s:
                raise TransientError(
                    f"{used_id}: expected a search to show it before it is published, found none that does within "
                    f"{waited_s:.0f} s, so that nobody can tell whether there is a second one; run again, later"
                )
            with waiting(LATE_EFFECT):
                await self._retry.sleep(pause_s)
            waited_s, pause_s = waited_s + pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)

    def _may_come_late(self) -> bool:
        return not self._state.unknown.keys().isdisjoint((*_MAKES_DRAFTS, "upload"))

    async def _find(self) -> RemoteRecord | None:
        """Find the record by the identifier of its source; one that may still be made is waited for."""
        left_s = min(self._settle_s, self._state.may_come_until(self._settle_s, "creation", "upload") - time.time())
        if left_s > 0:
            log.warning("a draft that was asked for may still be made, or shown: looking for %.0f s", left_s)
        pause_s = 1.0
        while True:
            if (found := await self._retry.retried(self._find_now)) is not None:
                return found
            if left_s <= 0:
                return None
            with waiting(LATE_EFFECT, left_s):
                await self._retry.sleep(min(pause_s, left_s))
            left_s, pause_s = left_s - pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _find_now(self) -> RemoteRecord | None:
        hit = await self._one.find()
        if hit is not None and hit.is_later_version and not hit.was_published:
            # who began that version nobody knows here; if it was begun here, the public record leads to it again
            hit = await self._one.latest_published(hit) or hit
        if hit is not None and "creation" not in self._state.unknown:  # else what came of it has yet to be told
            self.rediscovered = hit
        # the search shows what was indexed; what counts is the record itself
        return None if hit is None else await self._one.read(hit.id)

    async def _create(self, document: Mapping[str, Any], workflow: str | None) -> RemoteRecord:
        for attempt in range(1, self._retry.attempts + 1):
            failed = self._state.failed_creations
            if failed >= MOST_FAILED_CREATIONS:
                raise self._too_often()
            if self._before_creating is not None:
                self._before_creating(document)
            # what the repository cannot index it stores and never finds again: after a failure the draft is made of
            # what it is found by alone, and given the rest by its id
            given = document if failed == 0 else _named(document)
            try:
                with self._state.asking("creation", self._repository.traffic):
                    record = await self._repository.create(given, workflow=workflow)
                    self._state.record_id = record.id
            except TransientError as error:
                if isinstance(error, FailedError):
                    self._state.failed_creations += 1
                    self._state.save()
                if attempt == self._retry.attempts:
                    raise
                log.warning("%s; looking whether the draft was made all the same", error)
                await self._retry.pause(attempt)
                found = await self._find()
                if found is not None:
                    return found
                continue
            self.has_made = self.is_new = True
            self._state.made_record(record.id)
            return record
        raise AssertionError("unreachable: attempts is at least 1")

    def _too_often(self) -> PermanentError:
        return PermanentError(
            f"{self._one.identifier}: expected a draft, found the repository answering 500 to {MOST_FAILED_CREATIONS} "
            "requests for one; each may have stored a draft that no search shows, so no more are asked for. Ask the "
            "repository's operators what failed and have such drafts deleted, correct the record if it is its "
            "metadata, then run `snakemake --cores 1 mend`, after which all such records are asked for again, and run "
            "again"
        )


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    metadata = document["metadata"]
    return {**document, "metadata": {name: metadata[name] for name in _NAMES if name in metadata}}
