"""Writing a bundle, and bringing right one that is there: one routine that writes only what does not lie right yet.

A bundle is worked on under the name `<key>.part` and gets its own name when all of it is on disk. What is found under
either name is not trusted: each member's header is compared with the one it must have at this place, and its bytes
are read and their CRC-32 compared (of a deflated member the Adler-32 of its packed bytes). That is one pass of
reading; it opens no file and writes nothing. What is right stays where it is, the rest is written from the files,
and what follows the last member is compared and replaced. So a bundle that was torn, or has a stale, missing or
foreign member, ends with the bytes of a fresh one, and so does one whose writing was killed at any moment: what is
left is a `.part`, and the next run finishes it.
"""

import os
from collections import deque
from collections.abc import Container, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ferry.bundle.compression import is_deflated
from ferry.bundle.deflated import Deflater, deflating, packed_notes, remember_packed
from ferry.bundle.layout import BundleLayout, PackedMember, lay_out, stored
from ferry.bundle.member_files import check_source, write_exactly
from ferry.bundle.plan import Member
from ferry.bundle.stored import GROUP_BYTES, Place, Work, rewrite_wrong
from ferry.bundle.zip_format import DEFLATED, local_header_bytes
from ferry.files import part_file

_MOST_WAITING = 64


@dataclass(frozen=True)
class Bundle:
    """A bundle that lies on disk, and what it took to get it there."""

    layout: BundleLayout
    work: Work


def write_bundle(
    *, path: Path, members: Sequence[Member], files_dir: Path, threads: int, most_ratio: int | None = None
) -> Bundle:
    """Make `path` the bundle of these members, in this order; its bytes do not depend on the number of threads.

    A text that deflate makes smaller by more than `most_ratio` is stored as it is.

    Raises:
        IntegrityError: a file is not what the receipt of its download says. What is right of the bundle stays as
            `<path>.part`.
        PermanentError: the disk is full; the part is removed.
        OSError: the disk cannot be written; likewise, as what it holds is not known then.
    """
    texts = [member for member in members if is_deflated(member, files_dir=files_dir)]
    keys = {text.key for text in texts}
    with part_file(path) as target:
        with deflating(
            texts, bundle_path=path, target=target, files_dir=files_dir, threads=threads, most_ratio=most_ratio
        ) as deflater:
            writer = _Writer(target=target, files_dir=files_dir, deflater=deflater)
            layout = writer.write(members, keys)
        # before the bundle has its name: one without notes would have its texts packed again to check it
        noted = [packed for packed in layout.members if packed.member.key in keys]
        remember_packed(packed_notes(path), noted, most_ratio=most_ratio)
    return Bundle(layout, writer.work + deflater.work)


class _Writer:
    """Walks through the members in order, gives each its place, and has it brought right by one of the threads."""

    def __init__(self, *, target: int, files_dir: Path, deflater: Deflater) -> None:
        self.work = Work()
        self._target = target
        self._found_bytes = os.fstat(target).st_size
        self._files_dir = files_dir
        self._pool = deflater.pool
        self._deflater = deflater
        self._group: list[Place] = []
        self._waiting: deque[Future[Work]] = deque()

    def write(self, members: Sequence[Member], texts: Container[str]) -> BundleLayout:
        """Bring every member right, then what follows the last one; `texts` are the keys of those to be deflated."""
        placed: list[PackedMember] = []
        position = 0
        for member in members:
            packed = stored(member)
            if member.key in texts:
                body = position + local_header_bytes(name=member.key.encode(), size_bytes=member.size_bytes)
                packed = self._deflater.place(member, offset=body)
            if packed.method == DEFLATED:
                self._ensure(packed.header, offset=position)
            else:
                self._store(packed, position)
            position += len(packed.header) + packed.packed_bytes
            placed.append(packed)
        self._submit_group()
        self._wait(0)
        layout = lay_out(placed)
        self._ensure(layout.tail, offset=layout.tail_offset)
        if os.fstat(self._target).st_size != layout.size_bytes:
            os.ftruncate(self._target, layout.size_bytes)
        return layout

    def _store(self, packed: PackedMember, position: int) -> None:
        place = Place(packed, position)
        adjacent = self._group and self._group[-1].end == place.offset
        if not adjacent or place.end - self._group[0].offset > GROUP_BYTES:
            self._submit_group()
        self._group.append(place)

    def _submit_group(self) -> None:
        if self._group:
            self._wait(_MOST_WAITING)
            self._waiting.append(
                self._pool.submit(
                    rewrite_wrong,
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

    def _ensure(self, expected: bytes, *, offset: int) -> None:
        """Write bytes that are known without any file, unless they are there."""
        if self._found_bytes >= offset + len(expected):
            self.work += Work(bytes_read=len(expected))
            if os.pread(self._target, len(expected), offset) == expected:
                return
        write_exactly(self._target, expected, offset=offset)
        self.work += Work(bytes_written=len(expected))


def prepare_bundle(
    *, path: Path, members: Sequence[Member], files_dir: Path, threads: int, most_ratio: int | None = None
) -> Bundle:
    """Make ready to generate the bundle `path`, of the same bytes as `write_bundle` would write.

    Only texts are read. Of the others it is seen that they are there and have their length; their bytes are checked
    when they are uploaded.

    Raises:
        IntegrityError: a file is missing or not what the receipt of its download says.
        PermanentError: the disk is full.
        OSError: the disk cannot be read or written.
    """
    for member in members:
        check_source(member, files_dir=files_dir)
    packed = {member.key: stored(member) for member in members}
    texts = [member for member in members if is_deflated(member, files_dir=files_dir)]
    work = Work()
    if texts:
        placed, work = _pack_texts(texts, path=path, files_dir=files_dir, threads=threads, most_ratio=most_ratio)
        packed |= {text.member.key: text for text in placed}
    return Bundle(lay_out([packed[member.key] for member in members]), work)


def texts_path(bundle_path: Path) -> Path:
    """Return where the packed texts of a bundle lie that is not on disk itself."""
    return bundle_path.with_name(bundle_path.name + ".deflated")


def _pack_texts(
    texts: Sequence[Member], *, path: Path, files_dir: Path, threads: int, most_ratio: int | None
) -> tuple[list[PackedMember], Work]:
    placed, position = [], 0
    with part_file(texts_path(path)) as target:
        with deflating(
            texts, bundle_path=path, target=target, files_dir=files_dir, threads=threads, most_ratio=most_ratio
        ) as deflater:
            for text in texts:
                packed = deflater.place(text, offset=position)
                if packed.method == DEFLATED:
                    position += packed.packed_bytes
                placed.append(packed)
        os.ftruncate(target, position)
    remember_packed(packed_notes(path), placed, most_ratio=most_ratio)
    return placed, deflater.work
