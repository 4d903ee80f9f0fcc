"""Small files that people lay into a folder: metadata, corrections, lists.

Whoever may write into that folder may lay a link to a private file there, or a pipe that nobody writes to. So a
document is a file that lies in its folder by its real path; of one that cannot be understood nothing is shown.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ferry.errors import MetadataError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_document(path: Path, *, within: Path, folders: Sequence[str], most_bytes: int) -> bytes:
    """Return what a file holds, at most one byte more than it may.

    Args:
        path: of the file.
        within: the folder that it has to lie in by its real path.
        folders: others into which links may lead (source.allow.folders).
        most_bytes: that it may hold.

    Raises:
        MetadataError: it lies elsewhere, or is no file.
        FileNotFoundError: there is none.
        OSError: it cannot be read.
    """
    real = path.resolve(strict=True)
    roots = [within.resolve(), *(Path(folder).resolve() for folder in folders)]
    root = next((root for root in roots if real.is_relative_to(root)), None)
    if root is None:
        raise MetadataError(
            f"{path}: expected a file that lies in {within}, found a link that leads to {real}; put the file itself "
            "there, or name a folder above it in source.allow.folders"
        )
    descriptor = open_below(root, real.relative_to(root))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise MetadataError(f"{path}: expected a file, found something else by that name; remove it")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(most_bytes + 1)
    finally:
        os.close(descriptor)


def open_below(root: Path, inside: Path) -> int:
    """Open a file for reading, no link followed on the way down from `root`, and return the descriptor.

    It is not waited for somebody to write into a pipe: whoever asks looks at what was opened.

    Raises:
        OSError: it cannot be opened; ELOOP or ENOTDIR where there is a link on the way.
    """
    folder = os.open(root, _FOLDER)
    try:
        for name in inside.parts[:-1]:
            below = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(inside.name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)
