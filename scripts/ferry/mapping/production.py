"""Rules for how data were made and what is in them: steps of the production, container images, variables."""

import re
from html import escape

from ferry.mapping.leaves import Found, find
from ferry.mapping.relation_terms import NEEDED
from ferry.mapping.rich_text import RichText
from ferry.mapping.sections import SECTIONS
from ferry.mapping.texts import fact, link, link_words, record_anchor
from ferry.mapping.work import OWN_JSON, RELATED, Relation, Work

_STEP_WORDS = {
    "type": "",
    "release": "release ",
    "global_tag": "global tag ",
    "output_dataset": "output dataset ",
    "note": "note: ",
}
_SAYS_WHAT = re.compile(r"configuration|script|parameters|settings", re.IGNORECASE)
IN_SOURCE = f"too fine for a field: {OWN_JSON}"


def step(work: Work, found: Found) -> None:
    """A step of the production: one line of the methods; its configuration files are links there."""
    (section,) = work.says()
    words: list[str] = []
    for member, label in _STEP_WORDS.items():
        place = work.child(found, member)
        text = work.rich(place) if member == "note" else work.words(place)
        if place is not None and text is not None:
            words.append(f"{label}{text.html}")
            work.took(place.path, lost=text.lost)
    names: list[str] = []
    for item in find({"generators": (work.child(found, "generators") or found).value}, "generators[]"):
        place = Found(f"{found.place}.{item.place}", f"{found.path}.{item.path}", item.value)
        generator = work.line(place) if not isinstance(item.value, dict) else None
        if generator is not None:
            names.append(generator)
            work.took(place.path)
    if names:
        words.append(f"generators {escape(', '.join(names), quote=False)}")
    if words:
        work.note(section).facts.append(f"Production step: {'; '.join(words)}")
    _configuration_files(work, found, section)


def _configuration_files(work: Work, found: Found, section: str) -> None:
    files = work.child(found, "configuration_files")
    if files is None:
        return
    for item in find({"f": files.value}, "f[]"):
        place = Found(f"{files.place}{item.place[1:]}", f"{files.path}{item.path[1:]}", item.value)
        if work.child(place, "recid") or work.child(place, "url"):
            link(work, place, section)
        else:
            _file_without_address(work, place, section)
        process_at = work.child(place, "process")
        process = work.line(process_at)
        if process_at is not None and process is not None:
            work.left_out(process_at, IN_SOURCE, warn=False)


def _file_without_address(work: Work, found: Found, section: str) -> None:
    """A configuration file that lies nowhere: its id, and its text as it stands."""
    target = SECTIONS[section].target
    words = link_words(work, found, target)
    told = [words.html if _SAYS_WHAT.search(words.plain) else f"Configuration file {words.html}"] if words else []
    id_at, script_at = work.child(found, "cms_confdb_id"), work.child(found, "script")
    number, script = work.line(id_at), work.verbatim(script_at)
    if id_at is not None and number is not None:
        told.append(fact("Id in the CMS configuration database", number))
        work.took(id_at.path, target)
    if script_at is not None and script is not None:
        told.append(f"<pre>{escape(script, quote=False)}</pre>")
        work.took(script_at.path, target)
    if told:
        work.note(section).links.append("; ".join(told).replace("; <pre>", "<pre>"))


def container_image(work: Work, found: Found) -> None:
    """A container image in which the data can be analysed."""
    section, label = work.says()
    words = []
    for member in ("name", "description", "registry"):
        place = work.child(found, member)
        text = work.words(place)
        if place is not None and text is not None:
            words.append(f"in the registry {text.html}" if member == "registry" else text.html)
            work.took(place.path, lost=text.lost)
    if words:
        work.note(section).facts.append(f"{escape(label, quote=False)}: {'; '.join(words)}")
    required_record(work, work.child(found, "recid"))


def required_record(work: Work, found: Found | None) -> None:
    """A record that is needed to use this one."""
    url = work.record_address(found)
    if found is None or url is None:
        return
    work.note("system").links.append(f"Environment: {record_anchor(work, url)}")
    if work.is_self(url, None):
        work.took(found.path, SECTIONS["system"].target)
        return
    work.relations.append(Relation(NEEDED, url=url))
    work.took(found.path, SECTIONS["system"].target, RELATED)


def variable(work: Work, found: Found) -> None:
    """A variable of the data: its name, with description, type and unit."""
    section, label = work.says()
    words: dict[str, RichText] = {}
    for member in ("variable", "description", "type", "unit"):
        place = work.child(found, member)
        text = work.rich(place) if member == "description" else work.words(place)
        if place is not None and text is not None:
            words[member] = text
            work.took(place.path, lost=text.lost)
    if not words:
        return
    about = (words[member].html for member in ("type", "unit") if member in words)
    aside = ", ".join(said for said in about if said != "N/A")
    told = [words["description"].html] if "description" in words else []
    told += [f"({aside})"] if aside else []
    name = f"<b>{words['variable'].html}</b>" if "variable" in words else label
    work.note(section).facts.append(f"{name}: {' '.join(told) or 'no description'}")
