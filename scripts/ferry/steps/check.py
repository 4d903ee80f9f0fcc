"""The step `check`: whether the receipts of all records fit each other, and what mends those that do not.

Snakemake asks for the last receipts of a record only. One that is lost or torn before them is found here, without any
work at the start of a run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ferry.chain import BY_NAME, CHAIN, steps_of
from ferry.csv_tables import write_csv
from ferry.deposit.state import told_unanswered
from ferry.errors import FerryError, IntegrityError
from ferry.formatting import plural
from ferry.receipts import read_receipt
from ferry.report.evidence import Evidence, is_through, read_evidence, record_status
from ferry.report.stats_row import stats_row
from ferry.run.disk_budget import DEPOSIT
from ferry.run.plan import command_of

MOST_LINES = 20

_SETTINGS_OF = {"mapping": "transform", "package": "package"}
"""Receipt that says with which settings it was made -> part of the settings."""


@dataclass(frozen=True)
class Misfit:
    """A receipt that does not fit, and the command that makes it right."""

    recid: int
    receipt: str
    """Path of it."""
    problem: str
    command: str


def check_all(
    *,
    recids: Sequence[int],
    publish: bool,
    settings: Mapping[str, str],
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
        results_dir, data_dir, logs_dir: what runs have left.
        table_path: gets one row per misfit (CSV).

    Raises:
        IntegrityError: some do not fit; the message has the first ones, each with its command.
    """
    command = command_of()
    misfits: list[Misfit] = []
    unfinished = 0
    unanswered: list[str] = []
    for recid in recids:
        record_dir, journal = results_dir / str(recid), logs_dir / str(recid) / "journal.jsonl"
        evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
        found = _misfit(evidence, record_dir=record_dir, publish=publish, settings=settings, command=command)
        misfits += [found] if found else []
        if found is None and "stats" not in evidence.receipts:
            unfinished += 1
            unanswered += [f"{recid} ({told})"] if (told := told_unanswered(data_dir / str(recid) / DEPOSIT)) else []
    write_csv(table_path, ["recid", "receipt", "problem", "command"], map(astuple, misfits))
    summary = (
        f"{plural(len(recids), 'record')}: {len(recids) - len(misfits) - unfinished} complete, {unfinished} not "
        f"finished (a plain run goes on with them), {len(misfits)} with a receipt that does not fit"
    )
    if unanswered:
        more = f" and {len(unanswered) - MOST_LINES} more" if len(unanswered) > MOST_LINES else ""
        summary += (
            f"\n  nobody has answered what was asked for of {', '.join(unanswered[:MOST_LINES])}{more}: it may be done "
            "all the same, or yet; a plain run looks"
        )
    if misfits:
        raise IntegrityError("\n".join([summary, *_lines(misfits, table_path)]))
    return summary


def _lines(misfits: Sequence[Misfit], table_path: Path) -> Iterator[str]:
    for misfit in misfits[:MOST_LINES]:
        yield f"  {misfit.receipt}: {misfit.problem}\n    to mend it: {misfit.command}"
    if len(misfits) > MOST_LINES:
        yield f"  and {len(misfits) - MOST_LINES} more in {table_path}"


def _misfit(
    evidence: Evidence, *, record_dir: Path, publish: bool, settings: Mapping[str, str], command: str
) -> Misfit | None:
    """Return the first receipt of a record, in the order of the chain, that does not fit."""

    def misfit(receipt: str, problem: str, *, remove: bool) -> Misfit:
        path = record_dir / f"{receipt}.json"
        again = f"{command} -- {path} {record_dir / 'stats.json'}"
        return Misfit(evidence.recid, str(path), problem, f"rm {path} && {again}" if remove else again)

    there = {name for step in CHAIN for name in step.receipts if (record_dir / f"{name}.json").exists()}
    mapping, torn = _mapping(record_dir, evidence.torn)
    wanted = steps_of(publish=publish)
    for step in wanted:
        for name in BY_NAME[step].receipts:
            if name in torn:
                return misfit(name, f"not what it must be: {torn[name]}", remove=True)
            if name not in there and _is_used(step, there):
                return misfit(name, "lost, though what was made of it is there", remove=False)
            receipt = mapping if name == "mapping" else evidence.receipts.get(name, {})
            part = _SETTINGS_OF.get(name)
            if part and receipt.get("settings", settings[part]) != settings[part]:
                return misfit(name, f"made with other settings than the present ones ({settings[part]})", remove=True)
    if BY_NAME[wanted[-1]].receipt in there:
        row, _ = stats_row(evidence, record_status(evidence, wanted))
        if not is_through(row):
            return misfit(BY_NAME[row["step"]].receipt, row["error"], remove=True)
    return None


def _mapping(record_dir: Path, torn: Mapping[str, FerryError]) -> tuple[Mapping[str, Any], Mapping[str, FerryError]]:
    """Return the receipt `mapping`, which is no evidence of how a record stands, and all that are torn."""
    try:
        return read_receipt(record_dir / "mapping.json", "mapping"), torn
    except FerryError as error:
        return {}, {**torn, "mapping": error}
    except OSError:
        return {}, torn


def _is_used(step: str, there: set[str]) -> bool:
    """Tell whether a receipt that was made of this step's is there."""
    return any(name in there for later in CHAIN if step in later.needs for name in later.receipts)
