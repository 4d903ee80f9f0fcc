"""The stable identifier by which a record is found again in the target repository."""

import re

PORTAL = "https://opendata.cern.ch"
PORTAL_DOIS = "10.7483/"
"""What each DOI that the portal makes begins with."""

_RECORD_URL = re.compile(rf"{re.escape(PORTAL)}/record/([1-9][0-9]*)")


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
