"""One record of a recid: what is found double is told, and a draft too many is deleted if that is wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferry.deposit.settings import DuplicateDrafts
from ferry.errors import PermanentError
from ferry.notices import notice
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError
from ferry.repository.models import RemoteRecord

REMOVE = "--config repository='{duplicate_drafts: remove}'"
_MADE_WITHIN_S = 60.0
"""What a record that nobody has changed may take from when it was begun to when it was last written."""

Files = Mapping[str, tuple[int | None, str | None]]
"""Key -> size and MD5, of the files that are complete."""


class DuplicateError(PermanentError):
    """Several records of one's own carry the identifier of one source."""


@dataclass(frozen=True)
class OneRecord:
    """The search for one's own records of one source, and what becomes of more than one.

    The search shows what was indexed some time ago. Where it shows more than one, each of them is read by its id.
    """

    repository: Repository
    recid: int
    """Of the record, on the portal."""
    identifier: str
    """That each record of this recid carries in `metadata.identifiers`."""
    model_recid: int | None
    """That it carries in `metadata.recid`, None where its model has none."""
    duplicates: DuplicateDrafts

    async def find(self) -> RemoteRecord | None:
        """Return the record as the search shows it, None if it shows none.

        Raises:
            DuplicateError: there are several, and none of them may be deleted.
        """
        found = await self._search()
        if len(found) <= 1:
            return found[0] if found else None
        there = await self._still_there(found)
        if len(there) <= 1:
            return there[0] if there else None
        files = {record.id: await self._files(record) for record in there}
        used, *others = sorted(there, key=lambda record: (not record.was_published, -len(files[record.id]), record.id))
        await self._keep_only(used, others)
        return used

    async def confirm(self, used_id: str) -> None:
        """Make sure that the search shows no other record than the one of this id, which is used.

        Raises:
            DuplicateError: it does, and the other may not be deleted.
        """
        others = [hit for hit in await self._search() if hit.id != used_id]
        used = await self.read(used_id) if others else None
        if used is not None:
            parent = ((await self.repository.read_whole(used)).get("parent") or {}).get("id")
            others = await self._still_there([hit for hit in others if hit.parent_id != parent])
            await self._keep_only(used, others)

    async def read(self, record_id: str) -> RemoteRecord | None:
        """Return the draft of this id, else the published record; None if it is gone."""
        for read in (self.repository.read_draft, self.repository.read_published):
            try:
                return await read(record_id)
            except NotFoundError:
                continue
        return None

    async def _search(self) -> list[RemoteRecord]:
        hits = await self.repository.search_own(self.identifier, recid=self.model_recid)
        # an NRP repository lists all versions of a record: the latest is the one to go on with
        latest = {record.parent_id or record.id: record for record in sorted(hits, key=lambda record: record.version)}
        return list(latest.values())

    async def _still_there(self, hits: Sequence[RemoteRecord]) -> list[RemoteRecord]:
        read = [await self.read(hit.id) for hit in hits]
        return [
            record for record in read if record and record.is_of(identifier=self.identifier, recid=self.model_recid)
        ]

    async def _keep_only(self, used: RemoteRecord, others: Sequence[RemoteRecord]) -> None:
        left = []
        for other in others:
            more = await self._held_more(other, used)
            if more or self.duplicates == "fail":
                left.append((other, more))
                continue
            await self.repository.delete_draft(other)
            notice(
                self.recid,
                f"deleted the draft {other.id} ({other.page_url}), which was a second one and held nothing that "
                f"{used.id} does not hold: repository.duplicate_drafts is remove",
            )
        if left:
            raise self._duplicates(used, left)

    async def _held_more(self, other: RemoteRecord, used: RemoteRecord) -> str:
        """Return why a second record may not be deleted, "" if it may: it is a draft and holds nothing of its own."""
        if other.was_published:
            return "it is published"
        if await self.repository.read_review(other) is not None:
            return "there is a request about it"
        there, here = other.document.get("metadata") or {}, used.document.get("metadata") or {}
        names = sorted(name for name, value in there.items() if not _is_within(value, here.get(name)))
        if names and _was_changed(await self.repository.read_whole(other)):
            return f"its metadata differ, and were changed since it was made: {', '.join(names)}"
        kept = await self._files(used)
        if keys := sorted(key for key, file in (await self._files(other)).items() if kept.get(key) != file):
            return f"it holds other files: {', '.join(keys[:5])}"
        return ""

    async def _files(self, record: RemoteRecord) -> Files:
        listed = await self.repository.list_files(record)
        return {file.key: (file.size_bytes, file.md5) for file in listed if file.is_complete}

    def _duplicates(self, used: RemoteRecord, others: Sequence[tuple[RemoteRecord, str]]) -> DuplicateError:
        named = [_named(used), *(_named(other) + (f"; {more}" if more else "") for other, more in others)]
        found = f"{self.identifier}: expected at most one record of one's own in the repository, found "
        found += " and ".join(named)
        if any(other.was_published for other, _ in others):
            return DuplicateError(
                f"{found}. What is public no run takes away: ask the repository's operators to remove the one that is "
                "too much (a draft too many: delete it at its address), then run again"
            )
        ids = ", ".join(other.id for other, _ in others)
        ways = "" if all(more for _, more in others) else f", or set repository.duplicate_drafts to remove ({REMOVE})"
        return DuplicateError(
            f"{found}. A request for a draft was answered by nobody, and done late. Delete what is too much ({ids}) at "
            f"its address{ways}, and run again"
        )


def _named(record: RemoteRecord) -> str:
    return f"{record.id} ({'published' if record.was_published else 'a draft'}, {record.page_url})"


def _was_changed(shown: Mapping[str, Any]) -> bool:
    """Tell whether a record was changed after it was made; without its times that is not known, and taken for true."""
    try:
        created, updated = (datetime.fromisoformat(shown[name]) for name in ("created", "updated"))
    except (KeyError, TypeError, ValueError):
        return True
    return (updated - created).total_seconds() > _MADE_WITHIN_S


def _is_within(value: Any, whole: Any) -> bool:
    """Tell whether a value says nothing that the other one does not say."""
    if isinstance(value, dict) and isinstance(whole, dict):
        return all(_is_within(each, whole.get(name)) for name, each in value.items())
    if isinstance(value, list) and isinstance(whole, list):
        return all(any(_is_within(each, other) for other in whole) for each in value)
    return bool(value == whole)
