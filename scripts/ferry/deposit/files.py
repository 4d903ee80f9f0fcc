"""Brings the files of one record into its draft: a plan, the act, and the next plan as the proof."""

import logging
from collections.abc import Mapping, Sequence

from ferry.deposit.desired_files import DesiredFiles, Upload
from ferry.deposit.plan import FILES_PER_INIT, LocalFile, UploadPlan, keys_to_hash, plan_upload
from ferry.deposit.sending import FileSender
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState
from ferry.deposit.transfer_choice import TransferChoice
from ferry.errors import FerryError, IntegrityError, TransientError
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError, PartsRefusedError, RefusedError
from ferry.repository.files import Announcement
from ferry.repository.models import RemoteFile, RemoteRecord
from ferry.retry import RetryPolicy

log = logging.getLogger(__name__)


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
        self._transfers = TransferChoice(repository=repository, settings=settings)
        self.sender = FileSender(
            repository=repository,
            wanted=wanted,
            state=state,
            settings=settings,
            retry=retry,
            transfers=self._transfers,
        )
        self.has_foreign = False
        """Whether the draft held files that are not ours when it was listed last."""

    async def _plan(self, listed: Sequence[RemoteFile]) -> tuple[list[LocalFile], UploadPlan[RemoteFile]]:
        """Return the wanted files and what has to be done; files are read where only their md5 can tell."""
        remote = [entry for entry in listed if entry.key != self._wanted.manifest_to_come()]
        local = self._wanted.files()
        if unhashed := keys_to_hash(local, remote):
            for key in unhashed:
                await self._wanted.hash(key)
            local = self._wanted.files()
        by_key = {file.key: file for file in local}
        plan = plan_upload(
            local=local,
            remote=remote,
            ours=self._state.own_keys.union(self._wanted.former_keys()),
            doubted=frozenset(self._state.doubted),
            foreign_files=self._settings.foreign_files,
            is_resumable=lambda entry: self._is_untouched(entry, by_key[entry.key]) or self.sender.is_resumable(entry),
        )
        return local, plan

    async def _list(self, record: RemoteRecord) -> Sequence[RemoteFile]:
        return await self._retry.retried(lambda: self._repository.list_files(record))

    def want(self, upload: Upload) -> None:
        """Bring one more file."""
        self._wanted.uploads[upload["key"]] = upload

    async def compare(self, record: RemoteRecord) -> tuple[list[LocalFile], list[str]]:
        """Return the wanted files and the keys at which a record does not hold exactly them; nothing is changed."""
        listed = await self._list(record)
        local, differing = await self._differing(listed)
        if not differing and self._wanted.add_manifest(local):
            local, differing = await self._differing(listed)
        return local, differing

    async def _differing(self, listed: Sequence[RemoteFile]) -> tuple[list[LocalFile], list[str]]:
        local, plan = await self._retry.retried(lambda: self._plan(listed))
        keys = {file.key for file in plan.send} | set(plan.wait)
        return local, sorted(keys | {entry.key for entry in (*plan.foreign, *plan.resume, *plan.delete)})

    async def bring(self, draft: RemoteRecord, *, listed: Sequence[RemoteFile] | None = None) -> list[LocalFile]:
        """Act until the draft holds exactly the wanted files, as read back.

        Args:
            draft: that is to hold them.
            listed: what it holds, where that is known; else it is asked.

        Returns:
            The files, each with its md5.

        Raises:
            TransientError: still not through after rounds without progress; running again goes on from here.
            PermanentError: refused.
            IntegrityError: a file is not what was packed, or the repository keeps other bytes than it was sent.
        """
        fruitless, waited = 0, 0.0
        best, error = (-1, -1, -1), None
        while True:
            known = await self._list(draft) if listed is None else listed
            local, plan = await self._retry.retried(lambda known=known: self._plan(known))  # type: ignore[misc]
            if plan.is_done and self._wanted.add_manifest(local):
                listed = known
                continue
            listed = None
            if plan.is_done:
                self.has_foreign = bool(plan.foreign)
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
            self._state.begin_keys(file.key for file in plan.send)
            with self._state.asking("files", self._repository.traffic):
                error = await self._act(draft, plan, known, may_come=may_come)

    def _is_untouched(self, entry: RemoteFile, file: LocalFile) -> bool:
        """Tell whether a pending entry was announced from here, as the file would be now, and nothing sent to it."""
        if entry.created is None or self._state.announced.get(entry.key) != entry.created:
            return False
        part_bytes = self._transfers.announcement(file).part_bytes
        return part_bytes == entry.part_bytes and (part_bytes is None or entry.size_bytes == file.size_bytes)

    async def _act(
        self, draft: RemoteRecord, plan: UploadPlan[RemoteFile], known: Sequence[RemoteFile], *, may_come: bool
    ) -> TransientError | None:
        """Do what the plan says. Returns the first passing trouble; what it left behind, the next plan sees.

        Args:
            draft: that is acted on.
            plan: what is to be done.
            known: what was listed when it was made.
            may_come: a request of before may be done just now, and announce what the plan has not seen.
        """
        self._wanted.require([file.key for file in plan.send])
        manifest = self._wanted.manifest_to_come()
        if manifest in {entry.key for entry in known} or not plan.send:
            manifest = None  # it is seen to when all others are right
        try:
            for entry in plan.delete:
                await self._repository.delete_file(entry)
                self._state.deleted(entry.key)
            announced = {entry.key: entry for entry in await self._announce(draft, plan.send, manifest)}
        except PartsRefusedError as error:
            return self._transfers.without_parts(error)
        except (TransientError, NotFoundError) as error:
            return TransientError(str(error))
        except RefusedError as error:
            if not may_come:
                raise
            return TransientError(str(error))
        missing = {file.key for file in plan.send} - announced.keys()
        if missing:
            return TransientError(f"{min(missing)}: announced, but not in the repository's answer")
        entries = [*plan.resume, *(announced[file.key] for file in plan.send)]
        self._state.note_announced({entry.key: entry.created for entry in announced.values()})
        sent = await self.sender.send(entries)
        if not (sent.troubles or sent.refusals) and manifest in announced:
            confirmed = self._confirmed(plan, sent.committed)
            if confirmed and self._wanted.add_manifest(confirmed):
                sent = await self.sender.send([announced[manifest]])
        if sent.refusals:
            raise sent.refusals[0]
        return sent.troubles[0] if sent.troubles else None

    def _confirmed(self, plan: UploadPlan[RemoteFile], committed: Mapping[str, RemoteFile]) -> list[LocalFile]:
        """Return the wanted files, if the repository has told of each that it is as it was sent; else none."""
        local = self._wanted.files()
        told = {key: (entry.size_bytes, entry.md5) for key, entry in committed.items() if entry.is_complete}
        right = {file.key for file in local if told.get(file.key) == (file.size_bytes, file.md5)}
        return local if right.issuperset(file.key for file in local if file.key not in plan.keep) else []

    async def _announce(
        self, draft: RemoteRecord, files: Sequence[LocalFile], manifest: str | None
    ) -> list[RemoteFile]:
        """Announce files, and with them the manifest, whose bytes are not known before the others have arrived."""
        announced: list[RemoteFile] = []
        wanted = [self._transfers.announcement(file) for file in files]
        if manifest is not None:
            wanted.append(Announcement(key=manifest, size_bytes=0))
        for start in range(0, len(wanted), FILES_PER_INIT):
            announced += await self._repository.init_files(draft, wanted[start : start + FILES_PER_INIT])
        return announced


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
