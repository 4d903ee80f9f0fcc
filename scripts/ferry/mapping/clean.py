"""Text, HTML, addresses and identifiers of a record, made safe and brought into the form the server keeps.

InvenioRDM rewrites what it is given (marshmallow-utils: ftfy's fix_text, bleach): straight quotes, composed
accents, no control characters, a short list of HTML tags. What is in that form already comes back unchanged,
so that a record read back can be compared with what was sent.
"""

import html
import re
import unicodedata
from urllib.parse import urlsplit

import nh3

from ferry.source.identity import PORTAL

MAX_LINE = 2_000  # characters of a title, a name, a keyword, an address; Lucene refuses terms over 32,766 bytes
MAX_TEXT = 200_000  # characters of a description; the longest of the portal has some 10,000

# What InvenioRDM allows by default (invenio-config, ALLOWED_HTML_TAGS), without what is unsafe in itself.
ALLOWED_TAGS = set(
    "a abbr acronym b blockquote br code div table tbody td th tr em h1 h2 h3 h4 h5 i li ol p pre span strike "
    "strong sub sup u ul".split()
)
_ALLOWED_ATTRIBUTES = {"a": {"href", "title"}, "abbr": {"title"}, "acronym": {"title"}}

# Only what begins like an element of HTML is one: "1 <x and y> 2" in a plain text is kept, as text.
_NOT_A_TAG = re.compile(
    r"<(?!/?(?:a|abbr|acronym|address|applet|area|article|aside|audio|b|base|bdi|bdo|big|blink|blockquote|body|br"
    r"|button|canvas|caption|center|cite|code|col|colgroup|data|datalist|dd|del|details|dfn|dialog|dir|div|dl|dt"
    r"|em|embed|fieldset|figcaption|figure|font|footer|form|frame|frameset|h[1-6]|head|header|hr|html|i|iframe|img"
    r"|input|ins|isindex|kbd|keygen|label|legend|li|link|main|map|mark|marquee|math|menu|meta|meter|nav|noembed"
    r"|noframes|noscript|object|ol|optgroup|option|output|p|param|picture|plaintext|pre|progress|q|rp|rt|ruby|s"
    r"|samp|script|section|select|slot|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td"
    r"|template|textarea|tfoot|th|thead|time|title|tr|track|tt|u|ul|var|video|wbr|xmp)(?=[\s/>])|!--)",
    re.IGNORECASE,
)
_MAX_PASSES = 4  # a tag that is taken out (thead) changes how the rest is read (tbody): until nothing changes any more
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
_HOST = re.compile(r"[^\s/?#]+\.[^\s/?#]+|localhost")
_DOI = re.compile(r"(?:doi:\s*|(?:https?://)?(?:dx\.)?doi\.org/)?(10\.\d{4,9}/[^\s<>\"]+)$", re.IGNORECASE)
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


def rich(value: str) -> str:
    """Return HTML that holds only what InvenioRDM allows: no scripts, no styles, no handlers; links absolute."""
    value = printable(value)
    if "<" not in value and "&" not in value and ">" not in value:
        return value.strip()
    if "&" in value:
        value = value.replace("&nbsp;", " ").replace("&#160;", " ")
    value = _NOT_A_TAG.sub("&lt;", value)
    for _ in range(_MAX_PASSES):
        cleaned = _sanitised(value)
        if cleaned == value:
            break
        value = cleaned
    return printable(value.replace("&nbsp;", " ")).strip()


def _sanitised(value: str) -> str:
    return nh3.clean(
        value,
        tags=ALLOWED_TAGS,
        attributes=_ALLOWED_ATTRIBUTES,
        attribute_filter=_absolute_href,
        clean_content_tags={"script", "style"},
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )


def _absolute_href(_tag: str, attribute: str, value: str) -> str | None:
    if attribute != "href" or value.startswith(("mailto:", "#")):
        return value
    return absolute_url(value)


def absolute_url(value: str) -> str | None:
    """Return the address with its host (`/record/80502` is meant on the portal), or None if it is not one."""
    value = printable(value).strip().replace(" ", "%20").replace("\n", "").replace("\t", "")
    if value.startswith("//"):
        value = f"https:{value}"
    elif value.startswith("/"):
        value = f"{PORTAL}{value}"
    elif value.lower().startswith("www."):
        value = f"https://{value}"
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https", "ftp") or not _HOST.fullmatch(parts.netloc) or len(value) > MAX_LINE:
        return None
    return None if any(character in value for character in '<>"') else value


def doi(value: str) -> str | None:
    """Return the bare DOI (10.7483/…) of any of its written forms, or None."""
    found = _DOI.match(printable(value).strip())
    return found.group(1) if found and len(found.group(1)) <= MAX_LINE else None


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
