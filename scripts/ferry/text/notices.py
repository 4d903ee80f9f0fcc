"""What a person should read of a record while the run goes on: in the log of its step, and on the terminal."""

import logging
import sys

_NOTICES = logging.getLogger("ferry.notices")


def notice(recid: int, message: str) -> None:
    """Tell it."""
    _NOTICES.warning("%d: %s", recid, message)


def show_notices() -> None:
    """Have what is told from now on shown on standard error too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("ferry: %(message)s"))
    _NOTICES.handlers = [handler]
