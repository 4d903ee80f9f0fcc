"""Records of the repository in our words: made, read, changed, deleted. One method, one request."""

import contextlib
from collections.abc import Mapping
from typing import Any

from yarl import URL

from ferry.errors import PermanentError, TransientError
from ferry.repository.errors import NotFoundError
from ferry.repository.models import RemoteRecord
from ferry.repository.searches import RepositorySearches, remote_record


class RepositoryRecords(RepositorySearches):
    """The part of `Repository` that is about records.

    Every method raises TransientError (worth another try), PermanentError (refused for good), or NotFoundError.
    """

    _records: Any
    """nrp-cmd's client of records."""
    _record_class: type
    """Its record."""

    @property
    def models(self) -> list[str]:
        """Names of the models of records that the repository tells of; an NRP repository lists vocabularies too."""
        return sorted(name for name, model in self._info.models.items() if "vocabulary" not in model.features)

    async def create(self, document: Mapping[str, Any], *, workflow: str | None) -> RemoteRecord:
        """Make a new draft. What the repository objects to stands in `errors`: the draft exists all the same."""
        if self._model is not None and self._model not in self._info.models:
            found = ", ".join(self.models) or "none"
            raise PermanentError(f"{self._model}: no such model in {self.url}, found {found}; correct repository.model")
        files_enabled = bool(document.get("files", {}).get("enabled", True))
        async with self._asking("create a draft"):
            record = await self._records.create(
                dict(document), model=self._model, workflow=workflow, files_enabled=files_enabled
            )
        return remote_record(record)

    async def read_draft(self, record_id: str) -> RemoteRecord:
        """Return the draft of this id."""
        async with self._asking(f"read the draft {record_id}"):
            record = await self._records.draft_records.read(record_id, model=self._model)
        return _of(record_id, remote_record(record))

    async def read_published(self, record_id: str) -> RemoteRecord:
        """Return the published record of this id."""
        async with self._asking(f"read the record {record_id}"):
            record = await self._records.published_records.read(record_id, model=self._model)
        return _of(record_id, remote_record(record))

    async def read_whole(self, record: RemoteRecord) -> dict[str, Any]:
        """Return all that the repository tells of a record: nrp-cmd leaves out its parent and its times."""
        async with self._asking(f"read the record {record.id}"):
            shown: dict[str, Any] = await self._connection.get(url=record.self_url, result_class=dict)
        return shown

    async def update_draft(self, draft: RemoteRecord, document: Mapping[str, Any]) -> RemoteRecord:
        """Replace the draft's metadata.

        Raises:
            ConflictError: it changed since it was read.
        """
        headers = {"If-Match": draft.etag} if draft.etag else {}
        async with self._asking(f"update the draft {draft.id}"):
            record = await self._connection.put(
                url=draft.self_url, json=dict(document), headers=headers, result_class=self._record_class
            )
        return _of(draft.id, remote_record(record))

    async def delete_draft(self, draft: RemoteRecord, *, only_as_read: bool = False) -> None:
        """Delete a draft, with what it holds; one that is not there any more is fine.

        Raises:
            ConflictError: it changed since it was read, and is to be deleted only as it was.
        """
        headers = {"If-Match": draft.etag} if only_as_read and draft.etag else {}
        with contextlib.suppress(NotFoundError):
            async with self._asking(f"delete the draft {draft.id}"):
                await self._connection.delete(url=draft.self_url, headers=headers)

    async def edit(self, record: RemoteRecord) -> RemoteRecord:
        """Open a draft of a published record, to change its metadata; one that is open is given back as it is."""
        async with self._asking(f"edit the record {record.id}"):
            draft = await self._connection.post(
                url=_without_draft(record.self_url) / "draft", json={}, result_class=self._record_class
            )
        return _of(record.id, remote_record(draft))

    async def new_version(self, record: RemoteRecord) -> RemoteRecord:
        """Open the draft of the next version, without files; one that is open is given back as it is."""
        async with self._asking(f"begin a new version of {record.id}"):
            return remote_record(
                await self._connection.post(
                    url=_without_draft(record.self_url) / "versions", json={}, result_class=self._record_class
                )
            )


def _of(record_id: str, record: RemoteRecord) -> RemoteRecord:
    """Return the record, if it is the one that was asked for: what is done next is done to the one that is answered.

    Raises:
        TransientError: it is another, as a cache or a server on the way has mixed up.
    """
    if record.id != record_id:
        raise TransientError(f"expected an answer about the record {record_id}, found one about {record.id}")
    return record


def _without_draft(url: URL) -> URL:
    """Return the address of a record, from its own or that of its draft."""
    return url.parent if url.name == "draft" else url
