"""Rules for titles, descriptions and the sections of text with their links."""

from html import escape

from ferry.identity import record_number
from ferry.mapping import clean
from ferry.mapping.leaves import Found
from ferry.mapping.relation_terms import decide_link, leads_on
from ferry.mapping.rich_text import RichText, plain_text
from ferry.mapping.sections import SECTIONS
from ferry.mapping.work import RELATED, Note, Relation, Work
from ferry.text.formatting import truncate

MIN_LENGTH = 3  # characters of a title or description, below which InvenioRDM refuses it


def main_title(work: Work, found: Found) -> None:
    """The title; one shorter than the server takes is completed with the number of the record."""
    title = work.title(found)
    if title is None:
        return
    if len(title) < MIN_LENGTH:
        title = f"{title} (CERN Open Data record {work.recid})"
        work.warn(found.place, f"shorter than {MIN_LENGTH} characters: completed to {title!r}")
    work.metadata["title"] = title
    work.took(found.path)


def second_title(work: Work, found: Found) -> None:
    """A second, more readable title."""
    title = work.title(found)
    if title is None:
        return
    if len(title) < MIN_LENGTH or title == work.metadata.get("title"):
        work.left_out(found, "says no more than the title", warn=False)
        return
    work.metadata.setdefault("additional_titles", []).append(
        {"title": title, "type": {"id": work.profile.second_title}, "lang": {"id": work.profile.english}}
    )
    work.took(found.path)


def section_text(work: Work, found: Found) -> None:
    """The text of a section (`says`: section)."""
    text = work.rich(found)
    if text is None:
        return
    (section,) = work.says()
    note = work.note(section)
    note.text = f"{note.text}\n{text.html}" if note.text else text.html
    work.took(found.path, SECTIONS[section].target, lost=text.lost)


def section_fact(work: Work, found: Found) -> None:
    """A single value, listed with its label in a section (`says`: section, label)."""
    value = work.words(found)
    if value is None:
        return
    section, label = work.says()
    work.note(section).facts.append(f"{escape(label, quote=False)}: {value.html}")
    work.took(found.path, SECTIONS[section].target, lost=value.lost)


def fact(label: str, value: str) -> str:
    """Return a value with its label, as HTML."""
    return f"{escape(label, quote=False)}: {escape(value, quote=False)}"


def anchor(url: str, label: str) -> str:
    """Return a link as HTML."""
    return f'<a href="{escape(url, quote=False)}">{escape(label, quote=False)}</a>'


def record_anchor(work: Work, url: str, label: str | None = None) -> str:
    """Return a link as HTML, called by the label, by the title of the record of the portal, or by its number."""
    known, recid = work.known(url), record_number(url)
    own = clean.line(plain_text(known.title)) if known and known.title else None
    return anchor(url, label or own or (f"CERN Open Data record {recid}" if recid else url))


def section_link(work: Work, found: Found) -> None:
    """A link of a section (`says`: section): listed there, and a related resource."""
    (section,) = work.says()
    link(work, found, section)


def address(work: Work, found: Found) -> None:
    """An address without words of its own (`says`: section, and what it is called): a link of a section."""
    section, label = work.says()
    url = _absolute(work, found)
    if url is not None:
        _refer(work, Found(found.place, found.path, url), section, label)


def address_or_fact(work: Work, found: Found) -> None:
    """A value that is an address, else words (`says`: section, and what it is called)."""
    text = found.value if isinstance(found.value, str) else ""
    (address if clean.doi(text) or clean.absolute_url(text) else section_fact)(work, found)


def link(work: Work, found: Found, section: str) -> None:
    """Take a link (recid, url, description, title) into a section."""
    words = link_words(work, found, SECTIONS[section].target)
    targets = _targets(work, found)
    if words and not targets:
        work.note(section).links.append(words.html)
    for each in targets:
        _refer(work, each, section, words.plain if words else "")


