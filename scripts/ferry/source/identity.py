"""The stable identifier by which a record of the portal is found again in the target repository."""

PORTAL = "https://opendata.cern.ch"


def record_url(recid: int) -> str:
    """Return the address of a record on the portal, e.g. https://opendata.cern.ch/record/80505."""
    return f"{PORTAL}/record/{recid}"


def source_identifier(recid: int) -> dict[str, str]:
    """Return the entry of `metadata.identifiers` that each deposited record of this recid carries."""
    return {"identifier": record_url(recid), "scheme": "url"}
