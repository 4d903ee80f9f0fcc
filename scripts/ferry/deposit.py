"""Brings one record into the repository as a draft: state first, then the act, then the same state read back.

Whatever is killed or lost on the way, a further attempt finds the one draft again and sends only what is missing.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferry.deposit_state import DepositState, SentFile
from ferry.errors import FerryError, IntegrityError, MetadataError, PermanentError, TransientError
from ferry.proven_body import SentProof, proven_body
from ferry.repository import NotFoundError, RemoteFile, RemoteRecord, Repository
from ferry.upload_plan import ForeignFiles, LocalFile, UploadPlan, keys_to_hash, plan_upload

log = logging.getLogger(__name__)

Upload = Mapping[str, Any]
"""One entry of `uploads` of the receipt `package`."""
OpenUpload = Callable[[Upload], Iterator[bytes]]
"""Gives the bytes of an upload, chunk by chunk, from the start."""
Sleep = Callable[[float], Awaitable[None]]

FILES_PER_INIT = 100  # one request announces this many; InvenioRDM takes no more than 100 files a record


@dataclass(frozen=True)
class DepositSettings:
    """How to behave towards the repository."""

    attempts: int = 5
    """Rounds in a row without progress before the record counts as failed."""
    parallel_files: int = 4
    index_delay_s: float = 5.0
    """How late the repository's search may show a new draft."""
    checksum_wait_s: float = 600.0
    """How long the repository may take to compute a checksum."""
    foreign_files: ForeignFiles = "leave"
    community: str | None = None
    workflow: str | None = None


