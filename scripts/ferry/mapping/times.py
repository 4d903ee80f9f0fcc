"""Rules for dates: EDTF level 0, as InvenioRDM takes them."""

import re
from datetime import date
from typing import Any

from ferry.mapping.leaves import Found, find
from ferry.mapping.work import Work

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:[T ][\d:.,+Z -]*)?")
UNDATED = "no date of publication: the year of the newest date, else the portal's first year"
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
    _add(work, "issued", value, "Published on the CERN Open Data portal")
    work.took(found.path, "metadata.publication_date", "metadata.dates[issued]")


def created(work: Work, found: Found) -> None:
    """Years of data taking or production: one date, or the first and the last of them.

    An interval where the target takes one as a date; two dates where its search index would refuse the interval.
    """
    values: list[str] = []
    for item in find(work.record, "date_created[]"):
        value = _dated(work, item)
        if value is not None:
            values.append(value)
            work.took(item.path, "metadata.dates[created]")
    if not values:
        return
    begin, end = min(values), max(values, key=_last_day)
    if begin == end:
        _add(work, "created", begin, None)
        return
    if not _without_gap(values):
        work.warn(found.place, f"{', '.join(dict.fromkeys(values))}: taken as all of the time from {begin} to {end}")
    if work.profile.date_intervals:
        _add(work, "created", f"{begin}/{end}", None)
    else:
        _add(work, "created", begin, "Begin of data taking or production")
        _add(work, "created", end, "End of data taking or production")


def _last_day(value: str) -> str:
    return f"{value}-99-99"[:10]  # a year ends after each of its months


def _without_gap(values: list[str]) -> bool:
    if any(len(value) != len("1998") for value in values):
        return False
    years = {int(value) for value in values}
    return len(years) == max(years) - min(years) + 1


def reprocessed(work: Work, found: Found) -> None:
    """The year of the reprocessing."""
    value = _dated(work, found)
    if value is not None:
        _add(work, "reprocessed", value, "Reprocessed")
        work.took(found.path, "metadata.dates[updated]")


def prepublication(work: Work, found: Found) -> None:
    """An earlier publication elsewhere: its date, with publisher, place and report number as the date's description."""
    date_at = work.child(found, "date")
    value = _dated(work, date_at) if date_at else None
    if date_at is None or value is None:
        return
    words = ["Prepublication"]
    for name in ("publisher", "place", "report_number"):
        place = work.child(found, name)
        text = work.line(place)
        if place is not None and text is not None:
            words.append(text)
            described = "metadata.dates[issued].description"
            work.took(place.path, described if work.profile.date_descriptions else "metadata.additional_descriptions")
    _add(work, "issued", value, ", ".join(words))
    work.took(date_at.path, "metadata.dates[issued]")


def _add(work: Work, kind: str, value: str, description: str | None) -> None:
    entry: dict[str, Any] = {"date": value, "type": {"id": work.profile.dates[kind]}}
    if description and work.profile.date_descriptions:
        entry["description"] = description
    elif description:
        work.note("dates").facts.append((description, value))
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
