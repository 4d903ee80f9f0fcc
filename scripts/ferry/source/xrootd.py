"""The XRootD client, and the only module that imports it: files at root:// and file:// read in pieces.

The client returns its errors instead of raising them. Here every status is looked at, and becomes an error that says
whether it is worth trying again. A server may send the client anywhere, to files of this machine among others: so the
client does not follow, each place is asked about first.
"""

import atexit
import functools
import logging
import os
import re
import signal
from collections import deque
from collections.abc import Callable
from functools import partial
from types import ModuleType, TracebackType
from typing import Any, Self

from ferry.errors import PermanentError, TransientError
from ferry.source.allowed import AllowedSources
from ferry.source.line import Line, Request
from ferry.text.safe_text import in_one_line

log = logging.getLogger(__name__)

# Will be the same next time: bad request, not authorised, not found, no file, not supported, is a directory (kXR_…),
# and the client's own "invalid arguments", "not supported".
_PERMANENT_ERRNOS = {3000, 3006, 3010, 3011, 3013, 3015, 3016}
_PERMANENT_CODES = {9, 13}
_REFUSED_LOGIN = 204
_REDIRECTED = re.compile(
    r"Unhandled redirect: (?P<scheme>[a-z]+)://(?:[^@/?]*@)?(?P<host>[^/?]*)/?(?P<path>[^?]*)(?:\?(?P<cgi>.*))?"
)
"""What the client says where a server sends it elsewhere, and it was told not to go."""
_MOST_PLACES = 16
_KEEPS_TO_ITS_PLACE = ("FollowRedirects", "ReadRecovery", "WriteRecovery")
"""What the client is not to do: after a lost connection it would open a file anew, wherever that leads by then."""
_SECURITY = "XrdSecPROTOCOL"
"""The client's setting: which protocols it may use to say who asks."""
_ANONYMOUS = "host"
"""Of the protocols of XRootD's security the one that tells nothing: the server knows from where it is asked."""
_ASKS_EVERYBODY = re.compile(r".*\.cern\.ch(:\d+)?")
"""EOS at CERN lets nobody in who is not known by some protocol; that is `unix` for people who are known by no other."""

# What the client needs for its own errands beside the times that it is given, in seconds.
_MARGIN_S = 30
# At exit the client joins its threads. It was seen to need 0.1 s; if it takes this long it never ends.
_EXIT_LIMIT_S = 30