def _refer(work: Work, found: Found, section: str, label: str) -> None:
    """List an absolute address in a section, and make it a related resource if it is not the record itself."""
    given: str = found.value
    url, doi, target = clean.target_url(given), clean.doi(given), SECTIONS[section].target
    known = work.known(url)
    work.note(section).links.append(record_anchor(work, given, label))
    if work.is_self(url, doi):
        work.took(found.path, target)
        return
    title = None if leads_on(label) else _cut_title(work, found, label) or None
    term = decide_link(label, url, known, section)
    work.relations.append(Relation(term, url=None if doi else url, doi=doi, title=title))
    work.took(found.path, target, RELATED)


def _cut_title(work: Work, found: Found, label: str) -> str:
    # Description and title may each be as long as a title may be: together they are too long for one.
    if len(label) <= clean.MAX_LINE or not work.profile.related_resources:
        return label
    work.warn(
        found.place.rpartition(".")[0],
        f"expected at most {clean.MAX_LINE} characters of description and title together, found {len(label)}: cut in "
        "the title of the related resource, whole in the descriptions",
    )
    return truncate(label, clean.MAX_LINE)


def link_words(work: Work, found: Found, target: str) -> RichText | None:
    """Return description and title of a link, with a colon between; None where it has neither."""
    said: list[RichText] = []
    for name in ("description", "title"):
        place = work.child(found, name)
        text = work.words(place)
        if place is None or text is None:
            continue
        if text.html in [other.html for other in said]:
            work.left_out(place, "says the same as description", warn=False)
            continue
        said.append(text)
        work.took(place.path, target, lost=text.lost)
    if not said:
        return None
    return RichText(": ".join(text.html.removesuffix(":") if text is not said[-1] else text.html for text in said))


def _targets(work: Work, found: Found) -> list[Found]:
    """Return the places of a link that say where it leads, each with the absolute address."""
    targets: list[Found] = []
    recid = work.child(found, "recid")
    url = work.record_address(recid)
    if recid is not None and url is not None:
        targets.append(Found(recid.place, recid.path, url))
    place = work.child(found, "url")
    on_web = _absolute(work, place)
    if place is not None and on_web is not None:
        targets.append(Found(place.place, place.path, on_web))
    return targets


def _absolute(work: Work, found: Found | None) -> str | None:
    return work.parsed(found, _address, "expected an address on the web")


def _address(text: str) -> str | None:
    doi = clean.doi(text)
    return f"https://doi.org/{doi}" if doi else clean.absolute_url(text)


def rendered(section: str, note: Note) -> str:
    """Return a section as HTML: its heading, its text, then its values and links as a list."""
    items = [f"<li>{item}</li>" for item in dict.fromkeys([*note.facts, *note.links])]
    listed = f"<ul>{''.join(items)}</ul>" if items else ""
    inside = [part for part in (note.text, listed) if part]
    heading = SECTIONS[section].heading
    if heading and inside:
        inside.insert(0, f"<h3>{escape(heading, quote=False)}</h3>")
    return "\n".join(inside)


def descriptions(work: Work) -> None:
    """Put the sections into `description` and `additional_descriptions`."""
    abstract = work.notes.pop("abstract", None)
    text = rendered("abstract", abstract) if abstract else ""
    if len(text) < MIN_LENGTH:
        title = escape(work.metadata["title"], quote=False)
        work.add("metadata.description", "a short abstract: the title before it" if text else "no abstract: the title")
        text = f"{title}: {text}" if text else title
        abstract = None
    work.metadata["description"] = text
    language = {"id": work.profile.english}
    kind_of = work.profile.description_type
    more = [(kind_of(SECTIONS[name].kind), rendered(name, work.notes[name])) for name in SECTIONS if name in work.notes]
    if abstract and work.profile.particles:
        more.insert(0, (kind_of("abstract"), text))  # what the model's own exports read
    found = [{"description": text, "type": {"id": kind}, "lang": language} for kind, text in more if text]
    if found:
        work.metadata["additional_descriptions"] = found
