"""Rules for identifiers and relations: the record itself, its DOI, other records and the web."""

from dataclasses import dataclass
from html import escape

from ferry.identity import source_identifier
from ferry.mapping import clean
from ferry.mapping.leaves import Found
from ferry.mapping.relation_terms import DOCUMENTS, LABELS, NEEDED, VAGUE, decide, leads_on, with_colon
from ferry.mapping.rich_text import RichText, plain_text
from ferry.mapping.sections import SECTIONS
from ferry.mapping.texts import record_anchor
from ferry.mapping.work import RELATED, Relation, Work

MIN_TITLE = 3  # characters of the title of a related resource
_RANK = {term: place for place, term in enumerate(LABELS)}  # the more telling first


def record_number(work: Work, found: Found) -> None:
    """The number on the portal: an identifier by which the copy is found again, and a field of the particles model."""
    if work.line(found) is None:
        return
    work.took(found.path, "metadata.identifiers[url]", *(["metadata.recid"] if work.profile.particles else []))


def original_doi(work: Work, found: Found) -> None:
    """The DOI of the original; where it goes is the option `doi`, since the deposit is a copy."""
    value = _doi(work, found)
    if value is None:
        return
    if work.options.doi == "omit":
        work.left_out(found, "by configuration", warn=False)
    elif work.options.doi == "identifier":
        work.identifiers.append({"identifier": value, "scheme": "doi"})
        work.took(found.path, "metadata.identifiers[doi]")
    else:
        work.relations.append(Relation("IsIdenticalTo", doi=value, title=work.metadata.get("title")))
        work.took(found.path, RELATED)


def related(work: Work, found: Found) -> None:
    """A related record, by its number and its DOI; what is said of it stands in the section of related records."""
    kind_at, doi_at, recid_at = (work.child(found, name) for name in ("type", "doi", "recid"))
    kind = work.line(kind_at)
    url, doi = work.record_address(recid_at), _doi(work, doi_at)
    if doi and url and work.is_self(None, doi) and not work.is_self(url, None):
        work.warn(
            doi_at.place if doi_at else found.place, "the DOI is that of this record, the number another's: left out"
        )
        if doi_at is not None:
            work.ledger.drop(doi_at.path, "the DOI of this record, not of the related one")
        doi_at = doi = None
    known = work.known(url)
    title_at, description_at = work.child(found, "title"), work.child(found, "description")
    given, description = work.title(title_at), work.words(description_at)
    leading = given if given is not None and leads_on(given) else None
    title = given if leading is None else None
    titles = [text for text in (title, known and known.title) if text]
    said = [text for text in (description and description.plain, leading) if text and text not in titles]
    decision = decide(kind, said, titles, is_whole=not work.files)
    place = kind_at.place if kind_at else found.place
    if not decision.is_certain:
        work.warn(place, _uncertain(kind))
    if leading is not None:
        words = escape(leading, quote=False)
        lost = description.lost if description else ()
        description = RichText(f"{description.html} {words}" if description else words, lost)
    is_other = not work.is_self(url, doi)
    if not (url or doi or title):
        work.warn(found.place, "names no record, by number, DOI or title: kept in the descriptions only")
    elif not is_other:
        work.warn(found.place, "relates the record to itself: kept in the descriptions only")
    if is_other and (url or doi):
        work.relations.append(Relation(decision.term, url=url, doi=doi, title=title))
    address = url or (f"https://doi.org/{doi}" if doi else None)
    own = None if known and known.title else title
    named = record_anchor(work, address, own) if address else escape(title or "", quote=False)
    label = LABELS[decision.term] if decision.is_certain else "Related"
    told = _sentence(label, description, title, named)
    if told:
        work.note("relations").links.append(told)
    section = SECTIONS["relations"].target
    for part, is_there in ((recid_at, url), (doi_at, doi), (kind_at, kind)):
        if part is not None and is_there:
            work.took(part.path, *((RELATED, section) if is_other and (url or doi) else (section,)))
    if title_at is not None and given is not None:
        is_its_title = title is not None and bool(address) and is_other and work.profile.related_resources
        work.took(title_at.path, *((RELATED, section) if is_its_title else (section,)))
    if description_at is not None and description is not None:
        work.took(description_at.path, section, lost=description.lost)


