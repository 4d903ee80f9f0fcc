"""How much disk a record takes at most, known before its first byte."""

from collections.abc import Mapping, Sequence
from typing import Any

from ferry.bundle.attachments import most_attached_bytes
from ferry.bundle.compression import may_be_deflated
from ferry.bundle.plan import Member, PackageSettings, is_bundled
from ferry.bundle.zip_format import largest_bundle_overhead, largest_member_overhead

NOTE_BYTES = 1024
"""More than what is noted of a file and of a record beside their bytes: what was proven, planned and sent."""


def most_disk_bytes(
    *,
    files: Sequence[Mapping[str, Any]],
    settings: PackageSettings,
    fetched: bool = True,
    record: Mapping[str, Any] | None = None,
) -> int:
    """Return the most bytes that a record takes below data/<recid>: its files, its bundles, and notes on them.

    Args:
        files: `files` of the receipt `source`; one of unknown size counts nothing.
        settings: whether bundles are written at all.
        record: what is attached of the receipt `source`, if anything is.
        fetched: the files are; false: they lie on this disk already and are not copied.
    """
    members = [Member(file["key"], file["size_bytes"] or 0, 0, 0) for file in files]
    size_bytes = sum(member.size_bytes for member in members) if fetched else 0
    has_empty = any(file["size_bytes"] == 0 for file in files)
    if is_bundled([member.key for member in members], settings, has_empty=has_empty):
        written = [member for member in members if settings.mode == "file" or may_be_deflated(member.key)]
        size_bytes += sum(member.size_bytes + largest_member_overhead(member.key) for member in written)
        size_bytes += largest_bundle_overhead()
    return size_bytes + most_bytes_beside(keys=[member.key for member in members], settings=settings, record=record)


def most_bytes_beside(*, keys: Sequence[str], settings: PackageSettings, record: Mapping[str, Any] | None) -> int:
    """Return the most bytes that lie there beside files and bundles: attachments and notes; arguments as above."""
    attached = most_attached_bytes(record=record, keys=keys) if record is not None and settings.attachments else 0
    return attached + NOTE_BYTES * (1 + len(keys))
