"""The stable identifier by which a record is found again in the target repository."""

import posixpath
import re
import unicodedata
from urllib.parse import unquote, urlsplit

PORTAL = "https://opendata.cern.ch"
PORTAL_DOIS = "10.7483/"
"""What each DOI that the portal makes begins with."""

_RECORD_URL = re.compile(rf"{re.escape(PORTAL)}/record/([1-9][0-9]*)")
_NUMBER = re.compile("[1-9][0-9]{0,17}")
_BEFORE_HOST = re.compile(r"\s*(?:doi:|https?:)?[\s/]*", re.IGNORECASE)
_USUAL_PORTS = (None, 80, 443)
_UNQUOTED = 3  # times: what is escaped more often than that means nothing to anybody


def record_url(recid: int) -> str:
    """Return the address of a record on the portal, e.g. https://opendata.cern.ch/record/80505."""
    return f"{PORTAL}/record/{recid}"


def record_number(url: str) -> int | None:
    """Return the recid of an address that `record_url` has made, None for any other text."""
    found = _RECORD_URL.fullmatch(url)
    return int(found[1]) if found else None


def source_identifier(recid: int, *, prefix: str | None = None) -> dict[str, str]:
    """Return the entry of `metadata.identifiers` that each deposited record of this recid carries.

    That is its address on the portal; of a record of one's own, `prefix` and the number of its folder.
    """
    return {"identifier": record_url(recid) if prefix is None else f"{prefix}{recid}", "scheme": "url"}


def recid_of(identifier: str, *, prefix: str | None) -> int | None:
    """Return the recid whose `source_identifier` with this prefix it is, None of any other text."""
    if prefix is None:
        return record_number(identifier)
    number = identifier.removeprefix(prefix)
    return int(number) if number != identifier and _NUMBER.fullmatch(number) else None


def is_of_portal(identifier: str) -> bool:
    """Tell whether an address or a DOI is the portal's, however it is written."""
    form = _normal_form(identifier)
    return re.split("[:/]", form)[0] == urlsplit(PORTAL).hostname or f"/{PORTAL_DOIS}" in f"/{form}"


def is_below(prefix: str, identifier: str) -> bool:
    """Tell whether an address is the prefix with something behind it, however it is written."""
    return _normal_form(identifier).startswith(_normal_form(f"{prefix}0")[:-1])


def _normal_form(identifier: str) -> str:
    """Return what is equal for all ways to write one address: without scheme, usual port, escapes and what is idle."""
    text = identifier
    for _ in range(_UNQUOTED):
        text = unquote(text)
    text = unicodedata.normalize("NFKC", text).replace("\\", "/")
    try:
        parts = urlsplit(f"//{_BEFORE_HOST.sub('', text, count=1)}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:  # nothing that leads anywhere
        return text
    path = posixpath.normpath(re.sub("/+", "/", f"/{parts.path.strip()}"))
    rest = "".join(f"{sign}{part}" for sign, part in (("?", parts.query), ("#", parts.fragment)) if part)
    return f"{host}{'' if port in _USUAL_PORTS else f':{port}'}{path}{rest}"
