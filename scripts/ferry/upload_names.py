"""The names of what goes up beside the files of a record."""

RO_CRATE_KEY = "ro-crate-metadata.json"
"""By its specification it can have no other name."""


def source_key(recid: int) -> str:
    """Return the name of the record's own metadata, e.g. 80505.json."""
    return f"{recid}.json"


def manifest_key(recid: int) -> str:
    """Return the name of the manifest, e.g. 80505_manifest.json."""
    return f"{recid}_manifest.json"
