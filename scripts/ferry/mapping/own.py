"""Records of one's own: the document is the target metadata already, and is checked, never completed.

All that comes to it is the identifier by which the repository finds it again.
"""

from collections.abc import Mapping
from typing import Any

from ferry.errors import MetadataError
from ferry.identity import is_below, is_of_portal, source_identifier
from ferry.mapping.leaves import Ledger, count_leaves
from ferry.mapping.transform import Transformed, check_target, mapping_receipt, transform_record
from ferry.mapping.work import MappingOptions
from ferry.source.origin import require_origin

_RULE = "own"


def target_record(*, source: Mapping[str, Any], profile: str, options: MappingOptions) -> Transformed:
    """Return what is sent to the repository for a record: mapped where it is the portal's, as it is where it is own.

    Raises:
        OriginError: it is the record of another origin than the options say.
        MetadataError: it cannot be mapped, or the target would refuse it.
        ConfigError: there is no such profile.
    """
    own = options.identifier_prefix is not None
    require_origin(source["record"], "own" if own else "cern-opendata", place=str(source["origin"]))
    if own:
        return _own_record(source, profile, options)
    return transform_record(source=source, profile=profile, options=options)


def _own_record(source: Mapping[str, Any], profile: str, options: MappingOptions) -> Transformed:
    document, recid = source["record"], source["recid"]
    prefix = str(options.identifier_prefix)
    identity = source_identifier(recid, prefix=prefix)
    filled, empty = count_leaves(document)
    metadata = document["metadata"]
    _refuse_others(metadata, identity, prefix)
    added = []
    record = {"access": {"record": options.access, "files": options.access}, "files": {"enabled": False}, **document}
    if "access" not in document:
        added.append({"to": "access", "reason": "transform.access"})
    named = metadata.get("identifiers", [])
    if isinstance(named, list) and identity not in named:
        record["metadata"] = {**metadata, "identifiers": [*named, identity]}
        added.append(
            {"to": "metadata.identifiers[url]", "reason": "metadata.identifier_prefix and the record's number"}
        )
    check_target(record, profile, options)
    record["files"] = {"enabled": bool(source["files"])}  # what is there decides, when it is known
    ledger = Ledger(filled, empty)
    for path, count in filled.items():
        ledger.map(path, (path,), _RULE, count)
    receipt = mapping_receipt(recid=recid, profile=profile, experiments=_experiments(metadata), rows=ledger.rows())
    return Transformed(
        record=record,
        mapping={**receipt, "added": added, "identifier": identity["identifier"]},
        warnings=(),
        notices=(),
    )


def _refuse_others(metadata: Mapping[str, Any], identity: Mapping[str, str], prefix: str) -> None:
    """Refuse what other records are found by: the next run over those would take this one for theirs."""
    if "recid" in metadata:
        raise MetadataError(
            "metadata.recid: expected none in a record of one's own, found one: it is the number of a record of the "
            "CERN Open Data portal, by which its copy is found; take it out"
        )
    listed = metadata.get("identifiers")
    for number, entry in enumerate(listed if isinstance(listed, list) else []):
        named = entry.get("identifier") if isinstance(entry, Mapping) else None
        if not isinstance(named, str):
            continue
        place = f"metadata.identifiers[{number}]"
        if is_of_portal(named):
            raise MetadataError(
                f"{place}: expected what names this record, found {named}, which is one of the CERN Open Data portal; "
                "name that in related_identifiers"
            )
        if is_below(prefix, named) and entry != identity:
            raise MetadataError(
                f"{place}: expected of identities below metadata.identifier_prefix this record's own only, "
                f"{identity['identifier']} with the scheme url, found {named}; take it out, as its own comes by "
                "itself, and name other records in related_identifiers"
            )


def _experiments(metadata: Mapping[str, Any]) -> list[str]:
    value = metadata.get("experiment")
    name = value.get("id") if isinstance(value, Mapping) else value
    return [name] if isinstance(name, str) else []
