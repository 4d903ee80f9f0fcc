"""Where a file is read from: redirects, and the client for each kind of address."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from ferry.checksums import HEX_DIGITS
from ferry.errors import OnTapeError, PermanentError
from ferry.source.allowed import AllowedSources, ForbiddenSourceError, local_path
from ferry.source.http import HttpFile
from ferry.source.line import Line
from ferry.source.tasks import Tasks
from ferry.source.verified import SourceFile
from ferry.source.window import RequestWindow
from ferry.source.xrootd import XrootdFile, load_client

CHUNK_BYTES = 1 << 20
"""Bytes of one request: large enough that requests cost little, small enough for many files in 200 MB of memory."""


class BlockingReader:
    """A file whose client keeps a thread waiting, with the methods of one that does not."""

    def __init__(self, file: HttpFile, tasks: Tasks) -> None:
        """Take an open file."""
        self.url = file.url
        self._file = file
        self._tasks = tasks

    @classmethod
    async def opened(cls, url: str, opens: Callable[[], HttpFile], *, tasks: Tasks) -> Self:
        """Open the file at an address by `opens`; raises what that raises."""
        return cls(await tasks.in_thread(opens, url=url), tasks)

    async def __aenter__(self) -> Self:
        """Give the open file."""
        self._file.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._file.__exit__(kind, error, trace)

    async def size(self) -> int | None:
        """Return the length of the file in bytes, if its server has told it."""
        return self._file.size_bytes

    async def at_once(self, size_bytes: int) -> None:
        """Return nothing: one request brings all bytes anyway, and `read` sees when the connection ends too early."""

    async def read(self, take: Callable[[bytes], None], *, start: int, chunk_bytes: int) -> None:
        """Have `take` take the bytes from `start` to the end in order, in pieces of at most `chunk_bytes`.

        It is called in a thread of this file's own: what it computes of them delays no other file.
        """
        chunks = self._file.chunks(start=start, chunk_bytes=chunk_bytes, in_flight=1)
        await self._tasks.items_in_thread(chunks, take, url=self.url)


SourceReader = XrootdFile | BlockingReader


def redirected(uri: str, redirects: Mapping[str, str]) -> str:
    """Return where a uri is read from: the longest prefix that fits is replaced.

    A `file:` address may be relative to the working directory (`file:mirror/`); the client gets an absolute one. In all
    addresses but those of HTTP `%` and `#` are signs like others; where one of HTTP takes their place they are escaped.

    Raises:
        PermanentError: the uri would lead out of the folder that stands in its prefix's place, to any file here.
    """
    prefix = max((prefix for prefix in redirects if uri.startswith(prefix)), key=len, default=None)
    place, rest = ("", uri) if prefix is None else (redirects[prefix], uri.removeprefix(prefix))
    if place.startswith(("http:", "https:")) and not uri.startswith(("http:", "https:")):
        return place + rest.replace("%", "%25").replace("#", "%23")
    url = place + rest
    if not url.startswith("file:"):
        return url
    if prefix is not None and ".." in rest.split("/"):
        raise PermanentError(f"{uri}: expected a path below {prefix} (source.redirects), found '..' in it")
    return f"file://{local_path(url)}"


def refuse_question_mark(url: str) -> None:
    """Refuse the address of a file of this machine that its client would not find.

    Raises:
        PermanentError: there is a `?` in it.
    """
    if url.startswith("file:") and "?" in url:
        raise PermanentError(
            f"{url}: expected the name of a file without '?', which ends it for the client that reads; rename it, or "
            "give the folder as source.data_root"
        )


async def open_source(url: str, *, allowed: AllowedSources, stall_s: int, line: Line) -> SourceReader:
    """Open the file at an address for reading.

    Args:
        url: the address.
        allowed: what may be read; asked for the address, and for each that it leads to before that one is reached.
        stall_s: how long an answer may take, in seconds.
        line: what is under way together with it.

    Raises:
        ForbiddenSourceError: it is no source that is allowed, or leads to one that is not.
        PermanentError: it is not there, may not be read, or the address is of a kind that nothing here reads.
        TransientError: anything that may pass.
    """
    scheme = url.partition(":")[0]
    refuse_question_mark(url)
    if scheme in {"root", "roots", "xroot", "xroots", "file"}:
        try:
            return await XrootdFile.opened(load_client(stall_s=stall_s), url, allowed=allowed, line=line)
        except ForbiddenSourceError:
            raise
        except PermanentError as error:
            if scheme == "file" and "%" in url:
                raise PermanentError(
                    f"{error}; a file: address is taken as it stands: %20 in it is no space"
                ) from error
            raise
    if scheme in {"http", "https"}:
        opens = partial(HttpFile, url, allowed=allowed, timeout_s=stall_s)
        return await BlockingReader.opened(url, opens, tasks=line.tasks)
    raise PermanentError(f"{url}: expected an address that begins with root://, file:, http:// or https://")


def read_bytes(url: str, *, allowed: AllowedSources, stall_s: int, most_bytes: int) -> bytes | None:
    """Return all that is at an address; None if it is more than `most_bytes`.

    Raises:
        ForbiddenSourceError, PermanentError, TransientError: as `open_source`.
    """
    text = bytearray()

    def take(chunk: bytes) -> None:
        text.extend(chunk)
        if len(text) > most_bytes:
            raise _TooLongError

    async def read(line: Line) -> None:
        async with await open_source(url, allowed=allowed, stall_s=stall_s, line=line) as opened:
            with suppress(_TooLongError):
                await opened.read(take, start=0, chunk_bytes=CHUNK_BYTES)

    tasks = Tasks()
    reads = iter([read(Line(tasks, RequestWindow()))])
    tasks.start(lambda _working: next(reads, None))
    tasks.ended.wait()
    tasks.check()
    return bytes(text) if len(text) <= most_bytes else None


class _TooLongError(Exception):
    """More bytes than are wanted."""


def refuse_unreadable(files: list[SourceFile], *, allow_unverified: bool) -> None:
    """Refuse, before a byte moves, files that are on tape, and files that nothing could prove.

    Raises:
        OnTapeError, PermanentError: names the first and their number.
    """
    on_tape = [file for file in files if not file["online"]]
    if on_tape:
        raise OnTapeError(
            f"{on_tape[0]['uri']}: expected it online, found it on tape, as {len(on_tape)} of {len(files)} files of "
            "the record are; run again once it is staged"
        )
    unproven = [file for file in files if file["checksum"] is None]
    if unproven and not allow_unverified:
        raise PermanentError(
            f"{unproven[0]['uri']}: expected a whole checksum in the record ({', '.join(HEX_DIGITS)}), found none "
            f"({len(unproven)} of {len(files)} files); set source.allow_unverified to carry such files, marked as "
            "unverified"
        )
