"""Which members lie in one bundle: the sorted list is cut where a bundle would grow beyond a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ferry.bundle.zip_format import MANIFEST_HEAD, largest_bundle_overhead, largest_member_overhead, manifest_line
from ferry.errors import ConfigError


class Sized(Protocol):
    """A member, as far as its place is decided by it."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...


@dataclass(frozen=True)
class BrowsableLimits:
    """What a repository opens, so that the members of a bundle are listed and can be fetched one by one.

    The defaults are those of InvenioRDM 14. It looks at a bundle when it is committed; over a limit the bundle is
    taken all the same, and stays closed for ever.
    """

    uncompressed_bytes: int = 500 << 20
    """All members and the MANIFEST together, unpacked."""
    entries: int = 999
    """Members and the MANIFEST. 10,000 are opened, but no more than the first 1,000 are listed."""
    ratio: int = 200
    """Length of a member by its packed length: a text above this is stored as it is."""

    def __post_init__(self) -> None:
        for name, least in (("uncompressed_bytes", 1_000_000), ("entries", 3), ("ratio", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"package.browsable_limits.{name}: expected at least {least}, found {getattr(self, name)}"
                )


def split[M: Sized](members: Sequence[M], limit: int | None) -> list[list[M]]:
    """Cut the sorted list where a bundle would have more bytes than the limit; the sizes are upper bounds.

    A member that is too large by itself is a group of its own, and the next one begins a group.
    """
    groups: list[list[M]] = []
    room = 0
    for member in members:
        need = member.size_bytes + largest_member_overhead(member.key)
        if groups and (limit is None or need <= room):
            groups[-1].append(member)
        else:
            groups.append([member])
            room = (limit or 0) - largest_bundle_overhead()
        room -= need
    return groups


def split_browsable[M: Sized](members: Sequence[M], limit: int | None, browsable: BrowsableLimits) -> list[list[M]]:
    """Cut it so that each bundle is within these limits, too.

    Members that no such bundle can hold are groups of their own, behind the others: they do not end a bundle.
    """
    bundles: list[_Bundle[M]] = []
    alone: list[list[M]] = []
    for member in members:
        if bundles and bundles[-1].take(member):
            continue
        bundle: _Bundle[M] = _Bundle(limit, browsable)
        if bundle.take(member):
            bundles.append(bundle)
        else:
            alone.append([member])
    return [bundle.members for bundle in bundles] + alone


class _Bundle[M: Sized]:
    """A browsable bundle that is being filled."""

    def __init__(self, limit: int | None, browsable: BrowsableLimits) -> None:
        self.members: list[M] = []
        self._limit = limit
        self._browsable = browsable
        self._packed_bytes = largest_bundle_overhead()
        self._unpacked_bytes = len(MANIFEST_HEAD)

    def take(self, member: M) -> bool:
        """Take a member if there is room for it."""
        line = manifest_line(key=member.key, size_bytes=member.size_bytes, adler32=0, crc32=0)
        packed_bytes = self._packed_bytes + member.size_bytes + largest_member_overhead(member.key)
        unpacked_bytes = self._unpacked_bytes + member.size_bytes + len(line)
        entries = len(self.members) + 2  # this one and MANIFEST
        if self._limit is not None and packed_bytes > self._limit:
            return False
        if entries > self._browsable.entries or unpacked_bytes > self._browsable.uncompressed_bytes:
            return False
        self.members.append(member)
        self._packed_bytes, self._unpacked_bytes = packed_bytes, unpacked_bytes
        return True
