"""What a run would ask of the repository with other numbers of loose files, and without attachments.

Requests are what a repository limits, and a bundle is one upload for many files: so package.max_files decides how long
a long run takes. Here it is told before, for what people choose between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ferry.bundle.plan import PackageSettings, plan_packages
from ferry.steps.plan_record import hours_by_rate_limit, requests_of, sized
from ferry.text.formatting import format_seconds, plural

MAX_FILES = (5, 10, 20, 50, 98)
"""What is tried for package.max_files; 98 is the most beside two attachments."""
ATTACHMENTS = frozenset({"source", "manifest"})
"""Where the configuration has none, what they are compared with."""


@dataclass(frozen=True)
class Choice:
    """What might be set in the configuration."""

    max_files: int
    attachments: frozenset[str]


type Requests = Mapping[Choice, int]
"""What a record would ask for by each choice."""


def choices(settings: PackageSettings) -> list[Choice]:
    """Return what is worth trying: the present number of files too, and all of it with and without attachments."""
    numbers = sorted({min(number, settings.most_uploads) for number in (*MAX_FILES, settings.max_files)})
    attached = settings.attachments or ATTACHMENTS
    return [Choice(number, attachments) for attachments in (attached, frozenset[str]()) for number in numbers]


def requests_by_choice(
    *, recid: int, files: Sequence[Mapping[str, Any]], settings: PackageSettings, publish: bool
) -> Requests:
    """Return what a record would ask for by each choice. If it can go up by one of them, it can by all.

    Args:
        recid: of the record.
        files: of its receipt `source`.
        settings: the present ones.
        publish: it is to be published.
    """
    known: dict[tuple[bool, int], int] = {}
    members = sized(files)

    def asked(choice: Choice) -> int:
        # only whether there are more files than that makes a difference, and what goes up beside them
        alike = (len(files) > choice.max_files, len(choice.attachments))
        if alike not in known:
            changed = replace(settings, max_files=choice.max_files, attachments=choice.attachments)
            uploads = len(plan_packages(recid=recid, files=members, settings=changed).uploads)
            known[alike] = requests_of(uploads, len(choice.attachments), publish=publish)
        return known[alike]

    return {choice: asked(choice) for choice in choices(settings)}


def cheapest(asked: Requests, settings: PackageSettings) -> Choice:
    """Return the choice by which least is asked for; of equals the present one, or what leaves most files loose."""
    return min(asked, key=lambda choice: (asked[choice], choice.max_files != settings.max_files, -choice.max_files))


def advice_lines(
    asked: Requests, *, settings: PackageSettings, limits: Sequence[Sequence[float]], hours_by_line: float | None
) -> list[str]:
    """Return a table of requests and hours by choice, and which one is the cheapest.

    Args:
        asked: what all records together would ask for.
        settings: the present ones.
        limits: of the repository: at most so many requests in so many seconds; without any no hours are told.
        hours_by_line: what the bytes take at the rate of earlier runs, None if there were none.
    """
    if not asked:
        return []

    def told(requests: int) -> str:
        text = plural(requests, "request")
        if not limits:
            return text
        hours = hours_by_rate_limit(requests, limits)
        if hours_by_line is not None and hours_by_line > hours:
            return f"{text}, {told_hours(hours_by_line)} for the bytes"
        return f"{text}, {told_least(hours)}"

    columns = list(dict.fromkeys(choice.attachments for choice in asked))
    heads = [f"with {_named(attachments)}" if attachments else "without" for attachments in columns]
    rows = [("max_files", *heads)]
    for number in sorted({choice.max_files for choice in asked}):
        mark = " (now)" if number == settings.max_files else ""
        rows.append((f"{number}{mark}", *(told(asked[Choice(number, attachments)]) for attachments in columns)))
    width = max(len(row[1]) for row in rows)
    best = cheapest(asked, settings)
    longer = "" if hours_by_line is None else ", or by earlier runs where that is longer"
    hours = f", and the time by rate limit{longer}" if limits else ""
    return [
        f"other settings   what they would ask for{hours}:",
        *(f"{name:<15}  {first:<{width}}  {second}" for name, first, second in rows),
        f"least requests   package.max_files: {best.max_files}, package.attachments: [{_named(best.attachments)}]",
    ]


def told_least(hours: float) -> str:
    """Return in words what the rate limit makes of a run: a least time, since all else may take longer."""
    return f"at least {told_hours(hours)}" if hours else "no wait"


def told_hours(hours: float) -> str:
    """Return in words how long a run takes: it is foretold to no less than a minute."""
    return format_seconds(round(hours * 60) * 60) if hours * 60 >= 1 else "less than 1 min"


def _named(attachments: frozenset[str]) -> str:
    return ", ".join(sorted(attachments))
