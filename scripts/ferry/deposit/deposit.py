"""Brings one record into the repository as a draft: state first, then the act, then the same state read back.

Whatever is killed or lost on the way, a further attempt finds the one draft again and sends only what is missing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.deposit.desired_files import CheckBytes, DesiredFiles, OpenUpload, Upload
from ferry.deposit.draft_search import DraftSearch
from ferry.deposit.duplicates import OneRecord
from ferry.deposit.empty import KnownRefusals, WithoutFilesError, empty_file, first_empty, without_files
from ferry.deposit.files import FileDeposit
from ferry.deposit.given import GivenMetadata
from ferry.deposit.manifest import Manifest
from ferry.deposit.metadata import MetadataDeposit
from ferry.deposit.plan import LocalFile
from ferry.deposit.published import PublishedRecord
from ferry.deposit.settings import DepositSettings
from ferry.deposit.settling import bring_settled
from ferry.deposit.state import DepositState
from ferry.deposit.workflow import DraftWorkflow
from ferry.errors import FerryError, PermanentError
from ferry.receipts import digest
from ferry.repository.client import Repository
from ferry.repository.errors import DeniedError, NotFoundError, RefusedError
from ferry.repository.models import RemoteFile, RemoteRecord
from ferry.retry import RetryPolicy, Sleep
from ferry.text.notices import notice
from ferry.upload_names import source_key


@dataclass(frozen=True)
class Deposited:
    """The receipt `upload`, and what it took."""

    receipt: dict[str, Any]
    measured: dict[str, float]


class Deposit:
    """The upload of one record."""

    def __init__(
        self,
        *,
        repository: Repository,
        recid: int,
        identifier: str,
        document: Mapping[str, Any],
        uploads: Sequence[Upload],
        open_upload: OpenUpload,
        check_bytes: CheckBytes = bool,
        state: DepositState,
        settings: DepositSettings,
        given_path: Path | None = None,
        manifest: Manifest | None = None,
        own_json: Callable[[], Upload] | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Upload one record.

        Args:
            repository: where to, opened.
            recid: of the record, on the portal.
            identifier: of its source, which stands in the document's `metadata.identifiers`.
            document: the target metadata.
            uploads: entries of the receipt `package`.
            open_upload: reads one of them.
            check_bytes: sees that one of them can be read, before the repository is told of it.
            state: what an earlier attempt has left.
            settings: how to behave.
            given_path: where it is remembered what metadata the record was given; None: nowhere.
            manifest: goes up last, made from what the repository has confirmed of all other uploads.
            own_json: makes the file that a record without files has where the repository takes none without.
            sleep: waits.
        """
        self._repository = repository
        self._recid = recid
        self._identifier = identifier
        self._document = document
        self._has_files = bool(uploads)
        self._empty = first_empty([(upload["key"], upload["size_bytes"]) for upload in uploads])
        self._own_json = own_json if settings.empty_records == "metadata_file" and not uploads else None
        self._refusals = KnownRefusals(flags=repository.flags, settings=settings)
        self._settings = settings
        self._state, self._known = state, state.record_id
        self._retry = RetryPolicy(attempts=settings.attempts, sleep=sleep)
        given = self._given = GivenMetadata.load(given_path, recid=recid, repository=repository.name)
        self._metadata = MetadataDeposit(
            repository=repository,
            recid=recid,
            identifier=identifier,
            retry=self._retry,
            given=given,
            when_edited=settings.when_edited,
        )
        self._search = DraftSearch(
            one=OneRecord(
                repository=repository,
                recid=recid,
                identifier=identifier,
                model_recid=document["metadata"].get("recid"),
                duplicates=settings.duplicate_drafts,
                given=given,
            ),
            state=self._state,
            retry=self._retry,
            settle_s=settings.settle_s,
            before_creating=self._begin_draft,
        )
        self._wanted = DesiredFiles(
            uploads,
            open_upload=open_upload,
            check_bytes=check_bytes,
            state=self._state,
            manifest=manifest if uploads else None,
        )
        self._files = FileDeposit(
            repository=repository, wanted=self._wanted, state=self._state, settings=settings, retry=self._retry
        )
        self._published = PublishedRecord(
            repository=repository,
            identifier=identifier,
            metadata=self._metadata,
            files=self._files,
            state=self._state,
            retry=self._retry,
            choice=settings.when_published,
        )

    async def run(self) -> Deposited:
        """Do it.

        Raises:
            TransientError: still not through after the allowed attempts; running again goes on from here.
            PermanentError: refused, or a published record of this recid differs.
            IntegrityError: a file is not what was packed.
            WithoutFilesError, EmptyFileError: the repository does not take what the record has or lacks.
        """
        receipt: dict[str, Any] = {"recid": self._recid, "repository": self._repository.name}
        try:
            record, files = await bring_settled(
                self._bring,
                state=self._state,
                what=("creation", "edit", "files"),
                settle_s=self._settings.settle_s,
                retry=self._retry,
            )
            self._state.forget_unknown("files")
            await self._search.confirm(record.id)
            in_order = sorted(files, key=lambda file: file.key)
            receipt |= {
                "record_id": record.id,
                "record_url": record.page_url,
                "metadata_sha256": digest(self._document),
                "files": [_receipt_entry(file) for file in in_order],
            }
            self._given.uploaded([_receipt_entry(file) | {"content": file.content} for file in in_order])
            if record.is_published and not self._settings.publishes:  # else the receipt `published` tells of it
                receipt["public"] = {"version": record.version, "doi": record.doi}
            if self._metadata.kept:
                receipt["kept"] = list(self._metadata.kept)
            if self._repository.flags is not None and not self._files.has_foreign:
                self._state.note_proved(receipt, run_id=self._repository.flags.run_id)
        except WithoutFilesError as error:
            if self._settings.empty_records != "skip":
                raise
            receipt |= {"record_id": None, "record_url": None, "files": [], "skipped": str(error)}
        finally:
            self._state.flush()
        measured = {
            "bytes_moved": self._files.sender.bytes_sent,
            "files_moved": self._files.sender.files_sent,
            "retries": self._retry.retries,
            **self._repository.traffic.measured(),
        }
        return Deposited(receipt=receipt, measured=measured)

    async def _bring(self) -> tuple[RemoteRecord, list[LocalFile]]:
        try:
            return await self._bring_once()
        except NotFoundError:
            self._known = self._state.record_id
            found = await self._search.find()
            if found is not None and found.id == self._known:
                raise
        return await self._bring_once()

    async def _bring_once(self) -> tuple[RemoteRecord, list[LocalFile]]:
        await self._refuse_what_is_known()
        workflow = await self._retry.retried(lambda: DraftWorkflow.of(self._repository, self._settings))
        record = await self._search.find_or_create(self._document, workflow=workflow.name)
        if self._search.has_made and self._known != record.id:
            self._metadata.made(record, self._document)
        if self._known not in (None, record.id):
            became = f"made anew, as {record.id}" if self._search.has_made else f"gone on with as {record.id}"
            is_later = self._search.later_version_id == record.id
            why = (
                "has a later version, published elsewhere" if is_later else "is gone from the repository, deleted there"
            )
            notice(self._recid, f"{self._known} {why}; the record is {became}")
        self._known = record.id
        await self._retry.retried(lambda: workflow.check(record, self._repository))
        if self._own_json and record.has_files and set(self._state.sent) <= {source_key(self._recid)}:
            self._take_own_json(self._own_json)
        if record.was_published:
            return await self._adopt(record)
        if not self._has_files and record.has_files and not self._search.is_new:
            await self._remove_files(record)
        record = await self._bring_metadata(record)
        return record, await self._bring_files(record)

    def _begin_draft(self, document: Mapping[str, Any]) -> None:
        """See before a draft is made that its files can be sent."""
        self._wanted.require(self._wanted.uploads)
        self._metadata.begin(document)

    async def _refuse_what_is_known(self) -> None:
        """Make nothing that the repository would refuse in the end; what is there already is gone on with."""
        if self._has_files:
            if self._empty and self._refusals.of_empty_files() and await self._search.find() is None:
                raise empty_file(self._empty)
        elif self._refusals.of_records_without_files() and await self._search.find() is None:
            if self._own_json is None:
                raise without_files(self._recid, is_skipped=self._settings.empty_records == "skip")
            self._take_own_json(self._own_json)

    def _take_own_json(self, own_json: Callable[[], Upload]) -> None:
        """Have the record's own JSON go up as its file."""
        self._files.want(own_json())
        self._has_files, self._own_json = True, None
        self._document = {**self._document, "files": {"enabled": True}}

    async def _remove_files(self, draft: RemoteRecord) -> None:
        """Take away what was sent for a record that has lost its last file: a draft with files stays one with files."""
        await self._files.bring(draft)
        self._state.sent.clear()
        self._state.save()

    async def _bring_files(self, draft: RemoteRecord) -> list[LocalFile]:
        listed: Sequence[RemoteFile] | None = (
            () if self._search.is_new else None
        )  # a draft that was just made holds nothing yet
        if self._has_files:
            try:
                return await self._files.bring(draft, listed=listed)
            except DeniedError as error:
                raise await self._locked(draft, error) from error
        if not draft.has_files:
            return []
        if listed is None:
            listed = await self._retry.retried(lambda: self._repository.list_files(draft))
        if listed:
            raise PermanentError(
                f"draft {draft.id}: expected none, as the record has no files, found files that were not sent from "
                f"here; look at {draft.page_url}, or have them removed (upload.foreign_files: remove)"
            )
        return await self._bring_what_is_taken(draft)

    async def _bring_what_is_taken(self, draft: RemoteRecord) -> list[LocalFile]:
        """Go on with a draft that is to have files, though none were announced: the repository has decided so."""
        refused = without_files(self._recid, is_skipped=self._settings.empty_records == "skip")
        self._refusals.note_record_without_files(refused)
        if self._own_json is not None:
            self._take_own_json(self._own_json)
            return await self._files.bring(await self._bring_metadata(draft))
        if self._search.has_made:
            await self._retry.retried(lambda: self._repository.delete_draft(draft))
            self._state.forget_record()
            self._state.save()
        raise refused

    async def _locked(self, draft: RemoteRecord, error: PermanentError) -> PermanentError:
        """Return what a refusal means: a draft that is in review may take no other files."""
        with contextlib.suppress(FerryError):
            request = await self._repository.read_review(draft)
            if request is not None and request.is_pending:
                return PermanentError(
                    f"draft {draft.id}: is in review, and takes no other files until that is decided; wait for it, or "
                    f"cancel the request at {request.url}, and run again"
                )
        return error

    async def _bring_metadata(self, draft: RemoteRecord) -> RemoteRecord:
        return await self._metadata.bring(draft, self._document, shown=self._search.rediscovered)

    async def _adopt(self, record: RemoteRecord) -> tuple[RemoteRecord, list[LocalFile]]:
        """Accept a published record that is equal; where it differs, do what the configuration says."""
        adopted = await self._published.adopt(record, self._document, has_files=self._has_files)
        if adopted.is_done:
            return adopted.record, adopted.files or []
        self._known = adopted.record.id
        draft = await self._bring_metadata(adopted.record)
        if adopted.files is not None:
            return draft, adopted.files
        if self._has_files:
            # what is right already need not be sent again; with files in the draft this is refused, and not needed
            with contextlib.suppress(RefusedError):
                await self._retry.retried(lambda: self._repository.import_files(draft))
        return draft, await self._bring_files(draft)


def _receipt_entry(file: LocalFile) -> dict[str, Any]:
    entry = {"key": file.key, "size_bytes": file.size_bytes, "md5": file.md5, "adler32": file.adler32}
    return entry | ({"member_md5s": dict(file.member_md5s)} if file.member_md5s else {})
