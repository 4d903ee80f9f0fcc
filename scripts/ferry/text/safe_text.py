"""Text that may be shown: without the secrets of this process, and without signs that a terminal would obey.

An answer of a server may hold anything, our own token among it. So every text goes through here at the few places where
it leaves the process: in an error's own text, in a log, in a journal and in a receipt.
"""

import json
import logging
import re
import traceback
from itertools import takewhile
from types import TracebackType
from urllib.parse import quote, quote_plus

from ferry.text.secret_forms import MAY_BE_ESCAPED, SHORTEST, EscapedForm, in_base64

HIDDEN = "[secret]"
LONGEST_LINE = 2000
"""Characters of a line of an error, and of what a server has said in one."""
LONGEST_TEXT = 30_000
"""Characters of an error: a table of what is wrong, with what to do at its end."""
_AT_BEGINNING = re.compile(r"\n(?=[^ \n])")

_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\\s*")

_secrets: dict[str, EscapedForm | None] = {}
"""What is not shown; a form whose letters may be escaped has an `EscapedForm`."""


def hide(secret: str) -> None:
    """From now on, show this secret nowhere: neither as it is nor escaped, nor in base64."""
    if len(secret) >= SHORTEST:  # what is shorter is no token, and stands in many a text by chance
        quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
        quoted |= {each.lower() for each in quoted if "%" in each} | in_base64(secret)
        _secrets.update({**dict.fromkeys(quoted), secret: EscapedForm(secret)})


def redact(text: str) -> str:
    """Return the text with each known secret hidden, also where a text that was cut holds its beginning or end only."""
    if MAY_BE_ESCAPED.search(text):
        for form in filter(None, _secrets.values()):
            text = form.replace(text, HIDDEN)
    if any(secret[:SHORTEST] in text or secret[-SHORTEST:] in text for secret in _secrets):
        secrets = sorted(_secrets, key=len, reverse=True)
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        for secret in secrets:
            text = _without_beginnings(text, secret, HIDDEN)
            text = _without_beginnings(text[::-1], secret[::-1], HIDDEN[::-1])[::-1]
    return text


def _without_beginnings(text: str, secret: str, hidden: str) -> str:
    first, *pieces = text.split(secret[:SHORTEST])
    rest = secret[SHORTEST:]
    return first + "".join(hidden + piece[_same_signs(piece, rest) :] for piece in pieces)


def _same_signs(one: str, other: str) -> int:
    """Return how many signs two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(bool, (a == b for a, b in zip(one, other, strict=False))))


def redact_bytes(text: bytes) -> bytes:
    """Return a text in UTF-8 with each known secret hidden."""
    shown = text.decode("utf-8", "surrogateescape")
    hidden = redact(shown)
    return text if hidden == shown else hidden.encode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """Return the text with all that is no printable sign but a line break escaped: control, format, half characters."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def safe_text(text: str) -> str:
    """Return the text as it may be shown: redacted, printable, with lines and as a whole no longer than may be.

    Whoever wrote a line, it is told from what this program says itself: all but the first are indented.
    """
    text = redact(text)
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT - LONGEST_LINE]} …\n… {text[-LONGEST_LINE:]}"
    lines = _AT_BEGINNING.sub("\n  ", printable(text)).split("\n")
    return "\n".join(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…" for line in lines)


def in_one_line(text: str, *, longest: int = LONGEST_LINE) -> str:
    """Return what somebody else has said, or what holds it, in one line."""
    line = _BREAK.sub(" ", text[: 10 * longest])
    return line if len(line) <= longest else line[:longest] + " …"


class SafeFormatter(logging.Formatter):
    """What stands in a log, tracebacks among it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of one record."""
        return safe_text(super().format(record))


def uncaught_text(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> str:
    """Return what Python would tell of an error that nobody caught."""
    return safe_text("".join(traceback.format_exception(kind, error, trace)))
