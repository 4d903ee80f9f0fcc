"""What of a folder on this machine is a record's data: files that lie in it, and nothing that a link brings in.

A folder that somebody has filled may hold links to private files, a `.git` with a token in it, a pipe that nobody
writes to. What is not plainly data is named and refused, before anything is brought or read.
"""

import errno
import logging
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ferry.documents import open_below
from ferry.errors import IntegrityError, PermanentError, disk_error
from ferry.text.formatting import plural

log = logging.getLogger(__name__)

MOST_NAMED = 5
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}


@dataclass(frozen=True)
class LocalSettings:
    """What may be taken from the disk: the part `source` of the configuration.

    data_root: holds a folder for each record, named by its recid.
    folders: other folders into which links may lead.
    ignore: patterns of names that are left out.
    hidden: patterns of names with a dot before them that are data all the same.
    allow_unverified: files may go on of which nothing says what they must be.
    """

    data_root: Path
    folders: Sequence[str] = ()
    ignore: Sequence[str] = ()
    hidden: Sequence[str] = ()
    allow_unverified: bool = False

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> "LocalSettings":
        """Take it from the configuration."""
        names = ("ignore", "hidden", "allow_unverified")
        return cls(Path(source["data_root"]), source["allow"]["folders"], **{name: source[name] for name in names})


@dataclass(frozen=True)
class LocalFile:
    """A file as it was found; what is opened later must be this very one.

    path: where it was found, for messages.
    root: the real folder that it may not leave.
    inside: its real path below that.
    """

    path: Path
    root: Path
    inside: Path
    size_bytes: int
    mtime_ns: int
    identity: tuple[int, int]

    @property
    def real(self) -> Path:
        """Its path without links."""
        return self.root / self.inside

    def is_same(self, found: os.stat_result) -> bool:
        """Tell whether this is what a file system says of it."""
        return stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) == self.identity

    def replaced(self) -> IntegrityError:
        """Return the error of a file that was replaced after it was looked at."""
        return IntegrityError(f"{self.path}: expected the file that was found there, found another; run again")

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Open it, no link followed on the way down, and give the descriptor.

        Raises:
            IntegrityError: something else is there now.
            OSError: it cannot be opened.
        """
        descriptor = self._open()
        try:
            if not self.is_same(os.fstat(descriptor)):
                raise self.replaced()
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return open_below(self.root, self.inside)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise self.replaced() from error
            raise


def files_below(recid: int, settings: LocalSettings) -> dict[str, LocalFile]:
    """Return the files of `<data_root>/<recid>` by their path in it, sorted folder by folder.

    A link is followed as long as it stays below that folder, or below one of `folders`.

    Raises:
        PermanentError: there is no such folder, or the disk refused.
        IntegrityError: something there is not to be taken; the message names all of it.
    """
    folder = settings.data_root / str(recid)
    if not folder.is_dir():
        raise PermanentError(f"{folder}: expected a folder with the record's files, found none; see source.data_root")
    roots = [settings.data_root.resolve() / str(recid), *(Path(root).resolve() for root in settings.folders)]
    walk = _Walk(folder, roots, settings)
    walk.run()
    if walk.left_out:
        log.info("%s: left out, as source.ignore says: %d, %s", folder, len(walk.left_out), named(walk.left_out))
    if walk.refused:
        more = f" and {len(walk.refused) - MOST_NAMED} more" if len(walk.refused) > MOST_NAMED else ""
        told = "; ".join(f"{name} ({why})" for name, why in walk.refused[:MOST_NAMED])
        raise IntegrityError(
            f"{folder}: expected files and folders that lie in it, found {plural(len(walk.refused), 'name')} of "
            f"another kind: {told}{more}; remove them, or leave them out by source.ignore. source.hidden "
            "takes hidden files, source.allow.folders what links lead to"
        )
    return walk.found


_Folder = tuple[str, Path, tuple[Path, ...]]
"""The path in a record's folder with "/" behind it, the real one, and the real ones above it."""


