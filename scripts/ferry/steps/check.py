"""The steps `check` and `mend`: whether receipts, proofs and the bytes at hand fit, and taking away what does not.

Snakemake asks for the last receipts of a record only. One that is lost or torn before them is found here, without any
work at the start of a run.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from ferry.chain import LAST_STEP, STEPS, UPLOAD_STEP, take_away_from
from ferry.csv_tables import write_csv
from ferry.deposit.state import forget_failed_creations, told_unanswered
from ferry.errors import IntegrityError
from ferry.receipts import UNANSWERED, ReceiptError, file_digest, read_receipt
from ferry.report.proof import MANIFEST
from ferry.report.table_digests import noted_path
from ferry.run.disk_budget import DEPOSIT
from ferry.run.folder_states import FolderStates
from ferry.run.run import read_run
from ferry.steps.check_records import Found, Misfit, Scope, find_misfits
from ferry.steps.upload_state import load_state
from ferry.text.formatting import format_bytes, format_count, plural

MOST_LINES = 20
MOST_NAMED = 3


def check_all(scope: Scope, *, data_root: str | None = None, table_path: Path) -> str:
    """Check receipts, proofs and bytes of all these records; return what is to be printed.

    Args:
        scope: which records.
        data_root: holds the folders of the records (source.data_root), None if their files are fetched.
        table_path: gets one row per misfit (CSV).

    Raises:
        IntegrityError: something does not fit, or a record has failed; the message has the first ones, and the command
            that mends all.
    """
    found = find_misfits(scope)
    folders = FolderStates(data_root, results_dir=scope.results_dir)
    changed = [recid for recid in found.finished if folders.is_outdated(recid)]
    wrong = [*found.misfits, *found.wrong_files, *found.tables]
    write_csv(table_path, ["recid", "step", "path", "problem"], map(astuple, wrong))
    command = read_run().command
    mending = f"{command} -- mend && {command}"
    bad = len({misfit.recid for misfit in found.misfits})
    complete = len(found.finished) - found.outdated
    lines = [
        f"{plural(len(scope.recids), 'record')}: {complete} complete, {len(found.unfinished)} not finished (a plain "
        f"run goes on with them), {bad} with receipts that do not fit"
    ]
    failed = [f"  {recid}  failed in {why}" for recid, why in found.failed.items()]
    if len(failed) > MOST_LINES:
        failed[MOST_LINES:] = [f"  and {len(failed) - MOST_LINES} more: results/failures.csv"]
    lines += _told_of_proofs(found, scope)
    if found.outdated:
        made = plural(found.outdated, "record")
        lines.append(f"{made} made with other settings than the present ones: a plain run brings them up to date")
    if changed:
        named = ", ".join(map(str, changed[:MOST_LINES])) + (", …" if len(changed) > MOST_LINES else "")
        lines.append(
            f"{plural(len(changed), 'record')} whose folder in source.data_root has changed since ({named}): a plain "
            "run takes it up"
        )
    if unanswered := _unanswered(found.unfinished, scope):
        lines.append(
            f"  nobody has answered what was asked for of {_first(unanswered)}: it may be done all the same, or yet; a "
            "plain run looks"
        )
    if unanswered := _unanswered(found.finished, scope):
        lines.append(
            f"  complete, but nobody has answered what was asked for of {_first(unanswered)}: it may have been done "
            f"since, as a second draft; a plain run finds nothing to do and looks no more, this does: {mending}"
        )
    if wrong:
        shown = _lines(wrong, table_path)
        raise IntegrityError("\n".join([*lines, *failed, *shown, f"to mend all of this: {mending}"]))
    if failed:
        advice = f"each failure says what it needs; then {command} goes on with them"
        raise IntegrityError("\n".join([*lines, *failed, advice]))
    return "\n".join(lines)


def _told_of_proofs(found: Found, scope: Scope) -> Iterator[str]:
    """Say what was held against the proofs, and what could not be checked."""
    counts = found.counts
    if found.finished and not scope.reads_bytes:
        yield "  not checked: bytes on this disk (check.bytes: none)"
    elif found.finished:
        files = [misfit for misfit in found.wrong_files if misfit.step != LAST_STEP]
        yield (
            f"  {format_count(counts['files_read'])} files at hand read, {format_bytes(counts['bytes_read'])}: "
            f"{plural(len(files), 'file')} not as proven"
        )
    if counts["files_away"]:
        yield (
            f"  not checked: {plural(counts['files_away'], 'source file')} of which no byte is here, only in the "
            "repository"
        )
    if counts["undeclared"]:
        yield f"  not checked: {plural(counts['undeclared'], 'source file')} of which no checksum is declared"
    if found.strangers:
        named = ", ".join(map(str, found.strangers[:MOST_NAMED])) + (", …" if len(found.strangers) > MOST_NAMED else "")
        yield (
            f"  not checked: {plural(len(found.strangers), 'file')} below data/ of which no receipt knows ({named}): "
            "nothing here needs them, delete them if you do not"
        )
    if found.made_since:
        made = plural(found.made_since, "proof")
        yield f"  not checked: {made} made after {MANIFEST}, which a plain run brings up to date"
    if digest := file_digest(scope.results_dir / MANIFEST):
        yield f"  {MANIFEST} closes with sha256 {digest}: compare it with what was written down when the run ended"


def mend_all(scope: Scope) -> str:
    """Take away each receipt and file that does not fit, with all that was made of it; return what is to be printed.

    The next run makes them anew: what is on disk and in the repository is proven again, and only what is missing is
    done. A complete record of which something was asked that nobody has answered loses the receipts from its upload
    on: what became of that is looked for then. Drafts that no run asks for any more, since the repository has answered
    500 twice, are asked for again: whoever mends has seen to it that they do not become many.
    """
    found = find_misfits(scope)
    wrong = [*found.misfits, *found.wrong_files]
    audited = _found_by_audit(scope)
    for recid in audited:  # as long as the receipts are there that tell of it
        _doubt_what_was_read_back_wrong(recid, scope)
    for misfit in sorted(wrong, key=lambda misfit: STEPS.index(misfit.step)):
        if misfit.recid is not None:
            take_away_from(misfit.step, scope.results_dir / str(misfit.recid))
    for misfit in found.wrong_files:
        Path(misfit.path).unlink(missing_ok=True)
        if misfit.recid is not None:
            # what was proven of a file is remembered by its time, which tells nothing of one that changed all the same
            (scope.data_dir / str(misfit.recid) / "verified.jsonl").unlink(missing_ok=True)
    for misfit in found.tables:
        Path(misfit.path).unlink(missing_ok=True)
        noted_path(misfit.step, scope.results_dir).unlink(missing_ok=True)
    for recid in audited:
        take_away_from(UPLOAD_STEP, scope.results_dir / str(recid))
    bad = len({misfit.recid for misfit in wrong})
    told = [f"{plural(bad, 'record')} with receipts or bytes that did not fit: a plain run makes them anew"]
    if found.tables:
        told.append(f"{plural(len(found.tables), 'file')} of tables, figures or pages that had changed: likewise")
    if audited:
        told.append(f"{plural(len(audited), 'record')} of which the audit found something lost or changed: likewise")
    unanswered = _unanswered(found.finished, scope)
    for recid in unanswered:
        take_away_from(UPLOAD_STEP, scope.results_dir / str(recid))
    if unanswered:
        told.append(
            f"{plural(len(unanswered), 'complete record')} of which something was asked that nobody has answered: a "
            "plain run looks what became of it"
        )
    left = set(scope.recids).difference(found.finished)
    again = [recid for recid in sorted(left) if forget_failed_creations(scope.data_dir / str(recid) / DEPOSIT)]
    if again:
        told.append(
            f"{plural(len(again), 'record')} of which the repository answered 500 to the creation of a draft: a plain "
            "run asks for one again"
        )
    return "\n".join(told)


def _found_by_audit(scope: Scope) -> list[int]:
    """Return the records of which the last audit found something lost or changed, and that were not made anew since."""
    path = scope.results_dir / "audit.csv"
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            told = {int(row["recid"]) for row in csv.DictReader(stream) if row["result"] in ("lost", "changed")}
        audited_s = path.stat().st_mtime
    except (OSError, ValueError, KeyError):
        return []
    made = {recid: scope.results_dir / str(recid) / "upload.json" for recid in scope.recids if recid in told}
    return [recid for recid, path in made.items() if path.exists() and path.stat().st_mtime < audited_s]


def _doubt_what_was_read_back_wrong(recid: int, scope: Scope) -> None:
    """Have the next upload of a record send again what was read back wrong, though the repository tells it is right."""
    record_dir = scope.results_dir / str(recid)
    try:
        noted = read_receipt(record_dir / "read_back.json", "read_back", recid=recid)
    except ReceiptError:
        return  # nothing was read back
    if wrong := [each["key"] for each in noted.get("wrong", ())]:
        load_state(
            recid=recid,
            repository=noted["repository"],
            data_dir=scope.data_dir / str(recid),
            record_dir=record_dir,
            journal=scope.logs_dir / str(recid) / "journal.jsonl",
        ).doubt(wrong)


def _unanswered(recids: Sequence[int], scope: Scope) -> dict[int, str]:
    """Return recid -> what was asked of it and answered by nobody."""
    asked = {
        recid: told_unanswered(scope.data_dir / str(recid) / DEPOSIT, scope.results_dir / str(recid) / UNANSWERED)
        for recid in recids
    }
    return {recid: what for recid, what in asked.items() if what}


def _first(unanswered: Mapping[int, str]) -> str:
    named = [f"{recid} ({what})" for recid, what in unanswered.items()]
    more = f" and {len(named) - MOST_LINES} more" if len(named) > MOST_LINES else ""
    return ", ".join(named[:MOST_LINES]) + more


def _lines(misfits: Sequence[Misfit], table_path: Path) -> Iterator[str]:
    for misfit in misfits[:MOST_LINES]:
        yield f"  {misfit.path}: {misfit.problem}"
    if len(misfits) > MOST_LINES:
        yield f"  and {len(misfits) - MOST_LINES} more in {table_path}"
