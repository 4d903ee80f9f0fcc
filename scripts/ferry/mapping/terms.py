"""Rules for what a vocabulary decides: kind, licence, language, category, and free keywords."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ferry.errors import MetadataError
from ferry.mapping.leaves import Found, find, shown
from ferry.mapping.people import experiments_of
from ferry.mapping.profiles import SPDX_SPELLING
from ferry.mapping.work import Work
from ferry.strict_json import kind_of

ENGLISH = frozenset({"english", "eng", "en"})
UNKNOWN_CATEGORIES = frozenset({"dontknow", "unknown", "none", "n/a"})
NOTHING: tuple[Any, ...] = (None, "", [], {})
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")


def kind(work: Work, found: Found) -> None:
    """The kind ("Dataset", "Simulated"): the resource type, the particles model's dataset type, and keywords."""
    primary_at = work.child(found, "primary")
    primary = work.line(primary_at)
    kinds: list[str] = []
    dataset_type = None
    for item in find(work.record, "type.secondary[]"):
        secondary = work.line(item)
        if secondary is None:
            continue
        kinds.append(f"{primary}/{secondary}")
        work.subjects.setdefault(secondary)
        to = ["metadata.resource_type", "metadata.subjects[]"]
        if work.profile.particles and dataset_type is None:
            dataset_type = work.profile.particles.dataset_types.get(kinds[-1])
            to += ["metadata.dataset_type"] if dataset_type else []
        work.took(item.path, *to)
    if primary_at is not None and primary is not None:
        work.took(primary_at.path, "metadata.resource_type")
    if dataset_type:
        work.metadata["dataset_type"] = dataset_type
    table = work.profile.resource_types
    known = [table[name] for name in [*kinds, primary or ""] if name in table]
    if not known and primary not in ("Supplementaries", "Environment"):
        work.warn(found.place, f"no resource type for {kinds or primary}: taken as {table['*']!r}")
    work.metadata["resource_type"] = {"id": (known or [table["*"]])[0]}


def licence(work: Work, found: Found) -> None:
    """The licences by SPDX identifier, in any letter case; one that the target's vocabulary lacks as title and link.

    The portal writes `{"attribution": id}`; a text says the same, and so does a list of either or of attributions.

    Raises:
        MetadataError: what the record says is none of these. CC0 in its place would give away what may not be
            anybody's: only a record that says nothing has the licence of the portal.
    """
    rights: list[dict[str, Any]] = []
    for item in find(work.record, f"{found.path}[]"):
        for place in _attributions(work, item):
            name = _licence_name(work, place)
            right = _right(work, name) if name else None
            if right and right not in rights:
                rights.append(right)
    if rights:
        work.metadata["rights"] = rights


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
    if name is not None:
        work.took(found.path, "metadata.rights[]")
    return name


def _no_licence(found: Found, what: str) -> MetadataError:
    expected = 'an SPDX identifier as text, or as {"attribution": identifier}'
    return MetadataError(f"{found.place}: expected {expected}, found {shown(what)}; say it so in a correction")


def _right(work: Work, name: str) -> dict[str, Any]:
    name = SPDX_SPELLING.get(name.casefold(), name)
    known = work.profile.licenses.get(name)
    if known:
        return {"id": known}
    if _SPDX.fullmatch(name):
        return {"title": {"en": name}, "link": f"https://spdx.org/licenses/{name}.html"}
    return {"title": {"en": name}}


def default_licence(work: Work) -> None:
    """Put CC0 in where a record names no licence: so the portal's terms of use have it."""
    if "rights" not in work.metadata:
        work.metadata["rights"] = [{"id": work.profile.licenses["CC0-1.0"]}]
        work.add("metadata.rights[]", "no licence named: CC0-1.0 by the terms of use of the portal")


def language(work: Work, found: Found) -> None:
    """The language of the resource; the portal has English only."""
    name = work.line(found)
    if name is None:
        return
    if name.lower() not in ENGLISH:
        work.left_out(found, f"expected English, found {name!r}: add its code to the profiles")
        return
    work.metadata["languages"] = [{"id": work.profile.english}]
    work.took(found.path)


def keyword(work: Work, found: Found) -> None:
    """A free keyword."""
    word = work.line(found)
    if word is not None:
        work.subjects.setdefault(word)
        work.took(found.path)


def accelerator(work: Work, found: Found) -> None:
    """The accelerator as keyword, in one spelling: "CERN LEP" is "CERN-LEP"."""
    name = work.line(found)
    if name is not None:
        work.subjects.setdefault(name.replace(" ", "-"))
        work.took(found.path)


def collection(work: Work, found: Found) -> None:
    """The portal's collection as keyword, unless it only repeats the experiment."""
    name = work.line(found)
    if name is None:
        return
    if name in experiments_of(work.record):
        work.left_out(found, "repeats the experiment", warn=False)
        return
    work.subjects.setdefault(name)
    work.took(found.path)


def category(work: Work, found: Found) -> None:
    """The physics category: keyword, and a field of the particles model where its vocabulary has it."""
    name = work.line(found)
    if name is None:
        return
    if name.replace(" ", "").lower() in UNKNOWN_CATEGORIES:
        work.left_out(found, "says that the category is not known")
        return
    work.subjects.setdefault(name)
    to = ["metadata.subjects[]"]
    if work.profile.particles:
        known = work.options.categories.get(name)
        if known:
            work.metadata["category"] = {"id": known}
            to.append("metadata.category")
        else:
            work.warn(found.place, f"{name!r} is not in the target's vocabulary of categories: kept as keyword only")
    work.took(found.path, *to)


def subjects(work: Work) -> None:
    """Put the field of science and the keywords in."""
    field_of_science = [{"id": work.profile.subject}] if work.profile.subject else []
    if field_of_science:
        work.add("metadata.subjects[]", "field of science: particle physics")
    found = field_of_science + [{"subject": word} for word in work.subjects]
    if found:
        work.metadata["subjects"] = found
