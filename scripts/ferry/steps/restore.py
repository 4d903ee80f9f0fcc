"""The step `restore`: files back from the repository, by what is left: proofs, receipts, or nothing of ours."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.errors import FerryError, IntegrityError, PermanentError
from ferry.identity import recid_of, source_identifier
from ferry.receipts import LostReceiptError, ReceiptError, read_receipt, write_receipt
from ferry.report.proof import PROOF
from ferry.repository.client import Repository
from ferry.repository.models import RemoteFile, RemoteRecord
from ferry.restore.content import ContentReader
from ferry.restore.find import find_record
from ferry.restore.record import RecordRestore, Restored, RestoreSettings
from ferry.restore.statements import Statement, by_listing, by_manifest, by_proof, read_manifest
from ferry.retry import RetryPolicy
from ferry.run.open_repository import open_repository, token_if_any
from ferry.run.run import read_run
from ferry.steps.restored_rows import Row, line_of, summary_of, write_table
from ferry.upload_names import manifest_key

log = logging.getLogger(__name__)

MOST_FILES_AT_ONCE = 8
"""Of one record: each has a thread."""


class Restore:
    """Records of one repository, a few of them at once."""

    def __init__(
        self,
        *,
        repository: Mapping[str, Any],
        settings: Mapping[str, Any],
        identifier_prefix: str | None,
        hosts: Sequence[str],
        patterns: Sequence[str] = (),
        records_at_once: int = 1,
        results_dir: Path,
        restored_dir: Path,
        sandbox_dir: Path,
    ) -> None:
        """Prepare to restore.

        Args:
            repository, settings: those parts of the configuration; settings is `upload`.
            identifier_prefix: of records of one's own; None for those of the portal.
            hosts: to which the repository's content may lead by their names (source.allow.hosts).
            patterns: shell patterns of keys; none: all files.
            records_at_once: how many.
            results_dir: where receipts lie, if there are any.
            restored_dir: gets a folder for each record, and beside it <recid>.json: what was restored, proven by what.
            sandbox_dir: where the sandbox keeps its token.
        """
        self._repository = repository
        self._upload = settings
        self._prefix = identifier_prefix
        self._hosts = hosts
        self._at_once = asyncio.Semaphore(records_at_once)
        self._results_dir = results_dir
        self._restored_dir = restored_dir
        self._sandbox_dir = sandbox_dir
        self._retry = RetryPolicy(attempts=settings["attempts"])
        self._settings = RestoreSettings(
            patterns=tuple(patterns),
            parallel_files=min(MOST_FILES_AT_ONCE, settings["parallel_files"]),
            attempts=settings["attempts"],
            stall_s=settings["stall_s"],
        )

    async def run(self, recids: Sequence[int], *, query: str | None = None) -> list[Row]:
        """Restore these records, or those that a query of the repository finds; tell of each what became of it."""
        run = read_run()
        token = token_if_any(run=run, sandbox_dir=self._sandbox_dir)
        opened = open_repository(
            run=run,
            repository=self._repository,
            stall_s=self._upload["stall_s"],
            sandbox_dir=self._sandbox_dir,
            as_anybody=token is None,
        )
        async with opened as repository:
            reader = ContentReader(
                repository,
                token=token,
                verify_tls=self._repository["verify_tls"],
                hosts=self._hosts,
                stall_s=self._upload["stall_s"],
            )
            known: dict[int, str | None] = dict.fromkeys(recids)
            if query is not None:
                known = await self._found(query, repository)
            told = (
                self._restore(recid, record_id, repository, reader, has_token=token is not None)
                for recid, record_id in known.items()
            )
            return await asyncio.gather(*told)

    async def _found(self, query: str, repository: Repository) -> dict[int, str | None]:
        """Return recid -> id of the records of this source that a query finds; None where several have it."""
        known: dict[int, str | None] = {}
        hits = await self._retry.retried(lambda: repository.search_query(query))
        for hit in hits:
            found = (recid_of(each, prefix=self._prefix) for each in hit.identifiers)
            for recid in sorted({number for number in found if number is not None}):
                known[recid] = None if recid in known else hit.id
        log.info("%d hits of %r, of %d recids", len(hits), query, len(known))
        return known

    async def _restore(
        self, recid: int, known_id: str | None, repository: Repository, reader: ContentReader, *, has_token: bool
    ) -> Row:
        async with self._at_once:
            try:
                return await self._restored(recid, known_id, repository, reader, has_token=has_token)
            except FerryError as error:
                log.error("%d: %s", recid, error)
                return Row(recid, error=f"{type(error).__name__}: {error}")

    async def _restored(
        self, recid: int, known_id: str | None, repository: Repository, reader: ContentReader, *, has_token: bool
    ) -> Row:
        identifier = source_identifier(recid, prefix=self._prefix)["identifier"]
        proof = self._proof(recid, repository.name)
        known_id = known_id or self._known_id(recid, repository.name, proof)
        record = await self._retry.retried(
            lambda: find_record(repository, identifier=identifier, known_id=known_id, has_token=has_token)
        )
        listed = await self._retry.retried(lambda: repository.list_files(record)) if record.has_files else []
        statement = await self._statement(recid, identifier, listed, reader, proof=proof)
        restoring = RecordRestore(
            recid=recid,
            statement=statement,
            listed=listed,
            folder=self._restored_dir / str(recid),
            state_path=self._restored_dir / ".verified" / f"{recid}.jsonl",
            reader=reader,
            settings=self._settings,
        )
        restored = await asyncio.to_thread(restoring.run)
        write_receipt(
            self._restored_dir / f"{recid}.json",
            "restored",
            self._receipt(recid, repository.name, record, statement, restored),
        )
        return Row(
            recid,
            record.id,
            record.page_url,
            statement.by,
            files=len(restored.files),
            size_bytes=sum(file["size_bytes"] for file in restored.files),
            files_fetched=restored.files_fetched,
            bytes_fetched=restored.bytes_fetched,
            foreign=statement.foreign,
        )

    def _receipt(
        self, recid: int, repository: str, record: RemoteRecord, statement: Statement, restored: Restored
    ) -> dict[str, Any]:
        return {
            "recid": recid,
            "repository": repository,
            "record_id": record.id,
            "record_url": record.page_url,
            "is_published": record.is_published,
            "stated_by": statement.by,
            "patterns": list(self._settings.patterns),
            "files": restored.files,
            "foreign": list(statement.foreign),
        }

    async def _statement(
        self,
        recid: int,
        identifier: str,
        listed: Sequence[RemoteFile],
        reader: ContentReader,
        *,
        proof: Mapping[str, Any] | None,
    ) -> Statement:
        """Return the strongest of what is known of a record."""
        if proof is not None:
            return by_proof(proof, listed)
        remote = next((file for file in listed if file.key == manifest_key(recid)), None)
        if remote is None:
            return by_listing(listed, recid=recid)

        async def read() -> bytes:
            return await asyncio.to_thread(reader.read_text, remote)

        manifest = read_manifest(await self._retry.retried(read), recid=recid, identifier=identifier)
        return by_manifest(manifest, listed)

    def _proof(self, recid: int, repository: str) -> dict[str, Any] | None:
        """Return the proof of a record in this repository, None without one; one that was edited is an error."""
        path = self._results_dir / str(recid) / PROOF
        try:
            proof = read_receipt(path, "proof", recid=recid)
        except LostReceiptError:
            return None
        except ReceiptError as error:
            raise IntegrityError(
                f"{path}: expected the proof of record {recid}, found {error.found}; put back one that is whole, or "
                "remove it, to go by the manifest that went up"
            ) from error
        return proof if proof["repository"] == repository and proof["record_id"] is not None else None

    def _known_id(self, recid: int, repository: str, proof: Mapping[str, Any] | None) -> str | None:
        """Return the id that the proof or a receipt here remembers, None without one."""
        if proof is not None:
            return str(proof["record_id"])
        for kind in ("published", "upload"):
            try:
                receipt = read_receipt(self._results_dir / str(recid) / f"{kind}.json", kind, recid=recid)
            except ReceiptError:
                continue
            if receipt["repository"] == repository and receipt["record_id"] is not None:
                return str(receipt["record_id"])
        return None


def restore_all(restore: Restore, recids: Sequence[int], *, query: str | None, table_path: Path) -> str:
    """Restore these records, or those that a query finds; return what to print, and write a line of each to a table.

    Raises:
        PermanentError: some could not be restored; the message has all the rest too.
    """
    rows = asyncio.run(restore.run(recids, query=query))
    if not rows and query is None:
        return "0 records to restore: the list names none"
    if not rows:
        raise PermanentError(f"restore.query: expected records of ours that fit {query!r}, found none")
    write_table(rows, table_path)
    summary = summary_of(rows, table_path)
    if any(row.error for row in rows):
        raise PermanentError(f"{summary}\nrun again: what is there and proven is not fetched again")
    return summary


def restore_one(restore: Restore, recid: int) -> str:
    """Restore one record; return what is to be printed.

    Raises:
        PermanentError: it could not be done.
    """
    [row] = asyncio.run(restore.run([recid]))
    if row.error:
        raise PermanentError(f"{recid}: {row.error}")
    return line_of([row], row.stated_by)
