"""The tables about the metadata of all records: what was mapped, path by path, and what was corrected."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.csv_tables import write_csv
from ferry.errors import IntegrityError
from ferry.mapping.coverage import CORRECTION_COLUMNS, coverage_of
from ferry.receipts import read_receipt

log = logging.getLogger(__name__)


def write_metadata_tables(*, recids: Sequence[int], results_dir: Path, skip_torn: bool = False) -> None:
    """Write coverage.csv, coverage_paths.csv and corrections.csv of all these records that were transformed.

    Args:
        recids: the wanted records.
        results_dir: where their receipts `mapping` lie, and the tables go.
        skip_torn: leave out a record with a torn receipt, with a warning: for the end of a run that failed.

    Raises:
        IntegrityError: a receipt is torn or foreign, and none is to be skipped.
    """
    coverage = coverage_of(_mappings(recids, results_dir, skip_torn=skip_torn))
    experiments, paths = coverage.experiments(), coverage.paths()
    _write(results_dir / "coverage.csv", list(experiments[0]) if experiments else ["experiment"], experiments)
    _write(results_dir / "coverage_paths.csv", list(paths[0]) if paths else ["experiment", "path"], paths)
    _write(results_dir / "corrections.csv", CORRECTION_COLUMNS, coverage.corrections())


def _mappings(recids: Sequence[int], results_dir: Path, *, skip_torn: bool) -> Iterator[Mapping[str, Any]]:
    for recid in dict.fromkeys(recids):
        path = results_dir / str(recid) / "mapping.json"
        if not path.exists():
            continue
        try:
            yield read_receipt(path, "mapping", recid=recid)
        except IntegrityError as error:
            if not skip_torn:
                raise
            log.warning("left out of the tables about metadata: %s", error)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    write_csv(path, columns, ([row[name] for name in columns] for row in rows))
