"""What the threads that fetch have moved so far, and what they wait for."""

import threading
import time
from collections.abc import Callable

from ferry.errors import TransientError


class Traffic:
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

    def tried_again(self, times: int = 1) -> None:
        """Count one more attempt, or so many."""
        with self._lock:
            self.retries += times

    @staticmethod
    def silence(url: str, limit_s: float) -> TransientError:
        """Return what is to be said of a client that is overdue."""
        return TransientError(
            f"{url}: expected bytes or an error from the client, found neither in {limit_s:.0f} s; run again"
        )