def _uncertain(kind: str | None) -> str:
    if kind in ("isChildOf", "isParentOf"):
        return (
            f"{kind!r}, and neither description nor title tells whether it is a part or derived: taken as {VAGUE}, "
            "correct its type or its description"
        )
    said = "no type of relation" if kind is None else f"{kind!r} is no relation that is known"
    return f"{said}: taken as {VAGUE}"


def _sentence(label: str, description: RichText | None, title: str | None, named: str) -> str:
    """Return what a reader is told of a related record: what leads on to it before its name, other words after it."""
    if description is None:
        return f"{label}: {named}" if named else ""
    if not named and leads_on(description.plain):
        return description.html
    if not named or description.plain == title:
        return f"{label}: {named or description.html}"
    if leads_on(description.plain):
        return f"{with_colon(description.html, description.plain)} {named}"
    return f"{label}: {named} ({description.html})"


def _doi(work: Work, found: Found | None) -> str | None:
    return work.parsed(found, clean.doi, "expected a DOI (10.…/…)")


def identifiers(work: Work) -> None:
    """Put the identifiers in: the record's address on the portal is always one of them."""
    if "recid" not in work.record:
        work.add("metadata.identifiers[url]", "the address of the record on the portal")
    if work.profile.particles:
        work.metadata["recid"] = work.recid
    own = [source_identifier(work.recid), *work.identifiers]
    work.metadata["identifiers"] = [entry for number, entry in enumerate(own) if entry not in own[:number]]


def relations(work: Work) -> None:
    """Put the relations in: each target once, under the most telling of its terms, and never the record itself."""
    targets = _targets(work)
    for target in targets:
        if len(target.said) > 1:
            named, terms = next(iter(target.by_name.values()))["identifier"], " and ".join(sorted(target.said))
            work.warn("relations", f"{named} is said to be {terms} of this record: taken as {target.term}")
    if not targets:
        return
    if work.profile.related_resources:
        work.metadata["related_resources"] = [
            {
                "title": _title(work, target),
                "identifiers": target.identifiers,
                "relation_type": {"id": work.profile.relations[target.term]},
            }
            for target in targets
        ]
        return
    work.metadata["related_identifiers"] = [
        {**entry, "relation_type": {"id": work.profile.relations[target.term]}}
        for target in targets
        for entry in target.identifiers
    ]


@dataclass
class _Target:
    term: str
    by_name: dict[str, dict[str, str]]  # its identifiers by their normal form
    titles: list[str]

    def __post_init__(self) -> None:
        self.said = {self.term} - {VAGUE, DOCUMENTS, NEEDED}

    @property
    def identifiers(self) -> list[dict[str, str]]:
        return list(self.by_name.values())

    def absorb(self, other: "_Target") -> None:
        """Become what both are, under the more telling term."""
        self.said |= other.said
        self.term = min(self.term, other.term, key=_RANK.__getitem__)
        self.by_name = {
            **self.by_name,
            **{name: each for name, each in other.by_name.items() if name not in self.by_name},
        }
        self.titles += other.titles


def _targets(work: Work) -> list[_Target]:
    found: dict[int, _Target] = {}
    by_name: dict[str, int] = {}
    for number, relation in enumerate(work.relations):
        pairs = ((relation.url, "url"), (relation.doi, "doi"))
        entries = [{"identifier": value, "scheme": scheme} for value, scheme in pairs if value]
        titles = [relation.title] if relation.title else []
        by_form = {clean.normal_form(entry["identifier"]): entry for entry in entries}
        target = _Target(relation.term, by_form, titles)
        place, *others = dict.fromkeys([by_name[name] for name in target.by_name if name in by_name] or [number])
        for same in (*(found.pop(other) for other in others), target):
            if place in found:
                found[place].absorb(same)
            else:
                found[place] = same
        by_name.update(dict.fromkeys(found[place].by_name, place))
    return list(found.values())


def _title(work: Work, target: _Target) -> str:
    """Return the related record's own title where it is known, else what this one calls it, else its identifier."""
    known = (work.known(entry["identifier"]) for entry in target.identifiers)
    own = [clean.line(plain_text(each.title)) for each in known if each and each.title]
    titles = (title for title in [*own, *target.titles] if MIN_TITLE <= len(title) <= clean.MAX_LINE)
    return next(titles, target.identifiers[0]["identifier"])
