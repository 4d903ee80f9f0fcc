"""A receipt that is gone from the middle of a finished record: everything after it is proven anew.

Snakemake asks only for a record's last receipts, and takes what is missing before them for done with; that each receipt
of 12,711 records stood in its graph would take half a minute and 150 MB more.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

_IN_ORDER = ("source", "download", "package", "record", "upload", "published", "stats")
"""As each needs those before it."""
_ALWAYS_THERE = _IN_ORDER[: _IN_ORDER.index("upload")]


def forget_after_lost(recids: Iterable[int], *, results_dir: Path) -> list[int]:
    """Delete, of each record that was uploaded, the receipts after one that is gone; return the recids.

    Nothing is moved again for that: files that are there are proven, and the draft is compared.
    """
    forgotten = []
    for recid in recids:
        folder = f"{results_dir}/{recid}"
        try:
            there = set(os.listdir(folder))
        except FileNotFoundError:
            continue
        lost = next((name for name in _ALWAYS_THERE if f"{name}.json" not in there), None)
        if lost is None or "upload.json" not in there:
            continue
        for name in _IN_ORDER[_IN_ORDER.index(lost) + 1 :]:
            Path(folder, f"{name}.json").unlink(missing_ok=True)
        log.warning("%s/%s.json is gone; what was proven after it is proven anew", folder, lost)
        forgotten.append(recid)
    return forgotten
