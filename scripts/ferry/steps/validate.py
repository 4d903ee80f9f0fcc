"""The step `validate`: all wanted records in one process, with a table and a verdict at the end."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ferry.csv_tables import write_csv
from ferry.errors import MetadataError
from ferry.mapping.correction_files import FOLDER, read_correction
from ferry.receipts import read_receipt
from ferry.source.portal import fetch_record
from ferry.source.record import read_source
from ferry.steps.transform_record import mapping_options
from ferry.steps.validation import Problem, Source, problem_table, rendered, validate_record


def validate_all(
    *,
    recids: Sequence[int],
    metadata_dir: Path,
    results_dir: Path,
    portal: str,
    transform: Mapping[str, Any],
    package: Mapping[str, Any],
    table_path: Path,
) -> str:
    """Transform and check all these records without fetching a file; return what is to be printed.

    A record comes from its metadata file, else from its receipt `source` if there is one, else from the portal. The
    problems go to `table_path` (CSV, one row per problem and record).

    Raises:
        MetadataError: some would be refused; the message has the table.
    """
    options = mapping_options(transform=transform, package=package)
    problems: list[Problem] = []
    for recid in recids:
        problems += validate_record(
            recid=recid,
            read=partial(
                read_with_corrections, recid, metadata_dir=metadata_dir, results_dir=results_dir, portal=portal
            ),
            profile=transform["profile"],
            options=options,
            max_upload_bytes=package["max_upload_bytes"],
        )
    cells = ([p.recid, p.refused, p.path, p.expected, p.found] for p in problems)
    write_csv(table_path, ["recid", "refused", "path", "expected", "found"], cells)
    rows = problem_table(problems)
    refused = {problem.recid for problem in problems if problem.refused}
    warned = {problem.recid for problem in problems} - refused
    told = "\n\n".join(
        part
        for part in (
            rendered(rows, kind="warnings"),
            rendered(rows, kind="refused"),
            f"{len(recids)} records for {transform['profile']}: {len(recids) - len(refused)} valid ({len(warned)} of "
            f"them with warnings), {len(refused)} refused; all of it in {table_path}",
        )
        if part
    )
    if refused:
        raise MetadataError(f"{told}\ncorrect these records in metadata/corrections/<recid>.yaml")
    return told


def read_with_corrections(
    recid: int, *, metadata_dir: Path, results_dir: Path, portal: str
) -> tuple[Source, Mapping[str, Any]]:
    """Return a record's receipt `source`, index files not expanded, and its corrections."""
    corrections_path = metadata_dir / FOLDER / f"{recid}.yaml"
    corrections = read_correction(corrections_path) if corrections_path.exists() else {}
    metadata_path, receipt_path = metadata_dir / f"{recid}.json", results_dir / str(recid) / "source.json"
    if not metadata_path.exists() and receipt_path.exists():
        return read_receipt(receipt_path, "source"), corrections
    source = read_source(
        recid=recid,
        metadata_path=metadata_path,
        fetch_record=lambda wanted: fetch_record(wanted, portal=portal),
        index_files="keep",
    )
    return source, corrections
