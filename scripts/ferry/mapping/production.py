"""Rules for how data were made and what is in them: steps of the production, container images, variables."""

from ferry.mapping.leaves import Found, find
from ferry.mapping.texts import section_link
from ferry.mapping.work import OWN_JSON, RELATED, Relation, Work

_STEP_WORDS = {
    "type": "type",
    "release": "release",
    "global_tag": "global tag",
    "output_dataset": "output dataset",
    "note": "note",
}
IN_SOURCE = f"too fine for a field: {OWN_JSON}"


def step(work: Work, found: Found) -> None:
    """A step of the production: one line of the methods; its configuration files are links there."""
    name, kind, _ = work.says()
    words: list[str] = []
    for member, label in _STEP_WORDS.items():
        place = work.child(found, member)
        text = work.line(place)
        if place is not None and text is not None:
            words.append(f"{label} {text}")
            work.took(place.path)
    names: list[str] = []
    for item in find({"generators": (work.child(found, "generators") or found).value}, "generators[]"):
        place = Found(f"{found.place}.{item.place}", f"{found.path}.{item.path}", item.value)
        text = work.line(place) if not isinstance(item.value, dict) else None
        if text is not None:
            names.append(text)
            work.took(place.path)
    if names:
        words.append(f"generators {', '.join(names)}")
    if words:
        work.note(name, kind).facts.append(("Production step", "; ".join(words)))
    _configuration_files(work, found)


def _configuration_files(work: Work, found: Found) -> None:
    files = work.child(found, "configuration_files")
    if files is None:
        return
    for item in find({"f": files.value}, "f[]"):
        place = Found(f"{files.place}{item.place[1:]}", f"{files.path}{item.path[1:]}", item.value)
        section_link(work, place)
        process_at = work.child(place, "process")
        process = work.line(process_at)
        if process_at is not None and process is not None:
            work.left_out(process_at, IN_SOURCE, warn=False)


def container_image(work: Work, found: Found) -> None:
    """A container image in which the data can be analysed."""
    name, kind, label = work.says()
    words = []
    for member in ("name", "description"):
        place = work.child(found, member)
        text = work.line(place)
        if place is not None and text is not None:
            words.append(text)
            work.took(place.path)
    if words:
        work.note(name, kind).facts.append((label, "; ".join(words)))
    required_record(work, work.child(found, "recid"))


def required_record(work: Work, found: Found | None) -> None:
    """A record that is needed to use this one."""
    url = work.record_address(found)
    if found is not None and url is not None:
        work.relations.append(Relation("requires", url=url))
        work.took(found.path, RELATED)


def variable(work: Work, found: Found) -> None:
    """A variable of the data: its name, with description, type and unit."""
    name, kind, label = work.says()
    words: dict[str, str] = {}
    for member in ("variable", "description", "type", "unit"):
        place = work.child(found, member)
        text = work.line(place)
        if place is not None and text is not None:
            words[member] = text
            work.took(place.path)
    if not words:
        return
    aside = ", ".join(words[member] for member in ("type", "unit") if member in words)
    rest = " ".join(part for part in (words.get("description", ""), f"({aside})" if aside else "") if part)
    work.note(name, kind).facts.append((f"{label} {words.get('variable', '')}".strip(), rest or "no description"))
