"""Whose record a document is: one of the CERN Open Data portal, or one's own in the shape that InvenioRDM has them."""

from collections.abc import Mapping
from typing import Any, Literal

from ferry.errors import MetadataError

Origin = Literal["cern-opendata", "own"]

_OF_PORTAL = frozenset(
    {"$schema", "abstract", "collections", "date_created", "date_published", "distribution", "recid", "type"}
)
"""Fields that records of the portal have and records of InvenioRDM have not."""
_OF_INVENIO = frozenset(
    {"additional_descriptions", "creators", "publication_date", "related_identifiers", "resource_type", "rights"}
)
"""And the other way round."""
_EXPECTED = {
    "own": 'a record of one\'s own, {"metadata": {...}} as InvenioRDM has it',
    "cern-opendata": "a record of the CERN Open Data portal",
}
_FOUND = {
    "own": "one in the shape of InvenioRDM, which has a publisher, rights and identifiers of its own",
    "cern-opendata": "one of the CERN Open Data portal",
}


class OriginError(MetadataError):
    """A record of the portal is taken for one's own, or the other way round."""


def origin_of(document: Mapping[str, Any]) -> Origin | None:
    """Return whose record a document is, None where that is not plain."""
    inner = document.get("metadata")
    bare = inner if isinstance(inner, Mapping) and "title" not in document else document
    if _OF_INVENIO & bare.keys():
        return "own"
    return "cern-opendata" if _OF_PORTAL & bare.keys() else None


def wants_no_files(document: Mapping[str, Any]) -> bool:
    """Tell whether one's own document says that its record has none; of one of the portal, files are a list."""
    files = document.get("files")
    return isinstance(files, Mapping) and files.get("enabled") is False


def require_origin(document: Mapping[str, Any], origin: Origin, *, place: str) -> None:
    """Refuse a record of another origin than the configuration names: it would become something that it is not.

    Raises:
        OriginError: it plainly is, or one's own has no metadata.
    """
    found = origin_of(document)
    other: Origin = "cern-opendata" if origin == "own" else "own"
    if found == other:
        raise OriginError(
            f"{place}: expected {_EXPECTED[origin]} (metadata.origin: {origin}), found {_FOUND[other]}; set "
            f"metadata.origin to {other} for a run over such records"
        )
    if origin == "own" and not isinstance(document.get("metadata"), Mapping):
        raise OriginError(f"{place}: metadata: expected an object, as in {_EXPECTED[origin]}; found none")
