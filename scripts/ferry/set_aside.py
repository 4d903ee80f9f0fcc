"""Files that Snakemake must not see while it builds its graph, though it may be that nothing is done about them."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from ferry.whole_file import whole_file


class SetAside:
    """Keeps the content of files that are taken away, until it is known whether they are made anew."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[bytes, tuple[int, int]]] = {}

    def take(self, paths: Iterable[Path]) -> None:
        """Take files away; one that is not there is no matter."""
        for path in map(Path.absolute, paths):  # Snakemake is in another folder when it ends
            with contextlib.suppress(FileNotFoundError):
                seen = path.stat()
                self._kept[path] = path.read_bytes(), (seen.st_atime_ns, seen.st_mtime_ns)
                path.unlink()

    def put_back(self) -> None:
        """Put back, as old as they were, those in whose place there is nothing new; then none is kept any more.

        A run that is killed cannot do this. Nothing is lost by that but what a dry run would find there.
        """
        for path, (content, times) in self._kept.items():
            if not path.exists() and path.parent.is_dir():
                with whole_file(path) as stream:
                    stream.write(content)
                os.utime(path, ns=times)
        self._kept.clear()