class _Walk:
    """One look at a folder: what is in it, what is left out, and what is refused and why."""

    def __init__(self, folder: Path, roots: Sequence[Path], settings: LocalSettings) -> None:
        self._folder = folder
        self._roots = roots
        self._settings = settings
        self.found: dict[str, LocalFile] = {}
        self.left_out: list[str] = []
        self.refused: list[tuple[str, str]] = []

    def run(self) -> None:
        """Look at all of it."""
        real = self._folder.resolve()
        if self._root_of(real) is None:
            raise IntegrityError(
                f"{self._folder}: expected a folder of its own, found a link that leads to {real}; name a folder above "
                "that in source.allow.folders"
            )
        folders: list[_Folder] = [("", real, ())]
        while folders:
            inside, folder, above = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
                found = [self._look_at(f"{inside}{entry.name}", entry, folder, (*above, folder)) for entry in listed]
            except OSError as error:
                raise disk_error(error.filename or folder, "be read", error) from error
            folders += [each for each in reversed(found) if each]

    def _look_at(self, name: str, entry: "os.DirEntry[str]", real: Path, above: tuple[Path, ...]) -> "_Folder | None":
        """Take a file, or say why it is refused; return a folder, which is to be looked at next."""
        if _matches(name, self._settings.ignore):
            self.left_out.append(name)
            return None
        if self._is_hidden(name):
            self.refused.append((name, "hidden"))
            return None
        path = real / entry.name
        if entry.is_symlink():
            try:
                path = Path(os.path.realpath(path, strict=True))
            except OSError:
                self.refused.append((name, "a link that leads nowhere, or in a circle"))
                return None
        root = self._root_of(path)
        if root is None:
            self.refused.append((name, f"a link that leads out, to {path}"))
            return None
        if entry.is_symlink() and self._lies_hidden(path.relative_to(root)):
            self.refused.append((name, f"a link to what is hidden, {path}"))
            return None
        found = os.lstat(path)
        if stat.S_ISDIR(found.st_mode):
            if path not in above:
                return f"{name}/", path, above
            self.refused.append((name, "a link that leads back to a folder above it"))
        elif stat.S_ISREG(found.st_mode):
            identity = (found.st_dev, found.st_ino)
            shown = self._folder / name
            inside = path.relative_to(root)
            self.found[name] = LocalFile(shown, root, inside, found.st_size, found.st_mtime_ns, identity)
        else:
            self.refused.append((name, _KINDS.get(stat.S_IFMT(found.st_mode), "neither file nor folder")))
        return None

    def _root_of(self, real: Path) -> Path | None:
        return next((root for root in self._roots if real.is_relative_to(root)), None)

    def _is_hidden(self, name: str) -> bool:
        return name.rpartition("/")[2].startswith(".") and not _matches(name, self._settings.hidden)

    def _lies_hidden(self, inside: Path) -> bool:
        """Tell whether what a link leads to is hidden, or lies in a folder that is."""
        return any(self._is_hidden(str(Path(*inside.parts[: depth + 1]))) for depth in range(len(inside.parts)))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path fits one of the patterns: its last name does, or all of it where the pattern has a "/"."""
    last = name.rpartition("/")[2]
    return any(fnmatchcase(name if "/" in pattern else last, pattern) for pattern in patterns)


def same_form(name: str) -> str:
    """Return what is equal for names that differ only in how Unicode composes their letters."""
    return unicodedata.normalize("NFC", name)


def named(names: Iterable[str], *, among: Iterable[str] = ()) -> str:
    """Return the first of the names for a message.

    A name that looks like another one of them, or of those among which it stands, is escaped: only so is it told apart.
    """
    listed = sorted(names)
    alike = Counter(same_form(name) for name in {*listed, *among})
    first = [escaped(name) if alike[same_form(name)] > 1 else name for name in listed[:MOST_NAMED]]
    return ", ".join(first) + (", …" if len(listed) > MOST_NAMED else "")


def escaped(name: str) -> str:
    """Return a name in ASCII, what is not escaped."""
    return name.encode("ascii", "backslashreplace").decode("ascii")
