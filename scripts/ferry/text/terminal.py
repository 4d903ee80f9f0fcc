"""What is told on a terminal, which may have gone: a closed stream, or a pipe that nobody reads, ends no run."""

import contextlib
import os
import sys
from typing import TextIO

from ferry.text.safe_text import printable, redact


def tell(text: str, stream: TextIO | None) -> None:
    """Write lines and see them off; `stream` is None where the process was begun with it closed."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # else Python would try once more when it ends, and fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def show(text: str) -> None:
    """Write lines that were asked for on standard output, redacted and printable."""
    tell(f"{printable(redact(text))}\n", sys.stdout)
