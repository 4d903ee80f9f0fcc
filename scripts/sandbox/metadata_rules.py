"""Which metadata InvenioRDM takes: wrong fields are named and left out, unknown vocabulary ids refuse the whole."""

import re
from typing import Any
from urllib.parse import urlsplit

from sandbox.field_checks import (
    MISSING,
    UNKNOWN,
    Check,
    Checked,
    anything,
    choice,
    date,
    html,
    html_of_any_length,
    list_of,
    object_of,
    one_date,
    term,
    term_or_text,
    text,
    whole_number,
)
from sandbox.flavours import Flavour

REQUIRED = ("resource_type", "creators", "title", "publication_date")
IDENTIFIER_SCHEMES = frozenset(
    ("ark", "arxiv", "ads", "doi", "ean13", "eissn", "handle", "igsn", "isbn", "issn", "istc", "lissn", "lsid")
) | frozenset(("pmid", "purl", "upc", "url", "urn", "w3id", "other"))
_DOI = re.compile(r"(doi:|https?://(dx\.)?doi\.org/)?10\.\d{4,9}(\.\d+)*/\S+", re.IGNORECASE)


def check_metadata(given: Any, flavour: Flavour) -> Checked:
    """Keep of the given metadata what is right, and say what is wrong.

    Raises:
        Refusal: 400, an id that its vocabulary does not have.
    """
    checked = Checked(flavour)
    fields = _NRP_FIELDS if flavour.is_nrp else _FIELDS
    metadata = given if isinstance(given, dict) else {}
    for name in REQUIRED:
        if metadata.get(name) is None or (name == "creators" and metadata[name] == [] and not flavour.is_nrp):
            checked.error(f"metadata.{name}", MISSING)
    if not metadata.get("publisher"):
        checked.error("metadata.publisher", "Missing publisher field required for DOI registration.")
    for name, value in metadata.items():
        place = f"metadata.{name}"
        if name not in fields:
            checked.error(place, UNKNOWN)
        elif value is not None and value != []:
            kept = fields[name](checked, place, value)
            if kept is not None:
                checked.metadata[name] = kept
    return checked


def _person_or_org(checked: Checked, place: str, value: Any) -> dict[str, Any] | None:
    names = object_of(
        (), type=text(), name=text(), given_name=text(), family_name=text(), identifiers=list_of(anything)
    )
    kept: dict[str, Any] | None = names(checked, place, value)
    if kept is None:
        return None
    if kept.get("type") not in ("personal", "organizational"):
        checked.error(f"{place}.type", "Invalid value. Choose one of ['organizational', 'personal'].")
        kept.pop("type", None)
    elif kept["type"] == "personal":
        if not kept.get("family_name"):
            checked.error(f"{place}.family_name", "Family name cannot be blank.")
        else:
            kept["name"] = ", ".join(kept[part] for part in ("family_name", "given_name") if kept.get(part))
    elif not kept.get("name"):
        checked.error(f"{place}.name", "Name cannot be blank.")
    return kept


def _identifier(checked: Checked, place: str, value: dict[str, Any]) -> None:
    """Fill in or check the scheme of an identifier; a wrong one is named, yet kept."""
    given, scheme = str(value.get("identifier", "")), value.get("scheme")
    is_url = urlsplit(given).scheme in ("http", "https", "ftp") and bool(urlsplit(given).netloc)
    if scheme is None:
        if _DOI.fullmatch(given):
            value["scheme"] = "doi"
        elif is_url:
            value["scheme"] = "url"
        else:
            checked.error(f"{place}.scheme", "No valid scheme recognized for identifier.")
    elif scheme not in IDENTIFIER_SCHEMES:
        checked.error(f"{place}.scheme", "Invalid scheme.")
    elif (scheme == "url" and not is_url) or (scheme == "doi" and not _DOI.fullmatch(given)):
        checked.error(f"{place}.identifier", f"Invalid {scheme.upper()} identifier.")


def _identifiers(checked: Checked, place: str, value: Any) -> list[Any] | None:
    entries: list[Any] | None = list_of(object_of(("identifier",), identifier=text(1), scheme=text(1)))(
        checked, place, value
    )
    if entries is None:
        return None
    for number, entry in enumerate(entries):
        _identifier(checked, f"{place}.{number}", entry)
    pairs = [(entry.get("identifier"), entry.get("scheme")) for entry in entries]
    if len(set(pairs)) < len(pairs):
        checked.error(place, "Duplicated identifier entry is not allowed.")
        return None
    return entries


def _related(checked: Checked, place: str, value: Any) -> list[Any] | None:
    item = object_of(
        ("identifier", "relation_type"),
        identifier=text(1),
        scheme=text(1),
        relation_type=term("relationtypes"),
        resource_type=term("resourcetypes"),
    )
    entries: list[Any] | None = list_of(item)(checked, place, value)
    for number, entry in enumerate(entries or []):
        _identifier(checked, f"{place}.{number}", entry)
    return entries


def _creators(role_required: bool, roles: str) -> Check:
    return list_of(
        object_of(
            ("person_or_org", "role") if role_required else ("person_or_org",),
            person_or_org=_person_or_org,
            role=term(roles),
            affiliations=list_of(term_or_text("affiliations", "name")),
        )
    )


_FIELDS: dict[str, Check] = {
    "resource_type": term("resourcetypes"),
    "creators": _creators(False, "creatorsroles"),
    "contributors": _creators(True, "contributorsroles"),
    "title": text(3),
    "additional_titles": list_of(
        object_of(("title", "type"), title=text(3), type=term("titletypes"), lang=term("languages"))
    ),
    "publisher": text(),
    "publication_date": date,
    "subjects": list_of(term_or_text("subjects", "subject")),
    "dates": list_of(object_of(("date", "type"), date=date, type=term("datetypes"), description=text())),
    "languages": list_of(term("languages")),
    "identifiers": _identifiers,
    "related_identifiers": _related,
    "sizes": list_of(text(1)),
    "formats": list_of(text(1)),
    "version": text(),
    "rights": list_of(term_or_text("licenses", "title", ("description", "link"))),
    "description": html,
    "additional_descriptions": list_of(
        object_of(("description", "type"), description=html, type=term("descriptiontypes"), lang=term("languages"))
    ),
    "locations": anything,
    "funding": list_of(anything),
    "references": list_of(object_of(("reference",), reference=text(1), scheme=text(), identifier=text())),
    "copyright": text(),
}

_NRP_FIELDS: dict[str, Check] = {
    **{name: check for name, check in _FIELDS.items() if name not in ("sizes", "formats")},
    "title": text(),
    "description": html_of_any_length,
    "publication_date": one_date,
    "related_resources": list_of(anything),
    "recid": whole_number,
    "experiment": term("experiments"),
    "category": term("particle_category"),
    "dataset_type": choice("simulated", "collision", "logbook", "manual"),
    "file_types": list_of(text()),
    "number_of_events": whole_number,
    "collision_information": object_of(
        (), type=choice("e+e-"), energy=text(), energy_min=anything, energy_max=anything
    ),
}
