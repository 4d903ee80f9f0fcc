"""Where a file is read from: redirects, and the client for each kind of address."""

from collections.abc import Mapping

from ferry.checksums import HEX_DIGITS
from ferry.errors import PermanentError
from ferry.source.allowed import AllowedSources, local_path
from ferry.source.http import HttpFile
from ferry.source.verified import SourceFile
from ferry.source.xrootd import XrootdFile, answer_limit_s, load_client

CHUNK_BYTES = 1 << 20
"""Bytes of one request: large enough that requests cost little, small enough for many files in 200 MB of memory."""

SourceReader = XrootdFile | HttpFile


def redirected(uri: str, redirects: Mapping[str, str]) -> str:
    """Return where a uri is read from: the longest prefix that fits is replaced.

    A `file:` address may be relative to the working directory (`file:mirror/`); the client gets an absolute one.

    Raises:
        PermanentError: the uri would lead out of the folder that stands in its prefix's place, to any file here.
    """
    prefix = max((prefix for prefix in redirects if uri.startswith(prefix)), key=len, default=None)
    url = uri if prefix is None else redirects[prefix] + uri.removeprefix(prefix)
    if not url.startswith("file:"):
        return url
    if prefix is not None and ".." in uri.removeprefix(prefix).split("/"):
        raise PermanentError(f"{uri}: expected a path below {prefix} (source.redirects), found '..' in it")
    return f"file://{local_path(url)}"


def open_source(url: str, *, allowed: AllowedSources, stall_s: int, limit_s: float | None = None) -> SourceReader:
    """Open the file at an address for reading.

    Args:
        url: the address.
        allowed: what may be read; asked for the address, and for each that it leads to before that one is reached.
        stall_s: how long an answer may take, in seconds.
        limit_s: after how many seconds a client that neither answers nor fails is given up; by default what it needs.

    Raises:
        ForbiddenSourceError: it is no source that is allowed, or leads to one that is not.
        PermanentError: it is not there, may not be read, or the address is of a kind that nothing here reads.
        TransientError: anything that may pass.
    """
    scheme = url.partition(":")[0]
    if scheme == "file" and "?" in url:
        raise PermanentError(
            f"{url}: expected the name of a file without '?', which ends it for the client that reads; rename it, or "
            "give the folder as source.data_root"
        )
    if scheme in {"root", "roots", "xroot", "xroots", "file"}:
        client = load_client(stall_s=stall_s)
        return XrootdFile(client, url, allowed=allowed, limit_s=limit_s or answer_limit_s(stall_s))
    if scheme in {"http", "https"}:
        return HttpFile(url, allowed=allowed, timeout_s=stall_s)
    raise PermanentError(f"{url}: expected an address that begins with root://, file:, http:// or https://")


def refuse_unreadable(files: list[SourceFile], *, allow_unverified: bool) -> None:
    """Refuse, before a byte moves, files that are on tape, and files that nothing could prove.

    Raises:
        PermanentError: names the first and their number.
    """
    on_tape = [file for file in files if not file["online"]]
    if on_tape:
        raise PermanentError(
            f"{on_tape[0]['uri']}: expected it online, found it on tape, as {len(on_tape)} of {len(files)} files of "
            "the record are; have the record staged on the portal, fetch its metadata again and run again"
        )
    unproven = [file for file in files if file["checksum"] is None]
    if unproven and not allow_unverified:
        raise PermanentError(
            f"{unproven[0]['uri']}: expected a whole checksum in the record ({', '.join(HEX_DIGITS)}), found none "
            f"({len(unproven)} of {len(files)} files); set source.allow_unverified to carry such files, marked as "
            "unverified"
        )
