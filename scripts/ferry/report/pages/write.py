"""Writes the overview and the tables of the report from the tables of the run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyarrow import parquet

from ferry.files import whole_text_file
from ferry.receipts import file_digest
from ferry.report.evidence import TO_STAGE, is_to_stage, is_unverified
from ferry.report.failures import failure_rows, write_failures
from ferry.report.pages.audit_page import write_audit_page
from ferry.report.pages.overview import overview
from ferry.report.pages.plan_page import write_plan_page
from ferry.report.pages.summary import summarise
from ferry.report.pages.table_page import Column, table_page
from ferry.report.proof import MANIFEST
from ferry.report.tables import read_table
from ferry.schemas import load_schema

MOST_FILES = 5000

_RECORDS = {
    "recid": "id", "title": "text", "status": "status", "record_url": "link", "step": "text", "error": "text",
    "experiment": "text", "year": "id", "category": "text", "type_secondary": "text", "formats": "text",
    "file_count": "number", "left_out_count": "number", "source_bytes": "bytes", "verified_count": "number",
    "bundle_count": "number", "duration_s": "seconds", "queue_s": "seconds", "download_s": "seconds",
    "package_s": "seconds", "upload_s": "seconds", "attempts": "number", "retries": "number", "state": "text",
    "review_url": "link", "host": "text",
}  # fmt: skip
_FAILURES = {
    "recid": "id", "step": "text", "error_type": "text", "error": "text", "attempts": "number", "ended_at": "text",
    "log": "code", "command": "code", "title": "text",
}  # fmt: skip
_FILES = {
    "recid": "id", "key": "text", "problem": "text", "size_bytes": "bytes", "verified_by": "text", "bundle": "text",
    "uri": "text",
}  # fmt: skip

_LABELS = {
    "type_secondary": "type", "file_count": "files", "source_bytes": "size", "verified_count": "files proven",
    "bundle_count": "bundles", "error_type": "kind of error", "size_bytes": "size", "record_url": "record",
    "review_url": "review", "verified_by": "checked by", "ended_at": "ended", "left_out_count": "files left out",
}  # fmt: skip


def write_pages(*, results_dir: Path, command: str, publish: bool) -> None:
    """Write overview.html, failures.csv and tables/{records,failures,files,plan,audit}.html into `results_dir`.

    `command` is the snakemake command of the run without its targets.

    Raises:
        FileNotFoundError: the tables are not there; run the aggregate first.
    """
    stats = read_table(results_dir / "stats.parquet").to_pylist()
    attempts = read_table(
        results_dir / "attempts.parquet", columns=["run_id", "status", "error_type", "started_at", "ended_at"]
    ).to_pylist()
    failures = failure_rows(stats, command=command)
    tables = results_dir / "tables"
    tables.mkdir(exist_ok=True)
    flow = results_dir / "figures" / "records_by_outcome.svg"
    fragment = overview(
        summarise(stats, attempts),
        failures=failures,
        command=command,
        publish=publish,
        proofs_sha256=file_digest(results_dir / MANIFEST),
        flow=flow.read_text(encoding="utf-8") if flow.exists() else "",
    )
    with whole_text_file(results_dir / "overview.html") as stream:
        stream.write(fragment)
    write_failures(results_dir, failures)
    pages = {
        "records": table_page(
            title="Records",
            note="One row per wanted record. Click on a column to sort by it; stats.csv has all columns.",
            columns=_columns(_RECORDS),
            rows=_cells([{**row, "status": _status_of(row)} for row in stats], _RECORDS),
            filter_by="status",
        ),
        "failures": table_page(
            title="Failures",
            note="Records that are not complete: where and why the last attempt failed, its log, and the command that "
            "does just what is missing of it.",
            columns=_columns(_FAILURES),
            rows=_cells(failures, _FAILURES),
            filter_by="step",
        ),
        "files": _files_page(results_dir / "files.parquet"),
    }
    for name, page in pages.items():
        (tables / f"{name}.html").write_text(page, encoding="utf-8")
    write_plan_page(results_dir / "plan.csv", tables)
    write_audit_page(results_dir / "audit.csv", tables)


def _status_of(row: Mapping[str, Any]) -> str:
    if is_to_stage(row):
        return TO_STAGE
    return "ok, unverified" if is_unverified(row) else str(row["status"])


def _files_page(path: Path) -> str:
    doubtful = read_table(path, columns=list(_FILES), filters=pc.invert(pc.field("verified")))
    whole = parquet.read_metadata(path).num_rows
    more = f" The first {MOST_FILES:,} are shown." if doubtful.num_rows > MOST_FILES else ""
    return table_page(
        title="Files not proven",
        note=f"{doubtful.num_rows:,} of {whole:,} files; of all others source, local copy and repository agree. "
        f"files.parquet has every file.{more}",
        columns=_columns(_FILES),
        rows=_cells(doubtful.slice(0, MOST_FILES).to_pylist(), _FILES),
        filter_by="problem",
    )


def _columns(kinds: Mapping[str, str]) -> list[Column]:
    known = load_schema("receipts/stats")["properties"]
    return [
        Column(name, _LABELS.get(name, name.removesuffix("_s").replace("_", " ")), kind, _about(known.get(name, {})))
        for name, kind in kinds.items()
    ]


def _about(known: Mapping[str, Any]) -> str:
    return str(known.get("description", ""))


def _cells(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> list[list[Any]]:
    return [[row[name] for name in kinds] for row in rows]
