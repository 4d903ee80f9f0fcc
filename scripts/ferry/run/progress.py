"""Tells every minute how a run stands: a line for a log that nobody watches, a text file for Prometheus, the tables."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TextIO

from ferry.run.standing import Standing
from ferry.run.status import Status, read_status
from ferry.run.status_text import status_line, write_prometheus
from ferry.text.terminal import tell


class ProgressReporter:
    """A thread beside the scheduler; it ends with `stop`, or with the process."""

    def __init__(
        self,
        *,
        every_s: float,
        stream: TextIO | None,
        prometheus: Path | None = None,
        write_tables: Callable[[Standing], object] | None = None,
        read: Callable[[], Status | None] = lambda: read_status(Path(), now=datetime.now(UTC)),
    ) -> None:
        """`every_s` 0: never. `prometheus` is the text file to keep up to date, `write_tables` keeps the tables so."""
        self._every_s = every_s
        self._stream = stream
        self._prometheus = prometheus
        self._write_tables = write_tables
        self._read = read
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> Self:
        """Begin to tell."""
        if self._every_s > 0:
            self._thread.start()
        return self

    def stop(self) -> None:
        """End; `tell_now` is for when it is known how the run has ended."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def tell_now(self, *, line: bool = False) -> None:
        """Tell Prometheus, and with `line` the log, how the run stands at a moment that counts."""
        if self._every_s > 0:
            self.tell(line=line, tables=False)

    def tell(self, *, line: bool = True, tables: bool = True) -> None:
        """Tell once, in no table that a rule may be making; what cannot be read or written now is told next time."""
        try:
            status = self._read()
            if status is None:
                return
            if line:
                tell(status_line(status) + "\n", self._stream)
            if self._prometheus is not None:
                write_prometheus(self._prometheus, status)
            if tables and self._write_tables is not None and not status.begins and (status.to_go or status.again):
                self._write_tables(status.standing)
        except OSError:
            return

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            self.tell()
