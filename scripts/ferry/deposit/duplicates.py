"""One record of a recid: what is found double is told, and a draft too many is deleted if that is wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferry.deposit.given import GivenMetadata
from ferry.deposit.settings import DuplicateDrafts
from ferry.errors import PermanentError
from ferry.mapping.diff import record_fields
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError, while_there
from ferry.repository.models import RemoteRecord
from ferry.text.notices import notice

REMOVE = "--config repository='{duplicate_drafts: remove}'"
_DATE = "metadata.publication_date"

Files = Mapping[str, tuple[int | None, str | None]]
"""Key -> size and MD5, of the files that are there; one that is not complete has nothing of these."""


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
    given: GivenMetadata
    """What was given to records of this recid from here."""

    async def find(self) -> RemoteRecord | None:
        """Return the record as the search shows it, None if it shows none.

        Raises:
            DuplicateError: there are several, and none of them may be deleted.
            ConflictError: one of several is gone since it was read.
        """
        found = await self._search()
        if len(found) <= 1:
            return found[0] if found else None
        with while_there(f"{self.identifier}: one of several"):
            return await self._only(found)

    async def _only(self, found: Sequence[RemoteRecord]) -> RemoteRecord | None:
        there = await self._still_there(found)
        if len(there) <= 1:
            return there[0] if there else None
        order = {
            record.id: (not record.was_published, -len(await self._files(record)), await self._made_at(record))
            for record in there
        }
        used, *others = sorted(there, key=lambda record: order[record.id])
        await self._keep_only(used, others)
        return used

    async def confirm(self, used_id: str, *, is_late: bool) -> RemoteRecord | None:
        """Make sure that the search shows no other record than the one of this id, which is used.

        Args:
            used_id: of the record.
            is_late: whether another one may be of a request of this folder that nobody has answered. Otherwise it is of
                another folder that carries the same record: of two drafts the one that was made first is gone on with.

        Returns:
            The record as the search shows it, and with it all that was made before it; None if it does not.

        Raises:
            DuplicateError: it does, and the other may not be deleted, or is gone on with.
            ConflictError: one of them is gone since it was read.
        """
        hits = await self._search()
        with while_there(f"{self.identifier}: one of several"):
            return await self._confirm(used_id, hits, is_late=is_late)

    async def _confirm(self, used_id: str, hits: Sequence[RemoteRecord], *, is_late: bool) -> RemoteRecord | None:
        others = [hit for hit in hits if hit.id != used_id]
        used = await self.read(used_id) if others else None
        if used is None:  # it is the only one; or gone, which is told by what reads it next
            return hits[0] if hits else None
        parent = await self._parent_id(used)
        foreign = [hit for hit in others if hit.parent_id != parent]
        shown = next((hit for hit in hits if hit.parent_id == parent), None)
        if is_late:  # also of the next version, begun once more when the one before was public
            later = [hit for hit in others if hit.parent_id == parent and hit.version > used.version]
            drafts = [hit for hit in later if not hit.was_published]
            await self._keep_only(used, await self._still_there([*foreign, *drafts]))
        else:
            await self._keep_first(used, await self._still_there(foreign))
        return shown

    async def can_be_found(self, record_id: str) -> bool:
        """Tell whether a record is there, and carries what a search finds it by."""
        record = await self.read(record_id)
        return record is not None and record.is_of(identifier=self.identifier, recid=self.model_recid)

    async def read(self, record_id: str) -> RemoteRecord | None:
        """Return the draft of this id, else the published record; None if it is gone."""
        for read in (self.repository.read_draft, self.repository.read_published):
            try:
                return await read(record_id)
            except NotFoundError:
                continue
        return None

    async def latest_published(self, record: RemoteRecord) -> RemoteRecord | None:
        """Return the latest public version of what a record or draft is one of; None where a search shows none."""
        parent_id = await self._parent_id(record)
        hits = await self.repository.search_public(self.identifier)
        return next((hit for hit in hits if hit.parent_id == parent_id), None)

    async def _parent_id(self, record: RemoteRecord) -> str | None:
        """Return what all versions of a record have in common: a search tells it, else the record has to be asked."""
        if record.parent_id is not None:
            return record.parent_id
        return ((await self.repository.read_whole(record)).get("parent") or {}).get("id")

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
            await self.repository.delete_draft(other, only_as_read=True)
            notice(
                self.recid,
                f"deleted the draft {other.id} ({other.page_url}), which was a second one beside {used.id} and held "
                "nothing but what it was given from here: repository.duplicate_drafts is remove",
            )
        if left:
            raise self._duplicates(
                used, left, why="A request for a draft was answered by nobody and done late, or another folder made it."
            )

    async def _keep_first(self, used: RemoteRecord, others: Sequence[RemoteRecord]) -> None:
        """Go on with a record of which another folder has made one too, if it is the first of them."""
        if not others:
            return
        made_at = await self._made_at(used)
        first = [
            other
            for other in others
            if other.was_published or (not used.was_published and await self._made_at(other) < made_at)
        ]
        if first:
            kept, *rest = [used, *first] if used.was_published else [*first, used]
            why = "Another folder carries this record too, or somebody has made one by hand."
            raise self._duplicates(kept, [(other, "") for other in rest], why=why)
        for other in others:
            notice(
                self.recid,
                f"there is a second draft of it, {other.id} ({other.page_url}), of another folder or made by hand; "
                f"{used.id} was there before, and is gone on with",
            )

    async def _made_at(self, record: RemoteRecord) -> tuple[datetime, str]:
        """Return what orders records by when they were made."""
        return datetime.fromisoformat((await self.repository.read_whole(record))["created"]), record.id

    async def _held_more(self, other: RemoteRecord, used: RemoteRecord) -> str:
        """Return why a second record may not be deleted, "" if it may.

        It may if it is a draft, and each thing in it is as in the one that is used, or as it was given from here.
        """
        if other.was_published:
            return "it is published"
        if await self.repository.read_review(other) is not None:
            return "there is a request about it"
        here = record_fields(used.document)
        there = record_fields(other.document)
        names = [name for name in self.given.foreign_fields(other.document) if there[name] != here.get(name)]
        if (
            _DATE in names
            and other.is_later_version
            and there[_DATE] == (await self._made_at(other))[0].date().isoformat()
        ):
            names.remove(_DATE)  # the repository itself gives a version the date of the day
        names += await self._set_beside(other, used)
        if names:
            return f"it holds what it was not given from here: {', '.join(names)}"
        kept = await self._files(used)
        if keys := sorted(key for key, file in (await self._files(other)).items() if kept.get(key) != file):
            return f"it holds other files: {', '.join(keys[:5])}"
        return ""

    async def _set_beside(self, other: RemoteRecord, used: RemoteRecord) -> list[str]:
        """Return what is set at a second record beside its metadata and access, and not so at the one that is used."""
        there, here = [_beside(await self.repository.read_whole(record)) for record in (other, used)]
        return [name for name, value in there.items() if value and value != here[name]]

    async def _files(self, record: RemoteRecord) -> Files:
        listed = await self.repository.list_files(record)
        return {file.key: (file.size_bytes, file.md5) if file.is_complete else (None, None) for file in listed}

    def _duplicates(
        self, used: RemoteRecord, others: Sequence[tuple[RemoteRecord, str]], *, why: str
    ) -> DuplicateError:
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
        return DuplicateError(f"{found}. {why} Delete what is too much ({ids}) at its address{ways}, and run again")


def _named(record: RemoteRecord) -> str:
    return f"{record.id} ({'published' if record.was_published else 'a draft'}, {record.page_url})"


def _beside(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be set at a record beside its metadata and access, by hand: nothing here does."""
    sharing = (whole.get("parent") or {}).get("access") or {}
    return {
        "custom_fields": whole.get("custom_fields"),
        "pids": sorted(whole.get("pids") or ()),
        "files.default_preview": (whole.get("files") or {}).get("default_preview"),
        "media_files": (whole.get("media_files") or {}).get("count"),
        "parent.access": {name: value for name, value in sharing.items() if name != "owned_by" and value},
    }
