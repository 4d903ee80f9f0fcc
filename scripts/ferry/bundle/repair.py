"""Bringing right the one place of a bundle where a reading found it damaged; no other byte of it is looked at.

Whoever reads a bundle to send it proves each member on the way. What is wrong there is known by its place, and takes
the time of one member to write again, not that of reading or writing the bundle.
"""

import os
from bisect import bisect_right
from pathlib import Path

from isal import isal_zlib

from ferry.bundle.compression import block_ranges, deflate_block
from ferry.bundle.layout import BundleLayout, PackedMember
from ferry.bundle.member_files import AGAIN, BytesError, write_exactly
from ferry.bundle.stored import Place, rewrite_wrong
from ferry.bundle.zip_format import DEFLATED


def repair_bundle(path: Path, layout: BundleLayout, *, files_dir: Path, offset: int) -> None:
    """Write anew, from its file, the member at this place of a bundle on disk, or what follows the last member.

    A kill on the way leaves the member as wrong as it was: the next reading finds it again.

    Args:
        path: of the bundle, which has its whole length.
        layout: what it must be.
        files_dir: where the members' files lie.
        offset: in the bundle, anywhere in the member or its header.

    Raises:
        BytesError: the member's file is not what its receipt says, or is packed differently now.
    """
    target = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if offset >= layout.tail_offset:
            write_exactly(target, layout.tail, offset=layout.tail_offset)
        else:
            index = bisect_right(layout.offsets, offset) - 1
            _write_member(layout.members[index], layout.offsets[index], target=target, files_dir=files_dir)
        os.fsync(target)
    finally:
        os.close(target)


def _write_member(packed: PackedMember, offset: int, *, target: int, files_dir: Path) -> None:
    if packed.method == DEFLATED:
        _write_text(packed, offset, target=target, files_dir=files_dir)
    else:
        rewrite_wrong([Place(packed, offset)], target=target, found_bytes=0, files_dir=files_dir)


def _write_text(packed: PackedMember, offset: int, *, target: int, files_dir: Path) -> None:
    write_exactly(target, packed.header, offset=offset)
    body, done, adler32 = offset + len(packed.header), 0, 1
    for start, length, last in block_ranges(packed.member.size_bytes):
        block = deflate_block(packed.member, files_dir=files_dir, offset=start, length=length, last=last)
        if done + len(block.packed) <= packed.packed_bytes:  # the next member begins there
            write_exactly(target, block.packed, offset=body + done)
        done += len(block.packed)
        adler32 = isal_zlib.adler32(block.packed, adler32)
    if (done, adler32) != (packed.packed_bytes, packed.packed_adler32):
        raise BytesError(
            f"{packed.member.key}: expected {packed.packed_bytes} bytes, adler32 {packed.packed_adler32:08x} when "
            f"packed again, found {done} bytes, adler32 {adler32:08x}: the file or the packer changed; {AGAIN}"
        )
