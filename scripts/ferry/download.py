"""Fetching the files of one record: whole and proven, or not there."""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.checksums import Digests, file_chunks
from ferry.errors import FerryError, IntegrityError, PermanentError, TransientError
from ferry.http_source import HttpFile
from ferry.verified_files import Proof, SourceFile, VerifiedFiles, judge, prove, receipt_entry
from ferry.xrootd import XrootdFile, load_client

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
IN_FLIGHT = 4
"""Pieces of one file asked for ahead: hides the way to the server without holding much of it."""
LONGEST_PAUSE_S = 30.0
TOLD_EVERY_S = 30.0


@dataclass(frozen=True)
class DownloadSettings:
    """How to fetch."""

    redirects: Mapping[str, str]
    """Prefix of a uri -> what stands in its place; the longest that fits is taken."""
    parallel_files: int = 16
    attempts: int = 4
    stall_s: int = 60
    allow_unverified: bool = False


@dataclass(frozen=True)
class Downloaded:
    """The receipt `download`, and what it took."""

    receipt: dict[str, Any]
    measured: dict[str, int]


class Download:
    """The download of one record into `files_dir`; what is there and right is not fetched again."""

    def __init__(
        self,
        *,
        source: Mapping[str, Any],
        files_dir: Path,
        state_path: Path,
        settings: DownloadSettings,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._files_dir = files_dir
        self._settings = settings
        self._sleep = sleep
        self._clock = clock
        self._verified = VerifiedFiles(state_path)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._bytes_moved = 0
        self._files_moved = 0
        self._retries = 0

    def run(self) -> Downloaded:
        """Do it.

        Raises:
            PermanentError: a file is on tape, not there, may not be read, or has no checksum and must have one.
            IntegrityError: a file at the source is not what the record says; both values are named.
            TransientError: not through after the allowed attempts; running again goes on from here.
        """
        files: list[SourceFile] = self._source["files"]
        refuse_unreadable(files, allow_unverified=self._settings.allow_unverified)
        self._files_dir.mkdir(parents=True, exist_ok=True)
        begun = self._clock()
        entries: dict[str, dict[str, Any]] = {}
        errors: list[FerryError] = []

        def bring(file: SourceFile) -> None:
            if self._stopped.is_set():
                return
            try:
                entry = self._bring(file)
            except FerryError as error:
                with self._lock:
                    errors.append(error)
                if isinstance(error, PermanentError):
                    self._stopped.set()  # the record fails: what has not begun is not asked for
                return
            with self._lock:
                entries[file["key"]] = entry

        with ThreadPoolExecutor(max_workers=self._settings.parallel_files) as pool:
            waiting = [pool.submit(bring, file) for file in files]
            told = self._clock()
            for number, future in enumerate(waiting):
                future.result()
                if self._clock() - told >= TOLD_EVERY_S:
                    told = self._clock()
                    rate = self._bytes_moved / max(told - begun, 1e-9) / 1e6
                    log.info("%d of %d files, %d bytes, %.1f MB/s", number + 1, len(files), self._bytes_moved, rate)
        if errors:
            raise _first(errors)
        receipt = {"recid": self._source["recid"], "files": [entries[file["key"]] for file in files]}
        measured = {
            "bytes_moved": self._bytes_moved,
            "files_moved": self._files_moved,
            "retries": self._retries,
        }
        return Downloaded(receipt=receipt, measured=measured)

    def _bring(self, file: SourceFile) -> dict[str, Any]:
        path = self._files_dir / file["key"]
        proof = self._verified.find(file, path)
        if proof is None and path.exists():
            found = prove(file, path)
            try:
                judge(file, size_bytes=found.size_bytes, digests=found.digests, found_at=str(path))
            except IntegrityError as error:
                log.warning("%s; fetched anew", error)
                path.unlink()
            else:
                proof = found
                self._remember(found)
        if proof is None:
            proof = self._fetch(file, path)
            self._remember(proof)
        url = self._url(file)
        return receipt_entry(file, proof, judge(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=url))

    def _remember(self, proof: Proof) -> None:
        with self._lock:
            self._verified.add([proof])

    def _url(self, file: SourceFile) -> str:
        return redirected(file["uri"], self._settings.redirects)

    def _fetch(self, file: SourceFile, path: Path) -> Proof:
        part = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return self._fetch_once(file, path, part)
            except TransientError as error:
                if attempt == self._settings.attempts or self._stopped.is_set():
                    raise TransientError(f"{error} (attempt {attempt} of {self._settings.attempts})") from error
                log.warning("%s; trying again (attempt %d)", error, attempt + 1)
                with self._lock:
                    self._retries += 1
                self._sleep(min(LONGEST_PAUSE_S, 2.0 ** (attempt - 1)))
        raise AssertionError("unreachable: attempts is at least 1")

    def _fetch_once(self, file: SourceFile, path: Path, part: Path) -> Proof:
        url = self._url(file)
        digests = self._resumable(file, part)
        resumed = digests.size_bytes > 0
        self._transfer(file, url, part, digests)
        try:
            judge(file, size_bytes=digests.size_bytes, digests=digests.values(), found_at=url)
        except IntegrityError as error:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            log.warning("%s; the part that was there was wrong: fetched once anew", error)
            return self._fetch_once(file, path, part)
        part.replace(path)
        with self._lock:
            self._files_moved += 1
        return Proof(file["key"], digests.size_bytes, path.stat().st_mtime_ns, digests.values())

    def _resumable(self, file: SourceFile, part: Path) -> Digests:
        """Return the digests of the part that is there, or of nothing if it cannot be gone on from."""
        checksum = file["checksum"]
        digests = Digests(checksum["algorithm"] if checksum else None)
        # only the checksum of the whole can prove that what is there was right
        if checksum is not None and part.exists():
            for chunk in file_chunks(part):
                digests.update(chunk)
            if file["size_bytes"] is None or digests.size_bytes <= file["size_bytes"]:
                return digests
        part.unlink(missing_ok=True)
        return Digests(checksum["algorithm"] if checksum else None)

    def _transfer(self, file: SourceFile, url: str, part: Path, digests: Digests) -> None:
        with open_source(url, stall_s=self._settings.stall_s) as opened:
            declared, found = file["size_bytes"], opened.size_bytes
            if declared is not None and found is not None and declared != found:
                part.unlink(missing_ok=True)
                raise IntegrityError(f"{url}: expected {declared} bytes as the record says, found {found}")
            try:
                with part.open("ab", buffering=0) as stream:
                    for chunk in opened.chunks(start=digests.size_bytes, chunk_bytes=CHUNK_BYTES, in_flight=IN_FLIGHT):
                        if self._stopped.is_set():
                            raise TransientError(f"{url}: broken off: another file of the record was refused")
                        _write_all(stream.fileno(), chunk)
                        digests.update(chunk)
                        with self._lock:
                            self._bytes_moved += len(chunk)
                    os.fsync(stream.fileno())
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    part.unlink(missing_ok=True)
                raise PermanentError(f"{part}: expected to write {url}, found {error.strerror}; make room") from error


def open_source(url: str, *, stall_s: int) -> XrootdFile | HttpFile:
    """Open a file at its source.

    Raises:
        PermanentError: no such file, no access, or an address of a kind that is not read.
        TransientError: anything that may pass.
    """
    scheme = url.partition("://")[0]
    if scheme in ("root", "roots", "file"):
        return XrootdFile(load_client(stall_s=stall_s), url)
    if scheme in ("http", "https"):
        return HttpFile(url, timeout_s=stall_s)
    raise PermanentError(f"{url}: expected an address that begins with root://, file://, http:// or https://")


def redirected(uri: str, redirects: Mapping[str, str]) -> str:
    """Return where a uri is read from: the longest prefix that fits is replaced."""
    prefix = max((prefix for prefix in redirects if uri.startswith(prefix)), key=len, default=None)
    return uri if prefix is None else redirects[prefix] + uri.removeprefix(prefix)


def refuse_unreadable(files: list[SourceFile], *, allow_unverified: bool) -> None:
    """Refuse, before a byte moves, files that are on tape, and files that nothing could prove.

    Raises:
        PermanentError: names the first and their number.
    """
    on_tape = [file for file in files if not file["online"]]
    if on_tape:
        raise PermanentError(
            f"{on_tape[0]['uri']}: on tape ({len(on_tape)} of {len(files)} files of the record are); "
            "have the record staged on the portal, fetch its metadata again and run again"
        )
    unproven = [file for file in files if file["checksum"] is None]
    if unproven and not allow_unverified:
        raise PermanentError(
            f"{unproven[0]['uri']}: expected a checksum in the record, found none ({len(unproven)} of {len(files)} "
            "files); set source.allow_unverified to carry such files, marked as unverified"
        )


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:  # a write may be short when the disk is nearly full
        view = view[os.write(descriptor, view) :]


def _first(errors: list[FerryError]) -> FerryError:
    # the cause before its consequences: what was broken off because of another file comes last
    chosen = min(errors, key=lambda error: not isinstance(error, PermanentError))
    if len(errors) == 1:
        return chosen
    return type(chosen)(f"{chosen} (and {len(errors) - 1} more files of the record)")
