"""The master list of all records of an experiment, from the portal's search.

The search gives the first 10,000 results of a query and no more (OpenSearch's result window, read in the portal's
configuration), so that a larger experiment is asked for year by year, and once for what has no year. Whether that was
all is told by the number that the portal counts for the whole experiment.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ferry.csv_tables import write_csv
from ferry.errors import ConfigError, MetadataError, TransientError
from ferry.source.facts import source_facts
from ferry.source.portal import ask
from ferry.source.portal_cache import PortalCache
from ferry.text.formatting import format_bytes, plural, truncate

RESULT_WINDOW = 10_000
PAGE_SIZE = 200
YEARS = range(1970, 2050)
"""Of data taking. A year that is missing here is found out by the count."""
COLUMNS = (
    "recid", "priority", "title", "type_primary", "type_secondary", "category", "year", "file_count", "size_bytes",
    "availability",
)  # fmt: skip

WANTED = ("query", "years", "types", "availability")
"""Keys of the configuration's part `catalogue` that are those of `Wanted`."""


@dataclass(frozen=True)
class Wanted:
    """Which records of an experiment are listed; what is empty chooses nothing."""

    query: str | None = None
    """Of the portal's search, as people type it there."""
    years: Sequence[int] = ()
    types: Sequence[str] = ()
    """Primary or secondary."""
    availability: str | None = None

    def has(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a record that the query has found is wanted."""
        facts = source_facts(record)
        told = record.get("date_created")
        years = {text[:4] for text in told if isinstance(text, str)} if isinstance(told, list) else set()
        years |= {str(facts["year"])} if not years else set()
        is_of_year = not self.years or not years.isdisjoint(map(str, self.years))
        is_of_type = not self.types or not {facts["type_primary"], facts["type_secondary"]}.isdisjoint(self.types)
        return is_of_year and is_of_type and self.availability in (None, record.get("availability") or "online")


Ask = Callable[[str], dict[str, Any]]
Row = dict[str, Any]


def write_catalogue(
    *,
    experiment: str,
    portal: str,
    priorities: Mapping[str, int],
    list_path: Path,
    wanted: Wanted = Wanted(),
    cache: PortalCache | None = None,
    ask: Ask = ask,
) -> str:
    """Write the master list of an experiment; return what is to be printed.

    Args:
        experiment: its name on the portal, such as DELPHI.
        portal: address of the portal.
        priorities: secondary type of a record, such as Collision -> its priority; others get 0.
        list_path: where the list goes: CSV with `COLUMNS`, the highest priority first, then by recid. What the portal
            does not tell is empty.
        wanted: which of them; all others are left out.
        cache: what the portal has said of records; what it has updated since is forgotten, and so asked for again.
        ask: returns the JSON object at an address.

    Raises:
        ConfigError: there is a list already, or the portal has no record of that experiment, or none that is wanted.
        MetadataError: the portal's answer is no search result, or more than it gives out.
        TransientError: the records found are not as many as the portal counts.
    """
    if list_path.exists():
        raise ConfigError(
            f"{list_path}: expected no file there yet, found one; move it away, so that no priority you gave is lost"
        )
    hits = _Search(experiment=experiment, query=wanted.query, portal=portal, ask=ask).all_hits()
    if cache:
        for recid, hit in hits.items():
            cache.forget_changed(recid, updated=hit.get("updated"))
    rows = sorted(
        (
            catalogue_row(recid, hit["metadata"], priorities)
            for recid, hit in hits.items()
            if wanted.has(hit["metadata"])
        ),
        key=lambda row: (-row["priority"], row["recid"]),
    )
    if not rows:
        raise ConfigError(
            f"catalogue: expected years, types and availability that some of {plural(len(hits), 'record')} of "
            f"{experiment} have, found none"
        )
    write_csv(list_path, COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
    return _told(rows, experiment, list_path)


def catalogue_row(recid: int, record: Mapping[str, Any], priorities: Mapping[str, int]) -> Row:
    """Return the row of a record as the portal's search gives it, without its files."""
    facts = source_facts(record)
    distribution = record.get("distribution")
    declared = distribution if isinstance(distribution, Mapping) else {}
    return {
        "recid": recid,
        "priority": priorities.get(facts["type_secondary"], 0),
        "title": truncate(facts["title"] or "", 200),
        "type_primary": facts["type_primary"],
        "type_secondary": facts["type_secondary"],
        "category": facts["category"],
        "year": facts["year"],
        "file_count": _whole_number(declared.get("number_files")),
        "size_bytes": _whole_number(declared.get("size")),
        "availability": record.get("availability"),
    }


def _whole_number(value: Any) -> int | None:
    """Return a number as the portal tells it, None for anything else that stands there: it is not told then."""
    return value if type(value) is int else None


class _Search:
    def __init__(self, *, experiment: str, query: str | None, portal: str, ask: Ask) -> None:
        self._experiment = experiment
        self._query = query
        self._url = f"{portal.rstrip('/')}/api/records/"
        self._ask = ask

    def all_hits(self) -> dict[int, Mapping[str, Any]]:
        total = self._count({})
        if total == 0:
            raise ConfigError(
                f"catalogue.experiment: expected an experiment of the portal, found no record of {self._experiment!r}"
                f"{f' for catalogue.query {self._query!r}' if self._query else ''}"
            )
        hits: dict[int, Mapping[str, Any]] = {}
        for part in [{}] if total <= RESULT_WINDOW else self._parts():
            hits.update(self._hits(part))
        if len(hits) != total:
            raise TransientError(
                f"{self._url}: expected {total} records of {self._experiment} as the portal counts, found {len(hits)}; "
                "run again"
            )
        return hits

    def _parts(self) -> Iterator[dict[str, str]]:
        """Give the filters that take the experiment apart: a record may have several years, or none."""
        yield from ({"year": str(year)} for year in YEARS)
        yield {"q": "NOT _exists_:date_created"}

    def _count(self, part: Mapping[str, str]) -> int:
        return self._page(part, number=1, size=1)[0]

    def _hits(self, part: Mapping[str, str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        number, found = 1, 0
        while True:
            total, hits = self._page(part, number=number, size=PAGE_SIZE)
            if total > RESULT_WINDOW:
                raise MetadataError(
                    f"{self._url}: expected at most {RESULT_WINDOW} records for {dict(part)}, found {total}; the "
                    "portal does not list them all"
                )
            yield from hits
            number, found = number + 1, found + len(hits)
            if found >= total or not hits:
                return

    def _page(
        self, part: Mapping[str, str], *, number: int, size: int
    ) -> tuple[int, list[tuple[int, Mapping[str, Any]]]]:
        # ordered by what does not change meanwhile; what is on tape is listed too
        terms = [term for term in (self._query, part.get("q")) if term]
        asked = {"q": " AND ".join(f"({term})" for term in terms) if len(terms) > 1 else terms[0]} if terms else {}
        query = {
            "experiment": self._experiment,
            "sort": "mostrecent",
            "ondemand": "true",
            "skip_files": "1",
            **part,
            **asked,
        }
        url = f"{self._url}?{urlencode({**query, 'page': str(number), 'size': str(size)})}"
        answer = self._ask(url)
        try:
            total = answer["hits"]["total"]
            hits = [(int(hit["metadata"]["recid"]), hit) for hit in answer["hits"]["hits"]]
        except (KeyError, TypeError, ValueError) as error:
            raise MetadataError(f"{url}: expected a search result with hits and their recids, found none") from error
        if not isinstance(total, int):
            raise MetadataError(f"{url}: expected hits.total to be a number, found {total!r}")
        return total, hits


def _told(rows: list[Row], experiment: str, path: Path) -> str:
    lines = []
    for priority in sorted({row["priority"] for row in rows}, reverse=True):
        same = [row for row in rows if row["priority"] == priority]
        kinds = sorted({row["type_secondary"] or row["type_primary"] or "of no type" for row in same})
        size_bytes = sum(row["size_bytes"] or 0 for row in same)
        lines.append(
            f"  priority {priority}: {plural(len(same), 'record')}, {format_bytes(size_bytes)} ({', '.join(kinds)})"
        )
    return "\n".join(
        [f"{experiment}: {plural(len(rows), 'record')} in {path}", *lines, f"to carry them: records.list: {path}"]
    )
