"""The content of files in a repository, for threads, by its public interface and in the run's own pace."""

import asyncio
import functools
import hashlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yarl import URL

from ferry.errors import IntegrityError, PermanentError
from ferry.repository.client import Repository
from ferry.repository.http import USER_AGENT
from ferry.repository.models import RemoteFile
from ferry.repository.origins import origin_of, refuse_elsewhere
from ferry.source.allowed import AllowedSources, ForbiddenSourceError
from ferry.source.http import Asking, HttpFile
from ferry.source.threads import in_time

MOST_TEXT_BYTES = 64 << 20
"""Of a file that is read into memory: a manifest takes 300 bytes a file, and a record has 100,000 of them at most."""
TEXT_S = 600.0
"""In which such a file has to be there."""


@dataclass(frozen=True)
class _ContentHosts(AllowedSources):
    """Where content may lie: at the repository, and where that leads to: a public host by https, or a named one."""

    origin: str = ""

    def check(self, url: str, *, asked: str, by_proxy: bool = False) -> tuple[str, ...]:
        """Return the IP addresses at which it may be reached; see `AllowedSources.check`."""
        if origin_of(url) == origin_of(self.origin):
            return ()
        if not url.startswith("https://") and URL(url).host not in self.hosts:
            raise ForbiddenSourceError(
                f"{asked} leads to {url}: expected https:// for content that lies elsewhere; tell the repository's "
                "operators"
            )
        return super().check(url, asked=asked, by_proxy=by_proxy)


class ContentReader:
    """Opens the content of files; several threads may, while the loop that it was made in goes on."""

    def __init__(
        self, repository: Repository, *, token: str | None, verify_tls: bool, hosts: Sequence[str], stall_s: float
    ) -> None:
        """Read from a repository that is open.

        Args:
            repository: gives the turns, and is told to slow down.
            token: shown to the repository's own host and to no other; None: as anybody.
            verify_tls: whether its certificate is checked. Those of other hosts always are.
            hosts: to which its content may lead by their names (source.allow.hosts); public ones go without saying.
            stall_s: seconds without a byte, after which an answer is given up.
        """
        self._repository = repository
        self._loop = asyncio.get_running_loop()
        self._allowed = _ContentHosts(hosts=("*", *hosts), origin=repository.url)
        self._stall_s = stall_s
        self._verify_tls = verify_tls
        self._asking = Asking(
            headers={"User-Agent": USER_AGENT},
            secret_headers={"Authorization": f"Bearer {token}"} if token else {},
            by_proxy=False,
            context=self._context,
            on_busy=self._slow_down,
        )

    def open(self, url: str, *, start: int = 0) -> HttpFile:
        """Ask for the content at an address of the repository, from `start` on, when it is its turn.

        Raises:
            PermanentError: it is not there, may not be read, or lies where nothing may be read.
            TransientError: what may pass.
        """
        refuse_elsewhere("GET", URL(url), origin=URL(self._repository.url).origin())
        asyncio.run_coroutine_threadsafe(self._repository.take_turn(), self._loop).result()
        return HttpFile(url, allowed=self._allowed, timeout_s=self._stall_s, asking=self._asking, start=start)

    def read_text(self, file: RemoteFile) -> bytes:
        """Return the whole content of a small file, which has the MD5 that the repository lists.

        Raises:
            PermanentError, TransientError: as `open`; it is too large, or has another MD5.
        """
        return in_time(lambda: self._read_text(file), limit_s=TEXT_S, what=file.key)

    def _read_text(self, file: RemoteFile) -> bytes:
        size_bytes = file.size_bytes
        if size_bytes is None or size_bytes > MOST_TEXT_BYTES:
            raise PermanentError(f"{file.key}: expected at most {MOST_TEXT_BYTES} bytes, found {size_bytes}")
        text = bytearray()
        with self.open(content_url(file)) as opened:
            for chunk in opened.chunks(start=0, chunk_bytes=size_bytes + 1, in_flight=1):
                text += chunk
                if len(text) > size_bytes:
                    break
        found = (len(text), hashlib.md5(text, usedforsecurity=False).hexdigest())
        if found != (size_bytes, file.md5 or found[1]):
            raise IntegrityError(
                f"{file.key}: expected {size_bytes} bytes with md5 {file.md5}, as the repository lists it, found "
                f"{found[0]} bytes with md5 {found[1]}"
            )
        return bytes(text)

    def _context(self, url: str) -> ssl.SSLContext | None:
        is_own = origin_of(url) == origin_of(self._repository.url)
        return _unchecked() if is_own and not self._verify_tls else None

    def _slow_down(self, status: int, headers: Mapping[str, str]) -> None:
        self._loop.call_soon_threadsafe(self._repository.slow_down, status, headers)


def content_url(file: RemoteFile) -> str:
    """Return where the content of a file is.

    Raises:
        PermanentError: the repository does not say.
    """
    if file.content_url is None:
        raise PermanentError(f"{file.key}: the repository gave no address for the content")
    return str(file.content_url)


@functools.cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
