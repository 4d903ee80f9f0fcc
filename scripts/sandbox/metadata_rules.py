"""Which metadata InvenioRDM takes: wrong fields are named and left out, unknown vocabulary ids refuse the whole."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sandbox.answers import Refusal, field_error
from sandbox.flavours import Flavour, find_flavour

MISSING = "Missing data for required field."
UNKNOWN = "Unknown field."
REQUIRED = ("resource_type", "creators", "title", "publication_date")
IDENTIFIER_SCHEMES = frozenset(
    ("ark", "arxiv", "ads", "doi", "ean13", "eissn", "handle", "igsn", "isbn", "issn", "istc", "lissn", "lsid")
) | frozenset(("pmid", "purl", "upc", "url", "urn", "w3id", "other"))
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_DOI = re.compile(r"(doi:|https?://(dx\.)?doi\.org/)?10\.\d{4,9}(\.\d+)*/\S+", re.IGNORECASE)


@dataclass
class Checked:
    """Metadata after the check: what is kept, and what was wrong with the rest."""

    flavour: Flavour = field(default_factory=lambda: find_flavour("rdm"))
    metadata: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def error(self, place: str, message: str) -> None:
        """Note that the field at this place is wrong."""
        self.errors.append(field_error(place, message))


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


def _text(least: int = 0) -> Callable[[Checked, str, Any], str | None]:
    def check(checked: Checked, place: str, value: Any) -> str | None:
        if not isinstance(value, str):
            checked.error(place, "Not a valid string.")
            return None
        if len(value.strip()) < least:
            checked.error(place, f"Shorter than minimum length {least}.")
            return None
        return value.strip()

    return check


def _html(checked: Checked, place: str, value: Any) -> str | None:
    text = _text(3)(checked, place, value)
    return None if text is None else re.sub(r"</?(script|style|iframe|object)\b[^>]*>", "", text, flags=re.IGNORECASE)


def _html_of_any_length(checked: Checked, place: str, value: Any) -> str | None:
    return _text()(checked, place, value)


def _whole_number(checked: Checked, place: str, value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        checked.error(place, "Not a valid integer.")
        return None
    return value


def _choice(*choices: str) -> Callable[[Checked, str, Any], str | None]:
    def check(checked: Checked, place: str, value: Any) -> str | None:
        if value not in choices:
            checked.error(place, f"Must be one of: {', '.join(choices)}.")
            return None
        return str(value)

    return check


def _one_date(checked: Checked, place: str, value: Any) -> str | None:
    if isinstance(value, str) and "/" in value:
        checked.error(place, "Please provide a valid date or interval.")
        return None
    return _date(checked, place, value)


def _date(checked: Checked, place: str, value: Any) -> str | None:
    if not isinstance(value, str):
        checked.error(place, "Not a valid string.")
        return None
    parts = value.split("/")
    if len(parts) > 2 or not all(_DATE.fullmatch(part) for part in parts) or parts != sorted(parts):
        checked.error(place, "Please provide a valid date or interval.")
        return None
    return value


def _term(vocabulary: str) -> Callable[[Checked, str, Any], dict[str, Any] | None]:
    def check(checked: Checked, place: str, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            checked.error(f"{place}._schema", "Invalid input type.")
            return None
        for name in set(value) - {"id", "title"}:
            checked.error(f"{place}.{name}", UNKNOWN)
        if not isinstance(value.get("id"), str):
            checked.error(f"{place}.id", MISSING)
            return None
        if value["id"] not in checked.flavour.vocabularies[vocabulary]:
            raise Refusal(400, f"Invalid value {value['id']}.")
        return {"id": value["id"]}

    return check


def _term_or_text(vocabulary: str, text_name: str, more: tuple[str, ...] = ()) -> Callable[[Checked, str, Any], Any]:
    """A term of a vocabulary by its id, or one in one's own words."""

    def check(checked: Checked, place: str, value: Any) -> Any:
        if not isinstance(value, dict):
            checked.error(f"{place}._schema", "Invalid input type.")
            return None
        for name in set(value) - {"id", "title", "description", "props", text_name, *more}:
            checked.error(f"{place}.{name}", UNKNOWN)
        if "id" in value:
            return _term(vocabulary)(checked, place, {"id": value["id"]})
        if not value.get(text_name):
            checked.error(f"{place}.{text_name}", MISSING)
        return {name: value[name] for name in (text_name, *more) if name in value}

    return check


