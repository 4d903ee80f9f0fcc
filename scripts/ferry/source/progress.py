"""What a transfer has moved so far, what its threads wait for, and how people are told of it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TextIO

log = logging.getLogger(__name__)

LOG_EVERY_S = 30.0
TERMINAL_EVERY_S = 0.5


class TransferProgress:
    """Tells how far a record's transfer is; sizes in bytes."""

    def __init__(
        self,
        *,
        recid: int,
        files: int,
        size_bytes: int | None,
        terminal: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock; `terminal` is where a person looks (None: nobody does), `size_bytes` None where unknown."""
        self._recid = recid
        self._files = files
        self._size_bytes = size_bytes
        self._terminal = terminal if terminal is not None and terminal.isatty() else None
        self._clock = clock
        self._begun = self._logged = self._shown = clock()

    def is_due(self) -> bool:
        """Return whether `tell` would say anything now."""
        now = self._clock()
        shows = self._terminal is not None and now - self._shown >= TERMINAL_EVERY_S
        return shows or now - self._logged >= LOG_EVERY_S

    def tell(self, *, files_done: int, bytes_moved: int, bytes_there: int = 0) -> None:
        """Say it, if it is time; `bytes_there` had not to be fetched."""
        now = self._clock()
        if now - self._logged >= LOG_EVERY_S:
            self._logged = now
            log.info("%s", self._line(now, files_done, bytes_moved, bytes_there))
        if self._terminal is not None and now - self._shown >= TERMINAL_EVERY_S:
            self._shown = now
            self._terminal.write(f"\r\x1b[K{self._line(now, files_done, bytes_moved, bytes_there)}")
            self._terminal.flush()

    def end(self) -> None:
        """Take the line off the terminal."""
        if self._terminal is not None and self._shown > self._begun:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()

    def _line(self, now: float, files_done: int, bytes_moved: int, bytes_there: int) -> str:
        elapsed_s = max(now - self._begun, 1e-9)
        rate = bytes_moved / elapsed_s
        done = bytes_moved + bytes_there
        line = f"record {self._recid}: {files_done} of {self._files} files, {done / 1e6:.1f}"
        if self._size_bytes is not None:
            line += f" of {self._size_bytes / 1e6:.1f}"
        line += f" MB, {rate / 1e6:.1f} MB/s"
        if self._size_bytes is not None and rate > 0:
            left_s = max(self._size_bytes - done, 0) / rate
            line += f", {left_s // 60:.0f} min {left_s % 60:.0f} s left"
        return line


class TransferStats:
    """What has moved so far, and who waits for what, told by all threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at nothing."""
        self._lock = threading.Lock()
        self._clock = clock
        self._waiting: dict[int, tuple[float, str]] = {}
        self.bytes_moved = 0
        self.retries = 0

    def wait_begins(self, url: str) -> None:
        """Note that the calling thread asks the client for something and has no answer yet."""
        self._waiting[threading.get_ident()] = (self._clock(), url)

    def wait_ends(self) -> None:
        """Note that the calling thread has its answer."""
        self._waiting.pop(threading.get_ident(), None)

    def overdue(self, limit_s: float) -> str | None:
        """Return the address that a thread has waited for, for longer than `limit_s` seconds, if there is one."""
        latest = self._clock() - limit_s
        return next((url for since, url in list(self._waiting.values()) if since < latest), None)

    def moved(self, size_bytes: int) -> None:
        """Count bytes that came over the wire."""
        with self._lock:
            self.bytes_moved += size_bytes

    def tried_again(self) -> None:
        """Count one more attempt."""
        with self._lock:
            self.retries += 1
