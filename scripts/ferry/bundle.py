"""Writing a bundle, and bringing an existing one right: one routine that writes only what is not there yet.

A bundle is worked on under the name `<key>.part` and renamed when it is on disk, so its own name always means all of
it. What is found under either name is not trusted: each member's header is compared byte by byte with the one it must
have at this place, and its bytes are read and their CRC-32 (of a deflated member the Adler-32 of the packed bytes)
compared. That costs one pass of reading and neither opens the sources nor writes anything. What is right stays, the
rest is written from the files, and what follows the last member is compared and replaced. A kill at any moment leaves
a `.part` that the next run finishes in the same way, with the same bytes.
"""

import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from isal import isal_zlib

from ferry.bundle_layout import BundleLayout, PackedMember, deflated, lay_out, stored
from ferry.combined_checksums import combine_adler32
from ferry.compression import Block, block_ranges, deflate_block
from ferry.package_plan import Member
from ferry.source_bytes import check_crc32, open_source, read_exactly, write_exactly

log = logging.getLogger(__name__)

GROUP_BYTES = 1 << 20
"""Small members are read, checked and written together up to this many bytes; larger ones in pieces of it."""


@dataclass(frozen=True)
class Work:
    """What it took; bytes read count both the files and what was found of the bundle."""

    bytes_read: int = 0
    bytes_written: int = 0
    members_written: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
            self.members_written + other.members_written,
        )