def _list_of(item: Callable[[Checked, str, Any], Any]) -> Callable[[Checked, str, Any], list[Any] | None]:
    def check(checked: Checked, place: str, value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            checked.error(place, "Not a valid list.")
            return None
        kept = [item(checked, f"{place}.{number}", entry) for number, entry in enumerate(value)]
        return [entry for entry in kept if entry is not None]

    return check


def _object(required: tuple[str, ...], **members: Callable[[Checked, str, Any], Any]) -> Callable[..., Any]:
    def check(checked: Checked, place: str, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            checked.error(f"{place}._schema", "Invalid input type.")
            return None
        for name in required:
            if value.get(name) is None:
                checked.error(f"{place}.{name}", MISSING)
        kept = {}
        for name, entry in value.items():
            if name not in members:
                checked.error(f"{place}.{name}", UNKNOWN)
            elif entry is not None and (right := members[name](checked, f"{place}.{name}", entry)) is not None:
                kept[name] = right
        return kept

    return check


def _person_or_org(checked: Checked, place: str, value: Any) -> dict[str, Any] | None:
    names = _object(
        (), type=_text(), name=_text(), given_name=_text(), family_name=_text(), identifiers=_list_of(_anything)
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


def _anything(checked: Checked, place: str, value: Any) -> Any:
    del checked, place
    return value


def _identifier(checked: Checked, place: str, value: dict[str, Any]) -> None:
    """Fill in or check the scheme of an identifier; a wrong one is named, yet kept."""
    text, scheme = str(value.get("identifier", "")), value.get("scheme")
    is_url = urlsplit(text).scheme in ("http", "https", "ftp") and bool(urlsplit(text).netloc)
    if scheme is None:
        if _DOI.fullmatch(text):
            value["scheme"] = "doi"
        elif is_url:
            value["scheme"] = "url"
        else:
            checked.error(f"{place}.scheme", "No valid scheme recognized for identifier.")
    elif scheme not in IDENTIFIER_SCHEMES:
        checked.error(f"{place}.scheme", "Invalid scheme.")
    elif (scheme == "url" and not is_url) or (scheme == "doi" and not _DOI.fullmatch(text)):
        checked.error(f"{place}.identifier", f"Invalid {scheme.upper()} identifier.")


def _identifiers(checked: Checked, place: str, value: Any) -> list[Any] | None:
    entries: list[Any] | None = _list_of(_object(("identifier",), identifier=_text(1), scheme=_text(1)))(
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
    item = _object(
        ("identifier", "relation_type"),
        identifier=_text(1),
        scheme=_text(1),
        relation_type=_term("relationtypes"),
        resource_type=_term("resourcetypes"),
    )
    entries: list[Any] | None = _list_of(item)(checked, place, value)
    for number, entry in enumerate(entries or []):
        _identifier(checked, f"{place}.{number}", entry)
    return entries


def _creators(role_required: bool, roles: str) -> Callable[[Checked, str, Any], Any]:
    return _list_of(
        _object(
            ("person_or_org", "role") if role_required else ("person_or_org",),
            person_or_org=_person_or_org,
            role=_term(roles),
            affiliations=_list_of(_term_or_text("affiliations", "name")),
        )
    )


_FIELDS: dict[str, Callable[[Checked, str, Any], Any]] = {
    "resource_type": _term("resourcetypes"),
    "creators": _creators(False, "creatorsroles"),
    "contributors": _creators(True, "contributorsroles"),
    "title": _text(3),
    "additional_titles": _list_of(
        _object(("title", "type"), title=_text(3), type=_term("titletypes"), lang=_term("languages"))
    ),
    "publisher": _text(),
    "publication_date": _date,
    "subjects": _list_of(_term_or_text("subjects", "subject")),
    "dates": _list_of(_object(("date", "type"), date=_date, type=_term("datetypes"), description=_text())),
    "languages": _list_of(_term("languages")),
    "identifiers": _identifiers,
    "related_identifiers": _related,
    "sizes": _list_of(_text(1)),
    "formats": _list_of(_text(1)),
    "version": _text(),
    "rights": _list_of(_term_or_text("licenses", "title", ("description", "link"))),
    "description": _html,
    "additional_descriptions": _list_of(
        _object(("description", "type"), description=_html, type=_term("descriptiontypes"), lang=_term("languages"))
    ),
    "locations": _anything,
    "funding": _list_of(_anything),
    "references": _list_of(_object(("reference",), reference=_text(1), scheme=_text(), identifier=_text())),
    "copyright": _text(),
}

_NRP_FIELDS: dict[str, Callable[[Checked, str, Any], Any]] = {
    **{name: check for name, check in _FIELDS.items() if name not in ("sizes", "formats")},
    "title": _text(),
    "description": _html_of_any_length,
    "publication_date": _one_date,
    "related_resources": _list_of(_anything),
    "recid": _whole_number,
    "experiment": _term("experiments"),
    "category": _term("particle_category"),
    "dataset_type": _choice("simulated", "collision", "logbook", "manual"),
    "file_types": _list_of(_text()),
    "number_of_events": _whole_number,
    "collision_information": _object(
        (), type=_choice("e+e-"), energy=_text(), energy_min=_anything, energy_max=_anything
    ),
}
