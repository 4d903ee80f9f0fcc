"""Which sources may be read, asked for each address that is reached, not only for the one that a record names.

A record, an index or a server names addresses; none of them is believed. A host has to be listed, by its name or by its
domain; of a domain nobody has named the host itself, and so it has to have a public address. A file of this machine has
to lie below a folder that is listed. What the configuration itself names is listed.
"""

import functools
import ipaddress
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ferry.errors import PermanentError, TransientError

KNOWN_S = 60.0
"""How long the addresses of a host are not asked for again."""
# Stricter than any client reads it, so that no two of them can find different hosts in one address.
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?:[A-Za-z0-9._-]+@)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
)
_IN_DIGITS = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)$|:")
"""Of a host: an IP address in any of the ways in which they are written, and no name."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_known: dict[str, tuple[float, tuple[str, ...]]] = {}


class ForbiddenSourceError(PermanentError):
    """An address that the configuration does not allow to be read."""


@dataclass(frozen=True)
class AllowedSources:
    """What may be read; the default is what CERN Open Data uses, as in config.yaml."""

    hosts: tuple[str, ...] = ("*.cern.ch",)
    """Names of hosts, and `*.example.org` for all public ones of a domain, `*` for all public ones there are."""
    folders: tuple[Path, ...] = ()
    """Of this machine."""

    @classmethod
    def of(cls, source: Mapping[str, Any], *, portal: str, redirects: Mapping[str, str]) -> Self:
        """Return what the configuration's part `source` allows, and what it, or another part, names.

        Args:
            source: that part.
            portal: address of the portal.
            redirects: those of `source`, with what stands for `sandbox`.
        """
        listed = cls(
            hosts=tuple(source["allow"]["hosts"]),
            folders=tuple(map(Path, source["allow"]["folders"])),
        )
        return listed.including(portal, *redirects.values())

    def including(self, *addresses: str) -> Self:
        """Return the same, and the hosts and folders of these addresses."""
        folders = tuple(local_path(address) for address in addresses if address.startswith("file:"))
        hosts = tuple(host for address in addresses if (host := _host_in(address)))
        return replace(self, hosts=self.hosts + hosts, folders=self.folders + folders)

    def check(self, url: str, *, asked: str, by_proxy: bool = False) -> tuple[str, ...]:
        """Return the IP addresses at which the host of an address may be reached; empty if any will do.

        Args:
            url: the address, or where it leads by redirects.
            asked: the address that was asked for first.
            by_proxy: whether a proxy finds the host by its name, which may mean nothing here.

        Raises:
            ForbiddenSourceError: it is not allowed; says which key would allow it.
            TransientError: its host is not found.
        """
        if url.startswith("file:"):
            self._check_folder(url, asked)
            return ()
        host = _host_in(url)
        if not host:
            raise ForbiddenSourceError(f"{_way(url, asked)}: expected an address with a plain host in it, found none")
        if host in self._named:
            return ()
        if not any(pattern == "*" or host.endswith(pattern[1:]) for pattern in self.hosts if pattern.startswith("*")):
            raise ForbiddenSourceError(
                f"{_way(url, asked)}: expected a host that may be read, found {host}; add it to source.allow.hosts if "
                "it may"
            )
        if by_proxy and not _IN_DIGITS.search(host):
            return ()
        addresses = _addresses_of(host, url)
        inside = next((address for address in addresses if not _is_public(address)), None)
        if inside is not None:
            raise ForbiddenSourceError(
                f"{_way(url, asked)}: expected a public address, found {host} at {inside}; add {host} itself to "
                "source.allow.hosts if it may be read"
            )
        return addresses

    @functools.cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(host.strip("[]").rstrip(".").lower() for host in self.hosts if not host.startswith("*"))

    @functools.cached_property
    def _real_folders(self) -> tuple[Path, ...]:
        return tuple(folder.resolve() for folder in self.folders)

    def _check_folder(self, url: str, asked: str) -> None:
        for name in {url, url.partition("?")[0]}:  # what follows a ? is part of the name, or is not: both have to be
            path = local_path(name).resolve()
            if not any(path.is_relative_to(folder) for folder in self._real_folders):
                raise ForbiddenSourceError(
                    f"{_way(url, asked)}: expected a source that may be read, found a file of this machine ({path}); "
                    "add a folder above it to source.allow.folders if it may be read"
                )


def local_path(url: str) -> Path:
    """Return the path of a file: address, which may be relative (`file:mirror/`)."""
    path = url.removeprefix("file:").removeprefix("//").removeprefix("localhost/")
    return Path("/" + path if url.startswith("file://localhost/") else path).absolute()


def _host_in(url: str) -> str | None:
    scheme, separator, rest = url.partition("://")
    return _host_before(scheme + separator + rest.partition("/")[0])


@functools.lru_cache(maxsize=1024)  # a record's files are of few hosts
def _host_before(path: str) -> str | None:
    found = _ADDRESS.fullmatch(path)
    return found["host"].strip("[]").rstrip(".").lower() if found is not None and found["scheme"] != "file" else None


def _way(url: str, asked: str) -> str:
    return url if url == asked else f"{asked} leads to {url}"


def _words(error: Exception) -> str:
    """Return what went wrong without its number."""
    said = getattr(error, "strerror", None) or error
    return f"{said}; is there a network?" if isinstance(error, socket.gaierror) else str(said)


def _addresses_of(host: str, url: str) -> tuple[str, ...]:
    until, addresses = _known.get(host, (0.0, ()))
    if time.monotonic() < until:
        return addresses
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{url}: expected the IP address of {host}, found none ({_words(error)})") from error
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    _known[host] = (time.monotonic() + KNOWN_S, addresses)
    return addresses


def _is_public(text: str) -> bool:
    """Tell whether an IP address is one of the public internet, whatever it is wrapped in."""
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return address.is_global and not address.is_multicast
    within = address.ipv4_mapped or address.sixtofour
    if within is None and address in _NAT64:
        within = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if within is not None:
        return _is_public(str(within))
    return address.is_global and not address.is_multicast and address.scope_id is None
