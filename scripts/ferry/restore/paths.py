"""Where a file is restored to: below the folder of its record, whatever name a repository has for it."""

import functools
import os
import stat
import unicodedata
import uuid
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ferry.errors import IntegrityError, disk_error

LONGEST_NAME_BYTES = 255
"""Between two "/", on Linux."""
LONGEST_PATH_BYTES = 3000
"""Of a whole relative path; Linux takes 4096 with the folders before it."""


class RestoredPaths:
    """The relative paths of the files of one record: each leads to one file below the folder, and to no other."""

    def __init__(self, folder: Path) -> None:
        """Take the record's folder, which is there; it is asked what it tells apart where that matters."""
        self._folder = folder
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._folded: set[str] = set()

    def add(self, key: str, original_name: str | None = None) -> str:
        """Return the path of a file: its original name where it has one, else its key.

        Args:
            key: of the file.
            original_name: escaped by its bytes, as in an address. A file system that would take it for the name of
                another file (by case, or Unicode form) gets the key, which differs in more.

        Raises:
            IntegrityError: the name leads elsewhere or is none, or is that of another file or folder.
            DiskError: the folder cannot be asked.
        """
        path = key if original_name is None else os.fsdecode(unquote_to_bytes(original_name))
        for name in (key, path):
            _refuse_odd(name)
        if _folded(path) in self._folded and path not in self._files and not self._tells_apart:
            path = key
        above = set(_folders(path))
        if path in self._files or (_folded(path) in self._folded and not self._tells_apart):
            raise IntegrityError(f"{path!r}: expected each name once in a record, found it twice")
        if path in self._folders or not self._files.isdisjoint(above):
            raise IntegrityError(f"{path!r}: expected a file or a folder, found a name that is to be both")
        self._files.add(path)
        self._folded.add(_folded(path))
        self._folders |= above
        return path

    @functools.cached_property
    def _tells_apart(self) -> bool:
        """Whether the file system tells names apart that differ in case or Unicode form only."""
        stem = f".{uuid.uuid4().hex}"
        made = self._folder / f"{stem}a\u00e9"
        try:
            made.touch(exist_ok=False)
            try:
                return not any((self._folder / f"{stem}{end}").exists() for end in ("A\u00e9", "ae\u0301"))
            finally:
                made.unlink()
        except OSError as error:
            raise disk_error(self._folder, "take a file", error) from error


def make_folder(path: str, *, root: Path) -> None:
    """Make the folders of a file below `root`; none of them may be a link, nor may the file or its part be one.

    Raises:
        IntegrityError: a link, a device, or a file in the place of a folder.
        DiskError: the disk refuses.
    """
    below = root
    try:
        for name in path.split("/")[:-1]:
            below = below / name
            below.mkdir(exist_ok=True)
            if not stat.S_ISDIR(os.lstat(below).st_mode):
                raise IntegrityError(f"{below}: expected a folder, found a link; remove it and restore again")
        for place in (f"{root}/{path}", f"{root}/{path}.part"):
            if os.path.lexists(place) and not stat.S_ISREG(os.lstat(place).st_mode):
                raise IntegrityError(
                    f"{place}: expected a file or nothing, found a link, a folder or a device; remove it and restore "
                    "again"
                )
    except OSError as error:
        raise disk_error(below, "be made", error) from error


def _refuse_odd(path: str) -> None:
    """Refuse what is no plain relative path."""
    parts = path.split("/")
    is_odd = (
        any(part in ("", ".", "..") or len(os.fsencode(part)) > LONGEST_NAME_BYTES for part in parts)
        or "\0" in path
        or len(os.fsencode(path)) > LONGEST_PATH_BYTES
    )
    if is_odd:
        raise IntegrityError(
            f"{path[:200]!r}: expected a file's name, found one that leads elsewhere or is none; nothing was written"
        )


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _folders(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
