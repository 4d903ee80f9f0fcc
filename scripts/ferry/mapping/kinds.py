"""Rules for the kind of a record, and for what follows from it: resource type, dataset type, rights that it has."""

import re
from collections.abc import Mapping, Sequence

from ferry.mapping.leaves import Found, find
from ferry.mapping.work import Work

_WORDS = (
    ("Video", re.compile(r"\b(videos?|films?|screencasts?|webinars?|recordings?)\b", re.IGNORECASE)),
    (
        "Lesson",
        re.compile(r"\b(lessons?|lectures?|courses?|tutorials?|master ?class(es)?|exercises?)\b", re.IGNORECASE),
    ),
)
"""Kinds of documentation that the portal has no types for."""
_VIDEO_FORMATS = frozenset({"mp4", "mov", "avi", "webm", "mkv", "m4v"})
_EXCLUDE_EACH_OTHER = frozenset({"Simulated", "Collision"})


def kind(work: Work, found: Found) -> None:
    """The kind ("Dataset", "Simulated"): the resource type, the particles model's dataset type, and keywords."""
    primary_at = work.child(found, "primary")
    primary = _as_written(work.line(primary_at) or "")
    secondaries: list[str] = []
    dataset_types: dict[str, None] = {}
    for item in find(work.record, "type.secondary[]"):
        secondary = work.line(item)
        if secondary is None:
            continue
        secondary = _as_written(secondary)
        secondaries.append(secondary)
        work.subjects.setdefault(secondary)
        to = ["metadata.resource_type", "metadata.subjects[]"]
        if work.profile.particles:
            dataset_type = work.profile.particles.dataset_types.get(f"{primary}/{secondary}")
            if dataset_type:
                dataset_types.setdefault(dataset_type)
                to.append("metadata.dataset_type")
        work.took(item.path, *to)
    if primary_at is not None and primary:
        work.took(primary_at.path, "metadata.resource_type")
    if dataset_types:
        work.metadata["dataset_type"] = next(iter(dataset_types))
    work.metadata["resource_type"] = {"id": _resource_type(work, found, primary, secondaries)}
    if _EXCLUDE_EACH_OTHER.issubset(secondaries):
        chosen = f", dataset type {work.metadata['dataset_type']!r}" if dataset_types else ""
        resource_type = work.metadata["resource_type"]["id"]
        work.warn(found.place, f"{' and '.join(secondaries)} at once: taken as {resource_type!r}{chosen}")


def _as_written(name: str) -> str:
    """Return a kind as the portal writes it: with a capital first."""
    return name[:1].upper() + name[1:]


def _resource_type(work: Work, found: Found, primary: str, secondaries: Sequence[str]) -> str:
    table = work.profile.resource_types
    told = _told_kind(work, primary, secondaries)
    if told is not None:
        return table[told]
    names = [name for secondary in secondaries if (name := longest_key(table, f"{primary}/{secondary}"))]
    special = {table[name] for name in names if "/" in name}
    if len(special) == 1:
        return special.pop()
    if primary in table:  # of several special ones none holds for all of the record
        guessed = _guessed_kind(work, primary)
        if guessed is None or special:
            return table[primary]
        work.warn("title", f"taken as {table[guessed]!r} by its title: the type {primary!r} tells less")
        return table[guessed]
    if special:
        return table[next(name for name in names if "/" in name)]
    named = "/".join([primary, *secondaries]).strip("/") or "nothing"
    work.warn(found.place, f"no resource type for {named}: taken as {table['*']!r}")
    return table["*"]


def longest_key(table: Mapping[str, object], name: str) -> str | None:
    """Return the longest key that is the name or its first words: "Configuration SIM" is a configuration."""
    words = name.split(" ")
    begins = (" ".join(words[:count]) for count in range(len(words), 0, -1))
    return next((each for each in begins if each in table), None)


def _told_kind(work: Work, primary: str, secondaries: Sequence[str]) -> str | None:
    """Return the kind that type or format tell, where the portal's own types do not have it."""
    for name, words in _WORDS:
        if any(words.search(text) for text in (primary, *secondaries)):
            return f"Documentation/{name}"
    formats = {str(item.value).strip().lower() for item in find(work.record, "distribution.formats[]")}
    return "Documentation/Video" if primary == "Documentation" and formats and formats <= _VIDEO_FORMATS else None


def _guessed_kind(work: Work, primary: str) -> str | None:
    title = work.metadata.get("title", "")
    if primary != "Documentation":
        return None
    return next((f"Documentation/{name}" for name, words in _WORDS if words.search(title)), None)
