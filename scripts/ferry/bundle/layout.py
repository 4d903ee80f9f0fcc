"""Where each byte of a bundle lies: known from its members' sizes and checksums alone.

A bundle is a zip archive: the members sorted by key, then a member MANIFEST, then the central directory. MANIFEST
comes last so that a change of one member leaves the bytes before it where they are. It gives key, size, Adler-32
and CRC-32 of each member. It has no MD5: that would have to be known before the bytes are sent, so every file would
be read once more at 0.7 GB/s only to hash it, where packing runs at the speed of a copy; an MD5, unlike the two
others, can neither be taken from the download nor be combined from parts. The MD5 of the whole bundle is computed
while it is uploaded, and compared with what the repository computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from zlib import adler32 as adler32_of
from zlib import crc32 as crc32_of

from ferry.bundle.plan import Member
from ferry.bundle.zip_format import (
    DEFLATED,
    MANIFEST_HEAD,
    STORED,
    central_entry,
    end_records,
    local_header,
    manifest_line,
)
from ferry.checksums import combine_adler32


@dataclass(frozen=True, slots=True)
class PackedMember:
    """A member as it lies in the bundle."""

    member: Member
    method: int
    """`zip_format.STORED` or `DEFLATED`."""
    packed_bytes: int
    packed_adler32: int
    header: bytes
    """The local header."""


def stored(member: Member) -> PackedMember:
    """Return the member packed as it is."""
    return _packed(member, STORED, member.size_bytes, member.adler32)


def deflated(member: Member, *, packed_bytes: int, packed_adler32: int) -> PackedMember:
    """Return the member packed by deflate; the length and Adler-32 are those of the packed bytes."""
    return _packed(member, DEFLATED, packed_bytes, packed_adler32)


def _packed(member: Member, method: int, packed_bytes: int, packed_adler32: int) -> PackedMember:
    header = local_header(
        name=member.key.encode(),
        method=method,
        crc32=member.crc32,
        size_bytes=member.size_bytes,
        packed_bytes=packed_bytes,
    )
    return PackedMember(member, method, packed_bytes, packed_adler32, header)


@dataclass(frozen=True)
class BundleLayout:
    """The whole bundle but for the members' own bytes."""

    members: tuple[PackedMember, ...]
    offsets: tuple[int, ...]
    """Where each member's local header starts."""
    tail_offset: int
    tail: bytes
    """Everything behind the last member: MANIFEST, central directory, end records."""
    adler32: int
    """Of the whole bundle."""

    @property
    def size_bytes(self) -> int:
        """Length of the whole bundle."""
        return self.tail_offset + len(self.tail)


def lay_out(members: Sequence[PackedMember]) -> BundleLayout:
    """Place the members one behind the other, in the given order."""
    offsets: list[int] = []
    directory: list[bytes] = []
    lines = [MANIFEST_HEAD]
    position, adler32 = 0, 1
    for packed in members:
        member, header = packed.member, packed.header
        offsets.append(position)
        directory.append(_entry(packed, offset=position))
        lines.append(
            manifest_line(key=member.key, size_bytes=member.size_bytes, adler32=member.adler32, crc32=member.crc32)
        )
        adler32 = combine_adler32(adler32, adler32_of(header), len(header))
        adler32 = combine_adler32(adler32, packed.packed_adler32, packed.packed_bytes)
        position += len(header) + packed.packed_bytes
    content = b"".join(lines)
    name = _manifest_name([packed.member.key for packed in members])
    manifest = stored(Member(name, len(content), adler32_of(content), crc32_of(content)))
    directory.append(_entry(manifest, offset=position))
    head = manifest.header + content
    joined = b"".join(directory)
    end = end_records(members=len(directory), directory_offset=position + len(head), directory_bytes=len(joined))
    tail = head + joined + end
    return BundleLayout(
        members=tuple(members),
        offsets=tuple(offsets),
        tail_offset=position,
        tail=tail,
        adler32=combine_adler32(adler32, adler32_of(tail), len(tail)),
    )


def _entry(packed: PackedMember, *, offset: int) -> bytes:
    member = packed.member
    return central_entry(
        name=member.key.encode(),
        method=packed.method,
        crc32=member.crc32,
        size_bytes=member.size_bytes,
        packed_bytes=packed.packed_bytes,
        offset=offset,
    )


def _manifest_name(keys: Sequence[str]) -> str:
    """Return MANIFEST, or MANIFEST-2 … where a member (or its folder) has that name in any case."""
    taken = {key.split("/", 1)[0].casefold() for key in keys}
    names = (f"MANIFEST-{number}" if number > 1 else "MANIFEST" for number in count(1))
    return next(name for name in names if name.casefold() not in taken)
