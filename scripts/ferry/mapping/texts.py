"""Rules for titles, descriptions and the sections of text with their links."""

from html import escape

from ferry.formatting import truncate
from ferry.mapping import clean
from ferry.mapping.leaves import Found
from ferry.mapping.work import Note, Relation, Work

MIN_LENGTH = 3  # characters of a title or description, below which InvenioRDM refuses it
SECOND_TITLE = "alternative-title"
"""Id of the vocabulary of title types."""


def main_title(work: Work, found: Found) -> None:
    """The title; one shorter than the server takes is completed with the number of the record."""
    title = work.line(found)
    if title is None:
        return
    if len(title) < MIN_LENGTH:
        title = f"{title} (CERN Open Data record {work.recid})"
        work.warn(found.place, f"shorter than {MIN_LENGTH} characters: completed to {title!r}")
    work.metadata["title"] = title
    work.took(found.path)


def second_title(work: Work, found: Found) -> None:
    """A second, more readable title."""
    title = work.line(found)
    if title is None:
        return
    if len(title) < MIN_LENGTH or title == work.metadata.get("title"):
        work.left_out(found, "says no more than the title", warn=False)
        return
    work.metadata.setdefault("additional_titles", []).append(
        {"title": title, "type": {"id": SECOND_TITLE}, "lang": {"id": work.profile.english}}
    )
    work.took(found.path)


def section_text(work: Work, found: Found) -> None:
    """The text of a section (`says`: section, description type)."""
    text = work.rich(found)
    if text is None:
        return
    name, kind = work.says()
    note = work.note(name, kind)
    note.text = f"{note.text}\n{text}" if note.text else text
    work.took(found.path)


def section_fact(work: Work, found: Found) -> None:
    """A single value, listed with its label in a section (`says`: section, description type, label)."""
    value = work.line(found)
    if value is None:
        return
    name, kind, label = work.says()
    work.note(name, kind).facts.append((label, value))
    work.took(found.path)


def section_link(work: Work, found: Found) -> None:
    """A link of a section (`says`: section, description type, relation): listed there, and a related resource."""
    name, kind, relation = work.says()
    label_at = _first_text(work, found, "description", "title")
    targets = _targets(work, found)
    label = label_at[1] if label_at else ""
    if label_at:
        work.took(label_at[0].path, f"metadata.additional_descriptions[{kind}]")
    if not targets:
        if label:
            work.note(name, kind).links.append((label, ""))
        return
    title = _resource_title(work, found, label)
    for place, url in targets:
        work.note(name, kind).links.append((label or url, url))
        work.relations.append(Relation(relation, url=url, title=title or None))
        work.took(place.path)


def _resource_title(work: Work, found: Found, label: str) -> str:
    # Description and title may each be as long as a title may be: together they are too long for one.
    if len(label) <= clean.MAX_LINE or not work.profile.related_resources:
        return label
    work.warn(
        found.place,
        f"expected at most {clean.MAX_LINE} characters of description and title together, found {len(label)}: cut in "
        "the title of the related resource, whole in the descriptions",
    )
    return truncate(label, clean.MAX_LINE)


def _first_text(work: Work, found: Found, *names: str) -> tuple[Found, str] | None:
    first: tuple[Found, str] | None = None
    for name in names:
        place = work.child(found, name)
        text = work.line(place)
        if place is None or text is None:
            continue
        if first is None:
            first = (place, text)
        elif text == first[1]:
            work.left_out(place, f"says the same as {names[0]}", warn=False)
        else:
            first = (first[0], f"{first[1]}: {text}")
            work.took(place.path, "metadata.additional_descriptions")
    return first


def _targets(work: Work, found: Found) -> list[tuple[Found, str]]:
    targets: list[tuple[Found, str]] = []
    recid = work.child(found, "recid")
    url = work.record_address(recid)
    if recid is not None and url is not None:
        targets.append((recid, url))
    place = work.child(found, "url")
    address = work.line(place)
    if place is not None and address is not None:
        url = clean.absolute_url(address)
        if url is None:
            work.left_out(place, "expected an address on the web")
        else:
            targets.append((place, url))
    return targets


def rendered(note: Note) -> str:
    """Return a section as HTML: its text, then its values and links as a list."""
    items = [f"<li>{escape(label, quote=False)}: {escape(value, quote=False)}</li>" for label, value in note.facts]
    for label, url in note.links:
        text = escape(label, quote=False)
        items.append(f'<li><a href="{escape(url, quote=False)}">{text}</a></li>' if url else f"<li>{text}</li>")
    listed = f"<ul>{''.join(dict.fromkeys(items))}</ul>" if items else ""
    return "\n".join(part for part in (note.text, listed) if part)


def descriptions(work: Work) -> None:
    """Put the sections into `description` and `additional_descriptions`."""
    abstract = work.notes.pop("abstract", None)
    text = rendered(abstract) if abstract else ""
    if len(text) < MIN_LENGTH:
        text = escape(work.metadata["title"], quote=False)
        work.add("metadata.description", "no abstract: the title")
        abstract = None
    work.metadata["description"] = text
    language = {"id": work.profile.english}
    more = [(note.kind, rendered(note)) for note in work.notes.values()]
    if abstract and work.profile.particles:
        more.insert(0, ("abstract", text))  # what the model's own exports read
    found = [
        {"description": text, "type": {"id": kind}, "lang": language} for kind, text in more if len(text) >= MIN_LENGTH
    ]
    if found:
        work.metadata["additional_descriptions"] = found
