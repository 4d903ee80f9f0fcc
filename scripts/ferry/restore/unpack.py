"""Members of one bundle, brought to their places as the bundle passes by: it is never on the disk itself."""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from ferry.checksums import Digests
from ferry.errors import IntegrityError, TransientError, disk_error
from ferry.restore.directory import Open, Run, read_directory, runs_of
from ferry.restore.zip_stream import CHUNK_BYTES, Header, ZipStream
from ferry.source.fetch import BrokenOffError, write_all
from ferry.source.final_names import ProvenPart
from ferry.source.progress import TransferStats
from ferry.source.verified import Proof, SourceFile, checksums_of, verify

log = logging.getLogger(__name__)

WORTH_ASKING_BYTES = 8 << 20
"""A smaller bundle is read from its begin, whatever of it is wanted: its directory would cost a request."""
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


MADE_HERE = re.compile(r"MANIFEST(-\d+)?", re.IGNORECASE)
"""The member that each bundle ends with, and that is no file of the record."""


@dataclass(frozen=True)
class Bundle:
    """A bundle in the repository."""

    key: str
    url: str
    size_bytes: int
    md5: str | None
    """Compared where all of the bundle passes by; None: nobody says."""


class _SpoiltError(TransientError):
    """A member came wrong for the first time."""


Place = Callable[[Header], tuple[SourceFile, str] | None]
"""Gives, of a member that comes by, what it has to be and the temporary name to write it to; None: it is not wanted."""


