"""Files that are other than they were while Snakemake builds its graph, though it may be that no run begins."""

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ferry.files import whole_file


@dataclass(frozen=True)
class _Kept:
    content: bytes
    times_ns: tuple[int, int]
    is_replaced: bool = False
    """Whether what stands in its place now gives way to it."""


class SetAside:
    """Keeps the content of files that are taken away or replaced, until it is known what becomes of them.

    Paths may be relative to the folder that is the working one when they are named.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, _Kept] = {}

    def take(self, paths: Iterable[Path]) -> None:
        """Take files away; one that is not there is no matter."""
        for path in map(Path.absolute, paths):  # Snakemake is in another folder when it ends
            with contextlib.suppress(FileNotFoundError):
                self._kept[path] = _Kept(path.read_bytes(), _times_ns(path))
                path.unlink()

    def replace(self, path: Path, write: Callable[[], object]) -> None:
        """Have `write` give a file other content; one that was not there stays."""
        path = path.absolute()
        before = _Kept(path.read_bytes(), _times_ns(path), is_replaced=True) if path.exists() else None
        write()
        if before is not None and path.read_bytes() != before.content:
            self._kept[path] = before

    def settle(self, paths: Iterable[Path]) -> None:
        """Put these back no more: a run has begun that goes by how they are now."""
        for path in map(Path.absolute, paths):
            self._kept.pop(path, None)

    def put_back(self) -> None:
        """Put back, as old as they were, those in whose place there is nothing new; then none is kept any more.

        A run that is killed cannot do this. Nothing is lost by that but what a dry run would find there.
        """
        for path, kept in self._kept.items():
            if (kept.is_replaced or not path.exists()) and path.parent.is_dir():
                with whole_file(path) as stream:
                    stream.write(kept.content)
                os.utime(path, ns=kept.times_ns)
        self._kept.clear()


def _times_ns(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_atime_ns, seen.st_mtime_ns
