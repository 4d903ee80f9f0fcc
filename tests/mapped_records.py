"""Records of the portal as a target has them: real ones by their number, and small ones made after an example."""

from functools import cache
from typing import Any

from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions
from real_metadata import real_metadata

SMALL = {
    "recid": "7",
    "title": "A title",
    "type": {"primary": "Dataset", "secondary": ["Derived"]},
    "experiment": ["CMS"],
    "publisher": "CERN Open Data Portal",
    "date_published": "2014",
    "license": {"attribution": "CC0-1.0"},
}


@cache
def _by_recid() -> dict[int, dict[str, Any]]:
    return {int(record["recid"]): record for record in real_metadata()}


def mapped(record: int | dict[str, Any], profile: str = "rdm-plain", *, files: int = 0, **options: Any) -> Transformed:
    """Return a real record (its recid), or the small one with these fields (None takes one away), as a target has it.

    Args:
        record: recid, or fields.
        profile: of the target.
        files: how many files the record has, of a byte each.
        options: of the mapping.
    """
    fields = _by_recid()[record] if isinstance(record, int) else {**SMALL, **record}
    whole = {name: value for name, value in fields.items() if value is not None}
    listed = [
        {"key": f"f{number}", "uri": f"root://x//f{number}", "size_bytes": 1, "checksum": None, "online": True}
        for number in range(files)
    ]
    source = {"recid": int(whole["recid"]), "origin": "metadata", "record": whole, "files": listed}
    return transform_record(source=source, profile=profile, options=MappingOptions(**options))


def metadata(record: int | dict[str, Any], profile: str = "rdm-plain", **options: Any) -> dict[str, Any]:
    """Return the metadata of `mapped`."""
    return mapped(record, profile, **options).record["metadata"]


def related(record: int | dict[str, Any], profile: str = "rdm-plain", **options: Any) -> dict[str, str]:
    """Return identifier -> relation of what a record is related to."""
    found = metadata(record, profile, **options)
    entries = [(each, each["relation_type"]["id"]) for each in found.get("related_identifiers", [])]
    entries += [
        (each, resource["relation_type"]["id"])
        for resource in found.get("related_resources", [])
        for each in resource["identifiers"]
    ]
    assert len(entries) == len({each["identifier"] for each, _ in entries}), "a target stands twice"
    return {each["identifier"]: relation for each, relation in entries}


def told(record: int | dict[str, Any], profile: str = "rdm-plain", **options: Any) -> str:
    """Return all descriptions of a record, one after the other."""
    found = metadata(record, profile, **options)
    return "\n".join(
        [found["description"], *(each["description"] for each in found.get("additional_descriptions", []))]
    )


def warned(record: int | dict[str, Any], profile: str = "rdm-plain", **options: Any) -> dict[str, str]:
    """Return place -> message of the warnings of a record."""
    return {each["path"]: each["message"] for each in mapped(record, profile, **options).warnings}
