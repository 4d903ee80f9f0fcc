"""Writing a bundle: each file is read once, its bytes are checked on the way into the archive.

A bundle is written under the name `<key>.part` and renamed when all of it is on disk, so its own name always means
all of it; after a kill the next run writes it anew, with the same bytes.
"""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from isal import isal_zlib

from ferry.bundle_layout import BundleLayout, PackedMember, deflated, lay_out, stored
from ferry.combined_checksums import combine_adler32
from ferry.compression import Block, block_ranges, deflate_block, is_deflated
from ferry.package_plan import Member
from ferry.source_bytes import check_crc32, open_source, read_exactly, write_exactly
from ferry.zip_format import local_header_bytes

COPY_BYTES = 1 << 20
"""Stored members are read, checked and written in pieces of this length."""
MOST_AHEAD = 64
"""Members or blocks in work at once: bounds memory to about this many MiB."""


def write_bundle(*, path: Path, members: Sequence[Member], files_dir: Path, threads: int) -> BundleLayout:
    """Write the bundle of these members, in this order, by so many threads; the bytes do not depend on their number.

    Raises:
        IntegrityError: a file is not what the receipt of its download says; no bundle is left under its name.
        OSError: disk full; likewise.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            packed = _write_members(pool, target, members, files_dir)
        layout = lay_out(packed)
        write_exactly(target, layout.tail, offset=layout.tail_offset)
        os.ftruncate(target, layout.size_bytes)
        os.fsync(target)
        part.replace(path)
    finally:
        os.close(target)
        part.unlink(missing_ok=True)
    return layout


def _write_members(
    pool: ThreadPoolExecutor, target: int, members: Sequence[Member], files_dir: Path
) -> list[PackedMember]:
    packed: list[PackedMember] = []
    copies: deque[Future[None]] = deque()
    position = 0
    try:
        for member in members:
            done = (
                _deflate(pool, target, member, files_dir, position)
                if is_deflated(member, files_dir=files_dir)
                else None
            )
            if done is None:
                done = stored(member)
                if len(copies) >= MOST_AHEAD:
                    copies.popleft().result()
                copies.append(pool.submit(_copy, target, done, files_dir, position))
            packed.append(done)
            position += len(done.header) + done.packed_bytes
        while copies:
            copies.popleft().result()
    finally:
        for copy in copies:  # one failed: the others must not write to a file that is closed
            copy.cancel()
    return packed


def _copy(target: int, packed: PackedMember, files_dir: Path, position: int) -> None:
    member, header = packed.member, packed.header
    crc32 = 0
    buffer = memoryview(bytearray(min(COPY_BYTES, max(1, member.size_bytes))))
    write_exactly(target, header, offset=position)
    position += len(header)
    with open_source(member, files_dir=files_dir) as source:
        for offset in range(0, member.size_bytes, COPY_BYTES):
            piece = buffer[: min(COPY_BYTES, member.size_bytes - offset)]
            read_exactly(source, piece, offset=offset, name=member.key)
            crc32 = isal_zlib.crc32(piece, crc32)
            write_exactly(target, piece, offset=position + offset)
    check_crc32(member, crc32)


def _deflate(
    pool: ThreadPoolExecutor, target: int, member: Member, files_dir: Path, position: int
) -> PackedMember | None:
    """Pack a member block by block; None if that does not make it smaller (it is stored over what was written)."""
    start = position + local_header_bytes(name=member.key.encode(), size_bytes=member.size_bytes)
    blocks: deque[Future[Block]] = deque()
    ranges = block_ranges(member.size_bytes)
    crc32, packed_bytes, packed_adler32 = 0, 0, 1
    while True:
        while len(blocks) < MOST_AHEAD and (following := next(ranges, None)) is not None:
            offset, length, last = following
            blocks.append(
                pool.submit(deflate_block, member, files_dir=files_dir, offset=offset, length=length, last=last)
            )
        if not blocks:
            break
        block = blocks.popleft().result()
        if packed_bytes + len(block.packed) < member.size_bytes:
            write_exactly(target, block.packed, offset=start + packed_bytes)
        packed_adler32 = combine_adler32(packed_adler32, isal_zlib.adler32(block.packed), len(block.packed))
        packed_bytes += len(block.packed)
        crc32 = isal_zlib.crc32_combine(crc32, block.crc32, block.size_bytes)
    check_crc32(member, crc32)
    if packed_bytes >= member.size_bytes:
        return None
    packed = deflated(member, packed_bytes=packed_bytes, packed_adler32=packed_adler32)
    write_exactly(target, packed.header, offset=position)
    return packed
