"""Text, addresses and identifiers of a record, made safe and brought into the form the server keeps.

InvenioRDM rewrites what it is given (marshmallow-utils: ftfy's fix_text, bleach): straight quotes, composed
accents, no control characters, a short list of HTML tags. What is in that form already comes back unchanged,
so that a record read back can be compared with what was sent.
"""

import html
import re
import unicodedata
from urllib.parse import unquote, urljoin, urlsplit

from ferry.identity import PORTAL, record_url

MAX_LINE = 2_000  # characters of a title, a name, a keyword, an address; Lucene refuses terms over 32,766 bytes
MAX_TEXT = 2_000_000  # characters of a description, far over what a record may hold (metadata.limits)

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE = re.compile(r"\s+")
_SERVER_FORM = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        "\ufb00": "ff",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb03": "ffi",
        "\ufb04": "ffl",
        "\ufb05": "st",
        **dict.fromkeys("\u00a0\u2028\u2029\u0085", " "),
        **dict.fromkeys("\u200b\u200e\u200f\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""),
    }
)
_HOST_FIRST = re.compile(
    r"(www\.|([\w-]+\.)+(ch|cern|org|com|net|edu|gov|int|io|de|eu|fr|it|uk)(?=[/?#:]|$))", re.IGNORECASE
)
_ON_PORTAL = re.compile(
    r"\.{0,2}/|(records?|docs|search|visualise|about|vm|getting-started|eos|static)/", re.IGNORECASE
)
_RECORD = re.compile(rf"{re.escape(PORTAL)}/records?/([1-9]\d{{0,11}})/?", re.ASCII)
_OF_RECORD = re.compile(
    r"https?://(?:www\.)?opendata(?:\.web)?\.cern\.ch/(?:api/)?records?/0*([1-9]\d{0,11})(/[^?#]*)?(?:[?#].*)?",
    re.IGNORECASE | re.ASCII,
)
_HOST = re.compile(r"[^\s/?#]+\.[^\s/?#]+|localhost")
_TEX_LETTERS = {"ss": "ß", "aa": "å", "AA": "Å", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø"}
_TEX_LETTERS |= {"l": "ł", "L": "Ł", "i": "i", "j": "j"}
_TEX_ACCENTS = dict(
    zip("`'^\"~=.cvuHkr", "\u0300\u0301\u0302\u0308\u0303\u0304\u0307\u0327\u030c\u0306\u030b\u0328\u030a", strict=True)
)
_TEX_ACCENT = re.compile(r"""\{?\\([`'^"~=.])\s*\{?([A-Za-z])\}?\}?|\{?\\([cvuHkr])(?:\s*\{|\s+)([A-Za-z])\}?\}?""")
_DOI = re.compile(
    r"(?:doi:\s*|(?:https?://)?(?:dx\.|www\.)?doi\.org/)?(10\.\d{4,9}(?:/|%2F)[^\s<>\"]+)$", re.IGNORECASE
)
_ORCID = re.compile(r"(?:https?://orcid\.org/)?(\d{4}-?\d{4}-?\d{4}-?\d{3}[\dXx])$")
_ORCID_RANGES = ((15_000_000, 35_000_000), (900_000_000_000, 900_100_000_000))  # of the numbers given to ORCID


def printable(value: str) -> str:
    """Return the text without what neither XML nor UTF-8 can carry, in the server's own form of quotes and accents."""
    if value.isascii() and value.isprintable():
        return value
    value = value.translate(_SERVER_FORM)
    return unicodedata.normalize("NFC", _NOT_XML.sub("", value).replace("\r\n", "\n").replace("\r", "\n"))


def line(value: str) -> str:
    """Return a text of one line: no entities, no doubled or outer white space. HTML is not interpreted."""
    if "&" in value:
        value = html.unescape(value)
    return _SPACE.sub(" ", printable(value)).strip()


def without_tex(value: str) -> str:
    """Return a name with the accents that it has in the words of TeX (`Abell{\\'a}n`) as letters."""
    if "\\" not in value:
        return value
    for words, letter in _TEX_LETTERS.items():
        value = re.sub(rf"\{{\\{words}\}}|\\{words}(?![A-Za-z]) ?", letter, value)
    accented = _TEX_ACCENT.sub(lambda found: (found[2] or found[4]) + _TEX_ACCENTS[found[1] or found[3]], value)
    return unicodedata.normalize("NFC", accented)


def absolute_url(value: str) -> str | None:
    """Return the address with its host (`/record/80502` is meant on the portal), or None if it is not one.

    A record of the portal has one spelling, that of `record_url`.
    """
    value = printable(value).strip().replace(" ", "%20").replace("\n", "").replace("\t", "")
    if _HOST_FIRST.match(value):
        value = f"https://{value}"
    elif _ON_PORTAL.match(value):
        value = urljoin(f"{PORTAL}/", value)
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https", "ftp") or not _HOST.fullmatch(parts.netloc) or len(value) > MAX_LINE:
        return None
    if any(character in value for character in '<>"'):
        return None
    if parts.scheme == "http" and f"https://{parts.netloc.lower()}" == PORTAL:
        value = f"{PORTAL}{value[len('http://') + len(parts.netloc) :]}"
    of_record = _RECORD.fullmatch(value)
    return record_url(int(of_record[1])) if of_record else value


def record_of(url: str) -> int | None:
    """Return the number of the record of the portal whose page, or what is below it, has this address."""
    found = _OF_RECORD.fullmatch(url)
    return int(found[1]) if found else None


def target_url(url: str) -> str:
    """Return the address of what an address leads to: a place or a language of a record's page is that record."""
    found = _OF_RECORD.fullmatch(url)
    return record_url(int(found[1])) if found and found[2] in (None, "/") else url


def normal_form(identifier: str) -> str:
    """Return what is the same for each way to write an address or a DOI; to compare only."""
    scheme, there, rest = identifier.partition("://")
    if not there:
        return identifier.lower()
    host, slash, path = rest.rstrip("/").partition("/")
    scheme = "" if scheme.lower() in ("http", "https") else scheme.lower()
    return f"{scheme}//{host.lower()}{slash}{path}"


def doi(value: str) -> str | None:
    """Return the bare DOI (10.7483/…) of any of its written forms, or None."""
    value = printable(value).strip()
    found = _DOI.match(value)
    if not found:
        return None
    name = (unquote(found[1]) if found[1] != value else found[1]).rstrip("/")
    return name if len(name) <= MAX_LINE and "/" in name else None


def orcid(value: str) -> str | None:
    """Return the ORCID as 0000-0000-0000-0000 if its check digit (ISO 7064, 11-2) and its range are right, or None."""
    found = _ORCID.match(value.strip())
    if not found or not value.isascii():
        return None
    digits = found.group(1).replace("-", "").upper()
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[-1] != ("X" if check == 10 else str(check)):
        return None
    if not any(first <= int(digits[:-1]) <= last for first, last in _ORCID_RANGES):
        return None
    return "-".join(digits[start : start + 4] for start in (0, 4, 8, 12))
