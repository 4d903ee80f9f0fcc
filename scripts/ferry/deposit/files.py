"""Brings the files of one record into its draft: a plan, the act, and the next plan as the proof."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence

from ferry.deposit.body import Bandwidth, proven_body
from ferry.deposit.desired_files import DesiredFiles, Upload
from ferry.deposit.empty import KnownRefusals, empty_file
from ferry.deposit.multipart import PartsSender
from ferry.deposit.plan import LocalFile, UploadPlan, keys_to_hash, plan_upload
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState, SentParts
from ferry.deposit.transfer_choice import TransferChoice
from ferry.errors import FerryError, IntegrityError, PermanentError, TransientError
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError, PartsRefusedError, RefusedError, TooLargeError
from ferry.repository.models import RemoteFile, RemoteRecord
from ferry.retry import RetryPolicy

log = logging.getLogger(__name__)

FILES_PER_INIT = 100  # one request announces this many; InvenioRDM takes no more than 100 files a record
COMMIT_TRIES = 2


class FileDeposit:
    """The files of one record on their way."""

    def __init__(
        self,
        *,
        repository: Repository,
        wanted: DesiredFiles,
        state: DepositState,
        settings: DepositSettings,
        retry: RetryPolicy,
    ) -> None:
        """Bring what is wanted; its manifest last, made from what the repository has confirmed of all others."""
        self._repository = repository
        self._wanted = wanted
        self._state = state
        self._settings = settings
        self._retry = retry
        self._bandwidth = Bandwidth(settings.bytes_per_s)
        self._transfers = TransferChoice(repository=repository, settings=settings)
        self._refusals = KnownRefusals(flags=repository.flags, settings=settings)
        self.bytes_sent = 0
        self.files_sent = 0

    async def _plan(self, record: RemoteRecord) -> tuple[list[LocalFile], UploadPlan[RemoteFile]]:
        """Return the wanted files and what has to be done; files are read where only their md5 can tell."""
        listed = await self._repository.list_files(record)
        remote = [entry for entry in listed if not self._wanted.is_manifest_to_come(entry.key)]
        local = self._wanted.files()
        if unhashed := keys_to_hash(local, remote):
            for key in unhashed:
                await self._wanted.hash(key)
            local = self._wanted.files()
        plan = plan_upload(
            local=local,
            remote=remote,
            ours=frozenset([*self._state.sent, *self._state.parts, *self._wanted.former_keys()]),
            foreign_files=self._settings.foreign_files,
            is_resumable=self._is_resumable,
        )
        return local, plan

    async def bring(self, draft: RemoteRecord) -> list[LocalFile]:
        """Act until the draft holds exactly the wanted files, as read back.

        Returns:
            The files, each with its md5.

        Raises:
            TransientError: still not through after rounds without progress; running again goes on from here.
            PermanentError: refused.
            IntegrityError: a file is not what was packed, or the repository keeps other bytes than it was sent.
        """
        files = await self._bring(draft)
        if self._wanted.add_manifest(files):
            files = await self._bring(draft)
        return files

    def want(self, upload: Upload) -> None:
        """Bring one more file."""
        self._wanted.uploads[upload["key"]] = upload

    async def compare(self, record: RemoteRecord) -> tuple[list[LocalFile], list[str]]:
        """Return the wanted files and the keys at which a record does not hold exactly them; nothing is changed."""
        local, differing = await self._differing(record)
        if not differing and self._wanted.add_manifest(local):
            local, differing = await self._differing(record)
        return local, differing

    async def _differing(self, record: RemoteRecord) -> tuple[list[LocalFile], list[str]]:
        local, plan = await self._retry.retried(lambda: self._plan(record))
        keys = {file.key for file in plan.send} | set(plan.wait)
        return local, sorted(keys | {entry.key for entry in (*plan.foreign, *plan.resume, *plan.delete)})

    async def _bring(self, draft: RemoteRecord) -> list[LocalFile]:
        fruitless, waited = 0, 0.0
        best, error = (-1, -1, -1), None
        while True:
            local, plan = await self._retry.retried(lambda: self._plan(draft))
            if plan.is_done:
                for entry in plan.foreign:
                    log.warning("%s: a file of the draft that is not ours; left there", entry.key)
                return local
            if plan.wait and not (plan.send or plan.delete or plan.resume):
                if waited >= self._settings.checksum_wait_s:
                    raise TransientError(
                        f"{plan.wait[0]}: expected the repository's checksum (md5) of it, found none within "
                        f"{waited:.0f} s, so that nothing proves its bytes; run again"
                    )
                await self._retry.sleep(pause := min(30.0, 1.0 + waited / 4))
                waited += pause
                continue
            arrived = (len(plan.keep) + len(plan.wait), sum(len(parts.done) for parts in self._state.parts.values()))
            progress = (self._transfers.learned, *arrived)  # what the repository takes is known better: go on at once
            if progress > best:
                best, fruitless = progress, 0
            else:
                fruitless += 1
                self._retry.retries += 1
                if fruitless >= self._settings.attempts:
                    raise error or _wrong_bytes(plan, local)
                log.warning("%s; reading the state again (attempt %d)", error or "not right", fruitless + 1)
                await self._retry.pause(fruitless)
            may_come = "files" in self._state.unknown
            with self._state.asking("files", self._repository.traffic):
                error = await self._act(draft, plan, may_come=may_come)

    def _is_resumable(self, entry: RemoteFile) -> bool:
        sent, upload = self._state.parts.get(entry.key), self._wanted.uploads[entry.key]
        return (
            sent is not None
            and self._transfers.in_parts()
            and (sent.size_bytes, sent.adler32) == (upload["size_bytes"], upload["adler32"])
            and (sent.part_bytes, sent.created) == (entry.part_bytes, entry.created)
            and self._transfers.takes_part(sent.part_bytes)
        )

    async def _act(self, draft: RemoteRecord, plan: UploadPlan[RemoteFile], *, may_come: bool) -> TransientError | None:
        """Do what the plan says. Returns the first passing trouble; what it left behind, the next plan sees.

        `may_come`: a request of before may be done just now, and announce what the plan has not seen.
        """
        self._wanted.require([file.key for file in plan.send])
        try:
            for entry in plan.delete:
                await self._repository.delete_file(entry)
                self._state.parts.pop(entry.key, None)
            announced = [*plan.resume, *await self._announce(draft, plan.send)]
        except PartsRefusedError as error:
            return self._transfers.without_parts(error)
        except (TransientError, NotFoundError) as error:
            return TransientError(str(error))
        except RefusedError as error:
            if not may_come:
                raise
            return TransientError(str(error))
        missing = {file.key for file in plan.send} - {entry.key for entry in announced}
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
                except PartsRefusedError as error:
                    troubles.append(self._transfers.without_parts(error))
                except TooLargeError as error:
                    try:
                        troubles.append(self._transfers.in_smaller(entry, self._size_of(entry), error))
                    except PermanentError as refusal:
                        refusals.append(refusal)
                except (TransientError, NotFoundError) as error:
                    # not found: an interrupted PUT makes the repository drop the entry
                    troubles.append(TransientError(str(error)))
                except FerryError as error:
                    refusals.append(error)

        # tasks are never cancelled: nrp-cmd's retry loop swallows a cancellation and dies of it
        await asyncio.gather(*(send(entry) for entry in self._in_order(announced)))
        if refusals:
            raise refusals[0]
        return troubles[0] if troubles else None

    async def _announce(self, draft: RemoteRecord, files: Sequence[LocalFile]) -> list[RemoteFile]:
        announced: list[RemoteFile] = []
        wanted = [self._transfers.announcement(file) for file in files]
        for start in range(0, len(wanted), FILES_PER_INIT):
            announced += await self._repository.init_files(draft, wanted[start : start + FILES_PER_INIT])
        return announced

    def _in_order(self, entries: Sequence[RemoteFile]) -> list[RemoteFile]:
        match self._settings.order:
            case "largest_first":
                return sorted(entries, key=self._size_of, reverse=True)
            case "smallest_first":
                return sorted(entries, key=self._size_of)
            case "by_key":
                return sorted(entries, key=lambda entry: entry.key)

    def _size_of(self, entry: RemoteFile) -> int:
        return int(self._wanted.uploads[entry.key]["size_bytes"])

    async def _send(self, entry: RemoteFile, *, stopped: Callable[[], bool]) -> None:
        if entry.part_bytes is not None:
            await self._send_in_parts(entry, entry.part_bytes, stopped)
        else:
            await self._send_whole(entry, stopped)
        await self._commit(entry)
        self._state.parts.pop(entry.key, None)
        self.files_sent += 1

    async def _commit(self, entry: RemoteFile) -> None:
        try:
            await self._retry.retried(lambda: self._repository.commit(entry), attempts=COMMIT_TRIES)
        except RefusedError as error:
            if self._wanted.uploads[entry.key]["size_bytes"] > 0:
                raise
            refused = empty_file(entry.key, found=str(error))
            self._refusals.note_empty_file(refused)
            raise refused from error

    async def _send_whole(self, entry: RemoteFile, stopped: Callable[[], bool]) -> None:
        upload = self._wanted.uploads[entry.key]
        proof = self._wanted.new_proof(upload)
        chunks = _until(stopped, self._wanted.open_upload(upload))
        body = proven_body(chunks, size_bytes=upload["size_bytes"], adler32=upload["adler32"], proof=proof)
        await self._repository.send_content(entry, self._bandwidth.limited(body), upload["size_bytes"])
        if (proof.size_bytes, proof.adler32) != (upload["size_bytes"], upload["adler32"]):
            raise TransientError(f"{entry.key}: answered before all of it was sent ({proof.size_bytes} bytes were)")
        self._wanted.remember(proof)
        self.bytes_sent += proof.size_bytes

    async def _send_in_parts(self, entry: RemoteFile, part_bytes: int, stopped: Callable[[], bool]) -> None:
        upload = self._wanted.uploads[entry.key]
        size_bytes, adler32 = upload["size_bytes"], upload["adler32"]
        if not self._is_resumable(entry):
            self._state.parts[entry.key] = SentParts(size_bytes, adler32, part_bytes, entry.created)
        parts = self._state.parts[entry.key]

        def note(number: int, part_size_bytes: int) -> None:
            parts.done.append(number)
            self._state.save()
            self.bytes_sent += part_size_bytes

        sender = PartsSender(
            target=self._repository,
            entry=entry,
            size_bytes=size_bytes,
            open_range=lambda offset, length: self._wanted.open_upload(upload, offset=offset, length=length),
            parallel=self._settings.parallel_parts,
            retry=self._retry,
            bandwidth=self._bandwidth,
            stopped=stopped,
        )
        # parts are read in no order: the md5 of the whole takes a pass of its own, meanwhile
        sending = sender.send(done=set(parts.done), on_done=note)
        sent, hashed = await asyncio.gather(sending, self._wanted.hash(entry.key), return_exceptions=True)
        for result in (hashed, sent):  # a file that is not what was packed is not committed, whatever arrived
            if isinstance(result, BaseException):
                raise result


def _until(stopped: Callable[[], bool], chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Break off a body when another file of the record is refused for good: the record fails anyway."""
    for chunk in chunks:
        if stopped():
            raise TransientError("broken off: another file of the record was refused")
        yield chunk


def _wrong_bytes(plan: UploadPlan[RemoteFile], local: Sequence[LocalFile]) -> FerryError:
    wanted = {file.key: file for file in local}
    for entry in plan.delete:
        file = wanted.get(entry.key)
        if file is not None and entry.is_complete:
            return IntegrityError(
                f"{entry.key}: expected {file.size_bytes} bytes, md5 {file.md5}, found {entry.size_bytes} bytes, md5 "
                f"{entry.md5} in the repository, each time it was sent; nothing was published, tell its operators"
            )
    return TransientError(f"{plan.send[0].key if plan.send else 'files'}: not in the draft though sent; run again")
