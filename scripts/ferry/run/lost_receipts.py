"""Receipts that are gone or torn from the middle of a finished record: everything after them is proven anew.

Snakemake asks only for a record's last receipts, and only whether they are there. That each receipt of 12,711 records
stood in its graph would take half a minute and 150 MB more; to look at the end of each file takes two seconds.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

_IN_ORDER = ("source", "download", "package", "record", "upload", "published", "stats")
"""As each needs those before it."""
_FROM_THE_END = ("stats", "published", "upload", "package")
_LAST_BYTES = 16


def receipts_after_lost(recids: Iterable[int], *, results_dir: Path) -> list[Path]:
    """Return torn receipts, and of each record that was packaged those after one that is gone; tell of each record.

    Nothing is moved again for that: files that are there are proven, and the draft is compared. Of a record that was
    not packaged yet, Snakemake asks for what is missing by itself.
    """
    paths: list[Path] = []
    for recid in recids:
        folder = Path(results_dir, str(recid))
        try:
            there = {name.removesuffix(".json") for name in os.listdir(folder)}
        except FileNotFoundError:
            continue
        torn = [name for name in (*_IN_ORDER, "mapping") if name in there and _is_torn(f"{folder}/{name}.json")]
        last = next((name for name in _FROM_THE_END if name in there), "source")
        needed = [name for name in _IN_ORDER[: _IN_ORDER.index(last)] if name != "published"]  # not of every record
        lost = next((name for name in needed if name not in there or name in torn), None)
        after = _IN_ORDER[_IN_ORDER.index(lost) + 1 :] if lost else ()
        if not (torn or after):
            continue
        paths += [folder / f"{name}.json" for name in there if name in torn or name in after]
        what = f"{torn[0]}.json is torn" if torn else f"{lost}.json is gone"
        log.warning("%s/%s; what was proven after it is proven anew", folder, what)
    return paths


def _is_torn(path: str) -> bool:
    """Tell whether the file does not end as every receipt does; what else may be wrong with it, its reader finds."""
    try:
        with open(path, "rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            end = os.pread(stream.fileno(), _LAST_BYTES, max(0, size - _LAST_BYTES))
    except OSError:
        return False  # who needs it will say what is wrong
    return not end.rstrip().endswith(b"}")