class BundleUnpacker:
    """Brings members of one bundle; tried again, a broken line is gone on with at the member that it broke in."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        open_at: Open,
        wanted: Mapping[str, tuple[SourceFile, str]] | None,
        is_part: bool,
        place: Place,
        attempts: int,
        traffic: TransferStats,
        pause: Callable[[float], object],
        is_stopped: Callable[[], bool],
    ) -> None:
        """Prepare to unpack.

        Args:
            bundle: which one.
            open_at: asks for it, from a byte on.
            wanted: by name, what each wanted member has to be, and the temporary name to write it to. None: nobody
                knows what the bundle holds, and `place` is asked of each member.
            is_part: whether there are members that are not wanted, so that it may pay to ask where the others lie.
            place: of a bundle that nobody knows.
            attempts: rounds in a row without a member, after which it is given up.
            traffic: counts.
            pause: waits so many seconds.
            is_stopped: tells whether the record failed elsewhere.
        """
        self._bundle = bundle
        self._open_at = open_at
        self._left = None if wanted is None else dict(wanted)
        self._is_part = is_part
        self._place = place
        self._attempts = attempts
        self._traffic = traffic
        self._pause = pause
        self._is_stopped = is_stopped
        self._next = 0
        """Where the header stands of the first member that has not gone by."""
        self._spoilt: set[str] = set()
        """Members that came wrong once."""

    def parts(self) -> Iterator[ProvenPart]:
        """Give each wanted member as it is complete and right under its temporary name.

        Raises:
            IntegrityError: a member twice is not what it has to be, is not there, or the bundle is none of ours.
            DiskError: the disk refuses.
            PermanentError: the repository does not give it.
            TransientError: not through after all attempts.
        """
        attempt = 1
        while True:
            try:
                for part in self._round():
                    attempt = 1
                    yield part
            except BrokenOffError:
                raise
            except _SpoiltError as error:
                log.warning("%s; fetched once anew", error)
                self._traffic.tried_again()
            except TransientError as error:
                if attempt == self._attempts:
                    raise TransientError(f"{error} (attempt {attempt} of {self._attempts})") from error
                log.warning("%s; trying again (attempt %d of %d)", error, attempt + 1, self._attempts)
                self._pause(min(30.0, 2.0 ** (attempt - 1)))
                self._traffic.tried_again()
                attempt += 1
            else:
                return

    def _round(self) -> Iterator[ProvenPart]:
        runs = self._runs()
        for run in runs or [Run(self._next, frozenset())]:
            yield from self._read(run)
        if self._left:
            name = min(self._left)
            raise IntegrityError(
                f"{self._bundle.key}: expected {name!r} in it, found it not ({len(self._left)} such members)"
            )

    def _runs(self) -> list[Run] | None:
        """Say which places to read, where only some members are wanted and the repository gives parts of files."""
        if not self._left or not self._is_part or self._bundle.size_bytes < WORTH_ASKING_BYTES or self._next:
            return None
        infos = read_directory(self._bundle.key, self._bundle.size_bytes, self._open_at)
        if infos is None:
            return None
        offsets = {info.filename: info.header_offset for info in infos}
        sizes = {info.filename: info.compress_size + 1024 for info in infos}
        if not self._left.keys() <= offsets.keys():
            return None  # what lacks is told after the whole was read
        return runs_of(self._left, offsets, sizes)

    def _read(self, run: Run) -> Iterator[ProvenPart]:
        bundle = self._bundle
        if self._is_stopped():
            raise BrokenOffError(bundle.key)
        if self._left is not None and not self._left:
            return
        self._traffic.wait_begins(bundle.url)
        try:
            with self._open_at(run.offset) as opened:
                begins = opened.begins  # 0 where the repository gives the whole, whatever is asked for
                whole = (
                    hashlib.md5(usedforsecurity=False) if begins == 0 and self._left is None and bundle.md5 else None
                )
                with closing(opened.chunks(start=begins, chunk_bytes=CHUNK_BYTES, in_flight=1)) as chunks:
                    stream = ZipStream(
                        bundle.key, self._counted(chunks, whole), position=begins, size_bytes=bundle.size_bytes
                    )
                    yield from self._members(stream, run)
                    if whole is not None:
                        for _ in stream.rest():
                            pass
        finally:
            self._traffic.wait_ends()
        if whole is not None and whole.hexdigest() != bundle.md5:
            raise IntegrityError(
                f"{bundle.key}: expected md5 {bundle.md5}, as the repository lists it, found {whole.hexdigest()}"
            )

    def _counted(self, chunks: Iterator[bytes], whole: Any) -> Iterator[bytes]:
        for chunk in chunks:
            self._traffic.wait_ends()
            self._traffic.moved(len(chunk))
            if whole is not None:
                whole.update(chunk)
            yield chunk
            self._traffic.wait_begins(self._bundle.url)
            if self._is_stopped():
                raise BrokenOffError(self._bundle.key)

    def _members(self, stream: ZipStream, run: Run) -> Iterator[ProvenPart]:
        left = set(run.names)
        last: ProvenPart | None = None
        while (header := stream.next_header()) is not None:
            if last is not None:  # a file that is only called so
                yield last
                last = None
            if not run.names:
                self._next = max(self._next, header.offset)
            placed = self._wanted(header)
            if placed is None:
                stream.skip(header)
            elif self._left is None and MADE_HERE.fullmatch(header.name):
                last = self._take(stream, header, *placed)
            else:
                yield self._take(stream, header, *placed)
            left.discard(header.name)
            if (run.names and not left) or (self._left is not None and not self._left):
                return
        if last is not None:
            os.unlink(last.part)
        if not run.names:
            self._next = max(self._next, stream.position)

    def _wanted(self, header: Header) -> tuple[SourceFile, str] | None:
        if self._left is not None:
            return self._left.get(header.name)
        return None if header.offset < self._next else self._place(header)

    def _take(self, stream: ZipStream, header: Header, file: SourceFile, part: str) -> ProvenPart:
        """Write a member to its temporary name."""
        found_at = f"{self._bundle.key}, {header.name!r}"
        digests = Digests(*(checksum["algorithm"] for checksum in checksums_of(file)))
        try:
            mtime_ns = self._write(stream, header, part, digests)
            values = digests.values()
            if values["crc32"] != f"{header.crc32:08x}":
                raise IntegrityError(
                    f"{found_at}: expected crc32 {header.crc32:08x}, as the bundle says, found {values['crc32']}"
                )
            verify(file, size_bytes=digests.size_bytes, digests=values, found_at=found_at)
        except IntegrityError as error:
            if header.name in self._spoilt:
                raise
            self._spoilt.add(header.name)
            raise _SpoiltError(str(error)) from error
        if self._left is not None:
            del self._left[header.name]
        proof = Proof(file["key"], digests.size_bytes, mtime_ns, values, file["uri"])
        return ProvenPart(proof, part)

    def _write(self, stream: ZipStream, header: Header, part: str, digests: Digests) -> int:
        with _disk_told(part):
            target = os.open(part, _WRITE, 0o666)
        try:
            for piece in stream.content(header):
                write_all(target, piece, part)
                digests.update(piece)
            with _disk_told(part):
                return os.fstat(target).st_mtime_ns
        finally:
            os.close(target)


@contextmanager
def _disk_told(part: str) -> Iterator[None]:
    """Say what the disk refused; a full one is no place for half a file."""
    try:
        yield
    except OSError as error:
        if os.path.lexists(part):
            os.unlink(part)
        raise disk_error(part, "be written", error) from error
