"""The step `plan`: all wanted records told from their metadata, before a byte moves."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from ferry.bundle.plan import PackageSettings
from ferry.config import publishes
from ferry.csv_tables import write_csv
from ferry.errors import FerryError
from ferry.flags import RunFlags
from ferry.journal import Event, read, working_s
from ferry.report.evidence import TO_STAGE
from ferry.report.stats_log import latest_rows
from ferry.run.plan import rate_limits
from ferry.source.file_filter import FileFilter
from ferry.source.local_files import LocalSettings
from ferry.source.local_match import with_local_files
from ferry.source.portal import record_page
from ferry.source.portal_cache import PortalCache
from ferry.steps.download_files import resolve_redirects
from ferry.steps.look_at import read_with_corrections
from ferry.steps.plan_advice import (
    Choice,
    Requests,
    advice_lines,
    choices,
    requests_by_choice,
    told_hours,
    told_least,
)
from ferry.steps.plan_record import COLUMNS, RecordPlan, RunForecast, forecast, plan_record
from ferry.steps.transform_record import mapping_options
from ferry.steps.validate import validate_record
from ferry.text.formatting import format_bytes, format_count, plural
from ferry.text.problem_lines import NOT_KNOWN_YET, first_recids, problem_lines

SHOWN = 15
_AT_A_TIME = 50


@dataclass(frozen=True)
class PlanInputs:
    """What the plan of each record depends on: parts of the configuration, and where metadata lie."""

    config: Mapping[str, Any]
    results_dir: Path
    priorities: Mapping[int, int]
    flags: RunFlags | None = None
    """Of the run, by which its processes tell each other that the portal does not answer."""


def plan_all(*, inputs: PlanInputs, cores: int, table_path: Path) -> str:
    """Plan all wanted records, write `table_path` (CSV, one row a record) and return what is to be printed."""
    recids, config = list(inputs.priorities), inputs.config
    redirects = resolve_redirects(config["source"]["redirects"], sandbox_dir=Path(config["sandbox"]["dir"]))
    with ProcessPoolExecutor(max_workers=min(cores, os.cpu_count() or 1)) as pool:
        planned = list(pool.map(partial(_plan, inputs, redirects), recids, chunksize=_AT_A_TIME))
    plans = [plan for plan, _ in planned]
    write_csv(table_path, COLUMNS, (list(asdict(plan).values()) for plan in plans))
    limits = rate_limits(config["repository"])
    bytes_per_s = measured_rate(
        latest_rows(inputs.results_dir / "stats.jsonl").values(), read(inputs.results_dir / "attempts.jsonl")
    )
    total = forecast(
        plans,
        limits=limits,
        bytes_per_s=bytes_per_s,
        removed=set(config["storage"]["remove"]) == {"bundles", "files"},
        at_once=2 * cores,
        max_bytes=config["storage"]["max_bytes"],
    )
    asked = Counter[Choice]()
    for _, requests in planned:
        asked.update(requests)
    advice = advice_lines(
        asked,
        settings=PackageSettings.of(config["package"]),
        limits=limits,
        hours_by_line=total.hours_by_earlier_runs,
    )
    lines = [
        *forecast_lines(total, bytes_per_s=bytes_per_s),
        *_tape_lines(plans, config),
        *_portal_lines(recids, config),
        *_empty_lines(total, config),
        *advice,
        *what_stands_against(plans),
    ]
    return "\n".join([*lines, f"each record in {table_path}"])


def measured_rate(rows: Iterable[Mapping[str, Any]], ended: Iterable[Event]) -> float | None:
    """Return bytes uploaded per second of the wall time of earlier runs, not counting the time between them.

    Args:
        rows: of stats.jsonl, of the records that they finished.
        ended: the attempts that they ended (attempts.jsonl); those of other records do not count.
    """
    done = {row["recid"]: row.get("bytes_uploaded") or 0 for row in rows if row.get("status") == "ok"}
    uploaded = sum(done.values())
    ends = [
        (event["run_id"], datetime.fromisoformat(event["at"]), event["duration_s"])
        for event in ended
        if event["recid"] in done
    ]
    seconds = working_s((run_id, end - timedelta(seconds=duration_s), end) for run_id, end, duration_s in ends)
    return uploaded / seconds if seconds > 0 and uploaded else None


def _plan(inputs: PlanInputs, redirects: Mapping[str, str], recid: int) -> tuple[RecordPlan, Requests]:
    """Return the plan of a record, and what it would ask for by other settings."""
    config = inputs.config
    read_record = partial(
        read_with_corrections,
        recid,
        metadata=config["metadata"],
        folders=config["source"]["allow"]["folders"],
        results_dir=inputs.results_dir,
        chosen_by=FileFilter.of(config["source"]),
        flags=inputs.flags,
    )
    found: list[tuple[Any, Any] | FerryError] = []

    def read_once() -> tuple[Any, Any]:
        if not found:
            try:
                found.append(read_record())
            except FerryError as error:
                found.append(error)
        if isinstance(found[0], FerryError):
            raise found[0]
        return found[0]

    local = LocalSettings.of(config["source"]) if config["source"]["data_root"] is not None else None

    def read_files() -> Any:
        source = read_once()[0]
        return with_local_files(source, local) if local else source

    problems = validate_record(
        recid=recid,
        read=read_once,
        profile=config["transform"]["profile"],
        options=mapping_options(transform=config["transform"], package=config["package"], metadata=config["metadata"]),
    )
    plan = plan_record(
        recid=recid,
        priority=inputs.priorities[recid],
        read=read_files,
        refused=[
            f"metadata {problem.path}: expected {problem.expected}, found {problem.found}"
            for problem in problems
            if problem.kind == "refused"
        ],
        settings=PackageSettings.of(config["package"]),
        fetched=local is None,
        publish=publishes(config),
        allow_unverified=config["source"]["allow_unverified"],
        max_bytes=config["storage"]["max_bytes"],
        takes_records_without_files=config["repository"]["takes_records_without_files"],
        empty_records=config["package"]["empty_records"],
        redirects=redirects,
    )
    if plan.problem:
        return plan, {}
    settings, publish = PackageSettings.of(config["package"]), publishes(config)
    files = read_files()["files"]
    if not files:
        return plan, dict.fromkeys(choices(settings), plan.requests)
    return plan, requests_by_choice(recid=recid, files=files, settings=settings, publish=publish)


def forecast_lines(total: RunForecast, *, bytes_per_s: float | None) -> list[str]:
    """Return what all records together will take, a line for each kind; `bytes_per_s`: of earlier runs."""
    verb = "is" if total.unknown == 1 else "are"
    unknown = f" and {format_count(total.unknown)} {verb} {NOT_KNOWN_YET}" if total.unknown else ""
    browsable = (
        f"browsable        {plural(total.browsable_bundles, 'bundle')}, for {plural(total.more_uploads, 'upload')} and "
        f"{plural(total.more_requests, 'request')} more; {plural(total.noted, 'record')} not or in part (column note)"
    )
    return [
        f"records          {format_count(total.records)}, "
        f"of which {format_count(total.impossible)} cannot succeed as is{unknown}",
        f"files            {format_count(total.files)}, {format_bytes(total.source_bytes)}",
        f"uploads          {format_count(total.uploads)}, of which {plural(total.bundles, 'bundle')}, "
        f"{format_bytes(total.upload_bytes)}",
        f"requests         {format_count(total.requests)}",
        f"by rate limit    {_by_limit(total.hours_by_rate_limit)}",
        f"by earlier runs  {_by_earlier_runs(total.hours_by_earlier_runs, bytes_per_s)}",
        *([browsable] if total.browsable_bundles or total.noted else []),
        f"disk             at most {format_bytes(total.disk_bytes)} below data/",
    ]


def _by_limit(hours: float | None) -> str:
    if hours is None:
        return "no limit is configured"
    return told_least(hours) + ("" if hours else ": no more than may leave at once")


def _by_earlier_runs(hours: float | None, bytes_per_s: float | None) -> str:
    if hours is None or bytes_per_s is None:
        return "unknown: nothing was carried here yet"
    return f"{told_hours(hours)} for the bytes, at {format_bytes(bytes_per_s)}/s as measured"


def _tape_lines(plans: Sequence[RecordPlan], config: Mapping[str, Any]) -> list[str]:
    """Tell of what has to be staged, and where it is asked for; a run carries all the rest meanwhile."""
    waiting = [plan for plan in plans if plan.to_stage]
    if not waiting:
        return []
    files, size_bytes = sum(plan.to_stage for plan in waiting), sum(plan.source_bytes for plan in waiting)
    pages = record_page(waiting[0].recid, portal=config["metadata"]["portal"])
    return [
        f"{TO_STAGE}     {plural(len(waiting), 'record')} ({first_recids(plan.recid for plan in waiting)}), "
        f"{plural(files, 'file')} on tape, {format_bytes(size_bytes)}: ask for each at its page, as {pages}"
    ]


def _portal_lines(recids: Sequence[int], config: Mapping[str, Any]) -> list[str]:
    """Tell how old what is known of the portal may be."""
    kept = PortalCache.of(Path(config["metadata"]["dir"])).first_kept(recids)
    if kept is None:
        return []
    count, since = kept
    return [
        f"portal           {plural(count, 'record')} as of {since:%Y-%m-%d %H:%M} UTC or later; "
        "`snakemake --cores 2 refresh` asks again"
    ]


def _empty_lines(total: RunForecast, config: Mapping[str, Any]) -> list[str]:
    """Tell of what some repositories refuse; none tells before it is tried."""
    lines = []
    if count := total.records_without_files:
        consequence = {
            True: "which this repository takes (repository.takes_records_without_files)",
            False: f"which this repository does not take (package.empty_records: {config['package']['empty_records']})",
            None: "which not every repository takes: ask, and set repository.takes_records_without_files",
        }[config["repository"]["takes_records_without_files"]]
        lines.append(f"without files    {plural(count, 'record')}, {consequence}")
    if count := total.records_with_empty_files:
        advice = "which not every repository takes: ask, and set package.empty_files to bundle where it does not"
        lines.append(f"empty files      in {plural(count, 'record')}, {advice}")
    return lines


def what_stands_against(plans: Sequence[RecordPlan]) -> list[str]:
    """Return lines about the records that cannot succeed, and about those of which nothing is known yet."""
    bad = [plan for plan in plans if plan.problem and not (plan.to_stage or plan.is_unknown)]
    lines = problem_lines(((plan.recid, plan.problem) for plan in bad), most=SHOWN)
    told = [f"cannot succeed   {plural(len(bad), 'record')}:", *lines] if bad else []
    if unknown := [plan for plan in plans if plan.is_unknown]:
        told.append(f"{NOT_KNOWN_YET}    {plural(len(unknown), 'record')}; plan again when there may be an answer:")
        told += problem_lines(((plan.recid, plan.problem) for plan in unknown), most=SHOWN)
    return told
