"""Sends announced files of one record and commits them: each is hashed in the pass that sends it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ferry.deposit.body import Bandwidth, SentProof, proven_body
from ferry.deposit.desired_files import DesiredFiles, content_of
from ferry.deposit.empty import KnownRefusals, empty_file
from ferry.deposit.in_flight import InFlight
from ferry.deposit.multipart import PartsSender
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState, SentParts
from ferry.deposit.transfer_choice import TransferChoice
from ferry.errors import FerryError, PermanentError, TransientError
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError, PartsRefusedError, RefusedError, TooLargeError
from ferry.repository.models import RemoteFile
from ferry.retry import RetryPolicy

COMMIT_TRIES = 2


@dataclass
class Sent:
    """What became of files that were sent together."""

    committed: dict[str, RemoteFile] = field(default_factory=dict)
    """As the answers to their commits tell of them."""
    troubles: list[TransientError] = field(default_factory=list)
    """That may pass."""
    refusals: list[FerryError] = field(default_factory=list)
    """For good: what has not begun is not begun any more."""


class FileSender:
    """The content of the files of one record on its way."""

    def __init__(
        self,
        *,
        repository: Repository,
        wanted: DesiredFiles,
        state: DepositState,
        settings: DepositSettings,
        retry: RetryPolicy,
        transfers: TransferChoice,
    ) -> None:
        """Send what is wanted; what the repository refuses, `transfers` learns from."""
        self._repository = repository
        self._wanted = wanted
        self._state = state
        self._settings = settings
        self._retry = retry
        self._transfers = transfers
        self._bandwidth = Bandwidth(settings.bytes_per_s)
        self._refusals = KnownRefusals(flags=repository.flags, settings=settings)
        self._in_flight: InFlight | None = None
        """Made when the first file goes: by then it is known how far away the repository is."""
        self.bytes_sent = 0
        self.files_sent = 0

    async def send(self, entries: Sequence[RemoteFile]) -> Sent:
        """Send the content of announced files, several at once, and commit each when it has arrived."""
        sent = Sent()
        if self._in_flight is None:
            self._in_flight = InFlight(
                most=self._settings.parallel_files, traffic=self._repository.traffic, flags=self._repository.flags
            )
        in_flight = self._in_flight

        order = self._in_order(entries)
        keys = [entry.key for entry in order]

        async def send_next(number: int, entry: RemoteFile) -> None:
            async with in_flight.slot(self._size_of(entry)):
                if sent.refusals:
                    return
                self._state.begin_sending(keys[number:])
                before = len(sent.troubles)
                await self._send_one(entry, sent)
                if len(sent.troubles) > before:
                    in_flight.back_off()

        # tasks are never cancelled: nrp-cmd's retry loop swallows a cancellation and dies of it
        await asyncio.gather(*(send_next(number, entry) for number, entry in enumerate(order)))
        in_flight.remember()
        return sent

    async def _send_one(self, entry: RemoteFile, sent: Sent) -> None:
        def stopped() -> bool:
            return bool(sent.refusals)

        try:
            if entry.part_bytes is not None:
                await self._send_in_parts(entry, entry.part_bytes, stopped)
            else:
                await self._send_whole(entry, stopped)
            sent.committed[entry.key] = await self._commit(entry)
        except PartsRefusedError as error:
            sent.troubles.append(self._transfers.without_parts(error))
        except TooLargeError as error:
            try:
                sent.troubles.append(self._transfers.in_smaller(entry, self._size_of(entry), error))
            except PermanentError as refusal:
                sent.refusals.append(refusal)
        except (TransientError, NotFoundError) as error:
            # not found: an interrupted PUT makes the repository drop the entry
            sent.troubles.append(TransientError(str(error)))
        except FerryError as error:
            sent.refusals.append(error)
        else:
            self._state.parts.pop(entry.key, None)
            self.files_sent += 1

    def is_resumable(self, entry: RemoteFile) -> bool:
        """Tell whether a pending entry holds parts of the very file that is wanted."""
        sent, upload = self._state.parts.get(entry.key), self._wanted.uploads[entry.key]
        return (
            sent is not None
            and self._transfers.in_parts()
            and sent.content == content_of(upload)
            and (sent.part_bytes, sent.created) == (entry.part_bytes, entry.created)
            and self._transfers.takes_part(sent.part_bytes)
        )

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

    async def _commit(self, entry: RemoteFile) -> RemoteFile:
        try:
            return await self._retry.retried(lambda: self._repository.commit(entry), attempts=COMMIT_TRIES)
        except RefusedError as error:
            if self._wanted.uploads[entry.key]["size_bytes"] > 0:
                raise
            refused = empty_file(entry.key, found=str(error))
            self._refusals.note_empty_file(refused)
            raise refused from error

    async def _send_whole(self, entry: RemoteFile, stopped: Callable[[], bool]) -> None:
        upload = self._wanted.uploads[entry.key]
        size_bytes = upload["size_bytes"]
        tries: list[SentProof] = []

        def open_body() -> AsyncIterator[bytes]:
            # each try has a body and a proof of its own: of what was refused nothing has arrived
            tries.append(self._wanted.new_proof(upload))
            chunks = _until(stopped, self._wanted.open_upload(upload))
            body = proven_body(chunks, upload=upload, proof=tries[-1])
            return self._bandwidth.limited(body)

        await self._repository.send_content(entry, open_body, size_bytes)
        proof = tries[-1]
        if not proof.is_of(upload):
            raise TransientError(f"{entry.key}: answered before all of it was sent ({proof.size_bytes} bytes were)")
        self._wanted.remember(proof)
        self.bytes_sent += size_bytes

    async def _send_in_parts(self, entry: RemoteFile, part_bytes: int, stopped: Callable[[], bool]) -> None:
        upload = self._wanted.uploads[entry.key]
        size_bytes = upload["size_bytes"]
        if not self.is_resumable(entry):
            self._state.parts[entry.key] = SentParts(content_of(upload), part_bytes, entry.created)
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
