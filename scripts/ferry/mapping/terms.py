"""Rules for what a vocabulary decides: kind, licence, language, category, and free keywords."""

import re

from ferry.mapping.leaves import Found, find
from ferry.mapping.people import experiments_of
from ferry.mapping.work import Work

ENGLISH = frozenset({"english", "eng", "en"})
UNKNOWN_CATEGORIES = frozenset({"dontknow", "unknown", "none", "n/a"})
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
    """The licence by its SPDX identifier; one that the target's vocabulary lacks goes as title and link."""
    name = work.line(found)
    if name is None:
        return
    known = work.profile.licenses.get(name)
    if known:
        work.metadata["rights"] = [{"id": known}]
    elif _SPDX.fullmatch(name):
        work.metadata["rights"] = [{"title": {"en": name}, "link": f"https://spdx.org/licenses/{name}.html"}]
    else:
        work.metadata["rights"] = [{"title": {"en": name}}]
    work.took(found.path, "metadata.rights[]")


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
