"""The XRootD client, and the only module that imports it: files at root:// and file:// read in pieces.

The client returns its errors instead of raising them. Here every status is looked at, and becomes an error that says
whether it is worth trying again.
"""

import atexit
import functools
import logging
import os
import queue
import signal
from collections.abc import Generator
from types import ModuleType, TracebackType
from typing import Any, Self

from ferry.errors import PermanentError, TransientError

log = logging.getLogger(__name__)

# Will be the same next time: bad request, not authorised, not found, no file, not supported, is a directory (kXR_…),
# and the client's own "invalid arguments", "not supported".
_PERMANENT_ERRNOS = {3000, 3006, 3010, 3011, 3013, 3015, 3016}
_PERMANENT_CODES = {9, 13}

# What the client needs for its own errands beside the times that it is given, in seconds.
_MARGIN_S = 30
# At exit the client joins its threads. It was seen to need 0.1 s; if it takes this long it never ends.
_EXIT_LIMIT_S = 30


def client_environment(stall_s: int) -> dict[str, str]:
    """Return the client's settings with which a dead or silent server is found out within `stall_s`, not 8-12 minutes.

    By default the client waits 120 s per attempt to connect and 1,800 s for an answer, and tries for half an hour.
    """
    return {
        "XRD_CONNECTIONWINDOW": str(min(stall_s, 10)),
        "XRD_CONNECTIONRETRY": "3",
        "XRD_STREAMTIMEOUT": str(max(stall_s // 2, 1)),
        "XRD_REQUESTTIMEOUT": str(stall_s),
        "XRD_STREAMERRORWINDOW": str(stall_s),
        "XRD_TIMEOUTRESOLUTION": "1",
    }


def answer_limit_s(stall_s: int) -> int:
    """Return after how many seconds the client has answered any request, with an error if need be.

    That is what it is told to take for connecting and for the request. A call that takes longer never ends.
    """
    settings = {name: os.environ.get(name, value) for name, value in client_environment(stall_s).items()}
    seconds = {name: int(value) for name, value in settings.items() if value.isdigit()}
    connecting_s = seconds.get("XRD_CONNECTIONWINDOW", 120) * seconds.get("XRD_CONNECTIONRETRY", 5)
    answering_s = seconds.get("XRD_REQUESTTIMEOUT", 1800) + seconds.get("XRD_STREAMERRORWINDOW", 1800)
    return connecting_s + answering_s + _MARGIN_S


@functools.cache
def load_client(*, stall_s: int) -> ModuleType:
    """Import the client, with its settings in the environment beforehand; a setting of the user's own stays."""
    for name, value in client_environment(stall_s).items():
        os.environ.setdefault(name, value)
    return _imported_client()


@functools.cache
def _imported_client() -> ModuleType:
    from XRootD import client  # noqa: PLC0415 - it reads the environment at import

    # An exit that hangs is ended by this signal: the job has failed then, and is done again.
    atexit.register(signal.alarm, _EXIT_LIMIT_S)
    module: ModuleType = client
    return module


class XrootdFile:
    """One open file at the source, read in order with several requests in flight."""

    def __init__(self, client: ModuleType, url: str, *, limit_s: float) -> None:
        """Open the file; an answer that the client does not give within `limit_s` seconds is not waited for.

        Raises:
            PermanentError: no such file, no access, or no address at all.
            TransientError: anything that may pass: no connection, a silent or busy server.
        """
        self.url = url
        self._limit_s = limit_s
        self._file = client.File()
        try:
            status, _ = self._file.open(url)
        except ValueError as error:
            raise PermanentError(f"{url!r}: expected an address, found one that cannot be sent: {error}") from error
        _check(status, url, "opened")

    def __enter__(self) -> Self:
        """Give the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; nothing was written to it, so its answer cannot change what was read."""
        self._file.close(callback=_forget)

    @functools.cached_property
    def size_bytes(self) -> int:
        """Length of the file, which is asked for when somebody wants to know it.

        Raises:
            PermanentError, TransientError: as for opening.
        """
        status, stat = self._file.stat()
        _check(status, self.url, "asked for its size")
        size_bytes: int = stat.size
        return size_bytes

    def at_once(self, size_bytes: int) -> bytes | None:
        """Return all bytes by one request; None if the file has not just so many.

        Raises:
            PermanentError, TransientError: as for opening.
        """
        status, data = self._file.read(0, size_bytes + 1)
        _check(status, self.url, "read")
        found: bytes = data or b""
        return found if len(found) == size_bytes else None

    def chunks(self, *, start: int, chunk_bytes: int, in_flight: int) -> Generator[bytes]:
        """Give the bytes from `start` to the end in order, in pieces of `chunk_bytes`, `in_flight` of them asked ahead.

        Raises:
            PermanentError, TransientError: as for opening; TransientError too if the file ends before its size.
        """
        offsets = range(start, self.size_bytes, chunk_bytes)
        if len(offsets) < 2 or in_flight < 2:
            for offset in offsets:
                length = min(chunk_bytes, self.size_bytes - offset)
                status, data = self._file.read(offset, length)
                yield self._whole(status, data, offset, length)
            return
        yield from self._chunks_ahead(offsets, chunk_bytes, in_flight)

    def _chunks_ahead(self, offsets: range, chunk_bytes: int, in_flight: int) -> Generator[bytes]:
        answers: dict[int, queue.SimpleQueue[tuple[Any, bytes | None]]] = {}

        def ask(offset: int) -> None:
            answer: queue.SimpleQueue[tuple[Any, bytes | None]] = queue.SimpleQueue()
            answers[offset] = answer
            length = min(chunk_bytes, self.size_bytes - offset)
            status = self._file.read(offset, length, callback=lambda status, data, _hosts: answer.put((status, data)))
            if not status.ok:
                answer.put((status, None))

        for offset in offsets[:in_flight]:
            ask(offset)
        try:
            for number, offset in enumerate(offsets):
                status, data = self._awaited(answers.pop(offset))
                chunk = self._whole(status, data, offset, min(chunk_bytes, self.size_bytes - offset))
                if number + in_flight < len(offsets):
                    ask(offsets[number + in_flight])
                yield chunk
        finally:
            for answer in answers.values():  # the file must not be closed under requests that are on their way
                self._awaited(answer)

    def _awaited(self, answer: "queue.SimpleQueue[tuple[Any, bytes | None]]") -> tuple[Any, bytes | None]:
        try:
            return answer.get(timeout=self._limit_s)
        except queue.Empty:
            raise TransientError(
                f"{self.url}: expected an answer or an error from the XRootD client, found neither in "
                f"{self._limit_s:.0f} s; run again"
            ) from None

    def _whole(self, status: Any, data: bytes | None, offset: int, length: int) -> bytes:
        _check(status, self.url, f"read at byte {offset}")
        found = len(data or b"")
        if data is None or found != length:
            raise TransientError(f"{self.url}: expected {length} bytes at byte {offset}, found {found}")
        return data


def _check(status: Any, url: str, what: str) -> None:
    if status.ok:
        return
    message = f"{url}: expected to be {what}, found {status.message.strip()} (code {status.code}, error {status.errno})"
    if status.errno in _PERMANENT_ERRNOS or status.code in _PERMANENT_CODES:
        raise PermanentError(message)
    raise TransientError(message)


def _forget(*_answer: Any) -> None:
    return
