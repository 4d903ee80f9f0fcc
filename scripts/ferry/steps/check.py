"""The steps `check` and `mend`: whether the receipts of all records fit each other, and taking away those that do not.

Snakemake asks for the last receipts of a record only. One that is lost or torn before them is found here, without any
work at the start of a run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from ferry.chain import BY_NAME, UPLOAD_STEP, steps_of, take_away_from
from ferry.csv_tables import write_csv
from ferry.deposit.state import told_unanswered
from ferry.errors import IntegrityError
from ferry.receipts import UNANSWERED
from ferry.report.evidence import Evidence, is_through, read_evidence, record_status
from ferry.report.stats_row import stats_row
from ferry.run.disk_budget import DEPOSIT
from ferry.run.folder_states import FolderStates
from ferry.run.run import read_run
from ferry.run.settings_files import is_outdated
from ferry.text.formatting import plural

MOST_LINES = 20


@dataclass(frozen=True)
class Misfit:
    """A receipt that does not fit."""

    recid: int
    step: str
    """That makes it."""
    receipt: str
    """Path of it."""
    problem: str


@dataclass(frozen=True)
class _Found:
    misfits: Sequence[Misfit]
    unfinished: Sequence[int]
    """Records that a plain run goes on with."""
    finished: Sequence[int]
    """Records that have all their receipts."""
    outdated: int
    """Records that were made with other settings than the present ones."""


def check_all(
    *,
    recids: Sequence[int],
    publish: bool,
    settings: Mapping[str, str],
    data_root: str | None = None,
    results_dir: Path,
    data_dir: Path,
    logs_dir: Path,
    table_path: Path,
) -> str:
    """Check the receipts of all these records; return what is to be printed.

    Args:
        recids: of the records.
        publish: whether they go on from a draft.
        settings: name of the present settings by part, as in results/settings.
        data_root: holds the folders of the records (source.data_root), None if their files are fetched.
        results_dir, data_dir, logs_dir: what runs have left.
        table_path: gets one row per misfit (CSV).

    Raises:
        IntegrityError: some do not fit; the message has the first ones, and the command that mends all.
    """
    found = _find(recids, publish=publish, settings=settings, results_dir=results_dir, logs_dir=logs_dir)
    folders = FolderStates(data_root, results_dir=results_dir)
    changed = [recid for recid in found.finished if folders.is_outdated(recid)]
    write_csv(table_path, ["recid", "step", "receipt", "problem"], map(astuple, found.misfits))
    command = read_run().command
    mending = f"{command} -- mend && {command}"
    bad = len({misfit.recid for misfit in found.misfits})
    complete = len(recids) - bad - len(found.unfinished) - found.outdated
    lines = [
        f"{plural(len(recids), 'record')}: {complete} complete, {len(found.unfinished)} not finished (a plain run goes "
        f"on with them), {bad} with receipts that do not fit"
    ]
    if found.outdated:
        made = plural(found.outdated, "record")
        lines.append(f"{made} made with other settings than the present ones: a plain run brings them up to date")
    if changed:
        named = ", ".join(map(str, changed[:MOST_LINES])) + (", …" if len(changed) > MOST_LINES else "")
        lines.append(
            f"{plural(len(changed), 'record')} whose folder in source.data_root has changed since ({named}): a plain "
            "run takes it up"
        )
    if unanswered := _unanswered(found.unfinished, data_dir, results_dir):
        lines.append(
            f"  nobody has answered what was asked for of {_first(unanswered)}: it may be done all the same, or yet; a "
            "plain run looks"
        )
    if unanswered := _unanswered(found.finished, data_dir, results_dir):
        lines.append(
            f"  complete, but nobody has answered what was asked for of {_first(unanswered)}: it may have been done "
            f"since, as a second draft; a plain run finds nothing to do and looks no more, this does: {mending}"
        )
    if found.misfits:
        shown = _lines(found.misfits, table_path)
        raise IntegrityError("\n".join([*lines, *shown, f"to mend all of this: {mending}"]))
    return "\n".join(lines)


def mend_all(
    *,
    recids: Sequence[int],
    publish: bool,
    settings: Mapping[str, str],
    results_dir: Path,
    data_dir: Path,
    logs_dir: Path,
) -> str:
    """Take away each receipt that does not fit, with all that was made of it; return what is to be printed.

    The next run makes them anew: what is on disk and in the repository is proven again, and only what is missing is
    done. A complete record of which something was asked that nobody has answered loses the receipts from its upload
    on: what became of that is looked for then.
    """
    found = _find(recids, publish=publish, settings=settings, results_dir=results_dir, logs_dir=logs_dir)
    first = {misfit.recid: misfit.step for misfit in reversed(found.misfits)}
    for recid, step in first.items():
        take_away_from(step, results_dir / str(recid))
    told = [f"{plural(len(first), 'record')} with receipts that did not fit: a plain run makes them anew"]
    unanswered = _unanswered(found.finished, data_dir, results_dir)
    for recid in unanswered:
        take_away_from(UPLOAD_STEP, results_dir / str(recid))
    if unanswered:
        told.append(
            f"{plural(len(unanswered), 'complete record')} of which something was asked that nobody has answered: a "
            "plain run looks what became of it"
        )
    return "\n".join(told)


def _find(
    recids: Sequence[int], *, publish: bool, settings: Mapping[str, str], results_dir: Path, logs_dir: Path
) -> _Found:
    misfits: list[Misfit] = []
    unfinished: list[int] = []
    finished: list[int] = []
    outdated = 0
    for recid in recids:
        record_dir, journal = results_dir / str(recid), logs_dir / str(recid) / "journal.jsonl"
        evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
        found = list(_misfits(evidence, record_dir=record_dir, publish=publish))
        misfits += found
        if not found:
            is_finished = "stats" in evidence.receipts
            (finished if is_finished else unfinished).append(recid)
            outdated += is_finished and is_outdated(evidence.receipts, settings)
    return _Found(misfits, unfinished, finished, outdated)


def _unanswered(recids: Sequence[int], data_dir: Path, results_dir: Path) -> dict[int, str]:
    """Return recid -> what was asked of it and answered by nobody."""
    asked = {
        recid: told_unanswered(data_dir / str(recid) / DEPOSIT, results_dir / str(recid) / UNANSWERED)
        for recid in recids
    }
    return {recid: what for recid, what in asked.items() if what}


def _first(unanswered: Mapping[int, str]) -> str:
    named = [f"{recid} ({what})" for recid, what in unanswered.items()]
    more = f" and {len(named) - MOST_LINES} more" if len(named) > MOST_LINES else ""
    return ", ".join(named[:MOST_LINES]) + more


def _misfits(evidence: Evidence, *, record_dir: Path, publish: bool) -> Iterator[Misfit]:
    """Yield each receipt of a record that does not fit, in the order of the chain."""
    wanted = steps_of(publish=publish)
    names = [(step, name) for step in wanted for name in BY_NAME[step].receipts if name in evidence.wrong]
    for step, name in names:
        yield Misfit(evidence.recid, step, str(record_dir / f"{name}.json"), f"found {evidence.wrong[name].found}")
    last = BY_NAME[wanted[-1]].receipt
    if not names and last in evidence.receipts:
        row, _ = stats_row(evidence, record_status(evidence, wanted))
        if not is_through(row):  # by its journal
            yield Misfit(evidence.recid, row["step"], str(record_dir / f"{last}.json"), row["error"])


def _lines(misfits: Sequence[Misfit], table_path: Path) -> Iterator[str]:
    for misfit in misfits[:MOST_LINES]:
        yield f"  {misfit.receipt}: {misfit.problem}"
    if len(misfits) > MOST_LINES:
        yield f"  and {len(misfits) - MOST_LINES} more in {table_path}"
