"""How a run stands, read from outside while it goes on or after it: nothing is locked, nothing is written.

Sources: logs/plan.json (what is wanted), results/stats.jsonl (how records ended), results/attempts.jsonl (what was
moved) and the journals that were touched since the run began (what runs now).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ferry.chain import DOWNLOAD_STEP, LAST_STEP, UPLOAD_STEP, has_arrived
from ferry.errors import ConfigError
from ferry.flags import ENDED, ENDS, FLAGS_DIR, RunFlags
from ferry.journal import attempts, is_alive, read
from ferry.jsonl import read_lines
from ferry.report.evidence import is_interrupted
from ferry.report.stats_log import STATS_LOG, latest_rows
from ferry.run.outage import absent_s, read_absences
from ferry.run.plan import PLAN_FILE, RunPlan, least_seconds, read_plan
from ferry.run.run import BULK_LOCK, LOCK_FILE, LOCKS, RUN_FILE, RUN_WAITS, Run, is_locked, read_run
from ferry.run.standing import Standing, silent_ends, standing_of
from ferry.run.step import ATTEMPTS_FILE
from ferry.waiting import OPEN_ENDED, USED_UP, WAITS, Wait, read_wait


@dataclass(frozen=True)
class Running:
    """An attempt that has begun and not ended; `since_s` is seconds ago."""

    recid: int
    step: str
    since_s: float
    wait: Wait | None = None
    """None: it is at work."""


@dataclass(frozen=True)
class Status:
    """Counts are of all wanted records, whichever run did them; bytes, rates and `elapsed_s` of the last run alone."""

    standing: Standing
    running: Sequence[Running]
    is_going_on: bool
    elapsed_s: float
    done_in_run: int
    bytes_down: int
    bytes_up: int
    requests: int = 0
    """That records which ended in this run asked of the repository."""
    ends: bool = False
    """It has no jobs any more: it makes tables, figures and pages."""
    begins: bool = False
    """It has no jobs yet: it asks the repository what it is, and may wait for that."""
    wait: Wait | None = None
    """Of a run that begins: what for."""
    wait_left_s: float = 0.0
    """Until the first job that waits goes on, as far as that is known."""
    last_done_s: float = 0.0
    """So long after the beginning the last record was done, less what the run stood still until then."""
    has_told: bool = True
    """It goes on, or has told how its records stand when it ended."""
    stood_still_s: float = 0.0
    """For so long the run had not begun its jobs, or the repository was away."""

    @property
    def to_go(self) -> int:
        """Return how many records are still to be done, and have not failed."""
        return len(self.standing.to_go)

    @property
    def again(self) -> int:
        """Return how many of those that failed are still to be tried once more."""
        return len(self.standing.to_retry)

    @property
    def is_closing(self) -> bool:
        """Tell whether nothing is left to be done for records, and tables, figures and pages are made."""
        is_through = not (self.begins or self.running or self.to_go or self.again)
        return self.is_going_on and (self.ends or is_through)

    @property
    def stands_still(self) -> bool:
        """Tell whether all that has begun waits for what nobody can tell the end of."""
        waits = [job.wait for job in self.running] or [self.wait]
        return all(wait is not None and wait.reason in OPEN_ENDED for wait in waits)

    @property
    def left_s(self) -> float | None:
        """Return the seconds until all records are done, None if there is no telling.

        By the time that a record took up to the one that was done last. So it grows less while one is waited for; where
        all stands still until something answers, it is what is left after that. Not sooner than the limits of requests
        allow: those of the configuration, and the repository's own, which is known by what it has let through up to
        the end of the wait for it.
        """
        if not self.is_going_on or self.ends or not self.done_in_run:
            return None
        left = self.to_go + self.again
        work_s = left * self.last_done_s / self.done_in_run
        idle_s = max(0.0, self.elapsed_s - self.stood_still_s - self.last_done_s)
        if not self.stands_still:
            reasons = {job.wait.reason if job.wait else None for job in self.running}
            all_wait = bool(reasons) and None not in reasons
            least_s = self.wait_left_s if all_wait else idle_s * left / (self.done_in_run + left)
            if all_wait and USED_UP in reasons:
                window_s = self.elapsed_s - self.stood_still_s + self.wait_left_s
                least_s += window_s * max(0, left - self.done_in_run) / self.done_in_run
            work_s = max(work_s - idle_s, least_s)
        requests = self.requests * (1 + left / self.done_in_run)
        return max(work_s, least_seconds(requests, self.standing.plan.limits) - self.elapsed_s)


def read_status(folder: Path, *, now: datetime, locks: Path = LOCKS) -> Status | None:
    """Return how the last run that carried in `folder` stands at `now` (with a zone); None if none has begun there."""
    plan = read_plan(folder / PLAN_FILE)
    began = _began(plan) if plan else None
    if plan is None or began is None:
        return None
    rows = latest_rows(folder / STATS_LOG)
    if not (folder / STATS_LOG).exists():  # nothing was told yet, or it is lost
        arrived = (r for r in plan.recids if has_arrived(folder / "results" / str(r), publish=plan.publish))
        rows = {recid: {"recid": recid, "status": "ok", "run_id": plan.run_id} for recid in arrived}
    run = _run(folder / RUN_FILE)
    is_run = is_locked(folder / LOCK_FILE, locks=locks) and run is not None and run.run_id == plan.run_id
    begins = is_run and run is not None and not run.is_ready
    is_going_on = is_run or is_locked(folder / BULK_LOCK, locks=locks)
    of_run = read_lines(folder / ATTEMPTS_FILE, holding=plan.run_id.encode())
    ended = [event for event in of_run if event.get("run_id") == plan.run_id]
    done = [event for event in ended if event["step"] == LAST_STEP and event["status"] == "ok"]
    last = max((event["at"] for event in ended), default=None)
    last_done = max((datetime.fromisoformat(event["at"]) for event in done), default=began)
    begins_s = run.ready_after_s if is_going_on and run and run.run_id == plan.run_id else 0.0
    flags = RunFlags(run_id=plan.run_id, directory=folder / FLAGS_DIR)
    absences, has_ended = read_absences(flags), not is_going_on and flags.get(ENDED) is not None
    end = now if is_going_on or last is None else datetime.fromisoformat(last)
    running: list[Running] = []
    if not has_ended:  # else nothing is at work, and its journals need not be looked for
        running = list(_running(folder, plan.recids, run_id=plan.run_id, began=began, now=now))
    if not (is_going_on or has_ended):
        # killed as a whole: nobody was left to write down what was at work, or still is on other machines
        results_dir, alive = folder / "results", {job.recid for job in running}
        silent = silent_ends(plan, rows, results_dir=results_dir, logs_dir=folder / "logs", is_gone=True)
        rows |= {row["recid"]: dict(row) for row in silent if is_interrupted(row) and row["recid"] not in alive}
    waits_end = [job.wait.until for job in running if job.wait and job.wait.until is not None]
    ends = is_going_on and flags.get(ENDS) is not None
    return Status(
        standing=standing_of(plan, rows, is_over=ends or not is_going_on, logs_dir=folder / "logs"),
        running=running if is_going_on else [],
        wait_left_s=max(0.0, min(waits_end, default=0.0) - now.timestamp()),
        is_going_on=is_going_on,
        has_told=is_going_on or has_ended,
        elapsed_s=max(0.0, (end - began).total_seconds()),
        done_in_run=len({event["recid"] for event in done}),
        bytes_down=_moved(ended, DOWNLOAD_STEP),
        bytes_up=_moved(ended, UPLOAD_STEP),
        requests=int(sum(event["measured"].get("requests", 0) for event in ended)),
        ends=ends,
        begins=begins,
        wait=read_wait(folder / RUN_WAITS) if begins else None,
        last_done_s=(last_done - began).total_seconds() - begins_s - absent_s(absences, until=last_done.timestamp()),
        stood_still_s=begins_s + absent_s(absences, until=now.timestamp()),
    )


def _began(plan: RunPlan) -> datetime | None:
    try:
        return datetime.fromisoformat(plan.started_at)
    except (ValueError, TypeError):
        return None


def _run(path: Path) -> Run | None:
    """Return the run that was begun last: another than that of the plan only looks."""
    try:
        return read_run(path)
    except ConfigError:
        return None


def _moved(ended: Sequence[dict[str, Any]], step: str) -> int:
    return int(sum(event["measured"].get("bytes_moved", 0) for event in ended if event["step"] == step))


def _running(folder: Path, recids: Sequence[int], *, run_id: str, began: datetime, now: datetime) -> Iterator[Running]:
    for recid in recids:
        journal = folder / "logs" / str(recid) / "journal.jsonl"
        try:
            touched_s = journal.stat().st_mtime
        except FileNotFoundError:
            continue
        if touched_s < began.timestamp() - 1:
            continue
        for attempt in attempts(read(journal)):
            # one that was killed has no end either
            if attempt.status == "unfinished" and attempt.run_id == run_id and is_alive(attempt.host, attempt.pid):
                since_s = (now - datetime.fromisoformat(attempt.started_at)).total_seconds()
                wait = read_wait(journal.with_name(f"{attempt.step}{WAITS}"))
                yield Running(recid, attempt.step, max(0.0, since_s), wait)
