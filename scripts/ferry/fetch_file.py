"""Fetching one file to its temporary name: resumed where that is provably right, tried again where that may help."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from ferry.checksums import Digests, file_chunks
from ferry.durable_files import ProvenPart, disk_error
from ferry.errors import IntegrityError, TransientError
from ferry.source_access import CHUNK_BYTES, SourceReader
from ferry.verified_files import SourceFile, judge

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
# A file of this size is forced to the disk by its own thread, while others still arrive.
SYNC_ALONE_BYTES = 8 << 20


class Traffic:
    """What has moved so far, counted by all threads."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._lock = threading.Lock()
        self.bytes_moved = 0
        self.retries = 0

    def moved(self, size_bytes: int) -> None:
        """Count bytes that came over the wire."""
        with self._lock:
            self.bytes_moved += size_bytes

    def tried_again(self) -> None:
        """Count one more attempt."""
        with self._lock:
            self.retries += 1


class StoppedError(TransientError):
    """Broken off because the record failed elsewhere; not a failure of this file."""


class FileFetcher:
    """Fetches files of one record, for several threads at once."""

    def __init__(
        self,
        *,
        open_url: Callable[[str], SourceReader],
        attempts: int,
        in_flight: int,
        traffic: Traffic,
        stopped: threading.Event,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """Set what all files have in common; `in_flight` is the number of requests under way for one file."""
        self._open_url = open_url
        self._attempts = attempts
        self._in_flight = in_flight
        self._traffic = traffic
        self._stopped = stopped
        self._pause = pause or stopped.wait

    def fetch(self, file: SourceFile, url: str, part: Path) -> ProvenPart:
        """Bring the file at `url` to `part`, complete and equal to what the record says.

        What lies at `part` already is read, and gone on from, where the record names a checksum that will prove the
        whole; if that fails the file is fetched once more from its first byte.

        Raises:
            IntegrityError: the source holds another size, or twice gave bytes of another checksum.
            PermanentError: the source will not give it, or the disk will not take it.
            TransientError: not through after all attempts.
        """
        digests = _resumable(file, part)
        refetched = False
        attempt = 1
        while True:
            try:
                self._transfer(file, url, part, digests)
                judge(file, size_bytes=digests.size_bytes, digests=digests.values(), found_at=url)
            except IntegrityError as error:
                part.unlink(missing_ok=True)
                if refetched or digests.size_bytes == 0:
                    raise
                log.warning("%s; fetched once anew", error)
                refetched, digests = True, _no_bytes(file)
            except StoppedError:
                raise
            except TransientError as error:
                if attempt == self._attempts:
                    raise TransientError(f"{error} (attempt {attempt} of {self._attempts})") from error
                log.warning("%s; trying again (attempt %d of %d)", error, attempt + 1, self._attempts)
                self._pause(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)))
                attempt += 1
                if file["checksum"] is None:
                    digests = _no_bytes(file)
            else:
                synced = digests.size_bytes >= SYNC_ALONE_BYTES
                return ProvenPart(file["key"], part, digests.size_bytes, digests.values(), synced)
            self._traffic.tried_again()

    def _transfer(self, file: SourceFile, url: str, part: Path, digests: Digests) -> None:
        if self._stopped.is_set():
            raise StoppedError(url)
        with self._open_url(url) as opened:
            declared, found = file["size_bytes"], opened.size_bytes
            if declared is not None and found is not None and declared != found:
                raise IntegrityError(f"{url}: expected {declared} bytes as the record says, found {found}")
            target = _opened_at(part, digests.size_bytes)
            try:
                chunks = opened.chunks(start=digests.size_bytes, chunk_bytes=CHUNK_BYTES, in_flight=self._in_flight)
                for chunk in chunks:
                    _write_all(target, chunk, part)
                    digests.update(chunk)
                    self._traffic.moved(len(chunk))
                    if self._stopped.is_set() and digests.size_bytes != declared:
                        raise StoppedError(url)
                if digests.size_bytes >= SYNC_ALONE_BYTES:
                    _sync(target, part)
            finally:
                os.close(target)


def part_path(path: Path, *, key: str, keys: frozenset[str]) -> Path:
    """Return the temporary name of a file: its own with `.part`, or a hidden one where that is too long or a key."""
    name = f"{path.name}.part"
    if f"{key}.part" in keys or len(name.encode()) > 255:
        name = f".{hashlib.sha256(key.encode()).hexdigest()[:32]}.part"
    return path.with_name(name)


def _no_bytes(file: SourceFile) -> Digests:
    return Digests(file["checksum"]["algorithm"] if file["checksum"] else None)


def _resumable(file: SourceFile, part: Path) -> Digests:
    # Only a checksum of the whole can prove what lies there, and it must be read for that.
    digests = _no_bytes(file)
    try:
        there = part.stat().st_size
        if file["checksum"] is None or not 0 < there <= (file["size_bytes"] or there):
            return digests
        for chunk in file_chunks(part):
            digests.update(chunk)
    except FileNotFoundError:
        return _no_bytes(file)
    except OSError as error:
        raise disk_error(part, "be read", error) from error
    return digests


def _opened_at(part: Path, size_bytes: int) -> int:
    try:
        target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            os.ftruncate(target, size_bytes)
        except OSError:
            os.close(target)
            raise
    except OSError as error:
        raise disk_error(part, "be written", error) from error
    return target


def _write_all(target: int, data: bytes, part: Path) -> None:
    view = memoryview(data)
    try:
        while view:  # a write may be short where the disk is nearly full
            view = view[os.write(target, view) :]
    except OSError as error:
        part.unlink(missing_ok=True)  # a full disk is no place for half a file
        raise disk_error(part, "be written", error) from error


def _sync(target: int, part: Path) -> None:
    try:
        os.fsync(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise disk_error(part, "reach the disk", error) from error
