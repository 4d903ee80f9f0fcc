"""What became of each record, and of all: results/<recid>/{stats,failure}.json, and the tables of all records."""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.chain import BY_NAME, FAILURE, LAST_STEP, mark_again, steps_of
from ferry.errors import IntegrityError
from ferry.report.evidence import Evidence, is_through, read_evidence, record_status
from ferry.report.proof import write_manifest
from ferry.report.stats_log import write_failure
from ferry.report.stats_row import attempt_row, stats_row
from ferry.report.table_digests import forget_tables
from ferry.text.formatting import plural

log = logging.getLogger(__name__)

_MOST_TOLD = 3
RULES_OF_TABLES = frozenset({"aggregate_stats", "aggregate_metadata", "link_members"})
"""Rules that make tables of all records; each leaves results/<rule>.done when it is through."""
RULES_AFTER_TABLES = ("draw_figures", "write_pages")
"""Rules that make figures and pages of those tables, always after them."""
STATS_DONE = "aggregate_stats.done"


@dataclass(frozen=True)
class Totals:
    """How many of the wanted records ended how, and the rows written."""

    ok: int
    failed: int
    skipped: int
    files: int
    verified_files: int


def record_stats(evidence: Evidence, *, publish: bool) -> dict[str, Any]:
    """Return how a record stands by its receipts, and what the journal measured: a row of the stats.

    Called when all steps before it are ok, and for a record
    that failed, whatever is there of it. The seconds of this step itself are in no column, so the answer is the
    same before and after it ended.
    """
    steps = [step for step in steps_of(publish=publish) if step != LAST_STEP]
    row, _ = stats_row(evidence, record_status(evidence, steps))
    return row


def aggregate(
    *,
    recids: Sequence[int],
    results_dir: Path,
    logs_dir: Path,
    publish: bool,
    run_id: str | None = None,
    all_through: bool = False,
) -> Totals:
    """Write stats.parquet, stats.csv, stats.jsonl, files.parquet, attempts.parquet and the manifest to `results_dir`.

    One row per wanted recid, in the order given, whatever became of it; rows come from receipts and journals
    alone, so that an old stats.json never speaks for a record that failed since: of one that is not ok it is
    removed, and what became of a failed one is in its failure.json. Memory does not grow with the number of files.

    The next run begins a record with a receipt that is not right at the step that makes it.

    Args:
        recids: of the wanted records.
        results_dir, logs_dir: what runs have left.
        publish: whether records go on from a draft.
        run_id: of the run that has ended.
        all_through: all of them are through, as far as the rules have seen.

    Raises:
        IntegrityError: some are not; the tables are written.
        OSError: the tables could not be written; those that were there before are untouched.
    """
    from ferry.report.tables import ATTEMPTS_SCHEMA, FILES_SCHEMA, STATS_SCHEMA, table_writer  # noqa: PLC0415 - pyarrow

    counts: Counter[str] = Counter()
    steps = steps_of(publish=publish)
    rows: list[tuple[Path, dict[str, Any]]] = []
    with (
        table_writer(ATTEMPTS_SCHEMA, parquet_path=results_dir / "attempts.parquet") as attempt_table,
        table_writer(FILES_SCHEMA, parquet_path=results_dir / "files.parquet") as file_table,
        table_writer(
            STATS_SCHEMA,
            parquet_path=results_dir / "stats.parquet",
            csv_path=results_dir / "stats.csv",
            jsonl_path=results_dir / "stats.jsonl",
        ) as stats_table,
    ):
        for recid in dict.fromkeys(recids):
            record_dir = results_dir / str(recid)
            journal = logs_dir / str(recid) / "journal.jsonl"
            evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
            row, files = stats_row(evidence, record_status(evidence, steps, run_id=run_id))
            stats_table.write(row)
            for file_row in files:
                file_table.write(file_row)
            for attempt in evidence.attempts:
                attempt_table.write(attempt_row(attempt))
            rows.append((record_dir, row))
            for step in steps:
                if not evidence.wrong.keys().isdisjoint(BY_NAME[step].receipts):
                    mark_again(step, record_dir)
            counts[row["status"]] += 1
            counts["files"] += len(files)
            counts["verified"] += row["verified_count"]
    for record_dir, row in rows:
        _tell_failure(record_dir, row)
    through = [row["recid"] for _, row in rows if is_through(row)]
    write_manifest(through, results_dir, of=[row["recid"] for _, row in rows])
    totals = Totals(counts["ok"], counts["failed"], counts["skipped"], counts["files"], counts["verified"])
    log.info("%d records ok, %d failed, %d skipped", totals.ok, totals.failed, totals.skipped)
    if all_through and (bad := [row for _, row in rows if not is_through(row)]):
        named = "; ".join(f"record {row['recid']}: {row['error']}" for row in bad[:_MOST_TOLD])
        more = f"; and {len(bad) - _MOST_TOLD} more, see {results_dir}/failures.csv" if len(bad) > _MOST_TOLD else ""
        raise IntegrityError(
            f"{plural(len(bad), 'record')} of {len(rows)} not as the last run left them: {named}{more}"
        )
    return totals


def _tell_failure(record_dir: Path, row: dict[str, Any]) -> None:
    """Have failure.json of failed records only, and stats.json of none with anything left to do."""
    if is_through(row):
        (record_dir / FAILURE).unlink(missing_ok=True)
        return
    (record_dir / "stats.json").unlink(missing_ok=True)
    if row["status"] == "failed":
        write_failure(record_dir, row)
    else:
        (record_dir / FAILURE).unlink(missing_ok=True)


def outdate_tables(results_dir: Path, *, rules: Collection[str] = RULES_OF_TABLES) -> None:
    """Have the next run make all tables, figures and pages again, whatever it does besides.

    They were made by no rule, while a run went on or at the end of one that failed. Snakemake goes by their times, and
    would not make them itself if no record has changed since: so what says that its rules are through is taken away.

    Args:
        results_dir: where they lie.
        rules: that make the tables; a run that has begun and does not make some of them needs those as they are.
    """
    forget_tables(results_dir, of=(*rules, *RULES_AFTER_TABLES))
    for name in rules:
        (results_dir / f"{name}.done").unlink(missing_ok=True)
