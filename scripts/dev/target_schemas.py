"""The schemas of the targets, schemas/target/<profile>.json, made from the profiles and schemas/vocabularies.

`make schemas` writes them; a test compares them. Each is closed and as strict as its server is at publication.
Sources of the vocabularies: invenio-rdm-records (fixtures/data/vocabularies), ccmm-invenio 1.1.27 and 2.2.1 (fixtures).
"""

import json
from pathlib import Path
from typing import Any

from ferry.mapping.amounts import MAX_INTEGER
from ferry.mapping.clean import MAX_LINE, MAX_TEXT
from ferry.mapping.profiles import PROFILES, Particles, Profile
from ferry.mapping.texts import MIN_LENGTH
from ferry.schemas import SCHEMA_DIR

Schema = dict[str, Any]

_DAY = (
    r"(?!0000)\d{4}(-(0[13578]|1[02])(-(0[1-9]|[12]\d|3[01]))?|-(0[469]|11)(-(0[1-9]|[12]\d|30))?"
    r"|-02(-(0[1-9]|1\d|2[0-9]))?)?"
)
_EDTF: Schema = {
    "type": "string",
    "pattern": f"^{_DAY}(/{_DAY})?$",
    "description": "EDTF level 0: a year, month or day, or an interval of two of them, earlier first.",
}
_DATE: Schema = {
    "type": "string",
    "pattern": f"^{_DAY}$",
    "description": "A year, month or day: an interval of two of them is no date of publication, and in `dates` the "
    "search index of some repositories refuses it when the draft is stored already.",
}
_URL: Schema = {"type": "string", "pattern": r"^(https?|ftp)://[^\s/?#<>\"]+[^\s<>\"]*$", "maxLength": MAX_LINE}
_DOI: Schema = {"type": "string", "pattern": r"^10\.\d{4,9}/[^\s<>\"]+$", "maxLength": MAX_LINE}
_ORCID: Schema = {"type": "string", "pattern": r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$"}


def target_schema(profile: Profile) -> Schema:
    """Return the schema of what is sent to a target of this profile."""
    vocabulary = json.loads((SCHEMA_DIR / "vocabularies" / f"{profile.vocabulary}.json").read_text(encoding="utf-8"))
    metadata = _metadata(profile, vocabulary)
    required = ["resource_type", "title", "creators", "publication_date", "publisher", "description", "identifiers"]
    level: Schema = {"enum": ["public", "restricted"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": profile.title,
        "description": "What is sent to the repository. Closed, and as strict as the repository is at publication.",
        **_object(
            {
                "metadata": _object(metadata, required=required),
                "access": _object({"record": level, "files": level}),
                "files": _object({"enabled": {"type": "boolean"}}),
            }
        ),
    }


def write_schemas(folder: Path = SCHEMA_DIR / "target") -> None:
    """Write the schema of every profile into a folder."""
    for name, profile in PROFILES.items():
        text = json.dumps(target_schema(profile), indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def _metadata(profile: Profile, vocabulary: dict[str, list[str]]) -> Schema:
    language = _object(
        {"id": {"type": "string", "pattern": "^[a-z]{3}$" if profile.english.islower() else "^[A-Z]{3}$"}}
    )
    title, text = _text(MIN_LENGTH, MAX_LINE + 100), _text(MIN_LENGTH, MAX_TEXT)  # a title may be completed
    name, affiliations = _text(), _list(_object({"name": _text()}), unique=True)
    who = {"person_or_org": _person_or_org(name), "affiliations": affiliations}
    described = {"description": text, "type": _term(vocabulary["description_types"]), "lang": language}
    titled = {"title": title, "type": _term(vocabulary["title_types"]), "lang": language}
    dated = {
        "date": _EDTF if profile.date_intervals else _DATE,
        "type": _term(vocabulary["date_types"]),
        "description": _words(5 * MAX_LINE, by_language=profile.date_descriptions == "none"),
    }
    other_licence = _object({"title": _object({"en": name}), "link": _URL}, ["title"])
    licence = _either({"required": ["id"]}, _term(vocabulary["licenses"]), other_licence)
    return {
        "resource_type": _term(vocabulary["resource_types"]),
        "title": title,
        "additional_titles": _list(_object(titled, ["title", "type"])),
        "creators": _list(_object(who, ["person_or_org"])),
        "contributors": _list(
            _object({**who, "role": _term(vocabulary["contributor_roles"])}, ["person_or_org", "role"])
        ),
        "publisher": name,
        "version": name,
        "publication_date": _DATE,
        "dates": _list(_object(dated, ["date", "type"])),
        "description": text,
        "additional_descriptions": _list(_object(described, ["description", "type"])),
        "subjects": _list(_subject(profile), unique=True),
        "languages": _list(language, unique=True),
        "rights": _list(licence, unique=True),
        "identifiers": _list(_identifier(), unique=True),
        **_relations(profile, _term(vocabulary["relation_types"]), title),
        **({key: _list(_text(), unique=True) for key in ("sizes", "formats")} if profile.sizes_and_formats else {}),
        **({} if profile.related_resources else _of_ones_own(name)),
        **(_particles(profile.particles) if profile.particles else {}),
    }


def _person_or_org(name: Schema) -> Schema:
    identifiers = {
        **_list(_object({"identifier": _ORCID, "scheme": {"const": "orcid"}})),
        "maxItems": 1,
        "description": "One per scheme; ORCID is the only scheme that records have.",
    }
    person = {
        "type": {"const": "personal"},
        "family_name": name,
        "given_name": name,
        "identifiers": identifiers,
    }
    organisation = {"type": {"const": "organizational"}, "name": name}
    chosen = _says("type", "personal")
    return _either(chosen, _object(person, ["type", "family_name"]), _object(organisation, ["type", "name"]))


def _subject(profile: Profile) -> Schema:
    word = _object({"subject": _text()})
    if profile.subject is None:
        return word
    return _either({"required": ["subject"]}, word, _object({"id": {"const": profile.subject}}))


def _identifier(**more: Schema) -> Schema:
    url = _object({"identifier": _URL, "scheme": {"const": "url"}, **more})
    doi = _object({"identifier": _DOI, "scheme": {"const": "doi"}, **more})
    return _either(_says("scheme", "url"), url, doi)


def _relations(profile: Profile, relation_type: Schema, title: Schema) -> Schema:
    if not profile.related_resources:
        return {"related_identifiers": _list(_identifier(relation_type=relation_type), unique=True)}
    resource = {"title": title, "identifiers": _list(_identifier(), unique=True), "relation_type": relation_type}
    return {"related_resources": _list(_object(resource), unique=True)}


def _of_ones_own(name: Schema) -> dict[str, Schema]:
    """Return fields that no record of the portal gets, and that one's own may have in an InvenioRDM."""
    award = _object({"title": _object({"en": name}), "number": name}, ["title"])
    return {
        "references": _list(_object({"reference": name})),
        "funding": _list(_object({"funder": _object({"name": name}), "award": award}, ["funder"])),
    }


def _particles(particles: Particles) -> Schema:
    ids = sorted({*particles.experiment_ids.values(), *particles.other_experiments})
    whole: Schema = {"type": "integer", "minimum": 1, "description": "GeV"}
    energy: Schema = (
        whole if particles.whole_energies else {"type": "number", "exclusiveMinimum": 0, "description": "GeV"}
    )
    collision = {
        "energy": _text(),
        "energy_min": energy,
        "energy_max": energy,
        "type": {"enum": sorted(particles.collision_types)},
    }
    return {
        "recid": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER},
        "experiment": _term(ids) if particles.experiment_is_vocabulary else {"enum": ids},
        "file_types": _list(_text(), unique=True),
        "category": {
            "description": "Term of the vocabulary particle_category; which terms it has, the option `categories` "
            "says.",
            **_object({"id": {"type": "string", "pattern": "^[a-z0-9-]+$"}}),
        },
        "number_of_events": {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
        "dataset_type": {"enum": list(particles.dataset_types.values())},
        "collision_information": {**_object(collision, []), "minProperties": 1},
    }


def _text(least: int = 1, most: int = MAX_LINE) -> Schema:
    return {"type": "string", "minLength": least, "maxLength": most, "pattern": r"\S"}


def _words(most: int, *, by_language: bool) -> Schema:
    text: Schema = {"type": "string", "minLength": 1, "maxLength": most}
    if not by_language:
        return text
    spoken: Schema = {"type": "object", "minProperties": 1, "additionalProperties": text}
    spoken["propertyNames"] = {"pattern": "^[a-z]{2}$"}
    return {"if": {"type": "string"}, "then": text, "else": spoken}


def _term(ids: list[str]) -> Schema:
    return _object({"id": {"enum": ids}})


def _list(items: Schema, *, unique: bool = False) -> Schema:
    return {"type": "array", "minItems": 1, "items": items, **({"uniqueItems": True} if unique else {})}


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties) if required is None else required,
        "properties": properties,
    }


def _either(condition: Schema, then: Schema, otherwise: Schema) -> Schema:
    # not oneOf: a message would have to tell of both branches, and the check would have to try both
    return {"type": "object", "if": condition, "then": then, "else": otherwise}


def _says(key: str, value: str) -> Schema:
    return {"required": [key], "properties": {key: {"const": value}}}
