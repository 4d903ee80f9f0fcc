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
from ferry.journal import attempts, is_alive, read
from ferry.jsonl import read_lines
from ferry.report.stats_log import STATS_LOG, latest_rows
from ferry.run.plan import PLAN_FILE, RunPlan, read_plan
from ferry.run.run import BULK_LOCK, LOCK_FILE, LOCKS, RUN_FILE, is_locked, read_run
from ferry.run.standing import Standing, standing_of
from ferry.run.step import ATTEMPTS_FILE
from ferry.waiting import WAITS, Wait, read_wait


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

    @property
    def to_go(self) -> int:
        """Return how many records are still to be done, and have not failed."""
        return len(self.standing.to_go)

    @property
    def again(self) -> int:
        """Return how many of those that failed this run is still to try once more."""
        return self.standing.again if self.is_going_on else 0

    @property
    def left_s(self) -> float | None:
        """Return the seconds until all records are done at the pace of this run, None if there is no telling.

        Not sooner than the hourly limit of requests allows: a run may have begun faster than it can go on.
        """
        if not self.is_going_on or not self.done_in_run:
            return None
        left = (self.to_go + self.again) / self.done_in_run
        per_hour = self.standing.plan.requests_per_hour
        by_limit_s = self.requests * left * 3600 / per_hour if per_hour else 0.0
        return max(left * self.elapsed_s, by_limit_s)


def read_status(folder: Path, *, now: datetime, locks: Path = LOCKS) -> Status | None:
    """Return how the last run that carried in `folder` stands at `now` (with a zone); None if none has begun there."""
    plan = read_plan(folder / PLAN_FILE)
    began = _began(plan) if plan else None
    if plan is None or began is None:
        return None
    rows = latest_rows(folder / STATS_LOG)
    if not (folder / STATS_LOG).exists():  # the aggregate is just writing it anew
        arrived = (r for r in plan.recids if has_arrived(folder / "results" / str(r), publish=plan.publish))
        rows = {recid: {"recid": recid, "status": "ok", "run_id": plan.run_id} for recid in arrived}
    is_run = is_locked(folder / LOCK_FILE, locks=locks) and _run_id(folder / RUN_FILE) == plan.run_id
    is_going_on = is_run or is_locked(folder / BULK_LOCK, locks=locks)
    of_run = read_lines(folder / ATTEMPTS_FILE, holding=plan.run_id.encode())
    ended = [event for event in of_run if event.get("run_id") == plan.run_id]
    last = max((event["at"] for event in ended), default=None)
    end = now if is_going_on or last is None else datetime.fromisoformat(last)
    return Status(
        standing=standing_of(plan, rows),
        running=list(_running(folder, plan.recids, run_id=plan.run_id, began=began, now=now)) if is_going_on else [],
        is_going_on=is_going_on,
        elapsed_s=max(0.0, (end - began).total_seconds()),
        done_in_run=len({e["recid"] for e in ended if e["step"] == LAST_STEP and e["status"] == "ok"}),
        bytes_down=_moved(ended, DOWNLOAD_STEP),
        bytes_up=_moved(ended, UPLOAD_STEP),
        requests=int(sum(event["measured"].get("requests", 0) for event in ended)),
    )


def _began(plan: RunPlan) -> datetime | None:
    try:
        return datetime.fromisoformat(plan.started_at)
    except (ValueError, TypeError):
        return None


def _run_id(path: Path) -> str | None:
    """Return the run that was begun last: another than that of the plan only looks."""
    try:
        return read_run(path).run_id
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
