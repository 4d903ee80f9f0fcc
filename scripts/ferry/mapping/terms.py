"""Rules for what a vocabulary decides: language, category, and free keywords."""

from ferry.mapping.leaves import Found
from ferry.mapping.people import experiments_of
from ferry.mapping.work import Work

ENGLISH = frozenset({"english", "eng", "en"})
UNKNOWN_CATEGORIES = frozenset({"dontknow", "unknown", "none", "n/a"})


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
    word = work.title(found)
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
            work.notice(found.path, "no term of the target's vocabulary of categories: keyword only", found=name)
    work.took(found.path, *to)


def subjects(work: Work) -> None:
    """Put the field of science and the keywords in."""
    field_of_science = [{"id": work.profile.subject}] if work.profile.subject else []
    if field_of_science:
        work.add("metadata.subjects[]", "field of science: particle physics")
    found = field_of_science + [{"subject": word} for word in work.subjects]
    if found:
        work.metadata["subjects"] = found
