"""Records that are not complete: what failed, why, where its log is, and the command that runs just it again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.csv_tables import write_csv
from ferry.report.evidence import TO_STAGE
from ferry.text.formatting import plural, truncate

FAILURE_COLUMNS = ("recid", "step", "error_type", "error", "attempts", "ended_at", "log", "command", "title")

TO_RETRY = "; to be tried again"
"""What ends the reason of a record that this run, or the next part of it, tries once more."""

_LONGEST_REASON = 300


def rerun_command(recids: Iterable[int], command: str) -> str:
    """Return the command that does what is missing of these records, from the command of the run without its targets.

    The two dashes end `--configfile`, which would take a target for one more file.
    """
    return " ".join([command, "--", *(f"results/{recid}/stats.json" for recid in recids)])


def failure_rows(rows: Iterable[Mapping[str, Any]], *, command: str) -> list[dict[str, Any]]:
    """Return the rows (of `STATS_SCHEMA`) of failed records with their command, in the order given."""
    failed = ({**row, "command": rerun_command([row["recid"]], command)} for row in rows if row["status"] == "failed")
    return [{name: row[name] for name in FAILURE_COLUMNS} for row in failed]


def write_failures(results_dir: Path, failures: Iterable[Mapping[str, Any]]) -> Path:
    """Write failures.csv, of rows as `failure_rows` gives them, each in one line, as a master list; return its path."""
    path = results_dir / "failures.csv"
    cells = (
        [" ".join(value.split()) if isinstance(value, str) else value for value in row.values()] for row in failures
    )
    write_csv(path, FAILURE_COLUMNS, cells)
    return path


def failure_lines(failures: Sequence[Mapping[str, Any]], *, most: int, command: str | None) -> list[str]:
    """Return what the terminal shows of at most `most` failures, where how many more are, and how all are done again.

    Args:
        failures: rows as of the stats.
        most: failures that are shown, in two lines each.
        command: that does what is missing of all of them; None: nobody need do so now.
    """
    listed = list(failures)
    lines = []
    for row in listed[:most]:
        error = str(row["error"])
        again = TO_RETRY if error.endswith(TO_RETRY) else ""
        reason = truncate(error.removesuffix(again), _LONGEST_REASON) + again
        lines.append(f"  {row['recid']}  {row['step']}, attempt {row['attempts']}: {row['error_type']}: {reason}")
        lines.append(f"    log: {row['log'] or 'none'}")
    if len(listed) > most:
        lines.append(f"  and {len(listed) - most} more in results/failures.csv")
    return [*lines, f"  again, only what is missing: {command}"] if listed and command else lines


def waiting_lines(waiting: Sequence[Mapping[str, Any]], *, most: int) -> list[str]:
    """Return what the terminal shows of records that are in review: where each is decided, of at most `most`."""
    head = f"ferry: {len(waiting)} of those ok are in review: somebody has still to decide; each run asks again"
    return _listed(head, waiting, lambda row: str(row["review_url"]), most=most)


def unverified_lines(rows: Sequence[Mapping[str, Any]], *, most: int) -> list[str]:
    """Return what the terminal shows of records with files that nothing proves, of at most `most`."""
    head = f"ferry: {len(rows)} of those ok are unverified: they hold files that no checksum proves, as allowed"
    return _listed(head, rows, lambda row: f"{row['verified_count']} of {row['file_count']} files proven", most=most)


def kept_lines(rows: Sequence[Mapping[str, Any]], *, most: int) -> list[str]:
    """Return what the terminal shows of records that keep what was changed by hand, of at most `most`."""
    head = f"ferry: {len(rows)} of those ok keep what was changed by hand, as repository.when_edited says"
    return _listed(head, rows, lambda row: ", ".join(row["kept_fields"]), most=most)


def part_lines(rows: Sequence[Mapping[str, Any]], *, most: int) -> list[str]:
    """Return what the terminal shows of records that have arrived without some of their files, of at most `most`."""
    head = f"ferry: {len(rows)} of those ok hold only the files that source.files chooses, as they say themselves"
    return _listed(head, rows, lambda row: f"{plural(row['left_out_count'], 'file')} left out", most=most)


def to_stage_lines(rows: Sequence[Mapping[str, Any]], *, most: int) -> list[str]:
    """Return what the terminal shows of records whose files are on tape: where each is asked for, of at most `most`."""
    head = f"ferry: {plural(len(rows), 'record')} {TO_STAGE}: files are on tape; each run asks whether they are online"
    return _listed(head, rows, lambda row: truncate(str(row["error"]), _LONGEST_REASON), most=most)


def _listed(
    head: str, rows: Sequence[Mapping[str, Any]], said: Callable[[Mapping[str, Any]], str], *, most: int
) -> list[str]:
    """Return a line on all these records, one on each of the first, and where the others are."""
    lines = [head] if rows else []
    lines += [f"  {row['recid']}  {said(row)}" for row in rows[:most]]
    return lines + ([f"  and {len(rows) - most} more in results/stats.csv"] if len(rows) > most else [])
