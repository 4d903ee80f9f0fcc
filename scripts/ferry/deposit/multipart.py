"""Sends the parts of one file that have not arrived yet: several at once, each tried again by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

from ferry.deposit.body import Bandwidth
from ferry.errors import FerryError, TransientError
from ferry.repository.errors import DeniedError
from ferry.repository.files import OpenBody
from ferry.repository.models import Part, RemoteFile
from ferry.retry import RetryPolicy

OpenRange = Callable[[int, int], Iterator[bytes]]
"""Gives so many bytes from an offset on, chunk by chunk."""


class PartsTarget(Protocol):
    """What is needed of the repository."""

    async def read_file(self, file: RemoteFile) -> RemoteFile: ...
    async def send_part(self, file: RemoteFile, part: Part, open_body: OpenBody, size_bytes: int) -> None: ...


class PartsSender:
    """The parts of one file on their way."""

    def __init__(
        self,
        *,
        target: PartsTarget,
        entry: RemoteFile,
        size_bytes: int,
        open_range: OpenRange,
        parallel: int,
        retry: RetryPolicy,
        bandwidth: Bandwidth,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send to an announced entry, whose addresses are asked for anew whenever one is refused.

        Args:
            target: the repository.
            entry: of the file, announced in parts.
            size_bytes: of the file.
            open_range: reads the file.
            parallel: parts in flight at once.
            retry: how often each part is tried.
            bandwidth: how fast.
            stopped: whether to break off.
        """
        if entry.part_bytes is None:
            raise ValueError(f"{entry.key}: expected an entry that is sent in parts")
        self._target = target
        self._entry = entry
        self._size_bytes = size_bytes
        self._part_bytes = entry.part_bytes
        self._open_range = open_range
        self._slots = asyncio.Semaphore(parallel)
        self._retry = retry
        self._bandwidth = bandwidth
        self._stopped = stopped
        self._failed: list[FerryError] = []

    async def send(self, *, done: set[int], on_done: Callable[[int, int], None]) -> None:
        """Send all parts but those that are done; `on_done(number, size_bytes)` after each.

        Raises:
            TransientError: parts are missing; what was reported as done need not be sent again.
            PartsRefusedError: the storage does not take parts.
        """
        count = -(-self._size_bytes // self._part_bytes)
        missing = [number for number in range(1, count + 1) if number not in done]

        async def send_one(number: int) -> None:
            async with self._slots:
                if self._failed or self._stopped():
                    return
                try:
                    size_bytes = await self._retry.retried(lambda: self._send_part(number))
                except FerryError as error:
                    self._failed.append(error)
                else:
                    done.add(number)
                    on_done(number, size_bytes)

        if missing and not self._entry.parts:
            self._entry = await self._target.read_file(self._entry)
        await asyncio.gather(*(send_one(number) for number in missing))
        if self._failed:
            raise self._failed[0]
        absent = set(range(1, count + 1)) - done
        if absent:
            raise TransientError(f"{self._entry.key}: {len(absent)} of {count} parts have not been sent")

    async def _send_part(self, number: int) -> int:
        part = next((part for part in self._entry.parts if part.number == number), None)
        if part is None:
            raise TransientError(f"{self._entry.key}: the repository gave no address for part {number}")
        offset = (number - 1) * self._part_bytes
        size_bytes = min(self._part_bytes, self._size_bytes - offset)
        sent_bytes = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent_bytes
            sent_bytes, chunks = 0, self._open_range(offset, size_bytes)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                if self._stopped():
                    raise TransientError("broken off: another file of the record was refused")
                sent_bytes += len(chunk)
                yield chunk

        try:
            await self._target.send_part(self._entry, part, lambda: self._bandwidth.limited(body()), size_bytes)
        except DeniedError as error:
            self._entry = await self._target.read_file(self._entry)  # addresses expire
            raise TransientError(str(error)) from error
        if sent_bytes != size_bytes:
            raise TransientError(
                f"{self._entry.key}: part {number} was answered before all of it was sent "
                f"({sent_bytes} of {size_bytes} bytes)"
            )
        return size_bytes
