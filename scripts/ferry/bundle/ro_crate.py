"""The record as an RO-Crate: its metadata in the words of schema.org, for whoever reads no InvenioRDM."""

import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity  # type: ignore[import-untyped]
from rocrate.rocrate import ROCrate  # type: ignore[import-untyped]

from ferry.bundle.attachments import attach
from ferry.mapping.profiles import find_profile
from ferry.upload_names import RO_CRATE_KEY

_IDENTICAL = "isidenticalto"


def attach_ro_crate(
    identifier: str, *, document: Mapping[str, Any], uploads: Sequence[Mapping[str, Any]], data_dir: Path
) -> dict[str, Any]:
    """Write `ro-crate-metadata.json`; the same record always gives the same bytes.

    Args:
        identifier: by which the record is found again.
        document: the target metadata, of any profile.
        uploads: of the receipt `package`: the parts of the crate.
        data_dir: data/<recid>.

    Returns:
        Its entry, in the form that entries of the receipt `package` have.
    """
    crate = describe(identifier, metadata=document["metadata"], uploads=uploads)
    return attach(RO_CRATE_KEY, crate, data_dir)


def describe(identifier: str, *, metadata: Mapping[str, Any], uploads: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the crate as JSON-LD, its entities in the order of their ids."""
    crate = ROCrate()
    root = crate.root_dataset
    root["name"] = metadata["title"]
    root["datePublished"] = metadata["publication_date"]
    root["description"] = metadata.get("description") or metadata["title"]
    root["identifier"] = [identifier, *_dois(metadata)]
    root["keywords"] = [subject["subject"] for subject in metadata.get("subjects", []) if "subject" in subject]
    root["creator"] = [_add_agent(crate, *each) for each in enumerate(metadata.get("creators", []), 1)]
    root["license"] = [_add_license(crate, rights) for rights in metadata.get("rights", [])]
    if "publisher" in metadata:
        root["publisher"] = crate.add(_entity(crate, "#publisher", "Organization", metadata["publisher"]))
    for upload in uploads:
        crate.add_file(
            dest_path=upload["key"],
            properties={
                "name": upload["key"],
                "contentSize": str(upload["size_bytes"]),
                "encodingFormat": _media_type(upload),
            },
        )
    written: dict[str, Any] = crate.metadata.generate()
    written["@graph"] = sorted(written["@graph"], key=lambda entity: str(entity["@id"]))
    return written


def _dois(metadata: Mapping[str, Any]) -> list[str]:
    same = [each for each in metadata.get("related_identifiers", []) if each["relation_type"]["id"] == _IDENTICAL]
    found = [*metadata.get("identifiers", []), *same]
    return [f"https://doi.org/{each['identifier']}" for each in found if each.get("scheme") == "doi"]


def _add_agent(crate: ROCrate, number: int, creator: Mapping[str, Any]) -> ContextEntity:
    """Add a creator; without an ORCID its place in the list tells it from another of the same name."""
    agent = creator["person_or_org"]
    name = agent.get("name") or ", ".join(agent[part] for part in ("family_name", "given_name") if part in agent)
    orcids = [each["identifier"] for each in agent.get("identifiers", []) if each.get("scheme") == "orcid"]
    identifier = f"https://orcid.org/{orcids[0]}" if orcids else f"#creator-{number}"
    kind = "Person" if agent["type"] == "personal" else "Organization"
    entity = _entity(crate, identifier, kind, name)
    affiliations = [each["name"] for each in creator.get("affiliations", []) if "name" in each]
    if affiliations:
        entity["affiliation"] = affiliations
    return crate.add(entity)


def _add_license(crate: ROCrate, rights: Mapping[str, Any]) -> ContextEntity:
    if "id" in rights:
        known = {spdx.lower(): spdx for spdx in find_profile("rdm-plain").licenses}
        spdx = known.get(rights["id"].lower(), rights["id"])
        return crate.add(_entity(crate, f"https://spdx.org/licenses/{spdx}", "CreativeWork", spdx))
    title = " ".join(rights["title"].values())
    return crate.add(_entity(crate, rights.get("link") or f"#{title}", "CreativeWork", title))


def _entity(crate: ROCrate, identifier: str, kind: str, name: str) -> ContextEntity:
    return ContextEntity(crate, identifier, properties={"@type": kind, "name": name})


def _media_type(upload: Mapping[str, Any]) -> str:
    if upload["kind"] == "bundle":
        return "application/zip"
    return mimetypes.guess_type(upload["key"])[0] or "application/octet-stream"
