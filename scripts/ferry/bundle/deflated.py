"""Members that lie in a bundle deflated: packed ahead by several threads, taken in order; remembered beside it."""

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from isal import isal_zlib

from ferry.bundle.compression import BLOCK_BYTES, CODEC, Block, block_count, block_ranges, deflate_block
from ferry.bundle.layout import PackedMember, deflated, stored
from ferry.bundle.member_files import check_crc32, read_exactly, write_exactly
from ferry.bundle.plan import Member
from ferry.bundle.stored import Work
from ferry.bundle.zip_format import DEFLATED
from ferry.receipts import write_json

_MOST_AHEAD = 64
_BYTES_AHEAD = 16 << 20
"""Of blocks that are worked on while earlier ones are written; there are always enough for every thread."""


@contextmanager
def deflating(
    texts: Sequence[Member],
    *,
    bundle_path: Path,
    target: int,
    files_dir: Path,
    threads: int,
    most_ratio: int | None = None,
) -> Iterator["Deflater"]:
    """Give a deflater of these texts that has threads of its own and knows how they were packed before.

    A text that deflate makes smaller by more than `most_ratio` is stored as it is.
    """
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="pack")
    recalled = _recall_packed(packed_notes(bundle_path), texts, _codec(most_ratio))
    try:
        yield Deflater(
            texts, recalled=recalled, target=target, files_dir=files_dir, pool=pool, threads=threads,
            most_ratio=most_ratio,
        )  # fmt: skip
    finally:
        pool.shutdown(cancel_futures=True)


class Deflater:
    """Puts texts in their places, in order; blocks of the following ones are worked on ahead, a few at a time."""

    def __init__(
        self,
        texts: Sequence[Member],
        *,
        recalled: Mapping[str, PackedMember],
        target: int,
        files_dir: Path,
        pool: Executor,
        threads: int,
        most_ratio: int | None = None,
    ) -> None:
        """`recalled` tells how texts were packed before; `target` is the descriptor of what is written to."""
        self.work = Work()
        self.pool = pool
        self._recalled = recalled
        self._target = target
        self._found_bytes = os.fstat(target).st_size
        self._files_dir = files_dir
        self._threads = threads
        self._most_ratio = most_ratio
        self._fresh = self._blocks([text for text in texts if text.key not in recalled])

    def place(self, text: Member, *, offset: int) -> PackedMember:
        """See to it that the packed bytes of the next text lie at the offset.

        A text that deflate does not make smaller, or by more than it may, comes back as a stored member: nothing that
        counts lies there then, and at most as many bytes as the member has were written over.

        Raises:
            IntegrityError: the file is not what its receipt says.
        """
        packed = self._recalled.get(text.key)
        if packed is None:
            return self._pack(text, self._fresh, offset)
        if packed.method == DEFLATED and not self._lies_at(offset, packed):
            return self._pack(text, self._blocks([text]), offset)
        return packed

    def _blocks(self, texts: Sequence[Member]) -> Iterator[Block]:
        pieces = ((text, piece) for text in texts for piece in block_ranges(text.size_bytes))
        waiting: deque[Future[Block]] = deque()
        bytes_ahead = 0
        for text, (offset, length, last) in pieces:
            while len(waiting) > self._threads and (len(waiting) >= _MOST_AHEAD or bytes_ahead >= _BYTES_AHEAD):
                block = waiting.popleft().result()
                bytes_ahead -= block.size_bytes
                yield block
            waiting.append(
                self.pool.submit(
                    deflate_block, text, files_dir=self._files_dir, offset=offset, length=length, last=last
                )
            )
            bytes_ahead += length
        while waiting:
            yield waiting.popleft().result()

    def _pack(self, text: Member, blocks: Iterator[Block], offset: int) -> PackedMember:
        crc32, packed_bytes, packed_adler32 = 0, 0, 1
        for block in islice(blocks, block_count(text.size_bytes)):
            if packed_bytes + len(block.packed) < text.size_bytes:
                write_exactly(self._target, block.packed, offset=offset + packed_bytes)
                self.work += Work(bytes_written=len(block.packed))
            packed_bytes += len(block.packed)
            packed_adler32 = isal_zlib.adler32(block.packed, packed_adler32)
            crc32 = isal_zlib.crc32_combine(crc32, block.crc32, block.size_bytes)
        check_crc32(text, crc32)
        if packed_bytes >= text.size_bytes or self._is_beyond_ratio(text, packed_bytes):
            self.work += Work(bytes_read=text.size_bytes)
            return stored(text)
        self.work += Work(bytes_read=text.size_bytes, members_written=1)
        return deflated(text, packed_bytes=packed_bytes, packed_adler32=packed_adler32)

    def _is_beyond_ratio(self, text: Member, packed_bytes: int) -> bool:
        return self._most_ratio is not None and text.size_bytes > self._most_ratio * packed_bytes

    def _lies_at(self, offset: int, packed: PackedMember) -> bool:
        if offset + packed.packed_bytes > self._found_bytes:
            return False
        buffer = memoryview(bytearray(min(BLOCK_BYTES, packed.packed_bytes)))
        adler32 = 1
        for at in range(0, packed.packed_bytes, BLOCK_BYTES):
            piece = buffer[: min(BLOCK_BYTES, packed.packed_bytes - at)]
            read_exactly(self._target, piece, offset=offset + at, name=packed.member.key)
            adler32 = isal_zlib.adler32(piece, adler32)
        self.work += Work(bytes_read=packed.packed_bytes)
        return adler32 == packed.packed_adler32


def packed_notes(bundle_path: Path) -> Path:
    """Return where it is written down how the texts of a bundle are packed."""
    return bundle_path.with_name(bundle_path.name + ".packed.json")


def _codec(most_ratio: int | None) -> str:
    return CODEC if most_ratio is None else f"{CODEC}, at most {most_ratio} to 1"


def remember_packed(path: Path, texts: Sequence[PackedMember], *, most_ratio: int | None = None) -> None:
    """Write down beside a bundle how its texts were packed, so that they can be checked where they lie."""
    if texts:
        packed = {text.member.key: [*_identity(text.member), *_packed(text)] for text in texts}
        write_json(path, {"codec": _codec(most_ratio), "members": packed})


def _recall_packed(path: Path, texts: Sequence[Member], codec: str) -> Mapping[str, PackedMember]:
    """Return how these texts are packed, as far as it was written down for just these bytes and this codec.

    The file is only a hint where to look: what lies there is compared with its checksum before it counts.
    """
    try:
        document = json.loads(path.read_bytes())
        if document["codec"] != codec:
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
