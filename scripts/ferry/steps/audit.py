"""The step `audit`: all that the repository has of the records that are through, asked anew and held against proofs.

A record takes one request, which tells its state, its metadata, and size and MD5 of each file. One's own records, a
hundred to a request, tell which there are that nobody here knows.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.csv_tables import write_csv
from ferry.deposit.audit import RECORD
from ferry.errors import IntegrityError, TransientError
from ferry.report.pages.audit_page import AUDIT_COLUMNS, write_audit_page
from ferry.report.proof import renew_manifest
from ferry.run.run import read_run
from ferry.steps.audit_checkpoint import CHECKPOINT, Checkpoint, announced_proofs
from ferry.steps.audit_records import Audit, Outcome
from ferry.text.formatting import format_count, plural

MOST_LINES = 20


def audit_all(audit: Audit, recids: Sequence[int], *, seed: int | None, results_dir: Path, table_path: Path) -> str:
    """Audit these records, write the table and the page of the report, and return what is to be printed.

    `seed` decides which files are read back; None: other ones each time.

    Raises:
        IntegrityError: something is lost, dark, changed, or could not be checked.
        TransientError: the repository does not answer; run again, what was told is not asked again.
    """
    run = read_run()
    name = None if run.target is None else run.target.name
    checkpoint = Checkpoint.begin(
        results_dir / CHECKPOINT,
        of={"repository": name, "read_back": audit.read_back, "seed": seed},
        seed=secrets.randbelow(10**6) if seed is None else seed,
    )
    begun_with = len(checkpoint.records)
    try:
        outcome = asyncio.run(audit.run(recids, checkpoint))
    except TransientError as error:
        raise TransientError(
            f"{error}; {plural(len(checkpoint.records), 'record')} of {len(recids)} asked so far: run again, none of "
            "them is asked again"
        ) from error
    rows = list(_rows(outcome))
    write_csv(table_path, AUDIT_COLUMNS, ([row[name] for name in AUDIT_COLUMNS] for row in rows))
    write_audit_page(table_path, results_dir / "tables")
    renew_manifest(announced_proofs(results_dir / CHECKPOINT), results_dir)
    checkpoint.end()
    summary = _summary(outcome, rows, table_path, before=begun_with, command=run.command)
    if audit.read_back:
        read = sum(audited.read_back for audited in outcome.records)
        summary += (
            f"\n{plural(read, 'file')} read back from the repository and right (audit.read_back, "
            f"{audit.read_back:g} of all, by audit.seed {checkpoint.seed}); proofs and tables tell of each"
        )
    if any(row["result"] != "ok" for row in rows):
        raise IntegrityError(summary)
    return summary


def _rows(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for audited in outcome.records:
        row = {
            "recid": audited.recid,
            "record_id": audited.record_id,
            "record_url": audited.record_url,
            "read_back": audited.read_back,
            "asked_at": audited.asked_at,
        }
        for finding in audited.findings:
            yield {
                **row,
                "result": finding.kind,
                "what": finding.what,
                "expected": finding.expected,
                "found": finding.found,
            }
        if not audited.findings:
            yield {**row, "result": "ok", "what": RECORD, "expected": "", "found": ""}
    for recid, record_id, url in outcome.dark:
        yield {
            "recid": recid,
            "record_id": record_id,
            "record_url": url,
            "read_back": 0,
            "asked_at": "",
            "result": "dark",
            "what": RECORD,
            "expected": "no record but those that receipts here tell of",
            "found": f"{record_id}, which carries the identifier of this recid",
        }


def _summary(
    outcome: Outcome, rows: Sequence[Mapping[str, Any]], table_path: Path, *, before: int, command: str
) -> str:
    whole = sum(not audited.findings for audited in outcome.records)
    counts = Counter(row["result"] for row in rows if row["result"] != "ok")
    told = ", ".join([f"{format_count(whole)} as proven", *(f"{counts[kind]} {kind}" for kind in sorted(counts))])
    lines = [
        f"{plural(len(outcome.records), 'record')} asked in the repository: {told}; "
        f"{plural(outcome.requests, 'request')}{f', {before} records were asked before' if before else ''}"
    ]
    if outcome.unfinished:
        lines.append(f"  not asked: {plural(outcome.unfinished, 'wanted record')} that have no proof yet")
    bad = [row for row in rows if row["result"] != "ok"]
    for row in bad[:MOST_LINES]:
        lines.append(
            f"  {row['recid']}  {row['result']}, {row['what']}: expected {row['expected']}, found {row['found']}; "
            f"{row['record_url']}"
        )
    if len(bad) > MOST_LINES:
        lines.append(f"  and {len(bad) - MOST_LINES} more in {table_path}")
    if counts["lost"] or counts["changed"]:
        lines.append(
            f"to bring again what is lost or changed, as the configuration says: {command} -- mend && {command}"
        )
    if counts["dark"]:
        lines.append("what is dark nobody here has made, or nobody remembers: look at it at its address")
    return "\n".join([*lines, f"all of it in {table_path}"])
