"""The table: which path of a CERN record goes where, by which rule. Read from top to bottom, as it is applied.

`Rule(source, to, by, says)`: each value at `source` is given to the function `by`, which accounts for every leaf at
and below it; `to` is the target path where the rule has one only. `DROPPED` names what has no place in the target,
and why. What neither names is reported as unknown. An experiment adds its own in experiments/<name>.py.
"""

from collections.abc import Callable, Mapping

from ferry.mapping.amounts import (
    byte_count,
    entry_count,
    event_count,
    file_count,
    formats,
    listed_files,
    part_of_files,
    sizes,
)
from ferry.mapping.energy import collision
from ferry.mapping.kinds import kind
from ferry.mapping.people import author, author_list, collaboration, creators, experiment, group, publisher
from ferry.mapping.production import IN_SOURCE, container_image, required_record, step, variable
from ferry.mapping.relations import identifiers, original_doi, record_number, related, relations
from ferry.mapping.rights import default_rights, licence
from ferry.mapping.terms import (
    accelerator,
    category,
    collection,
    keyword,
    language,
    subjects,
)
from ferry.mapping.texts import (
    address,
    address_or_fact,
    descriptions,
    main_title,
    second_title,
    section_fact,
    section_link,
    section_text,
)
from ferry.mapping.times import created, dates, prepublication, published, reprocessed
from ferry.mapping.work import OWN_JSON, RELATED, Rule, Work

_SUBJECTS = "metadata.subjects[]"
_METHODS = "metadata.additional_descriptions[methods]"
_TECHNICAL = "metadata.additional_descriptions[technical-info]"
_OTHER = "metadata.additional_descriptions[other]"

RULES: tuple[Rule, ...] = (
    Rule("recid", "metadata.identifiers[url]", record_number),
    Rule("title", "metadata.title", main_title),
    Rule("title_additional", "metadata.additional_titles[]", second_title),
    Rule("type", "metadata.resource_type", kind),
    # who
    Rule("authors[]", "metadata.creators[]", author),
    Rule("collaboration.name", "metadata.creators[]", collaboration),
    Rule("collaboration.group", "metadata.creators[]", group),
    Rule("collaboration.recid", RELATED, author_list),
    Rule("publisher", "metadata.publisher", publisher),
    # when
    Rule("date_published", "metadata.publication_date", published),
    Rule("prepublication", "metadata.dates[issued]", prepublication),
    Rule("date_created", "metadata.dates[created]", created),
    Rule("date_reprocessed", "metadata.dates[updated]", reprocessed),
    # texts; says: section, label
    Rule("abstract.description", "metadata.description", section_text, "abstract"),
    Rule("abstract.links[]", RELATED, section_link, "abstract"),
    Rule("methodology.description", _METHODS, section_text, "methodology"),
    Rule("methodology.links[]", RELATED, section_link, "methodology"),
    Rule("methodology.steps[]", _METHODS, step, "methodology"),
    Rule("pileup.description", _METHODS, section_text, "pileup"),
    Rule("pileup.links[]", RELATED, section_link, "pileup"),
    Rule("validation.description", _METHODS, section_text, "validation"),
    Rule("validation.links[]", RELATED, section_link, "validation"),
    Rule("usage.description", _TECHNICAL, section_text, "usage"),
    Rule("usage.links[]", RELATED, section_link, "usage"),
    Rule("use_with.description", _TECHNICAL, section_text, "use_with"),
    Rule("use_with.links[]", RELATED, section_link, "use_with"),
    Rule("system_details.description", _TECHNICAL, section_text, "system"),
    Rule("system_details.release", _TECHNICAL, section_fact, "system|Release"),
    Rule("system_details.global_tag", _TECHNICAL, section_fact, "system|Global tag"),
    Rule("system_details.recid", RELATED, required_record),
    Rule("system_details.url", _TECHNICAL, address_or_fact, "system|Page of the system"),
    Rule("system_details.links[]", RELATED, section_link, "system"),
    Rule("system_details.container_images[]", _TECHNICAL, container_image, "system|Container image"),
    Rule("source_code_repository", RELATED, section_link, "code"),
    Rule("source code repository", RELATED, section_link, "code"),
    Rule("dataset_semantics[]", _TECHNICAL, variable, "semantics|Variable"),
    Rule("dataset_semantics_files[].url[]", RELATED, address, "semantics|Documentation of the variables"),
    Rule("dataset_semantics_files[].json[]", RELATED, address, "semantics|Documentation of the variables (JSON)"),
    Rule("note.description", _OTHER, section_text, "note"),
    Rule("note.links[]", RELATED, section_link, "note"),
    Rule("links[]", RELATED, section_link, "links"),
    # the physics
    Rule("experiment[]", "metadata.experiment", experiment),
    Rule("accelerator", _SUBJECTS, accelerator),
    Rule("collision_information", "metadata.collision_information", collision),
    Rule("categories.primary", "metadata.category", category),
    Rule("categories.secondary[]", _SUBJECTS, keyword),
    Rule("collections[]", _SUBJECTS, collection),
    Rule("keywords[]", _SUBJECTS, keyword),
    Rule("signature[]", _SUBJECTS, keyword),
    Rule("run_period[]", _SUBJECTS, keyword),
    # how much
    Rule("distribution.number_files", "metadata.sizes[]", file_count),
    Rule("distribution.size", "metadata.sizes[]", byte_count),
    Rule("distribution.number_events", "metadata.number_of_events", event_count),
    Rule("distribution.number_entries", "metadata.sizes[]", entry_count),
    Rule("distribution.formats", "metadata.formats[]", formats),
    Rule("files", "files[]", listed_files),
    # the rest
    Rule("license", "metadata.rights[]", licence),
    Rule("language", "metadata.languages[]", language),
    Rule("doi", RELATED, original_doi),
    Rule("relations[]", RELATED, related),
)

DROPPED: Mapping[str, str] = {
    "$schema": "names the schema of the portal",
    "_availability_details": "state of the portal's storage",
    "_bucket": "internal to the portal",
    "_file_indices": "the files that an index lists are deposited under their own keys",
    "_files": "internal to the portal",
    "availability": "state of the portal's storage",
    "authors[].ccid": "internal to CERN",
    "authors[].inspireid": "the target has no such scheme for persons",
    "authors[].rorid": "the target takes these from its own vocabulary of affiliations only",
    "categories.source": f"who gave the category: {OWN_JSON}",
    "control_number": "repeats the recid",
    "distribution.availability": "state of the portal's storage",
    "files": f"about a single file: {OWN_JSON}",
    "methodology.steps": IN_SOURCE,
    "pids.oai": "the target has no such scheme; the address of the record says the same",
    "run_numbers": IN_SOURCE,
}

FINISHERS: tuple[Callable[[Work], None], ...] = (
    creators,
    identifiers,
    relations,
    subjects,
    dates,
    part_of_files,
    descriptions,
    default_rights,
    sizes,
)
"""Put together what the rules gathered, after the experiment's own."""
