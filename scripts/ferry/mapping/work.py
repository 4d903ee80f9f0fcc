"""One record on its way: what the rules put together, and the account they keep."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferry.identity import record_number, record_url
from ferry.mapping import clean
from ferry.mapping.leaves import Found, Ledger, count_leaves, shown
from ferry.mapping.profiles import DateDescriptions, Profile
from ferry.mapping.rich_text import RichText, plain_text, rich_text
from ferry.mapping.sections import SECTIONS
from ferry.source.known_records import KnownRecord

RELATED = "metadata.related_identifiers[]"
_RESOURCES = "metadata.related_resources[]"  # what the CCMM targets have in place of it
OWN_JSON = "in the record's own JSON"  # where a value is that has no place in the target; the tables say it so
_MOST_DIGITS = 12  # of a recid: the portal's have five
_NOT_COPIED = "on the portal only, no JSON of the record goes up"
_PERHAPS_COPIED = "in the record's own JSON where that goes up as its only file, else on the portal only"


@dataclass(frozen=True)
class MappingOptions:
    """What the configuration decides about a record.

    doi: where the DOI of the original goes: "related" (the deposit is a copy of it), "identifier" or "omit".
    publisher: name of the publisher of the copy; None keeps the portal as publisher. With a name, the portal
        becomes a contributor (distributor).
    attached: `<recid>.json` or a manifest goes up with the files.
    own_json: `<recid>.json` does.
    own_json_alone: it does as the only file of a record without files, where the repository takes none without.
    bundled: whether files of these keys, one of them perhaps without a byte, go up in a zip.
    access: who may see the record and its files: "public" or "restricted".
    categories: category of a CERN record -> id in the vocabulary `particle_category`.
    date_descriptions: what the description of a date is in the repository; None: as the profile knows it.
    default_rights: kind of a record ("Software/Tool", "Software") -> SPDX identifier of what names no licence itself.
    known: what is known of another record, by its recid.
    identifier_prefix: of records of one's own, which are not mapped: it and their number is what they are found by.
        None: the records are those of the portal.
    """

    doi: str = "related"
    publisher: str | None = None
    attached: bool = True
    own_json: bool = True
    own_json_alone: bool = False
    bundled: Callable[[Sequence[str], bool], bool] = lambda _keys, _has_empty: False
    access: str = "public"
    categories: Mapping[str, str] = field(default_factory=lambda: {"Higgs": "higgs"})
    date_descriptions: DateDescriptions | None = None
    default_rights: Mapping[str, str | None] = field(default_factory=lambda: {"Dataset": "CC0-1.0"})
    known: Callable[[int], KnownRecord | None] = lambda _recid: None
    identifier_prefix: str | None = None

    def true_reason(self, reason: str, *, has_files: bool) -> str:
        """Return a reason of the tables as it holds for a record: its JSON goes up beside files only, if at all."""
        if has_files:
            return reason if self.own_json else reason.replace(OWN_JSON, _NOT_COPIED)
        return reason.replace(OWN_JSON, _PERHAPS_COPIED if self.own_json_alone else _NOT_COPIED)


@dataclass
class Note:
    """A section of text of the record: becomes one additional description. All of it is HTML."""

    text: str = ""
    facts: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Relation:
    """A related resource: at least one of url and doi."""

    term: str  # of relation_terms
    url: str | None = None
    doi: str | None = None
    title: str | None = None


@dataclass(frozen=True)
class Rule:
    """A row of the table: what is found at `source` goes to `to`, by the function `by`."""

    source: str
    to: str
    by: "Callable[[Work, Found], None]"
    says: str = ""  # arguments of the function, with "|" between: section of `SECTIONS`, label


@dataclass
class Work:
    """Everything that is known of one record while its rules are applied."""

    recid: int
    record: Mapping[str, Any]
    files: list[dict[str, Any]]
    profile: Profile
    options: MappingOptions
    ledger: Ledger
    metadata: dict[str, Any] = field(default_factory=dict)
    creators: list[dict[str, Any]] = field(default_factory=list)
    contributors: list[dict[str, Any]] = field(default_factory=list)
    subjects: dict[str, None] = field(default_factory=dict)
    dates: list[dict[str, Any]] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    identifiers: list[dict[str, str]] = field(default_factory=list)
    notes: dict[str, Note] = field(default_factory=dict)
    formats: dict[str, None] = field(default_factory=dict)
    added: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, str]] = field(default_factory=list)
    rule: Rule | None = None
    left_out_files: Mapping[str, Any] | None = None
    """Of the receipt `source`: what source.files did not choose."""

    @property
    def date_descriptions(self) -> DateDescriptions:
        """What the description of a date is in the repository."""
        return self.options.date_descriptions or self.profile.date_descriptions

    # --- the account ---

    def took(self, path: str, *to: str, count: int = 1, lost: tuple[str, ...] = ()) -> None:
        """Account a leaf as mapped: to these target paths, or to the one that the rule names; `lost` is not there."""
        assert self.rule is not None
        targets = to or (self.rule.to,)
        if self.profile.related_resources:
            targets = tuple(_RESOURCES if target == RELATED else target for target in targets)
        self.ledger.map(path, targets, self.rule.by.__name__, count, lost)

    def left_out(self, found: Found, reason: str, *, warn: bool = True) -> None:
        """Account a leaf as dropped on purpose, and say so in a warning unless it is in the nature of the field."""
        reason = self.true_reason(reason)
        self.ledger.drop(found.path, reason)
        if warn:
            self.warn(found.place, f"left out: {reason}")

    def true_reason(self, reason: str) -> str:
        """Return a reason of the tables as it holds for this record."""
        return self.options.true_reason(reason, has_files=bool(self.files))

    def left_out_whole(self, found: Found, reason: str) -> int:
        """Account each leaf of this value, and of no other at its path, as dropped; return how many there were."""
        leaves, _ = count_leaves({found.path: found.value})
        for path, count in leaves.items():
            self.ledger.drop(path, reason, count)
        return leaves.total()

    def warn(self, place: str, message: str, *, places: int = 1) -> None:
        """Note what somebody should look at; `places`: where the same is so, this being the first."""
        several = {"places": places} if places > 1 else {}
        self.warnings.append({"path": shown(place), "message": message, **several})

    def notice(self, place: str, message: str, *, found: str) -> None:
        """Note of a value what is so of all such values at this target, whatever the record: it is told once a run."""
        self.notices.append({"path": shown(place), "message": message, "found": shown(found)})

    def add(self, to: str, reason: str) -> None:
        """Note a part of the target that does not come from a value of the record."""
        self.added.append({"to": to, "reason": reason})

    def says(self) -> tuple[str, ...]:
        """Return the arguments that the rule's row of the table gives its function."""
        assert self.rule is not None
        return tuple(self.rule.says.split("|"))

    # --- values ---

    def record_address(self, found: Found | None) -> str | None:
        """Return the address of the record whose number this is; None (and accounted for) if it is none."""
        number = self.line(found)
        if found is None or number is None:
            return None
        if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
            self.left_out(found, "expected the number of a record")
            return None
        return record_url(int(number))

    def child(self, found: Found, name: str) -> Found | None:
        """Return a member of an object, None where there is none."""
        if not isinstance(found.value, dict) or name not in found.value:
            return None
        return Found(f"{found.place}.{name}", f"{found.path}.{name}", found.value[name])

    def line(self, found: Found | None) -> str | None:
        """Return a value as one line of text; None (and accounted for) if it has no such text."""
        return self._text(found, clean.line, clean.MAX_LINE)

    def parsed(self, found: Found | None, parse: Callable[[str], str | None], otherwise: str) -> str | None:
        """Return what `parse` makes of a line of text; None (and accounted for, as `otherwise` says) if nothing."""
        text = self.line(found)
        if found is None or text is None:
            return None
        value = parse(text)
        if value is None:
            self.left_out(found, otherwise)
        return value

    def words(self, found: Found | None) -> RichText | None:
        """Return a value as safe HTML no longer than a line may be; None (and accounted for) if it has no such text."""
        return self._rich(found, clean.MAX_LINE)

    def rich(self, found: Found | None) -> RichText | None:
        """Return a value as safe HTML; None (and accounted for) if it has no such text."""
        return self._rich(found, clean.MAX_TEXT)

    def _rich(self, found: Found | None, limit: int) -> RichText | None:
        lost: list[str] = []

        def cleaned(value: str) -> str:
            rich = rich_text(value, page=record_url(self.recid))
            lost.extend(rich.lost)
            return rich.html

        text = self._text(found, cleaned, limit)
        if found is not None and lost:
            self.warn(found.place, f"lost of the text: {', '.join(lost)}")
        return None if text is None else RichText(text, tuple(lost))

    def verbatim(self, found: Found | None) -> str | None:
        """Return a text with its lines as they are; None (and accounted for) if it has no such text."""
        return self._text(found, lambda value: clean.printable(value).strip("\n"), clean.MAX_TEXT)

    def title(self, found: Found | None) -> str | None:
        """Return a value as one line of text without HTML; None (and accounted for) if it has no such text."""
        return self._text(found, lambda value: clean.line(plain_text(value)), clean.MAX_LINE)

    def _text(self, found: Found | None, cleaned: Callable[[str], str], limit: int) -> str | None:
        if found is None or found.value is None or found.value in ("", [], {}):
            return None
        value = found.value
        if isinstance(value, (dict, list)):
            reason = f"expected text, found {'an object' if isinstance(value, dict) else 'a list'}"
            self.ledger.set_aside(found.path, reason)
            self.warn(found.place, f"left out: {reason}")
            return None
        if isinstance(value, bool) or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN
            self.left_out(found, f"expected text, found {str(value).lower()}")
            return None
        if not isinstance(value, str):
            if isinstance(value, int) and abs(value) >= 10**18:
                self.left_out(found, "expected text, found a number of more than 18 digits")
                return None
            value = str(value)
        text = cleaned(value) if len(value) <= limit else value
        if len(text) > limit:  # a text may grow when it is cleaned: a ligature becomes its letters
            self.left_out(found, f"expected at most {limit} characters, found {len(text)}")
            return None
        if not text:
            self.left_out(found, "nothing readable in it", warn=False)
            return None
        return text

    def whole_number(self, found: Found | None) -> int | None:
        """Return a count as an integer; None (and accounted for) if it is none."""
        if found is None or found.value is None or found.value in ("", [], {}):
            return None
        value = found.value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**18:
            if isinstance(value, (dict, list)):
                self.ledger.set_aside(found.path, "expected a count")
            else:
                self.ledger.drop(found.path, "expected a count")
            self.warn(found.place, "left out: expected a count (an integer, not negative, of at most 18 digits)")
            return None
        return value

    def note(self, section: str) -> Note:
        """Return that section of `SECTIONS`, begun if need be."""
        assert section in SECTIONS
        return self.notes.setdefault(section, Note())

    # --- other records ---

    def known(self, url: str | None) -> KnownRecord | None:
        """Return what is known of the record of the portal that has this address."""
        recid = record_number(url) if url else None
        return self.options.known(recid) if recid is not None else None

    def is_self(self, url: str | None, doi: str | None) -> bool:
        """Tell whether an address or a DOI is that of this record."""
        own = self.record.get("doi")
        own_doi = clean.doi(own) if isinstance(own, str) else None
        is_own_page = url is not None and clean.record_of(url) == self.recid
        return is_own_page or (doi is not None and doi.lower() == (own_doi or "").lower())
