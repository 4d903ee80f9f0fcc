"""Members that lie in a bundle deflated: packed ahead by several threads, taken in order; remembered beside it."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from pathlib import Path

from isal import isal_zlib

from ferry.bundle_layout import PackedMember, deflated, stored
from ferry.compression import BLOCK_BYTES, CODEC, Block, block_ranges, deflate_block
from ferry.package_plan import Member
from ferry.receipts import write_json
from ferry.source_bytes import check_crc32
from ferry.zip_format import DEFLATED

Write = Callable[[bytes, int], None]
"""Takes packed bytes and their offset from the start of the member's packed bytes."""


class Deflater:
    """Packs members in the given order; blocks of the following ones are worked on ahead, a few at a time."""

    def __init__(self, members: Iterable[Member], *, files_dir: Path, pool: Executor, threads: int) -> None:
        tasks = (
            pool.submit(deflate_block, member, files_dir=files_dir, offset=offset, length=length, last=last)
            for member in members
            for offset, length, last in block_ranges(member.size_bytes)
        )
        self._blocks = _ahead(tasks, 4 * threads)

    def pack(self, member: Member, write: Write) -> PackedMember:
        """Give the packed bytes of the next member to `write`.

        A member that deflate does not make smaller comes back as a stored one: what was written is then to be
        written over (it is shorter than the member).

        Raises:
            IntegrityError: the file is not what its receipt says.
        """
        crc32, packed_bytes, packed_adler32 = 0, 0, 1
        count = -(-member.size_bytes // BLOCK_BYTES)
        for block in islice(self._blocks, count):
            if packed_bytes + len(block.packed) < member.size_bytes:
                write(block.packed, packed_bytes)
            packed_bytes += len(block.packed)
            packed_adler32 = isal_zlib.adler32(block.packed, packed_adler32)
            crc32 = isal_zlib.crc32_combine(crc32, block.crc32, block.size_bytes)
        check_crc32(member, crc32)
        if packed_bytes >= member.size_bytes:
            return stored(member)
        return deflated(member, packed_bytes=packed_bytes, packed_adler32=packed_adler32)


def _ahead(tasks: Iterator[Future[Block]], count: int) -> Iterator[Block]:
    waiting = deque(islice(tasks, count))
    while waiting:
        block = waiting.popleft().result()
        waiting.extend(islice(tasks, 1))
        yield block


def remember_packed(path: Path, members: Sequence[PackedMember], texts: frozenset[str]) -> None:
    """Write down beside a bundle how its texts were packed, so that they can be checked where they lie."""
    if not texts:
        path.unlink(missing_ok=True)
        return
    packed = {p.member.key: [*_identity(p.member), *_packed(p)] for p in members if p.member.key in texts}
    write_json(path, {"codec": CODEC, "members": packed})


def recall_packed(path: Path, texts: Sequence[Member]) -> Mapping[str, PackedMember]:
    """Return how these texts are packed, as far as it was written down for just these bytes and this codec.

    The file is only a hint where to look: what lies there is compared with its checksum before it counts.
    """
    try:
        document = json.loads(path.read_bytes())
        if document["codec"] != CODEC:
            return {}
        written = document["members"]
        return {
            member.key: _recalled(member, *written[member.key][3:])
            for member in texts
            if written.get(member.key, [])[:3] == _identity(member)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _identity(member: Member) -> list[int]:
    return [member.size_bytes, member.crc32, member.adler32]


def _packed(packed: PackedMember) -> list[int]:
    return [packed.packed_bytes, packed.packed_adler32] if packed.method == DEFLATED else []


def _recalled(member: Member, *packed: int) -> PackedMember:
    if not packed:
        return stored(member)
    packed_bytes, packed_adler32 = packed
    return deflated(member, packed_bytes=packed_bytes, packed_adler32=packed_adler32)
