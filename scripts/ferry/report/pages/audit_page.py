"""The page of the report on what the repository said when `snakemake audit` was last run."""

import csv
from collections import Counter
from pathlib import Path

from ferry.report.pages.table_page import Column, table_page

AUDIT_COLUMNS = ("recid", "record_id", "record_url", "result", "what", "expected", "found", "read_back", "asked_at")
"""Of results/audit.csv: a row for each record that is as proven, and for each thing that is not."""
_KINDS = {"recid": "id", "record_url": "link", "result": "status", "read_back": "number"}
_LABELS = {"record_id": "id", "record_url": "record", "asked_at": "asked", "read_back": "files read back"}
_NUMBERS = ("recid", "read_back")
_NONE = "None was made: run `snakemake --cores 1 audit`."


def write_audit_page(table_path: Path, tables_dir: Path) -> None:
    """Write audit.html from results/audit.csv; where that is not there, a page that says so."""
    rows: list[dict[str, str]] = []
    if table_path.exists():
        with table_path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    counts = Counter(row["result"] for row in rows)
    told = ", ".join(f"{counts[result]:,} {result}" for result in sorted(counts))
    page = table_page(
        title="Audit",
        note="What the repository has, asked record by record and held against the proofs. ok: as proven. lost: not "
        f"there any more. dark: there, and nobody here knows. changed: otherwise. {told or _NONE}",
        columns=[Column(name, _LABELS.get(name, name), _KINDS.get(name, "text")) for name in AUDIT_COLUMNS],
        rows=[[int(row[name]) if name in _NUMBERS else row[name] for name in AUDIT_COLUMNS] for row in rows],
        filter_by="result",
    )
    tables_dir.mkdir(parents=True, exist_ok=True)
    (tables_dir / "audit.html").write_text(page, encoding="utf-8")
