"""The tables about the metadata of all records: what was mapped, path by path, and what was corrected."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.csv_tables import write_csv
from ferry.mapping.coverage import CORRECTION_COLUMNS, coverage_of


def write_metadata_tables(*, recids: Sequence[int], results_dir: Path) -> None:
    """Write coverage.csv, coverage_paths.csv and corrections.csv of all these records that were transformed."""
    coverage = coverage_of(_mappings(recids, results_dir))
    experiments, paths = coverage.experiments(), coverage.paths()
    _write(results_dir / "coverage.csv", list(experiments[0]) if experiments else ["experiment"], experiments)
    _write(results_dir / "coverage_paths.csv", list(paths[0]) if paths else ["experiment", "path"], paths)
    _write(results_dir / "corrections.csv", CORRECTION_COLUMNS, coverage.corrections())


def _mappings(recids: Sequence[int], results_dir: Path) -> Iterator[Mapping[str, Any]]:
    for recid in dict.fromkeys(recids):
        path = results_dir / str(recid) / "mapping.json"
        if path.exists():
            yield json.loads(path.read_bytes())


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    write_csv(path, columns, ([row[name] for name in columns] for row in rows))
