"""Fetching one file to its temporary name: resumed where that is provably right, tried again where that may help."""

import hashlib
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from ferry.checksums import Digests, file_chunks
from ferry.errors import IntegrityError, TransientError, disk_error
from ferry.source.access import CHUNK_BYTES, SourceReader
from ferry.source.final_names import ProvenPart
from ferry.source.line import Line
from ferry.source.progress import TransferStats
from ferry.source.verified import Proof, SourceFile, checksums_of, verify

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
LONGEST_NAME_BYTES = 255
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class BrokenOffError(TransientError):
    """Broken off because the record failed elsewhere; not a failure of this file."""


class FileFetcher:
    """Fetches files of one record, many at once."""

    def __init__(
        self,
        *,
        open_url: Callable[[str], Awaitable[SourceReader]],
        attempts: int,
        line: Line,
        traffic: TransferStats,
        stopped: threading.Event,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """Set what all files have in common; `pause` waits before the next attempt, in a thread."""
        self._open_url = open_url
        self._attempts = attempts
        self._line = line
        self._traffic = traffic
        self._stopped = stopped
        self._pause = pause or stopped.wait

    async def fetch(self, file: SourceFile, url: str, part: str, *, resumes: bool) -> ProvenPart:
        """Bring the file at `url` to `part`, complete and equal to what the record says.

        With `resumes`, what lies at `part` already is read, and gone on from, where the record names a checksum that
        will prove the whole; if that fails the file is fetched once more from its first byte.

        Raises:
            IntegrityError: the source holds another size, or twice gave bytes of another checksum.
            PermanentError: the source will not give it, or the disk will not take it.
            TransientError: not through after all attempts.
        """
        digests = await self._line.tasks.in_thread(partial(_resumable, file, part)) if resumes else _no_bytes(file)
        refetched = False
        attempt = 1
        while True:
            try:
                mtime_ns = await self._transfer(file, url, part, digests)
                values = digests.values()
                verify(file, size_bytes=digests.size_bytes, digests=values, found_at=url)
            except IntegrityError as error:
                _remove(part)
                if refetched or digests.size_bytes == 0:
                    raise
                log.warning("%s; fetched once anew", error)
                refetched, digests = True, _no_bytes(file)
            except BrokenOffError:
                raise
            except TransientError as error:
                if attempt == self._attempts:
                    raise TransientError(f"{error} (attempt {attempt} of {self._attempts})") from error
                log.warning("%s; trying again (attempt %d of %d)", error, attempt + 1, self._attempts)
                pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1))
                await self._line.tasks.in_thread(partial(self._pause, pause_s))
                attempt += 1
                if file["checksum"] is None:
                    digests = _no_bytes(file)
            else:
                return ProvenPart(Proof(file["key"], digests.size_bytes, mtime_ns, values, file["uri"]), part)
            self._traffic.tried_again()

    async def _transfer(self, file: SourceFile, url: str, part: str, digests: Digests) -> int:
        # Returns when the file was last written to.
        if self._stopped.is_set():
            raise BrokenOffError(url)
        declared = file["size_bytes"]
        with self._line.expecting(max((declared or 0) - digests.size_bytes, 0)):
            opening = await self._open_url(url)
        async with opening as opened:
            at_once = None
            if declared is not None and declared <= CHUNK_BYTES and digests.size_bytes == 0:
                at_once = await opened.at_once(declared)
            if at_once is None:
                found = await opened.size()
                if declared is not None and found is not None and declared != found:
                    raise IntegrityError(f"{url}: expected {declared} bytes as the record says, found {found}")
            target = _opened_at(part, digests.size_bytes)
            try:
                if at_once is None:
                    await self._copy(opened, target, part, digests, declared)
                else:
                    self._write(at_once, target, part, digests)
                return os.fstat(target).st_mtime_ns
            finally:
                os.close(target)

    async def _copy(self, opened: SourceReader, target: int, part: str, digests: Digests, declared: int | None) -> None:
        def take(chunk: bytes) -> None:
            if declared is not None and digests.size_bytes + len(chunk) > declared:
                raise IntegrityError(f"{opened.url}: expected {declared} bytes as the record says, found more")
            self._write(chunk, target, part, digests)
            if self._stopped.is_set() and digests.size_bytes != declared:
                raise BrokenOffError(opened.url)

        await opened.read(take, start=digests.size_bytes, chunk_bytes=CHUNK_BYTES)

    def _write(self, chunk: bytes, target: int, part: str, digests: Digests) -> None:
        write_all(target, chunk, part)
        digests.update(chunk)
        self._traffic.moved(len(chunk))


def names_of(keys: Iterable[str]) -> frozenset[str]:
    """Return the names that files with these keys take: the keys, and the folders above them."""
    names = set(keys)
    for key in keys:
        while (key := key.rpartition("/")[0]) and key not in names:
            names.add(key)
    return frozenset(names)


def part_path(path: str, *, key: str, names: frozenset[str]) -> str:
    """Return the temporary name of a file: its own with `.part`, or a hidden one where that is too long or taken."""
    folder, _, name = path.rpartition("/")
    if f"{key}.part" in names or len(os.fsencode(name)) + len(".part") > LONGEST_NAME_BYTES:
        return f"{folder}/.{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.part"
    return f"{path}.part"


def _no_bytes(file: SourceFile) -> Digests:
    return Digests(*(checksum["algorithm"] for checksum in checksums_of(file)))


def _resumable(file: SourceFile, part: str) -> Digests:
    # Only a checksum of the whole can prove what lies there, and it must be read for that.
    digests = _no_bytes(file)
    try:
        there = os.stat(part).st_size
        if file["checksum"] is None or not 0 < there <= (file["size_bytes"] or there):
            return digests
        for chunk in file_chunks(Path(part)):
            digests.update(chunk)
    except FileNotFoundError:
        return _no_bytes(file)
    except OSError as error:
        raise disk_error(part, "be read", error) from error
    return digests


def _opened_at(part: str, size_bytes: int) -> int:
    try:
        target = os.open(part, _WRITE if size_bytes else _WRITE | os.O_TRUNC, 0o666)
        try:
            if size_bytes:
                os.ftruncate(target, size_bytes)
        except OSError:
            os.close(target)
            raise
    except OSError as error:
        raise disk_error(part, "be written", error) from error
    return target


def write_all(target: int, data: bytes | memoryview, part: str) -> None:
    """Write bytes to a file that is open under its temporary name, which is removed if the disk refuses.

    Raises:
        DiskError: it does.
    """
    view = memoryview(data)
    try:
        while view:  # a write may be short where the disk is nearly full
            view = view[os.write(target, view) :]
    except OSError as error:
        _remove(part)  # a full disk is no place for half a file
        raise disk_error(part, "be written", error) from error


def _remove(part: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(part)
