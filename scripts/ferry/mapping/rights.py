"""Rules for the rights: what the record says of them, in whatever shape, and what is so where it says nothing."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ferry.errors import MetadataError
from ferry.mapping import clean
from ferry.mapping.leaves import Found, find, shown
from ferry.mapping.people import is_portal
from ferry.mapping.profiles import SPDX_SPELLING
from ferry.mapping.work import Work
from ferry.strict_json import kind_of

NOTHING: tuple[Any, ...] = (None, "", [], {})
_CREATIVE_COMMONS = re.compile(
    r"https?://creativecommons\.org/(?:licenses/([a-z-]+)/([\d.]+)|(publicdomain/zero/1\.0))(?:/.*)?", re.IGNORECASE
)
_NO_LICENCE = frozenset("none no unknown other n/a na tbd proprietary closed unspecified undefined null -".split())
"""What says that there is none, or does not say which."""


def licence(work: Work, found: Found) -> None:
    """The licences by SPDX identifier, in any letter case; one that the target's vocabulary lacks as title and link.

    The portal writes `{"attribution": id}`; a text says the same, and so does a list of either or of attributions.

    Raises:
        MetadataError: what the record says is none of these. CC0 in its place would give away what may not be
            anybody's.
    """
    rights: dict[str, dict[str, Any]] = {}
    for item in find(work.record, f"{found.path}[]"):
        for place in _attributions(work, item):
            name = _licence_name(work, place)
            right = _right(work, name) if name else None
            if right and "id" not in right and "link" not in right:
                work.warn(
                    place.place, f"{shown(name or '')!r} is no identifier of SPDX that is known: given as a title"
                )
            if right:
                rights.setdefault(json.dumps(right), right)
    if rights:
        work.metadata["rights"] = list(rights.values())


def _attributions(work: Work, found: Found) -> Iterator[Found]:
    if not isinstance(found.value, dict):
        yield found
        return
    named = work.child(found, "attribution")
    if named is None or named.value in NOTHING:
        if any(value not in NOTHING for value in found.value.values()):
            raise _no_licence(found, f"an object ({', '.join(found.value)})")
    elif isinstance(named.value, list):
        for number, value in enumerate(named.value):
            yield Found(f"{named.place}[{number}]", f"{named.path}[]", value)
    else:
        yield named


def _licence_name(work: Work, found: Found) -> str | None:
    if found.value in NOTHING:
        return None
    if not isinstance(found.value, str):
        is_whole = isinstance(found.value, (dict, list))
        raise _no_licence(found, kind_of(found.value) if is_whole else json.dumps(found.value))
    name = work.line(found)
    if name is None and not found.value.isspace():
        raise _no_licence(found, f"{len(found.value)} characters that are no name")
    if name is not None and name.casefold().strip(".") in _NO_LICENCE:
        work.left_out(found, f"{name!r} names no licence: no rights given")
        return None
    if name is not None:
        work.took(found.path, "metadata.rights[]")
    return name


def _no_licence(found: Found, what: str) -> MetadataError:
    expected = 'an SPDX identifier as text, or as {"attribution": identifier}'
    return MetadataError(f"{found.place}: expected {expected}, found {shown(what)}; say it so in a correction")


def _right(work: Work, name: str) -> dict[str, Any]:
    spdx = _spdx(name)
    if spdx is None:
        return {"title": {"en": name}}
    known = work.profile.licenses.get(spdx)
    return {"id": known} if known else {"title": {"en": spdx}, "link": f"https://spdx.org/licenses/{spdx}.html"}


def _spdx(name: str) -> str | None:
    """Return the SPDX identifier of a licence, however it is written; None for what is none, or not certainly one."""
    address = _CREATIVE_COMMONS.fullmatch(name)
    if address:
        name = "CC0-1.0" if address[3] else f"CC-{address[1]}-{address[2]}"
    name = re.sub(r"[\s_]+", "-", re.sub(r"(?i)\s+licen[sc]e$", "", name)).casefold()
    return SPDX_SPELLING.get("cc0-1.0" if name == "cc0" else name)


def default_rights(work: Work) -> None:
    """Say what is so where a record names no licence: what the configuration has for its kind, else nothing.

    The portal's waiver is of its own data; what others have published is theirs.
    """
    if "rights" in work.metadata or _says_something(work.record.get("license")):
        return
    kinds, rights, publisher = _kinds(work), work.options.default_rights, work.record.get("publisher")
    licence = next((rights[name] for name in kinds if name in rights), None)
    unsaid = f"{kinds[0] if kinds else 'a record'} without a licence"
    if publisher not in NOTHING and not (
        isinstance(publisher, str) and (not publisher.strip() or is_portal(publisher))
    ):
        named = publisher.strip() if isinstance(publisher, str) else json.dumps(publisher, ensure_ascii=False)
        said = f"{unsaid}, published by {shown(named)}: no rights given"
    elif licence is None:
        said = f"{unsaid}: no rights given (transform.default_rights)"
    else:
        work.metadata["rights"] = [_right(work, licence)]
        said = f"{unsaid}: {licence} given (transform.default_rights)"
    work.add("metadata.rights[]", said)
    work.warn("license", said)


def _says_something(value: Any) -> bool:
    """Tell whether a licence is said that names none: what the configuration has is for what says nothing."""
    if isinstance(value, dict):
        value = list(value.values())
    return any(map(_says_something, value)) if isinstance(value, list) else bool(str(value or "").strip())


def _kinds(work: Work) -> list[str]:
    """Return the kinds of the record as the configuration may name them, the narrower first."""
    found = work.record.get("type")
    kinds = found if isinstance(found, dict) else {}
    primary, secondary = kinds.get("primary"), kinds.get("secondary")
    name = shown(clean.line(primary)) if isinstance(primary, str) and primary.strip() else None
    if name is None:
        return []
    several = secondary if isinstance(secondary, list) else [secondary]
    return [*(f"{name}/{shown(clean.line(each))}" for each in several if isinstance(each, str)), name]
