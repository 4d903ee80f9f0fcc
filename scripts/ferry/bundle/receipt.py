"""The entries of the receipt `package`: what the plan says, and back again."""

from collections.abc import Mapping
from typing import Any

from ferry.bundle.layout import BundleLayout, PackedMember, deflated, lay_out, stored
from ferry.bundle.plan import Member
from ferry.bundle.zip_format import DEFLATED
from ferry.errors import IntegrityError


def file_entry(member: Member) -> dict[str, Any]:
    """Return the entry of a file that goes up by itself."""
    return {
        "key": member.key,
        "kind": "file",
        "path": f"files/{member.key}",
        "size_bytes": member.size_bytes,
        "adler32": f"{member.adler32:08x}",
        "crc32": f"{member.crc32:08x}",
        "members": [],
    }


def bundle_entry(key: str, layout: BundleLayout, *, generated: bool) -> dict[str, Any]:
    """Return the entry of a bundle; `generated`: it is not on disk but made while it is uploaded."""
    entry: dict[str, Any] = {
        "key": key,
        "kind": "bundle",
        "path": f"bundles/{key}",
        "size_bytes": layout.size_bytes,
        "adler32": f"{layout.adler32:08x}",
        "members": [_packed_entry(packed) for packed in layout.members],
    }
    if generated:
        entry["generated"] = True
    return entry


def layout_of(entry: Mapping[str, Any]) -> BundleLayout:
    """Return where each byte of a bundle lies, from its entry.

    Raises:
        IntegrityError: the entry does not agree with itself.
    """
    layout = lay_out([_packed(member) for member in entry["members"]])
    found = (layout.size_bytes, f"{layout.adler32:08x}")
    if found != (entry["size_bytes"], entry["adler32"]):
        raise IntegrityError(
            f"{entry['key']}: its members make {found[0]} bytes with adler32 {found[1]}, expected "
            f"{entry['size_bytes']} bytes with adler32 {entry['adler32']}; delete the record's package receipt "
            "and run again"
        )
    return layout


def largest_ratio(entry: Mapping[str, Any]) -> float:
    """Return how many times smaller deflate has made a member of this entry at most, 1 where none was deflated."""
    return max((m["size_bytes"] / m["deflated"]["size_bytes"] for m in entry["members"] if "deflated" in m), default=1)


def member_entry(member: Member) -> dict[str, Any]:
    """Return what the entry of a bundle says of a member, but for how it is packed."""
    return {
        "key": member.key,
        "size_bytes": member.size_bytes,
        "adler32": f"{member.adler32:08x}",
        "crc32": f"{member.crc32:08x}",
    }


def _packed_entry(packed: PackedMember) -> dict[str, Any]:
    entry = member_entry(packed.member)
    if packed.method == DEFLATED:
        entry["deflated"] = {"size_bytes": packed.packed_bytes, "adler32": f"{packed.packed_adler32:08x}"}
    return entry


def _packed(entry: Mapping[str, Any]) -> PackedMember:
    member = Member(entry["key"], entry["size_bytes"], int(entry["adler32"], 16), int(entry["crc32"], 16))
    packed = entry.get("deflated")
    if packed is None:
        return stored(member)
    return deflated(member, packed_bytes=packed["size_bytes"], packed_adler32=int(packed["adler32"], 16))
