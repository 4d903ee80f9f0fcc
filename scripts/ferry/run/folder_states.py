"""What lies in the folder of a record on this disk, as a file that Snakemake can look at: one for each state.

As with the settings, the name of the file holds a digest of what was found: other files, sizes or times are another
file, and so another input of the job that takes them. No byte is read for it.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferry.receipts import write_json


class FolderStates:
    """The states of `<data_root>/<recid>`; none where files are fetched."""

    def __init__(self, data_root: str | None, *, results_dir: Path = Path("results")) -> None:
        self._data_root = None if data_root is None else Path(data_root)
        self._results_dir = results_dir

    def path(self, wildcards: Any) -> list[str]:
        """Return the file that stands for the present state of the record's folder.

        Of a folder that is gone it is that of before: what was carried stays carried.
        """
        return self._path(wildcards.recid)

    def is_outdated(self, recid: int) -> bool:
        """Tell whether the folder of a record that was carried is in another state now."""
        return not all(map(os.path.exists, self._path(str(recid))))

    def _path(self, recid: str) -> list[str]:
        if self._data_root is None:
            return []
        folder, record_dir = self._data_root / recid, self._results_dir / recid
        known = [] if folder.is_dir() else sorted(map(str, record_dir.glob("folder-*.json")), key=os.path.getmtime)
        return known[-1:] or [str(record_dir / f"folder-{_digest(folder)}.json")]


def keep_folder_state(path: Path, *, recid: int) -> None:
    """Write the file that stands for a state."""
    write_json(path, {"recid": recid, "state": path.stem.removeprefix("folder-")})


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for line in _lines(folder):
        found.update(line)
    return found.hexdigest()[:12]


def _lines(folder: Path) -> Iterator[bytes]:
    """Yield a line for each file below a folder; what a link leads to counts, but no folder is entered by a link."""
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:  # the job that takes the files says so
            yield repr(error).encode()
            continue
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            yield repr((os.fsencode(entry.path), *_size_and_time(entry))).encode()


def _size_and_time(entry: "os.DirEntry[str]") -> tuple[int, int]:
    if entry.is_dir(follow_symlinks=False):
        return 0, 0  # its time changes with what is in it, also where that is no data
    try:
        found = entry.stat()
    except OSError:  # a link that leads nowhere
        return 0, 0
    return found.st_size, found.st_mtime_ns