def client_environment(stall_s: int) -> dict[str, str]:
    """Return the client's settings with which a dead or silent server is found out within `stall_s`, not 8-12 minutes.

    By default the client waits 120 s per attempt to connect and 1,800 s for an answer, and tries for half an hour. And
    it tells no server who we are.
    """
    return {
        "XRD_CONNECTIONWINDOW": str(min(stall_s, 10)),
        "XRD_CONNECTIONRETRY": "3",
        "XRD_STREAMTIMEOUT": str(max(stall_s // 2, 1)),
        "XRD_REQUESTTIMEOUT": str(stall_s),
        "XRD_STREAMERRORWINDOW": str(stall_s),
        "XRD_TIMEOUTRESOLUTION": "1",
        "XRD_METALINKPROCESSING": "0",  # a file whose name ends in .meta4 is a file
        _SECURITY: _ANONYMOUS,  # else the client offers a Kerberos ticket, a grid proxy, user and group
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
    return import_client()


@functools.cache
def import_client() -> ModuleType:
    """Import the client, with the settings that are in the environment: it reads them then. It has no threads yet."""
    from XRootD import client  # noqa: PLC0415 - see above

    # An exit that hangs is ended by this signal: the job has failed then, and is done again.
    atexit.register(signal.alarm, _EXIT_LIMIT_S)
    module: ModuleType = client
    return module


class XrootdFile:
    """One open file at the source, read in order with many requests under way."""

    def __init__(self, file: Any, url: str, line: Line) -> None:
        """Take an open file; `opened` makes one."""
        self.url = url
        self._file = file
        self._line = line
        self._asked: deque[tuple[int, Request]] = deque()
        """Offset and request of each piece, in order."""
        self._unasked = self._end = self._piece_bytes = 0
        """Where the first piece begins that is not asked for, where the last one ends, and how long they are."""

    @classmethod
    async def opened(cls, client: ModuleType, url: str, *, allowed: AllowedSources, line: Line) -> Self:
        """Open the file.

        Raises:
            ForbiddenSourceError: the address, or one that it leads to, is not allowed.
            PermanentError: no such file, no access, or no address at all.
            TransientError: anything that may pass: no connection, a silent or busy server.
        """
        place, avoided = url, False
        for _ in range(_MOST_PLACES):
            allowed.check(place, asked=url)
            file = client.File()
            for name in _KEEPS_TO_ITS_PLACE:
                file.set_property(name, "false")
            status = await line.take(line.ask("open", url, partial(_open, file, place)))
            if isinstance(status, ValueError):
                raise PermanentError(
                    f"{url!r}: expected an address, found one that cannot be sent: {status}"
                ) from status
            if status.ok:
                if not place.startswith("file:"):
                    allowed.check(file.get_property("LastURL"), asked=url)
                return cls(file, url, line)
            if found := _REDIRECTED.search(status.message):
                place = _place_after(place, found)
            elif place != url and not avoided:  # as the client itself would: ask for another one, once
                host = place.partition("://")[2].partition("/")[0].partition(":")[0]
                place, avoided = _with_cgi(url, f"tried={host}"), True
            else:
                _check(status, url, "opened")
        raise PermanentError(f"{url}: expected a file, found that it leads from server to server without end")

    async def __aenter__(self) -> Self:
        """Give the open file."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; nothing was written to it, so its answer cannot change what was read."""
        self._line.remove_asker(self._ask_one)
        self._line.unasked_bytes -= self._end - self._unasked
        if kind is not GeneratorExit:  # else the client is given up
            await self._line.drop(*(request for _, request in self._asked))  # it must not be closed under requests
        self._file.close(callback=_forget)

    async def size(self) -> int:
        """Return the length of the file in bytes, which its server has told when it was opened.

        Raises:
            PermanentError, TransientError: as for opening.
        """
        status, stat = await self._line.take(self._line.ask("stat", self.url, self._stat))
        _check(status, self.url, "asked for its size")
        size_bytes: int = stat.size
        return size_bytes

    async def at_once(self, size_bytes: int) -> bytes | None:
        """Return all bytes by one request; None if the file has not just so many.

        Raises:
            PermanentError, TransientError: as for opening.
        """
        status, data = await self._line.take(self._ask(0, size_bytes + 1))
        _check(status, self.url, "read")
        found: bytes = data or b""
        return found if len(found) == size_bytes else None

    async def read(self, take: Callable[[bytes], None], *, start: int, chunk_bytes: int) -> None:
        """Have `take` take the bytes from `start` to the end in order, in pieces of `chunk_bytes`.

        As many are asked for ahead as the line holds.

        Raises:
            PermanentError, TransientError: as for opening; TransientError too if the file ends before its size.
        """
        self._end = await self.size()
        self._unasked, self._piece_bytes = min(start, self._end), chunk_bytes
        self._line.unasked_bytes += self._end - self._unasked
        self._line.add_asker(self._ask_one)
        while self._asked or self._unasked < self._end:
            if not self._asked:
                self._ask_one()
            offset, request = self._asked[0]
            status, data = await self._line.take(request)
            self._asked.popleft()
            take(self._whole(status, data, offset, min(chunk_bytes, self._end - offset)))
            del request, data  # else each open file keeps a piece while it waits for the next

    def _ask_one(self) -> bool:
        offset, length = self._unasked, min(self._piece_bytes, self._end - self._unasked)
        if length:
            self._unasked += length
            self._line.unasked_bytes -= length
            self._asked.append((offset, self._ask(offset, length)))
        return self._unasked < self._end

    def _ask(self, offset: int, length: int) -> Request:
        def send(say: Callable[[Any], None]) -> None:
            status = self._file.read(offset, length, callback=lambda status, data, _hosts: say((status, data)))
            if not status.ok:
                say((status, None))

        return self._line.ask(length.bit_length(), self.url, send, size_bytes=length)

    def _stat(self, say: Callable[[Any], None]) -> None:
        status = self._file.stat(callback=lambda status, stat, _hosts: say((status, stat)))
        if not status.ok:
            say((status, None))

    def _whole(self, status: Any, data: bytes | None, offset: int, length: int) -> bytes:
        _check(status, self.url, f"read at byte {offset}")
        found = len(data or b"")
        if data is None or found != length:
            raise TransientError(f"{self.url}: expected {length} bytes at byte {offset}, found {found}")
        return data


def _open(file: Any, place: str, say: Callable[[Any], None]) -> None:
    try:
        status = file.open(_sent(place), callback=lambda status, _none, _hosts: say(status))
    except ValueError as error:
        say(error)
        return
    if not status.ok:
        say(status)


def _sent(url: str) -> str:
    """Return an address as the client is given it: who asks is said by nobody but us, and only where it has to be."""
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return url
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    if "xrd." in path.partition("?")[2]:  # by these the client is told what to prove
        name, _, cgi = path.partition("?")
        path = _with_cgi(name, *(part for part in cgi.split("&") if not part.startswith("xrd.")))
    if os.environ.get(_SECURITY) != _ANONYMOUS:
        return f"{scheme}://{host}{slash}{path}"
    if _asks_everybody(host):
        path = _with_cgi(path, "xrd.wantprot=unix")
    return f"{scheme}://anon@{host}{slash}{path}"


@functools.lru_cache(maxsize=1024)
def _asks_everybody(host: str) -> bool:
    return _ASKS_EVERYBODY.fullmatch(host) is not None


def _place_after(place: str, found: re.Match[str]) -> str:
    """Return where a file lies to which a server has sent the client, which adds a name of its own for the request."""
    scheme, host, path = found["scheme"], found["host"], found["path"]
    if scheme == "file":
        return f"file://{host}/{path}"
    if place.startswith(("roots:", "xroots:")) and scheme in {"root", "xroot"}:
        scheme = "roots"  # what was encrypted stays so
    own_path, _, own_cgi = place.partition("://")[2].partition("/")[2].partition("?")
    handed_on = (part for part in (found["cgi"] or "").split("&") if part and not part.startswith("xrdcl."))
    return _with_cgi(f"{scheme}://{host}/{path or own_path}", *filter(None, own_cgi.split("&")), *handed_on)


def _with_cgi(url: str, *parts: str) -> str:
    """Return an address with more of what XRootD has behind the ?; what comes later takes the place of its like."""
    path, _, before = url.partition("?")
    named = {part.partition("=")[0]: part for part in [*filter(None, before.split("&")), *parts]}
    return f"{path}?{'&'.join(named.values())}" if named else path


def _check(status: Any, url: str, what: str) -> None:
    if status.ok:
        return
    found = f"{in_one_line(status.message.strip())} (code {status.code}, error {status.errno})"
    message = f"{url}: expected to be {what}, found {found}"
    if status.code == _REFUSED_LOGIN:
        raise PermanentError(f"{message}; the server wants to know who asks: name one of its protocols in {_SECURITY}")
    if status.errno in _PERMANENT_ERRNOS or status.code in _PERMANENT_CODES:
        raise PermanentError(message)
    raise TransientError(message)


def _forget(*_answer: Any) -> None:
    return