@dataclass(frozen=True)
class Deposited:
    """The receipt `upload`, and what it took."""

    receipt: dict[str, Any]
    measured: dict[str, int]


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
        state_path: Path,
        settings: DepositSettings,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._repository = repository
        self._recid = recid
        self._identifier = identifier
        self._document = document
        self._uploads = {upload["key"]: upload for upload in uploads}
        self._open_upload = open_upload
        self._settings = settings
        self._sleep = sleep
        self._state = DepositState.load(path=state_path, repository=repository.name)
        self._bytes_sent = 0
        self._files_sent = 0
        self._retries = 0

    async def run(self) -> Deposited:
        """Do it.

        Raises:
            TransientError: still not through after the allowed attempts; running again goes on from here.
            PermanentError: refused, or a published record of this recid differs.
            IntegrityError: a file is not what was packed.
        """
        record = await self._find_or_create()
        if record.is_published:
            files = await self._adopt_published(record)
        else:
            record = await self._bring_metadata(record)
            files = await self._bring_files(record) if self._uploads else []
        receipt = {
            "recid": self._recid,
            "repository": self._repository.name,
            "record_id": record.id,
            "record_url": record.page_url,
            "files": [
                {"key": file.key, "size_bytes": file.size_bytes, "md5": file.md5, "adler32": file.adler32}
                for file in sorted(files, key=lambda file: file.key)
            ],
        }
        measured = {
            "bytes_moved": self._bytes_sent,
            "files_moved": self._files_sent,
            "retries": self._retries,
            "requests": self._repository.traffic.requests,
            "requests_refused": self._repository.traffic.refused,
        }
        return Deposited(receipt=receipt, measured=measured)

    # --- the record ---

    async def _find_or_create(self) -> RemoteRecord:
        if self._state.record_id is not None:
            known = await self._retried(lambda: self._read(str(self._state.record_id)))
            if known is not None:
                return known
            log.warning("record %s is gone from the repository; looking for another", self._state.record_id)
            self._state.record_id, self._state.sent = None, {}
        found = await self._retried(self._find)
        if found is None:
            found = await self._create()
        self._state.record_id, self._state.creating = found.id, False
        self._state.save()
        return found

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
            if not self._state.creating or waited >= self._settings.index_delay_s:
                return None
            await self._sleep(1.0)
            waited += 1.0

    async def _create(self) -> RemoteRecord:
        for attempt in range(1, self._settings.attempts + 1):
            self._state.creating = True
            self._state.save()
            try:
                record = await self._repository.create(
                    self._document, community=self._settings.community, workflow=self._settings.workflow
                )
            except TransientError as error:
                if attempt == self._settings.attempts:
                    raise
                log.warning("%s; looking whether the draft was made all the same", error)
                await self._pause(attempt)
                found = await self._retried(self._find)
                if found is not None:
                    return found
                continue
            except PermanentError:
                self._state.creating = False
                self._state.save()
                raise
            self._state.record_id, self._state.creating = record.id, False
            self._state.document_sha256 = self._document_sha256()
            self._state.save()
            _raise_for_metadata_errors(record)
            return record
        raise AssertionError("unreachable: attempts is at least 1")

    async def _bring_metadata(self, draft: RemoteRecord) -> RemoteRecord:
        sha256 = self._document_sha256()
        if self._state.document_sha256 == sha256:
            return draft

        async def update() -> RemoteRecord:
            current = await self._repository.read_draft(draft.id)
            return await self._repository.update_draft(current, self._document)

        updated = await self._retried(update)
        _raise_for_metadata_errors(updated)
        self._state.document_sha256 = sha256
        self._state.save()
        return updated

    def _document_sha256(self) -> str:
        return hashlib.sha256(json.dumps(self._document, sort_keys=True).encode()).hexdigest()

    # --- the files ---

    def _local_files(self) -> list[LocalFile]:
        files = []
        for key, upload in self._uploads.items():
            sent = self._state.sent.get(key)
            is_same = sent is not None and (sent.size_bytes, sent.adler32) == (upload["size_bytes"], upload["adler32"])
            files.append(
                LocalFile(
                    key=key,
                    size_bytes=upload["size_bytes"],
                    adler32=upload["adler32"],
                    md5=sent.md5 if sent is not None and is_same else None,
                )
            )
        return files

    async def _plan(self, record: RemoteRecord) -> tuple[list[LocalFile], UploadPlan[RemoteFile]]:
        remote = await self._repository.list_files(record)
        local = self._local_files()
        for key in keys_to_hash(local, remote):
            proof = await self._hash(key)
            local = [replace(file, md5=proof.md5) if file.key == key else file for file in local]
            self._remember(proof)
        plan = plan_upload(
            local=local,
            remote=remote,
            ours=frozenset(self._state.sent),
            foreign_files=self._settings.foreign_files,
        )
        return local, plan

    async def _bring_files(self, draft: RemoteRecord) -> list[LocalFile]:
        fruitless = 0
        waited = 0.0
        while True:
            local, plan = await self._retried(lambda: self._plan(draft))
            if plan.is_done:
                for entry in plan.foreign:
                    log.warning("%s: a file of the draft that is not ours; left there", entry.key)
                return local
            if plan.wait and not (plan.send or plan.delete):
                if waited >= self._settings.checksum_wait_s:
                    raise TransientError(
                        f"{plan.wait[0]}: the repository has not computed a checksum within {waited:.0f} s; run again"
                    )
                await self._sleep(pause := min(30.0, 1.0 + waited / 4))
                waited += pause
                continue
            error = await self._act(draft, plan)
            if error is not None:
                fruitless += 1
                self._retries += 1
                if fruitless >= self._settings.attempts:
                    raise error
                log.warning("%s; reading the state again (attempt %d)", error, fruitless + 1)
                await self._pause(fruitless)

    async def _act(self, draft: RemoteRecord, plan: UploadPlan[RemoteFile]) -> TransientError | None:
        """Do what the plan says. Returns the first passing trouble; what it left behind, the next plan sees."""
        try:
            for entry in plan.delete:
                await self._repository.delete_file(entry)
            announced: list[RemoteFile] = []
            keys = [file.key for file in plan.send]
            for start in range(0, len(keys), FILES_PER_INIT):
                announced += await self._repository.init_files(draft, keys[start : start + FILES_PER_INIT])
        except TransientError as error:
            return error
        missing = set(keys) - {entry.key for entry in announced}
        if missing:
            return TransientError(f"{min(missing)}: announced, but not in the repository's answer")
        slots = asyncio.Semaphore(self._settings.parallel_files)
        troubles: list[TransientError] = []
        refusals: list[FerryError] = []

        async def send(entry: RemoteFile) -> None:
            async with slots:
                if refusals:
                    return
                try:
                    await self._send(entry, stopped=lambda: bool(refusals))
                except TransientError as error:
                    troubles.append(error)
                except NotFoundError as error:  # an interrupted PUT makes the repository drop the entry
                    troubles.append(TransientError(str(error)))
                except FerryError as error:
                    refusals.append(error)

        # tasks are never cancelled: nrp-cmd's retry loop swallows a cancellation and dies of it
        await asyncio.gather(*(send(entry) for entry in announced))
        if refusals:
            raise refusals[0]
        return troubles[0] if troubles else None

    async def _send(self, entry: RemoteFile, *, stopped: Callable[[], bool]) -> None:
        upload = self._uploads[entry.key]
        proof = SentProof(key=entry.key)
        chunks = _until(stopped, self._open_upload(upload))
        body = proven_body(chunks, size_bytes=upload["size_bytes"], adler32=upload["adler32"], proof=proof)
        await self._repository.send_content(entry, body, upload["size_bytes"])
        if (proof.size_bytes, proof.adler32) != (upload["size_bytes"], upload["adler32"]):
            raise TransientError(f"{entry.key}: answered before all of it was sent ({proof.size_bytes} bytes were)")
        self._remember(proof)
        await self._repository.commit(entry)
        self._bytes_sent += proof.size_bytes
        self._files_sent += 1

    async def _hash(self, key: str) -> SentProof:
        """Read a file only to hash it: needed when the state of an earlier attempt was lost."""
        upload = self._uploads[key]
        proof = SentProof(key=key)
        body = proven_body(
            self._open_upload(upload), size_bytes=upload["size_bytes"], adler32=upload["adler32"], proof=proof
        )
        async for _ in body:
            pass
        return proof

    def _remember(self, proof: SentProof) -> None:
        self._state.sent[proof.key] = SentFile(size_bytes=proof.size_bytes, adler32=proof.adler32, md5=proof.md5)
        self._state.save()

    async def _adopt_published(self, record: RemoteRecord) -> list[LocalFile]:
        """Accept a published record of this recid if it holds exactly our files."""
        local, plan = await self._retried(lambda: self._plan(record))
        if plan.is_done and not plan.foreign:
            return local
        wrong = [file.key for file in plan.send] + [file.key for file in plan.foreign] + list(plan.wait)
        raise IntegrityError(
            f"record {record.id} of {self._identifier} is published already and its files differ: "
            f"{', '.join(sorted(set(wrong))[:10])}; compare {record.page_url}, then remove the recid from the list "
            "or make a new version by hand"
        )

    # --- patience ---

    async def _retried[T](self, action: Callable[[], Awaitable[T]]) -> T:
        """Do something that changes nothing or may be done twice, several times if need be."""
        for attempt in range(1, self._settings.attempts):
            try:
                return await action()
            except TransientError as error:
                log.warning("%s; trying again (attempt %d)", error, attempt + 1)
                self._retries += 1
                await self._pause(attempt)
        return await action()

    async def _pause(self, attempt: int) -> None:
        await self._sleep(min(60.0, 2.0 ** (attempt - 1)))


def _until(stopped: Callable[[], bool], chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Break off a body when another file of the record is refused for good: the record fails anyway."""
    for chunk in chunks:
        if stopped():
            raise TransientError("broken off: another file of the record was refused")
        yield chunk


def _raise_for_metadata_errors(record: RemoteRecord) -> None:
    # an update of a draft whose files are still to come is objected to for that alone
    errors = [error for error in record.errors if error.get("field") != "files.enabled"]
    if errors:
        found = "; ".join(f"{error.get('field')}: {error.get('messages')}" for error in errors[:5])
        more = f" (and {len(errors) - 5} more)" if len(errors) > 5 else ""
        raise MetadataError(f"the repository objects to the metadata of draft {record.id}: {found}{more}")
