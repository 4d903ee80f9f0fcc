"""What is told when a run ends: tables, figures and pages of what there is, and lines for the terminal."""

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ferry import journal
from ferry.chain import BY_NAME, LAST_STEP, PUBLISH_STEP, UPLOAD_STEP, heed_marks
from ferry.config import publishes
from ferry.errors import FerryError
from ferry.flags import ENDS, RunFlags
from ferry.jsonl import append
from ferry.receipts import file_digest
from ferry.report.proof import MANIFEST
from ferry.report.stats import STATS_DONE
from ferry.report.stats_log import latest_rows, tell_row
from ferry.run.bulk import PART_OF_BULK
from ferry.run.closing import closing_lines
from ferry.run.plan import PLAN_FILE, RunPlan, read_plan
from ferry.run.progress import ProgressReporter
from ferry.run.run import read_run
from ferry.run.selection import Selection
from ferry.run.standing import standing_of, tell_silent_ends, write_live_tables
from ferry.run.status import read_status
from ferry.run.step import digests_of
from ferry.run.termination import LIMIT_S
from ferry.text.terminal import tell

RESULTS_DIR, LOGS_DIR = Path("results"), Path("logs")
OVERVIEW = RESULTS_DIR / "overview.html"
"""The last of the pages that a run makes when it ends."""


def tell_tables(
    config: Mapping[str, Any],
    selection: Selection,
    *,
    failed: bool,
    is_stopped: bool,
    in_a_hurry: bool,
    progress: ProgressReporter | None = None,
    is_gone: bool = False,
) -> None:
    """Make what the rules of the run have not made: all of it after the last run, a table of records after any.

    Args:
        config, selection: of the run.
        failed: it has.
        is_stopped: nothing new was begun at some time.
        in_a_hurry: it ends at SIGTERM. All tables of thousands of records take too long: the next run makes those.
        progress: says first how the records stand, where all tables are made, which takes its time; None: nobody does.
        is_gone: it was killed, and somebody else tells of it.
    """
    plan, is_last = read_plan(), _is_last(is_stopped=is_stopped)
    latest = latest_rows()
    try:
        if failed and is_last and plan:
            RunFlags(run_id=plan.run_id).set(ENDS, "")
            if progress and not in_a_hurry:
                progress.tell_now(line=True)
        if plan:
            _finish_arrived(plan)
        if failed and is_last and not in_a_hurry:
            if config["relations"]["target"] and not is_stopped:
                _link_those_there(config, selection)
            _tell_what_there_is(selection, plan, publish=publishes(config))
            for recid in plan.to_do.difference(selection.recids) & latest.keys() if plan else ():
                tell_row(latest[recid])  # the tables have those of the list only
        elif plan:
            tell_silent_ends(plan, is_gone=is_gone, results_dir=RESULTS_DIR, logs_dir=LOGS_DIR)
            if not (RESULTS_DIR / STATS_DONE).exists():
                write_live_tables(standing_of(plan, latest_rows(), is_over=is_last), RESULTS_DIR)
    except OSError as error:
        tell(f"ferry: the tables could not be made: {error}; see to the disk and run again\n", sys.stderr)
    begun_s = PLAN_FILE.stat().st_mtime if plan else 0.0
    heed_marks({*selection.recids, *(plan.to_do if plan else ())}, RESULTS_DIR, since_s=begun_s)


def _is_last(*, is_stopped: bool) -> bool:
    """Tell whether no other run of the same bulk run follows; none does where this one was stopped."""
    return PART_OF_BULK not in os.environ or is_stopped


def _finish_arrived(plan: RunPlan) -> None:
    """Write the stats of records that have arrived and have none: the run ended before, or nobody asked for them.

    Nothing is moved for it, and what tables, status and receipts say of them is the same then.
    """
    stats, last = BY_NAME[LAST_STEP].receipt, BY_NAME[PUBLISH_STEP if plan.publish else UPLOAD_STEP].receipt
    for recid in sorted(plan.to_do):
        record_dir = RESULTS_DIR / str(recid)
        if (record_dir / f"{last}.json").exists() and not (record_dir / f"{stats}.json").exists():
            _finish(recid, plan, path=record_dir / f"{stats}.json")


def _finish(recid: int, plan: RunPlan, *, path: Path) -> None:
    """Do the last step of a record, as its job would."""
    from ferry.steps.record_stats import finish_record  # noqa: PLC0415 - nrp_cmd

    events = LOGS_DIR / str(recid) / "journal.jsonl"
    number = journal.next_attempt(events, LAST_STEP)
    start = journal.start_event(run_id=plan.run_id, recid=recid, step=LAST_STEP, attempt=number)
    with contextlib.suppress(FerryError):  # its row says what is wrong
        finish_record(
            recid=recid,
            record_dir=path.parent,
            data_dir=Path("data") / str(recid),
            journal=events,
            publish=plan.publish,
            remove=(),  # the next run does that of all that have arrived
            path=path,
        )
        append(events, start)
        append(events, journal.end_event(start, made=digests_of(LAST_STEP, path.parent)))


