"""Records asked for in the repository one by one, held against their proofs, and files of them read back."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ferry.deposit.audit import RECORD, Finding, compare, live_files, read_live
from ferry.deposit.given import GivenMetadata
from ferry.errors import FerryError, PermanentError
from ferry.flags import TOKEN_REFUSED
from ferry.receipts import GIVEN, LostReceiptError, ReceiptError, file_digest, read_receipt
from ferry.report.proof import PROOF
from ferry.repository.client import Repository
from ferry.repository.models import RemoteRecord
from ferry.restore.content import ContentReader
from ferry.retry import RetryPolicy
from ferry.run.open_repository import open_repository, token_if_any
from ferry.run.run import read_run
from ferry.steps.audit_checkpoint import Audited, Checkpoint
from ferry.steps.dark_records import DarkRecords
from ferry.steps.read_back import Content, ShortContentError, WantedContent, given_up, read_content, sample
from ferry.steps.read_back_receipt import note_read_back

SHORT_TRIES = 2
"""How often content may break off before that is what is told of it."""


@dataclass(frozen=True)
class Outcome:
    """What came of an audit."""

    records: Sequence[Audited]
    dark: Sequence[tuple[int, str, str]]
    """Recid, id and page of records that nobody here knows."""
    unfinished: int
    """Wanted records without a proof: nothing is said of them."""
    requests: int
    """So many were needed now."""


class Audit:
    """The wanted records of one folder, against one repository."""

    def __init__(
        self,
        *,
        repository: Mapping[str, Any],
        settings: Mapping[str, Any],
        identifier_prefix: str | None,
        read_back: float = 0.0,
        hosts: Sequence[str] = (),
        publish: bool,
        results_dir: Path,
        data_dir: Path,
        logs_dir: Path,
        sandbox_dir: Path,
    ) -> None:
        """Prepare to ask.

        Args:
            repository, settings: those parts of the configuration; settings is `upload`.
            identifier_prefix: of records of one's own; None for those of the portal.
            read_back: share of the files that are read back.
            hosts: to which the repository's content may lead by their names (source.allow.hosts).
            publish: whether records go on from a draft.
            results_dir, data_dir, logs_dir: what runs have left.
            sandbox_dir: where the sandbox keeps its token.
        """
        self._repository = repository
        self._settings = settings
        self._retry = RetryPolicy(attempts=settings["attempts"])
        self._dark = DarkRecords(
            identifier_prefix=identifier_prefix, results_dir=results_dir, data_dir=data_dir, retry=self._retry
        )
        self.read_back = read_back
        self._hosts = hosts
        self._publish = publish
        self._results_dir = results_dir
        self._logs_dir = logs_dir
        self._sandbox_dir = sandbox_dir

    async def run(self, recids: Sequence[int], checkpoint: Checkpoint) -> Outcome:
        """Ask for all of these, but for what the checkpoint knows; note there what is told.

        Raises:
            TransientError: the repository does not answer; run again, it goes on from there.
        """
        opened = open_repository(
            run=read_run(),
            repository=self._repository,
            stall_s=self._settings["stall_s"],
            sandbox_dir=self._sandbox_dir,
        )
        at_once = asyncio.Semaphore(self._settings["parallel_files"])
        found: list[Audited] = []
        failed: list[FerryError] = []
        async with opened as repository:
            self._readers = {is_public: self._reader(repository, is_public=is_public) for is_public in (True, False)}

            async def ask(recid: int) -> None:
                async with at_once:
                    if failed:
                        return  # what is under way ends, so that its answer is noted
                    try:
                        audited = await self._audited(recid, repository, checkpoint)
                    except FerryError as error:
                        failed.append(error)
                    else:
                        found.extend([audited] if audited else [])

            await asyncio.gather(*map(ask, dict.fromkeys(recids)))
            if failed:
                raise failed[0]
            known = {audited.recid: audited.record_id for audited in found}
            dark = await self._dark.find(repository, checkpoint, known=known)
            requests = repository.traffic.requests
        found.sort(key=lambda audited: audited.recid)
        return Outcome(found, dark, len(set(recids)) - len(found), requests)

    async def _audited(self, recid: int, repository: Repository, checkpoint: Checkpoint) -> Audited | None:
        """Return what is found of a record, None of one that has no proof yet."""
        record_dir = self._results_dir / str(recid)
        digest = file_digest(record_dir / PROOF)
        known = checkpoint.records.get(recid)
        if known is not None and known.proof_sha256 == digest:
            return known
        try:
            proof = read_receipt(record_dir / PROOF, "proof", recid=recid)
            document = read_receipt(record_dir / "record.json", "record", recid=recid)
            last = read_receipt(record_dir / "upload.json", "upload", recid=recid)
            with suppress(LostReceiptError):
                last = read_receipt(record_dir / "published.json", "published", recid=recid)
        except ReceiptError as error:
            if isinstance(error, LostReceiptError) and not (record_dir / "stats.json").exists():
                return None
            told = [Finding("unchecked", RECORD, "receipts that can be read", f"{error} (snakemake check names them)")]
            return Audited(recid, digest, "", "", _now(), told)
        audited = Audited(recid, digest, proof["record_id"] or "", proof["record_url"] or "", _now())
        if proof["record_id"] is not None:
            if proof["repository"] != repository.name:
                raise PermanentError(
                    f"{record_dir / PROOF}: tells of a record in {proof['repository']}, but repository.url is "
                    f"{repository.name}; audit that one"
                )
            given = GivenMetadata.load(record_dir / GIVEN, recid=recid, repository=repository.name)
            live, findings = await self._ask(repository, proof, document, given, last.get("kept", ()))
            wanted = sample(proof, share=self.read_back, seed=checkpoint.seed) if live is not None else []
            contents = await self._read(repository, live, wanted, record_dir) if live is not None and wanted else {}
            if contents:
                keys = [file["key"] for content in wanted for file in content.files]
                digest = note_read_back(
                    proof,
                    contents,
                    keys,
                    announce=checkpoint.announce,
                    record_dir=record_dir,
                    logs_dir=self._logs_dir,
                    publish=self._publish,
                )
            findings += [finding for content in contents.values() for finding in content.findings]
            right = sum(len(content.right) for content in contents.values())
            audited = replace(audited, proof_sha256=digest, findings=findings, read_back=right)
        checkpoint.told_record(audited)
        return audited

    def _reader(self, repository: Repository, *, is_public: bool) -> ContentReader:
        """Return what reads content: as anybody, where anybody may."""
        token = None if is_public else token_if_any(run=read_run(), sandbox_dir=self._sandbox_dir)
        return ContentReader(
            repository,
            token=token,
            verify_tls=self._repository["verify_tls"],
            hosts=self._hosts,
            stall_s=self._settings["stall_s"],
        )

    async def _read(
        self, repository: Repository, live: RemoteRecord, wanted: Sequence[WantedContent], record_dir: Path
    ) -> dict[str, Content]:
        """Read what is wanted of a record back; return what came of it by key."""
        listed = {file.key: file for file in await self._retry.retried(lambda: repository.list_files(live))}
        access = live.document.get("access") or {}
        is_public = live.is_published and all(access.get(name) == "public" for name in ("record", "files"))
        reader = self._readers[is_public]
        package = read_receipt(record_dir / "package.json", "package", recid=int(record_dir.name))
        packed = {upload["key"]: upload for upload in package["uploads"]}
        contents = {}
        for each in wanted:
            key = each.upload["key"]
            if key in listed:  # else told as lost already
                contents[key] = await self._read_one(
                    partial(read_content, each, listed[key], packed=packed.get(key), reader=reader), each
                )
        return contents

    async def _read_one(self, read: Callable[[], Content], wanted: WantedContent) -> Content:
        """Read one key; one that breaks off each time is told, and no reason to end the audit."""
        broken_off = 0

        async def try_it() -> Content:
            nonlocal broken_off
            try:
                return await asyncio.to_thread(read)
            except ShortContentError as error:
                broken_off += 1
                if broken_off < SHORT_TRIES:
                    raise
                return given_up(wanted, error)

        return await self._retry.retried(try_it, attempts=max(SHORT_TRIES, self._retry.attempts))

    async def _ask(
        self,
        repository: Repository,
        proof: Mapping[str, Any],
        document: Mapping[str, Any],
        given: GivenMetadata,
        kept: Sequence[str],
    ) -> tuple[RemoteRecord | None, list[Finding]]:
        """Return the record, None if it is not there or cannot be read, and what of it is not as its proof says."""

        async def ask() -> tuple[RemoteRecord | None, list[Finding]]:
            live = await read_live(repository, proof)
            files = {} if live is None else await live_files(repository, live)
            return live, compare(proof, live, files, document=document, given=given, kept=kept)

        try:
            return await self._retry.retried(ask)
        except PermanentError as error:
            if repository.flags is not None and repository.flags.get(TOKEN_REFUSED):
                raise
            return None, [Finding("unchecked", RECORD, "an answer", str(error))]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
