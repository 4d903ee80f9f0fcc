"""Some of a record's files only, chosen as cernopendata-client does: by name, by expression, by place in the list."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from ferry.errors import MetadataError
from ferry.text.formatting import plural

type _File = Mapping[str, Any]

CHOOSE_OTHERWISE: Final = "take the record off the list, or choose otherwise"
"""What to do about a record of which no file is chosen."""


class NoneChosenError(MetadataError):
    """A record has files, and source.files chooses none of them."""


@dataclass(frozen=True)
class FileFilter:
    """Which files of a record go on; all that is set has to fit."""

    names: Sequence[str] = ()
    """Patterns, one of which has to fit: of the last part of a key, or of all of it where the pattern has a "/"."""
    regexp: str | None = None
    """Found anywhere in the key."""
    ranges: Sequence[str] = ()
    """`1-10`: places from 1 on, in the record's order, among the files that the other two leave."""

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> "FileFilter | None":
        """Return that of the part `source` of a configuration, None if all files go on."""
        found = cls(**source.get("files", {}))
        return found if found.names or found.regexp is not None or found.ranges else None

    @property
    def words(self) -> str:
        """What it chooses, in words."""
        parts = [f"names {', '.join(self.names)}"] if self.names else []
        parts += [f"names with {self.regexp}"] if self.regexp is not None else []
        parts += [f"places {', '.join(self.ranges)}"] if self.ranges else []
        return "; ".join(parts)

    def choose(self, files: Sequence[_File], *, indices: Collection[str] = ()) -> list[_File]:
        """Return the files that go on, in their order.

        Args:
            files: of the receipt `source`.
            indices: addresses of files that stand for others, which are not known yet: they stay.
        """
        expression = re.compile(self.regexp) if self.regexp is not None else None
        listed = [file for file in files if file["uri"] not in indices]
        by_name = [
            file
            for file in listed
            if (not self.names or any(_fits(file["key"], pattern) for pattern in self.names))
            and (expression is None or expression.search(file["key"]))
        ]
        chosen = {file["key"] for place, file in enumerate(by_name, start=1) if self._is_in_range(place)}
        return [file for file in files if file["key"] in chosen or file["uri"] in indices]

    def _is_in_range(self, place: int) -> bool:
        bounds = (text.partition("-") for text in self.ranges)
        return not self.ranges or any(int(first) <= place <= int(last) for first, _, last in bounds)


def _fits(key: str, pattern: str) -> bool:
    return fnmatchcase(key if "/" in pattern else key.rpartition("/")[2], pattern)


def choose_files(
    receipt: dict[str, Any], chosen_by: FileFilter, *, indices: Collection[str] = (), place: str
) -> dict[str, Any]:
    """Return a receipt `source` with the chosen files, and what was left out.

    Raises:
        NoneChosenError: of a record with files none is chosen: without one it would be another record.
    """
    files = receipt["files"]
    chosen = chosen_by.choose(files, indices=indices)
    if len(chosen) == len(files):
        return receipt
    if not chosen:
        raise NoneChosenError(
            f"{place}: expected files that source.files chooses ({chosen_by.words}), found none among "
            f"{plural(len(files), 'file')}; {CHOOSE_OTHERWISE}"
        )
    keys = {file["key"] for file in chosen}
    sizes = [file["size_bytes"] for file in files if file["key"] not in keys]
    left_out = {
        "files": len(files) - len(chosen),
        "size_bytes": None if None in sizes else sum(sizes),
        "chosen": chosen_by.words,
    }
    return {**receipt, "files": chosen, "left_out": left_out}


def chosen_again(receipt: dict[str, Any], chosen_by: FileFilter | None) -> dict[str, Any] | None:
    """Return a receipt `source` of an earlier run with the files that are chosen now.

    None: it has a part of the record's files, by another choice, and so it does not tell.

    Raises:
        NoneChosenError: as `choose_files`.
    """
    if (left_out := receipt.get("left_out")) is not None:
        return receipt if chosen_by is not None and left_out["chosen"] == chosen_by.words else None
    if chosen_by is None or not receipt["files"]:
        return receipt
    return choose_files(receipt, chosen_by, place=receipt["origin"])
