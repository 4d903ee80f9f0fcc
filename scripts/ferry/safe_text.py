"""Text that may be shown: without the secrets of this process, and without signs that a terminal would obey.

An answer of a server may hold anything, our own token among it. So every text goes through here at the few places where
it leaves the process: in an error's own text, in a log, in a journal and in a receipt.
"""

import json
import logging
import traceback
from itertools import takewhile
from types import TracebackType
from urllib.parse import quote, quote_plus

HIDDEN = "[secret]"
LONGEST_LINE = 2000
"""Characters of a line of an error."""
_SHORTEST_SECRET = 8
"""What is shorter is no token, and stands in many a text by chance."""

_secrets: set[str] = set()


def hide(secret: str) -> None:
    """From now on, show this secret nowhere: neither as it is nor as it stands in an address or in JSON."""
    if len(secret) >= _SHORTEST_SECRET:
        quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
        _secrets.update({secret, *quoted, *(each.lower() for each in quoted if "%" in each)})


def redact(text: str) -> str:
    """Return the text with each known secret hidden, also where a text that was cut holds its beginning or end only."""
    secrets = sorted(_secrets, key=len, reverse=True)
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    for secret in secrets:
        text = _without_beginnings(text, secret, HIDDEN)
        text = _without_beginnings(text[::-1], secret[::-1], HIDDEN[::-1])[::-1]
    return text


def _without_beginnings(text: str, secret: str, hidden: str) -> str:
    first, *pieces = text.split(secret[:_SHORTEST_SECRET])
    rest = secret[_SHORTEST_SECRET:]
    return first + "".join(hidden + piece[_same_signs(piece, rest) :] for piece in pieces)


def _same_signs(one: str, other: str) -> int:
    """Return how many signs two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(bool, (a == b for a, b in zip(one, other, strict=False))))


def redact_bytes(text: bytes) -> bytes:
    """Return a text in UTF-8 with each known secret hidden."""
    ends = ((secret[:_SHORTEST_SECRET], secret[-_SHORTEST_SECRET:]) for secret in _secrets)
    found = any(end.encode() in text for pair in ends for end in pair)
    return redact(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape") if found else text


def printable(text: str) -> str:
    """Return the text with all that is no printable sign but a line break escaped: control, format, half characters."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def safe_text(text: str) -> str:
    """Return the text as an error may hold it: redacted, printable, no line longer than `LONGEST_LINE`."""
    lines = printable(redact(text)).split("\n")
    return "\n".join(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…" for line in lines)


class SafeFormatter(logging.Formatter):
    """A log's lines, tracebacks among them, redacted and printable."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of one record."""
        return printable(redact(super().format(record)))


def uncaught_text(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> str:
    """Return what Python would tell of an error that nobody caught, redacted and printable."""
    return printable(redact("".join(traceback.format_exception(kind, error, trace))))
