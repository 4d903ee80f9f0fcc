"""Rules for dates: EDTF level 0, as InvenioRDM takes them."""

import re
from datetime import date
from typing import Any

from ferry.mapping import clean
from ferry.mapping.leaves import Found, find
from ferry.mapping.people import is_portal
from ferry.mapping.sections import SECTIONS
from ferry.mapping.texts import fact
from ferry.mapping.work import Work

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:[T ][\d:.,+Z -]*)?")
UNDATED = "no date of publication: the year of the newest date, else the portal's first year"
LANGUAGE = "en"
"""Of what is said here, as a dictionary by language has it."""
FIRST_YEAR = "2014"  # the portal opened in November 2014


def edtf(text: str) -> str | None:
    """Return a year, a month or a day as EDTF (a time of day is cut off), or None if the calendar has none such."""
    found = _DATE.fullmatch(text)
    if not found or not text.isascii():
        return None
    year, month, day = found.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join(part for part in (year, month, day) if part)


def _dated(work: Work, found: Found) -> str | None:
    text = work.line(found)
    if text is None:
        return None
    value = edtf(text)
    if value is None:
        work.left_out(found, "expected a year or a date (YYYY, YYYY-MM, YYYY-MM-DD)")
    return value


def published(work: Work, found: Found) -> None:
    """The year the portal published it: date of publication, and issued."""
    value = _dated(work, found)
    if value is None:
        return
    work.metadata["publication_date"] = value
    _add(work, "issued", value, _published_by(work))
    work.took(found.path, "metadata.publication_date", "metadata.dates[issued]")


def _published_by(work: Work) -> str:
    publisher = work.record.get("publisher")
    name = clean.line(publisher)[: clean.MAX_LINE] if isinstance(publisher, str) else ""
    return f"Published by {name}" if name and not is_portal(name) else "Published on the CERN Open Data portal"


def created(work: Work, found: Found) -> None:
    """Years of data taking or production: one date each, but years that follow each other are an interval.

    An interval where the target takes one as a date; its first and last year where its search index would refuse it.
    """
    values: list[str] = []
    for item in find(work.record, "date_created[]"):
        value = _dated(work, item)
        if value is not None:
            values.append(value)
            work.took(item.path, "metadata.dates[created]")
    for begin, end in _intervals(values):
        if begin == end:
            _add(work, "created", begin, None)
        elif work.profile.date_intervals:
            _add(work, "created", f"{begin}/{end}", None)
        else:
            _add(work, "created", begin, "Begin of data taking or production")
            _add(work, "created", end, "End of data taking or production")


def _intervals(values: list[str]) -> list[tuple[str, str]]:
    """Return the first and the last of years that follow each other; a month or a day stands alone, out of its year."""
    years = {value for value in values if len(value) == len("1998")}
    found: list[tuple[str, str]] = []
    for value in sorted({value for value in values if value in years or value[:4] not in years}):
        last = found[-1][1] if found else ""
        if last in years and value in years and int(value) == int(last) + 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


def reprocessed(work: Work, found: Found) -> None:
    """The year of the reprocessing."""
    value = _dated(work, found)
    if value is not None:
        _add(work, "reprocessed", value, "Reprocessed")
        work.took(found.path, "metadata.dates[updated]")


def prepublication(work: Work, found: Found) -> None:
    """An earlier publication elsewhere: its date, with publisher, place and report number as the date's description.

    Without a date that can be used, these are told among the texts.
    """
    date_at = work.child(found, "date")
    value = _dated(work, date_at) if date_at else None
    words = ["Prepublication"]
    for name in ("publisher", "place", "report_number"):
        place = work.child(found, name)
        text = work.line(place)
        if place is not None and text is not None:
            words.append(text)
            has_words = value is not None and work.date_descriptions != "none"
            work.took(place.path, "metadata.dates[issued].description" if has_words else SECTIONS["dates"].target)
    if date_at is not None and value is not None:
        _add(work, "issued", value, ", ".join(words))
        work.took(date_at.path, "metadata.dates[issued]")
    elif len(words) > 1:
        work.note("dates").facts.append(fact(words[0], ", ".join(words[1:])))


def _add(work: Work, kind: str, value: str, description: str | None) -> None:
    entry: dict[str, Any] = {"date": value, "type": {"id": work.profile.dates[kind]}}
    if description:
        match work.date_descriptions:
            case "text":
                entry["description"] = description
            case "languages":
                entry["description"] = {LANGUAGE: description}
            case "none":
                work.note("dates").facts.append(fact(description, value))
    work.dates.append(entry)


def dates(work: Work) -> None:
    """Put the dates in; a record without a date of publication gets the year of its newest date."""
    if work.dates:
        work.metadata["dates"] = work.dates
    if "publication_date" not in work.metadata:
        newest = max((entry["date"].rpartition("/")[2] for entry in work.dates), default=FIRST_YEAR)
        work.metadata["publication_date"] = newest
        work.add("metadata.publication_date", UNDATED)
        work.warn("date_published", f"no usable date: {newest} taken instead")
