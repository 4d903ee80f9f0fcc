"""A record as those see it that only look: by its file, its receipt or the portal, without fetching a file of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.flags import RunFlags
from ferry.limits import Limits
from ferry.mapping.correction_files import FOLDER, read_correction
from ferry.receipts import read_receipt
from ferry.source.file_filter import FileFilter, chosen_again
from ferry.source.portal import fetch_record
from ferry.source.portal_cache import PortalCache
from ferry.source.record import name_of_file, read_source

type Source = Mapping[str, Any]
"""The receipt `source`."""


def read_with_corrections(
    recid: int,
    *,
    metadata: Mapping[str, Any],
    folders: Sequence[str] = (),
    results_dir: Path,
    chosen_by: FileFilter | None = None,
    flags: RunFlags | None = None,
) -> tuple[Source, Mapping[str, Any]]:
    """Return a record's receipt `source` as a run would make it, index files not expanded, and its corrections.

    One of an earlier run is taken where a run would stay with it: made by the same choice of files, or by none, and not
    of a file that is gone by now.

    metadata: that part of the configuration.
    folders: into which metadata and corrections may be links (source.allow.folders).
    chosen_by: which of its files go on (source.files).
    flags: of the run: where the portal does not answer for one record, it is asked for no other.
    """
    metadata_dir, limits = Path(metadata["dir"]), Limits(**metadata["limits"])
    corrections_path = metadata_dir / FOLDER / f"{recid}.yaml"
    corrections = (
        read_correction(corrections_path, limits=limits, folders=folders) if os.path.lexists(corrections_path) else {}
    )
    metadata_path, receipt_path = metadata_dir / f"{recid}.json", results_dir / str(recid) / "source.json"
    if not os.path.lexists(metadata_path) and receipt_path.exists():
        receipt = read_receipt(receipt_path, "source", recid=recid)
        is_of_file = receipt["origin"] == name_of_file(metadata_path)
        if not is_of_file and (chosen := chosen_again(receipt, chosen_by)) is not None:
            return chosen, corrections
    source = read_source(
        recid=recid,
        metadata_path=metadata_path,
        fetch_record=lambda wanted: fetch_record(
            wanted,
            portal=metadata["portal"],
            limits=limits,
            cache=PortalCache.of(metadata_dir, folders),
            flags=flags,
        ),
        index_files="keep",
        limits=limits,
        origin=metadata["origin"],
        folders=folders,
        chosen_by=chosen_by,
    )
    return source, corrections