def tell_terminal(selection: Selection, *, stopped: str | None) -> None:
    """Say on the terminal how the records stand, where there is more to see, and why the run was stopped."""
    tell_standing(selection, is_over=_is_last(is_stopped=stopped is not None))
    if PART_OF_BULK not in os.environ:
        command = f"{read_run().command} --report results/report.html"
        tell(f"ferry: each record is in results/stats.csv; one page about all of them: {command}\n", sys.stderr)
        if (RESULTS_DIR / STATS_DONE).exists() and (digest := file_digest(RESULTS_DIR / MANIFEST)):
            tell(f"ferry: proofs: {RESULTS_DIR / MANIFEST}, which closes with sha256 {digest}\n", sys.stderr)
    if stopped:
        tell(f"ferry: the run was stopped: {stopped}\n  run the same command again to go on\n", sys.stderr)


def tell_standing(selection: Selection, *, is_over: bool) -> None:
    """Say on the terminal how the records stand; `is_over`: no other run of the same bulk run follows."""
    for line in closing_lines(selection.recids, plan=read_plan(), is_over=is_over):
        tell(line + "\n", sys.stderr)


def tell_of_dead_run(config: Mapping[str, Any], selection: Selection) -> None:
    """Tell of each record what the last run, which was killed, has not: in tables, metrics and on the terminal."""
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s and (status := read_status(Path(), now=datetime.now(UTC))) and status.running:
        time.sleep(0.1)  # jobs end a moment after the run that has begun them
    tell_tables(config, selection, failed=True, is_stopped=True, in_a_hurry=True, is_gone=True)
    progress_of(config).tell_now()
    tell_terminal(selection, stopped=None)


def progress_of(config: Mapping[str, Any]) -> ProgressReporter:
    """Return what tells how the run stands while it goes on, as the configuration says."""
    prometheus = config["progress"]["prometheus"]
    return ProgressReporter(
        every_s=config["progress"]["every_s"],
        stream=sys.stderr,
        prometheus=Path(prometheus) if prometheus else None,
        write_tables=partial(write_live_tables, results_dir=RESULTS_DIR),
    )


def _link_those_there(config: Mapping[str, Any], selection: Selection) -> None:
    """Link the members that are there, whose rule did not run because another record failed."""
    from ferry.steps.link_members import link_all  # noqa: PLC0415 - nrp_cmd, for such a run only

    publish = publishes(config)
    last = "published.json" if publish else "upload.json"
    if read_run().target is None or all((RESULTS_DIR / str(recid) / last).exists() for recid in selection.recids):
        return
    try:
        message = link_all(
            recids=selection.recids,
            repository=config["repository"],
            settings=config["upload"],
            publish=publish,
            results_dir=RESULTS_DIR,
            data_dir=Path("data"),
            sandbox_dir=Path(config["sandbox"]["dir"]),
            table_path=RESULTS_DIR / "relations.csv",
        )
    except (FerryError, OSError) as error:
        message = f"members of collections could not be linked: {error}"
    if message:
        tell(f"ferry: {message}\n", sys.stderr)


def _tell_what_there_is(selection: Selection, plan: RunPlan | None, *, publish: bool) -> None:
    """Make the tables, figures and pages whose rules did not run because a record failed; the next run does again."""
    from ferry.report.figures import draw_figures  # noqa: PLC0415 - pandas and matplotlib, for a failed run only
    from ferry.report.metadata_tables import write_metadata_tables  # noqa: PLC0415
    from ferry.report.pages import write_pages  # noqa: PLC0415
    from ferry.report.stats import aggregate, outdate_tables  # noqa: PLC0415

    run = read_run()
    aggregate(recids=selection.recids, results_dir=RESULTS_DIR, logs_dir=LOGS_DIR, publish=publish, run_id=run.run_id)
    write_metadata_tables(recids=selection.recids, results_dir=RESULTS_DIR, skip_torn=True)
    draw_figures(
        results_dir=RESULTS_DIR,
        out_dir=RESULTS_DIR / "figures",
        caps=plan.caps if plan else None,
        slots=plan.slots if plan else None,
    )
    write_pages(results_dir=RESULTS_DIR, command=run.command, publish=publish)
    outdate_tables(RESULTS_DIR)
