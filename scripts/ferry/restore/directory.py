"""Where the members of a bundle lie, read from its end, so that a few of them can be fetched without the rest."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ferry.errors import IntegrityError
from ferry.source.http import HttpFile

TAIL_BYTES = 1 << 18
"""The directory of 2,000 members; a longer one takes one more request."""
MOST_DIRECTORY_BYTES = 256 << 20
NEAR_BYTES = 4 << 20
"""Members that are no further apart come by one request: to read on costs less than to ask again."""

Open = Callable[[int], HttpFile]
"""Opens the bundle from a byte on."""


@dataclass(frozen=True)
class Run:
    """Members that lie close together."""

    offset: int
    names: frozenset[str]


def runs_of(names: Iterable[str], offsets: Mapping[str, int], sizes: Mapping[str, int]) -> list[Run]:
    """Return the runs of these members, in their order; sizes are those in the bundle, with some room for a header."""
    runs: list[tuple[int, set[str]]] = []
    end = -NEAR_BYTES - 1
    for name in sorted(names, key=lambda name: offsets[name]):
        if offsets[name] - end > NEAR_BYTES:
            runs.append((offsets[name], set()))
        runs[-1][1].add(name)
        end = offsets[name] + sizes[name]
    return [Run(offset, frozenset(members)) for offset, members in runs]


def read_directory(key: str, size_bytes: int, open_at: Open) -> list[zipfile.ZipInfo] | None:
    """Return the members of a bundle by its directory; None where the repository gives no part of a file.

    Raises:
        IntegrityError: there is no directory.
        PermanentError, TransientError: what `open_at` raises.
    """
    tail = _Tail(key, size_bytes, open_at)
    if not tail.is_given:
        return None
    try:
        with zipfile.ZipFile(tail) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise IntegrityError(f"{key}: expected the directory of a bundle at its end, found none: {error}") from error


class _Tail(io.RawIOBase):
    """A bundle of which only what is read is fetched, as long as that is near its end."""

    def __init__(self, key: str, size_bytes: int, open_at: Open) -> None:
        self._key, self._size_bytes, self._open_at = key, size_bytes, open_at
        self._position = 0
        self._begins = size_bytes
        self._held = b""
        self.is_given = self._hold(max(0, size_bytes - TAIL_BYTES))

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("before the begin of the bundle")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = self._size_bytes if size < 0 else min(self._size_bytes, self._position + size)
        if self._position < self._begins and not self._hold(self._position):
            raise ValueError("the repository gives no part of it any more")
        start = self._position - self._begins
        self._position = max(self._position, end)
        return self._held[start : end - self._begins] if end > self._begins + start else b""

    def _hold(self, start: int) -> bool:
        """Fetch all from there on; False where the repository gives the whole only."""
        if self._size_bytes - start > MOST_DIRECTORY_BYTES:
            raise ValueError(f"it is longer than {MOST_DIRECTORY_BYTES} bytes")
        wanted = self._begins - start
        with self._open_at(start) as opened:
            if opened.begins != start:
                return False
            held = bytearray()
            for chunk in opened.chunks(start=start, chunk_bytes=min(wanted, 1 << 20), in_flight=1):
                held += chunk
                if len(held) >= wanted:
                    break
        if len(held) < wanted:
            raise IntegrityError(f"{self._key}: expected {self._size_bytes} bytes, found fewer")
        self._held = bytes(held[:wanted]) + self._held
        self._begins = start
        return True
