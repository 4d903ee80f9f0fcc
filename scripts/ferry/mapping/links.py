"""The members of a collection, by their numbers on the portal and by what the repository calls them.

A parent is made of what CERN says of it, before its members are there. Once they are, what the repository calls each
goes beside CERN's address of it: into the same related resource, or behind it in the list of related identifiers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ferry.identity import is_of_portal, record_number
from ferry.mapping.diff import FieldChange, diff_records

_HAS_PART = "haspart"
"""The relation of a parent to its members, in the letter case of no vocabulary."""

Entry = Mapping[str, Any]
"""An identifier with its scheme; in a list of related identifiers with its relation too."""


@dataclass(frozen=True)
class Link:
    """What the repository calls a member: the DOI that it has made, else the address of the record there."""

    identifier: str
    scheme: Literal["doi", "url"]


def members_of(document: Entry) -> list[int]:
    """Return the numbers on the portal of the records that a target document names as its parts, in its order."""
    found = [_member(entry) for entry in _entries(document["metadata"])]
    return list(dict.fromkeys(recid for recid in found if recid is not None))


def with_links(document: Entry, links: Mapping[int, Link]) -> dict[str, Any]:
    """Return a target document with the links of those of its members that have one."""

    def linked(entries: Sequence[Entry]) -> Iterator[Entry]:
        for entry in entries:
            yield entry
            if link := links.get(_member(entry) or 0):
                yield {**entry, "identifier": link.identifier, "scheme": link.scheme}

    return {**document, "metadata": _with_entries(document["metadata"], linked)}


def links_in(live: Entry, ours: Entry) -> dict[int, Link]:
    """Return the links of members that a repository has of a record and our document has not, by recid."""
    entries = _entries(live.get("metadata") or {})
    told = ((recid, entry) for entry, recid in _told_apart(entries, ours) if recid is not None)
    return {recid: Link(str(entry["identifier"]), entry["scheme"]) for recid, entry in told}


def without_links(live: Entry, ours: Entry) -> dict[str, Any]:
    """Return what a repository has of a record, without the links of members that our document has not."""

    def stripped(entries: Sequence[Entry]) -> Iterator[Entry]:
        return (entry for entry, recid in _told_apart(entries, ours) if recid is None)

    return {**live, "metadata": _with_entries(live.get("metadata") or {}, stripped)}


def diff_but_links(ours: Entry, live: Entry) -> list[FieldChange]:
    """Return what differs between our document and a live record, links of members set aside: see `diff_records`."""
    return diff_records(ours, without_links(live, ours))


def _told_apart(entries: Sequence[Entry], ours: Entry) -> Iterator[tuple[Entry, int | None]]:
    """Yield each entry with the member that it is a link of, None if it is none: links follow their members."""
    known = {entry.get("identifier") for entry in _entries(ours["metadata"])}
    before: Entry = {}
    for entry in entries:
        is_new = not _is_of_portal(entry) and entry.get("identifier") not in known
        is_beside = before.get("relation_type") == entry.get("relation_type")
        yield entry, _member(before) if is_new and is_beside and entry.get("scheme") in ("doi", "url") else None
        before = entry


def _with_entries(metadata: Entry, change: Callable[[Sequence[Entry]], Iterator[Entry]]) -> dict[str, Any]:
    changed = dict(metadata)
    if flat := metadata.get("related_identifiers"):
        changed["related_identifiers"] = list(change(flat))
    if resources := metadata.get("related_resources"):
        changed["related_resources"] = [
            {**each, "identifiers": list(change(each.get("identifiers") or ()))} if _is_part(each) else each
            for each in resources
        ]
    return changed


def _entries(metadata: Entry) -> list[Entry]:
    """Return the identifiers of parts; where there are related resources, the flat ones are made of them."""
    if resources := metadata.get("related_resources"):
        return [entry for each in resources if _is_part(each) for entry in each.get("identifiers") or ()]
    return [entry for entry in metadata.get("related_identifiers") or () if _is_part(entry)]


def _member(entry: Entry) -> int | None:
    identifier = entry.get("identifier")
    if not isinstance(identifier, str) or not _is_part(entry, otherwise="relation_type" not in entry):
        return None
    return record_number(identifier)


def _is_of_portal(entry: Entry) -> bool:
    """Tell whether CERN calls a record so: then a correction may have taken it away, and it is no link."""
    return is_of_portal(str(entry.get("identifier")))


def _is_part(entry: Entry, *, otherwise: bool = False) -> bool:
    kind = (entry.get("relation_type") or {}).get("id")
    return kind.casefold() == _HAS_PART if isinstance(kind, str) else otherwise
