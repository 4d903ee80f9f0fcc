"""The page of the report on what `snakemake plan` told when it was last run, in its words."""

import csv
from pathlib import Path
from typing import Any

from ferry.report.evidence import TO_STAGE
from ferry.report.pages.table_page import Column, table_page
from ferry.text.formatting import format_count, plural
from ferry.text.problem_lines import NOT_KNOWN_YET

_KINDS = {
    "recid": "id", "problem": "text", "files": "number", "source_bytes": "bytes", "uploads": "number",
    "bundles": "number", "upload_bytes": "bytes", "requests": "number", "disk_bytes": "bytes", "priority": "number",
    "note": "text",
}  # fmt: skip
_LABELS = {"source_bytes": "size", "upload_bytes": "bytes to send", "disk_bytes": "disk at most"}
_NONE = "None was made: run `snakemake --cores 2 plan`."


def write_plan_page(table_path: Path, tables_dir: Path) -> None:
    """Write plan.html from results/plan.csv; where that is not there, a page that says so."""
    rows: list[dict[str, Any]] = []
    to_stage = 0
    if table_path.exists():
        with table_path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                made = {
                    name: row.get(name) or "" if kind == "text" else int(row[name]) for name, kind in _KINDS.items()
                }
                if int(row.get("to_stage") or 0):
                    to_stage += 1
                    made["problem"] = f"{TO_STAGE}: {made['problem']}"
                rows.append(made)
    rows.sort(key=lambda row: not row["problem"])  # else as they are listed
    unknown = sum(row["problem"].startswith(NOT_KNOWN_YET) for row in rows)
    bad = sum(bool(row["problem"]) for row in rows) - unknown - to_stage
    told = f"Of {plural(len(rows), 'record')}, {format_count(bad)} cannot succeed as is"
    told += f", {format_count(unknown)} not known yet" if unknown else ""
    told += f", {format_count(to_stage)} {TO_STAGE}" if to_stage else ""
    page = table_page(
        title="Plan",
        note="What each record takes, told from its metadata when `snakemake plan` was last run. "
        + (f"{told}." if rows else _NONE),
        columns=[Column(name, _LABELS.get(name, name.replace("_", " ")), kind) for name, kind in _KINDS.items()],
        rows=[list(row.values()) for row in rows],
        filter_by="problem",
    )
    tables_dir.mkdir(parents=True, exist_ok=True)
    (tables_dir / "plan.html").write_text(page, encoding="utf-8")
