"""Rules for identifiers and relations: the record itself, its DOI, other records and the web."""

from typing import Any

from ferry.mapping import clean
from ferry.mapping.leaves import Found
from ferry.mapping.work import RELATED, Relation, Work
from ferry.source.identity import source_identifier

MIN_TITLE = 3  # characters of the title of a related resource
DEFAULT_RELATION = "isRelatedTo"


def record_number(work: Work, found: Found) -> None:
    """The number on the portal: an identifier by which the copy is found again, and a field of the particles model."""
    if work.line(found) is None:
        return
    work.took(found.path, "metadata.identifiers[url]", *(["metadata.recid"] if work.profile.particles else []))


def original_doi(work: Work, found: Found) -> None:
    """The DOI of the original; where it goes is the option `doi`, since the deposit is a copy."""
    text = work.line(found)
    if text is None:
        return
    value = clean.doi(text)
    if value is None:
        work.left_out(found, "expected a DOI (10.…/…)")
    elif work.options.doi == "omit":
        work.left_out(found, "by configuration", warn=False)
    elif work.options.doi == "identifier":
        work.identifiers.append({"identifier": value, "scheme": "doi"})
        work.took(found.path, "metadata.identifiers[doi]")
    else:
        work.relations.append(Relation("isIdenticalTo", doi=value, title=work.metadata.get("title")))
        work.took(found.path, RELATED)


def related(work: Work, found: Found) -> None:
    """A related record: by its number, else by its DOI; one that is only named goes into the notes."""
    kind_at = work.child(found, "type")
    kind = work.line(kind_at)
    title_at, description_at = work.child(found, "title"), work.child(found, "description")
    title, description = work.line(title_at), work.line(description_at)
    recid_at, doi_at = work.child(found, "recid"), work.child(found, "doi")
    url, doi_text = work.record_address(recid_at), work.line(doi_at)
    doi = None
    if recid_at is not None and url is not None:
        work.took(recid_at.path, RELATED)
    if doi_at is not None and doi_text is not None:
        doi = clean.doi(doi_text)
        if doi is None:
            work.left_out(doi_at, "expected a DOI (10.…/…)")
        else:
            work.took(doi_at.path, RELATED)
    relation = kind if kind is not None and kind in work.profile.relations else DEFAULT_RELATION
    if kind_at is not None and kind is not None:
        if relation != kind:
            work.warn(kind_at.place, f"{kind!r} is no relation of this target: taken as {DEFAULT_RELATION}")
        work.took(kind_at.path, RELATED if url or doi else "metadata.additional_descriptions[other]")
    words = [text for text in (description, title) if text]
    named = f"{kind or relation}: {' '.join(words)}".rstrip(": ")
    if url or doi:
        work.relations.append(Relation(relation, url=url, doi=doi, title=title or description))
    if words:
        note = work.note("relations")
        note.links.append((named, url or (f"https://doi.org/{doi}" if doi else "")))
    for place, text in ((title_at, title), (description_at, description)):
        if place is not None and text is not None:
            work.took(place.path, "metadata.additional_descriptions[other]")


def identifiers(work: Work) -> None:
    """Put the identifiers in: the record's address on the portal is always one of them."""
    if "recid" not in work.record:
        work.add("metadata.identifiers[url]", "the address of the record on the portal")
    if work.profile.particles:
        work.metadata["recid"] = work.recid
    own = [source_identifier(work.recid), *work.identifiers]
    work.metadata["identifiers"] = [entry for number, entry in enumerate(own) if entry not in own[:number]]


def relations(work: Work) -> None:
    """Put the relations in, each once."""
    if work.profile.related_resources:
        found = _resources(work)
        if found:
            work.metadata["related_resources"] = found
        return
    entries: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for relation in work.relations:
        kind = work.profile.relations[relation.kind]
        for entry in _identifiers(relation):
            if (entry["identifier"], kind) not in seen:
                seen.add((entry["identifier"], kind))
                entries.append({**entry, "relation_type": {"id": kind}})
    if entries:
        work.metadata["related_identifiers"] = entries


def _identifiers(relation: Relation) -> list[dict[str, str]]:
    pairs = ((relation.url, "url"), (relation.doi, "doi"))
    return [{"identifier": value, "scheme": scheme} for value, scheme in pairs if value]


def _resources(work: Work) -> list[dict[str, Any]]:
    resources: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for relation in work.relations:
        kind = work.profile.relations[relation.kind]
        entries = [entry for entry in _identifiers(relation) if (entry["identifier"], kind) not in seen]
        if not entries:
            continue
        seen.update((entry["identifier"], kind) for entry in entries)
        title = relation.title if relation.title and len(relation.title) >= MIN_TITLE else entries[0]["identifier"]
        resources.append({"title": title, "identifiers": entries, "relation_type": {"id": kind}})
    return resources
