"""Writing a bundle, and bringing right one that is there: one routine that writes only what does not lie right yet.

A bundle is worked on under the name `<key>.part` and gets its own name when all of it is on disk. What is found under
either name is not trusted: each member's header is compared with the one it must have at this place, and its bytes
are read and their CRC-32 compared (of a deflated member the Adler-32 of its packed bytes). That is one pass of
reading; it opens no file and writes nothing. What is right stays where it is, the rest is written from the files,
and what follows the last member is compared and replaced. So a bundle that was torn, or has a stale, missing or
foreign member, ends with the bytes of a fresh one, and so does one whose writing was killed at any moment: what is
left is a `.part`, and the next run finishes it.
"""

import errno
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from ferry.bundle_layout import BundleLayout, PackedMember, lay_out, stored
from ferry.compression import is_deflated
from ferry.deflated_members import Deflater, recall_packed, remember_packed
from ferry.errors import PermanentError
from ferry.package_plan import Member
from ferry.source_bytes import read_exactly, write_exactly
from ferry.stored_members import GROUP_BYTES, Place, Work, bring_right
from ferry.zip_format import DEFLATED, STORED, local_header_bytes

_MOST_WAITING = 64


@dataclass(frozen=True)
class Bundle:
    """A bundle that lies on disk, and what it took to get it there."""

    layout: BundleLayout
    work: Work


def write_bundle(*, path: Path, members: Sequence[Member], files_dir: Path, threads: int) -> Bundle:
    """Make `path` the bundle of these members, in this order; its bytes do not depend on the number of threads.

    Raises:
        IntegrityError: a file is not what the receipt of its download says. What is right of the bundle stays as
            `<path>.part`.
        PermanentError: the disk is full; the part is removed.
        OSError: the disk cannot be written; likewise, as what it holds is not known then.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(part)
    texts = [member for member in members if is_deflated(member, files_dir=files_dir)]
    notes = packed_notes(path)
    with removed_if_disk_fails(part), _opened(part) as target:
        writer = _Writer(target=target, files_dir=files_dir, threads=threads)
        layout = writer.write(members, texts, recall_packed(notes, texts))
        os.fsync(target)
        remember_packed(notes, layout.members, frozenset(member.key for member in texts))
        part.replace(path)
        sync_folder(path.parent)
    return Bundle(layout, writer.work)


def packed_notes(path: Path) -> Path:
    """Return where it is written down how the texts of a bundle are packed."""
    return path.with_name(path.name + ".packed.json")


class _Writer:
    """Walks through the members in order, gives each its place, and has it brought right by one of the threads."""

    def __init__(self, *, target: int, files_dir: Path, threads: int) -> None:
        self.work = Work()
        self._target = target
        self._found_bytes = os.fstat(target).st_size
        self._files_dir = files_dir
        self._threads = threads
        self._position = 0
        self._group: list[Place] = []
        self._waiting: deque[Future[Work]] = deque()

    def write(
        self, members: Sequence[Member], texts: Sequence[Member], recalled: Mapping[str, PackedMember]
    ) -> BundleLayout:
        """Bring every member right, then what follows them; `recalled` tells how texts were packed before."""
        text_keys = frozenset(member.key for member in texts)
        placed: list[PackedMember] = []
        pool = ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="pack")
        try:
            deflater = self._deflater([member for member in texts if member.key not in recalled], pool)
            for member in members:
                packed = recalled.get(member.key) if member.key in text_keys else stored(member)
                if packed is None:
                    packed = self._deflate(member, deflater)
                elif packed.method == DEFLATED and not self._lies_right(packed):
                    packed = self._deflate(member, self._deflater([member], pool))
                if packed.method == STORED:
                    self._store(packed, pool)
                self._position += len(packed.header) + packed.packed_bytes
                placed.append(packed)
            self._submit_group(pool)
            self._wait(0)
        finally:
            pool.shutdown(cancel_futures=True)
        layout = lay_out(placed)
        self._finish(layout)
        return layout

    def _deflater(self, members: Sequence[Member], pool: Executor) -> Deflater:
        return Deflater(members, files_dir=self._files_dir, pool=pool, threads=self._threads)

    def _deflate(self, member: Member, deflater: Deflater) -> PackedMember:
        start = self._position + local_header_bytes(name=member.key.encode(), size_bytes=member.size_bytes)
        written = 0

        def write(data: bytes, offset: int) -> None:
            nonlocal written
            write_exactly(self._target, data, offset=start + offset)
            written += len(data)

        packed = deflater.pack(member, write)
        if packed.method == DEFLATED:
            write_exactly(self._target, packed.header, offset=self._position)
            self.work += Work(member.size_bytes, written + len(packed.header), 1)
        return packed

    def _lies_right(self, packed: PackedMember) -> bool:
        header, data_bytes = packed.header, packed.packed_bytes
        start = self._position + len(header)
        if start + data_bytes > self._found_bytes or os.pread(self._target, len(header), self._position) != header:
            return False
        adler32 = 1
        buffer = memoryview(bytearray(min(GROUP_BYTES, data_bytes)))
        for offset in range(0, data_bytes, GROUP_BYTES):
            piece = buffer[: min(GROUP_BYTES, data_bytes - offset)]
            read_exactly(self._target, piece, offset=start + offset, name=packed.member.key)
            adler32 = isal_zlib.adler32(piece, adler32)
        self.work += Work(len(header) + data_bytes)
        return adler32 == packed.packed_adler32

    def _store(self, packed: PackedMember, pool: Executor) -> None:
        place = Place(packed, self._position, packed.header)
        adjacent = self._group and self._group[-1].end == place.offset
        if not adjacent or place.end - self._group[0].offset > GROUP_BYTES:
            self._submit_group(pool)
        self._group.append(place)

    def _submit_group(self, pool: Executor) -> None:
        if self._group:
            self._wait(_MOST_WAITING)
            self._waiting.append(
                pool.submit(
                    bring_right,
                    self._group,
                    target=self._target,
                    found_bytes=self._found_bytes,
                    files_dir=self._files_dir,
                )
            )
            self._group = []

    def _wait(self, left: int) -> None:
        while len(self._waiting) > left:
            self.work += self._waiting.popleft().result()

    def _finish(self, layout: BundleLayout) -> None:
        tail_bytes = len(layout.tail)
        found = b""
        if self._found_bytes >= layout.size_bytes:
            found = os.pread(self._target, tail_bytes, layout.tail_offset)
        if found != layout.tail:
            write_exactly(self._target, layout.tail, offset=layout.tail_offset)
            self.work += Work(len(found), tail_bytes, 0)
        if self._found_bytes > layout.size_bytes:
            os.ftruncate(self._target, layout.size_bytes)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield target
    finally:
        os.close(target)


@contextmanager
def removed_if_disk_fails(part: Path) -> Iterator[None]:
    """Remove what is being written when the disk refuses: the space is needed, and what it holds is not known.

    Raises:
        PermanentError: no space left, in place of the OSError that says so.
    """
    try:
        yield
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PermanentError(
                f"{part}: the disk is full ({error.strerror}); free some space, or generate bundles while they are "
                "uploaded (package.mode: stream), and run again"
            ) from error
        raise


def sync_folder(path: Path) -> None:
    """Have the names in a folder on disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
