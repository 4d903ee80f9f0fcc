"""What a record was last given, and what the repository showed of it then: results/<recid>/given.json.

Its files are in it too: with them what has arrived needs no bytes again, also where data/ is gone.

No receipt: it proves nothing, and no rule declares it. By it a field that somebody has changed by hand is told from one
that is as we gave it before, and a draft that holds nothing but what it was given from one of another hand. Each field
is kept as a digest. Where it is gone, every field that holds something else than ours counts as changed by hand:
nobody's work is overwritten for want of a file.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ferry.errors import FerryError
from ferry.mapping.diff import FieldChange, field_of, record_fields
from ferry.mapping.links import diff_but_links, without_links
from ferry.receipts import digest, read_receipt, write_receipt

_ABSENT = ""
"""Digest of a field that is not there."""

Document = Mapping[str, Any]


class GivenMetadata:
    """What one record was given."""

    def __init__(self, path: Path | None, *, recid: int, repository: str) -> None:
        """Nothing yet; `path` None: it is remembered as long as this is."""
        self._path = path
        self._recid = recid
        self._repository = repository
        self._given: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._ever: dict[str, list[str]] = {}
        self.files: Sequence[Mapping[str, Any]] = ()
        """Those that it held when it was uploaded last, as the receipt `upload` has them."""
        self.is_answered = True
        """Whether the repository has answered what it was given last."""

    @classmethod
    def load(cls, path: Path | None, *, recid: int, repository: str) -> Self:
        """Return what an earlier attempt wrote down; nothing if it is torn, or of another record or repository."""
        memory = cls(path, recid=recid, repository=repository)
        if path is None:
            return memory
        try:
            found = read_receipt(path, "given", recid=recid)
        except (OSError, FerryError):
            return memory
        if found["repository"] == repository:
            memory._given, memory._shown = found["given"], found["shown"]
            memory._ever, memory.files = found.get("ever", {}), found.get("files", ())  # not of an earlier release
            memory.is_answered = found["is_answered"]
        return memory

    @property
    def is_known(self) -> bool:
        """Whether anything is known of what the record was given."""
        return bool(self._given or self._shown)

    def sort(self, ours: Document, live: Document) -> tuple[list[FieldChange], list[FieldChange]]:
        """Return what differs between ours and a live record: what was changed by hand, and what is to be given to it.

        A field that the repository shows otherwise than it was given is neither; but who may see a record has to be as
        it was given.
        """
        held, wanted = _digests(without_links(live, ours)), _digests(ours)
        by_hand, behind = [], []
        for change in diff_but_links(ours, live):
            field = field_of(change.path)
            there, given, shown = (kept.get(field, _ABSENT) for kept in (held, self._given, self._shown))
            if there not in (given, shown):
                by_hand.append(change)
                continue
            is_as_written = self.is_answered and (there, wanted.get(field, _ABSENT)) == (shown, given)
            if not is_as_written or field.startswith("access."):
                behind.append(change)
        return by_hand, behind

    def foreign_fields(self, live: Document) -> list[str]:
        """Return the fields of a live record that hold what no record of this recid was ever given from here."""
        return sorted(field for field, value in _digests(live).items() if value not in self._ever.get(field, ()))

    def begin(self, ours: Document, *, but: Collection[str] = ()) -> None:
        """Write down what the record is about to be given; the fields `but` are not ours."""
        self._given = _merged(self._given, _digests(ours), but)
        self._add(self._given, but)
        self.is_answered = False
        self._save()

    def answered(self, live: Document, ours: Document, *, but: Collection[str] = ()) -> None:
        """Write down what the repository shows of a record that was given ours; the fields `but` are not ours."""
        self._given = _merged(self._given, _digests(ours), but)
        self._shown = _merged(self._shown, _digests(without_links(live, ours)), but)
        self._add(self._given, but)
        self._add(self._shown, but)
        self.is_answered = True
        self._save()

    def take_for_ours(self, live: Document, ours: Document, *, but: Collection[str] = ()) -> None:
        """Write down that what a live record holds is to be overwritten, but for some fields."""
        self._shown = _merged(self._shown, _digests(without_links(live, ours)), but)
        self.is_answered = False
        self._save()

    def uploaded(self, files: Sequence[Mapping[str, Any]]) -> None:
        """Write down which files the record holds: the MD5 of each, computed while it was sent, was read back."""
        if list(self.files) != list(files):
            self.files = files
            self._save()

    def _add(self, fields: Mapping[str, str], but: Collection[str]) -> None:
        for field, value in fields.items():
            if field not in but:
                self._ever[field] = sorted({*self._ever.get(field, ()), value})

    def _save(self) -> None:
        if self._path is not None:
            document = {
                "recid": self._recid,
                "repository": self._repository,
                "given": self._given,
                "shown": self._shown,
                "ever": self._ever,
                "files": list(self.files),
                "is_answered": self.is_answered,
            }
            write_receipt(self._path, "given", document)


def _merged(before: Mapping[str, str], now: Mapping[str, str], but: Collection[str]) -> dict[str, str]:
    kept = {field: value for field, value in before.items() if field in but}
    return kept | {field: value for field, value in now.items() if field not in but}


def _digests(record: Document) -> dict[str, str]:
    return {field: digest(value) for field, value in record_fields(record).items()}
