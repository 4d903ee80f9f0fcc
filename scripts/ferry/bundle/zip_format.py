"""The bytes of a zip archive (PKWARE APPNOTE 6.3), the same on every machine.

Python's `zipfile` writes a member's length only after its bytes, or needs to seek; here every header is made from
numbers known beforehand, so an archive has an exact length before it exists and can be made from any offset.

Fixed for every member: date 1980-01-01 00:00, made by Unix, a plain file with mode 0644, names in UTF-8 and marked
so. No other bit tells of the machine. (Made by "MS-DOS" would be plainer, but unzip then turns each `\\` of a name
into `/`.)
"""

import struct

STORED = 0
DEFLATED = 8

_DOS_DATE = 1 << 5 | 1  # 1980-01-01, the earliest date that the format knows
_UTF8_NAMES = 0x0800
_MADE_BY_UNIX = 3 << 8
_MODE_0644 = 0o100644 << 16
_PLAIN, _ZIP64 = 20, 45  # version needed to extract
_MAX32 = 0xFFFFFFFF
_MAX16 = 0xFFFF

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")


def local_header(*, name: bytes, method: int, crc32: int, size_bytes: int, packed_bytes: int) -> bytes:
    """Return what precedes a member's bytes: `name` in UTF-8, its length unpacked and as it lies in the archive."""
    extra, needed, small, packed = b"", _PLAIN, size_bytes, packed_bytes
    if size_bytes >= _MAX32 or packed_bytes >= _MAX32:
        extra = struct.pack("<2H2Q", 1, 16, size_bytes, packed_bytes)
        needed, small, packed = _ZIP64, _MAX32, _MAX32
    fixed = _LOCAL.pack(
        b"PK\x03\x04", needed, _UTF8_NAMES, method, 0, _DOS_DATE, crc32, packed, small, len(name), len(extra)
    )
    return fixed + name + extra


def local_header_bytes(*, name: bytes, size_bytes: int) -> int:
    """Return the length of a member's local header; packed bytes are never more than the unpacked ones here."""
    return _LOCAL.size + len(name) + (20 if size_bytes >= _MAX32 else 0)


def central_entry(*, name: bytes, method: int, crc32: int, size_bytes: int, packed_bytes: int, offset: int) -> bytes:
    """Return a member's entry in the central directory; `offset` is where its local header starts."""
    wide = [value for value in (size_bytes, packed_bytes, offset) if value >= _MAX32]
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    needed = _ZIP64 if wide else _PLAIN
    fixed = _CENTRAL.pack(
        b"PK\x01\x02", _MADE_BY_UNIX | needed, needed, _UTF8_NAMES, method, 0, _DOS_DATE, crc32,
        min(packed_bytes, _MAX32), min(size_bytes, _MAX32), len(name), len(extra), 0, 0, 0, _MODE_0644,
        min(offset, _MAX32),
    )  # fmt: skip
    return fixed + name + extra


def end_records(*, members: int, directory_offset: int, directory_bytes: int) -> bytes:
    """Return what follows the central directory; with zip64 records only where the old ones are too narrow."""
    end = _END.pack(
        b"PK\x05\x06", 0, 0, min(members, _MAX16), min(members, _MAX16),
        min(directory_bytes, _MAX32), min(directory_offset, _MAX32), 0,
    )  # fmt: skip
    if members < _MAX16 and directory_bytes < _MAX32 and directory_offset < _MAX32:
        return end
    end64 = _END64.pack(
        b"PK\x06\x06", _END64.size - 12, _MADE_BY_UNIX | _ZIP64, _ZIP64, 0, 0,
        members, members, directory_bytes, directory_offset,
    )  # fmt: skip
    locator = _LOCATOR64.pack(b"PK\x06\x07", 0, directory_offset + directory_bytes, 1)
    return end64 + locator + end


def manifest_line(*, key: str, size_bytes: int, adler32: int, crc32: int) -> bytes:
    """Return a member's line of the manifest; a backslash, tab or line break of a key is escaped as in C."""
    escaped = key.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return f"{escaped}\t{size_bytes}\t{adler32:08x}\t{crc32:08x}\n".encode()


MANIFEST_HEAD = b"key\tsize_bytes\tadler32\tcrc32\n"


def largest_member_overhead(key: str) -> int:
    """Return the most bytes that a member takes in a bundle beside its own."""
    line = manifest_line(key=key, size_bytes=10**18, adler32=_MAX32, crc32=_MAX32)
    return _LOCAL.size + 20 + _CENTRAL.size + 28 + 2 * len(key.encode()) + len(line)


def largest_bundle_overhead() -> int:
    """Return the most bytes that a bundle takes beside its members: the manifest's frame and the end records."""
    frame = _LOCAL.size + 20 + _CENTRAL.size + 28 + 2 * 255 + len(MANIFEST_HEAD)
    return frame + _END.size + _END64.size + _LOCATOR64.size
