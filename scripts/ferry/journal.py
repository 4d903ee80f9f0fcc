"""The journal of a record: one line when an attempt at a step starts, one when it ends.

A job that is killed leaves its start line only, and that is how it is found. Durations are differences of the
monotonic clock of one machine; the wall clock (`at`) only says when, because it may be set while a job runs.
"""

import os
import resource
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ferry.chain import BY_NAME, steps_after
from ferry.errors import PermanentError
from ferry.jsonl import read_lines
from ferry.text.safe_text import safe_text

MEASURES = ("bytes_moved", "files_moved", "retries", "rate_wait_s", "requests", "cpu_s", "peak_memory_bytes")
"""The numbers that `measured` of an end line may hold; others are kept in the journal and read by nobody."""

LONG_AGO = "1970-01-01T00:00:00+00:00"
_LONGEST_ERROR = 4000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

type Event = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """One reading of the clocks: `at` for people, `monotonic_s` for differences within one `boot_id`."""

    at: str
    monotonic_s: float
    boot_id: str


@dataclass(frozen=True)
class Attempt:
    """One attempt at one step, joined from its two lines.

    `status` is ok, failed, or unfinished: no end line, so the job was killed or still runs. Times are ISO 8601
    with a zone. `start_s` and `end_s` are monotonic seconds of the machine run `boot_id`.
    """

    run_id: str
    recid: int
    step: str
    attempt: int
    status: str
    started_at: str
    ended_at: str | None
    duration_s: float | None
    error_type: str | None
    error: str | None
    is_permanent: bool
    host: str
    pid: int
    boot_id: str
    start_s: float | None
    end_s: float | None
    measured: Mapping[str, float] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)
    """Receipt -> digest of the file that it left."""


def read_clocks() -> Moment:
    """Return the present moment by both clocks."""
    try:
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot_id = socket.gethostname()
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Moment(at=at, monotonic_s=time.monotonic(), boot_id=boot_id)


def is_alive(host: str, pid: int | str) -> bool:
    """Tell whether the process of a job still runs; one on another host is believed."""
    return host != socket.gethostname() or Path(f"/proc/{pid}").exists()


def start_event(*, run_id: str, recid: int, step: str, attempt: int, now: Moment | None = None) -> Event:
    """Return the line that opens an attempt; `attempt` counts from 1 over all runs (see `next_attempt`)."""
    moment = now or read_clocks()
    return {
        "event": "start",
        "run_id": run_id,
        "recid": recid,
        "step": step,
        "attempt": attempt,
        "at": moment.at,
        "monotonic_s": round(moment.monotonic_s, 6),
        "boot_id": moment.boot_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def end_event(
    start: Event,
    *,
    error: BaseException | None = None,
    measured: Mapping[str, float] | None = None,
    made: Mapping[str, str] | None = None,
    now: Moment | None = None,
) -> Event:
    """Return the line that closes the attempt which `start` opened: failed if an error is given, else ok.

    `duration_s` is the difference of the monotonic clock and never negative; `made` has the digests of the receipts.
    """
    moment = now or read_clocks()
    failure = None
    if error is not None:
        failure = {
            "type": type(error).__name__,
            "message": safe_text(str(error))[:_LONGEST_ERROR],
            "permanent": isinstance(error, PermanentError),
        }
    return {
        **start,
        "event": "end",
        "at": moment.at,
        "monotonic_s": round(moment.monotonic_s, 6),
        "boot_id": moment.boot_id,
        "duration_s": round(max(0.0, moment.monotonic_s - float(start["monotonic_s"])), 6),
        "status": "ok" if error is None else "failed",
        "error": failure,
        "measured": dict(measured or {}),
        "made": dict(made or {}),
    }


def read(path: Path) -> list[Event]:
    """Return the events of a journal in order; lines that are torn or foreign are left out, no file is no event."""
    return list(events_among(read_lines(path)))


def events_among(rows: Iterable[Event]) -> Iterator[Event]:
    """Give those of the rows that are events."""
    for row in rows:
        known = row.get("event") in ("start", "end") and isinstance(row.get("step"), str)
        if known and isinstance(row.get("recid"), int):
            yield row


def next_attempt(path: Path, step: str) -> int:
    """Return the number of the next attempt at the step: one more than its start lines so far."""
    starts = [event for event in read(path) if event["event"] == "start" and event["step"] == step]
    return len(starts) + 1


def tried_before(path: Path, step: str) -> str | None:
    """Return when the attempt before the present one at a step was last heard of; None if this is the first one.

    One that ended well has itself waited for all that it had asked: it counts as `LONG_AGO`.
    """
    tried = [attempt for attempt in attempts(read(path)) if attempt.step == step]
    if len(tried) < 2:
        return None
    before = tried[-2]
    return LONG_AGO if before.status == "ok" else before.ended_at or before.started_at or None


def failed_for_good(path: Path, *, run_id: str, step: str) -> str | None:
    """Return why a record that is begun again by the same run need not be: a step failed with a permanent error.

    None if the run begins this step for the first time, or if what failed may pass.
    """
    events = [event for event in read(path) if event.get("run_id") == run_id]
    if not any(event["step"] == step for event in events):
        return None
    for event in reversed(events):
        if (why := _failed_for_good(event)) is not None:
            return f"{event['step']} failed for good: {why}"
    return None


def _failed_for_good(event: Event) -> str | None:
    """Return the message of a permanent error that ended an attempt, None for all else."""
    failure = event.get("error")
    return str(failure.get("message")) if isinstance(failure, dict) and failure.get("permanent") else None


def hopeless(path: Path, *, after: Sequence[str], step: str) -> str | None:
    """Return why a step that failed in one of these runs will fail again, None if it may fare better.

    It may after an error that passes, and where a step before it in the chain was begun anew since.
    """
    if not after:
        return None
    for event in reversed(read(path)):
        if event["step"] == step:
            return _failed_for_good(event) if event.get("run_id") in after else None
        if event["step"] in BY_NAME and any(later.name == step for later in steps_after(event["step"])):
            return None
    return None


def attempts(events: Iterable[Event]) -> list[Attempt]:
    """Join start and end lines to attempts, in the order of their starts.

    Attempts are told apart by run, step, host and process, not by their number alone: two runs on copies of a
    folder may have counted alike.
    """
    joined: list[Attempt] = []
    opened: dict[tuple[Any, ...], int] = {}
    for event in events:
        identity = tuple(event.get(name) for name in ("run_id", "recid", "step", "attempt", "host", "pid"))
        if event["event"] == "start":
            opened[identity] = len(joined)
            joined.append(_attempt(event, None))
        elif identity in opened:
            position = opened.pop(identity)
            joined[position] = _attempt(event, joined[position])
        else:
            joined.append(_attempt(event, None))
    return joined


def _attempt(event: Event, start: Attempt | None) -> Attempt:
    """Make an attempt of one line, or of an end line and the attempt that its start line made."""
    ended = event["event"] == "end"
    failure = event.get("error") if ended else None
    failure = failure if isinstance(failure, dict) else {}
    measured, made = event.get("measured"), event.get("made")
    duration_s = _number(event.get("duration_s")) if ended else None
    monotonic_s = _number(event.get("monotonic_s"))
    number = event.get("attempt")
    return Attempt(
        run_id=str(event.get("run_id") or ""),
        recid=event["recid"],
        step=event["step"],
        attempt=number if isinstance(number, int) else 1,
        status=("ok" if event.get("status") == "ok" else "failed") if ended else "unfinished",
        started_at=start.started_at if start else str(event.get("at") or ""),
        ended_at=str(event.get("at") or "") if ended else None,
        duration_s=None if duration_s is None else max(0.0, duration_s),
        error_type=_text(failure.get("type")),
        error=_text(failure.get("message")),
        is_permanent=failure.get("permanent") is True,
        host=str(event.get("host") or ""),
        pid=event["pid"] if isinstance(event.get("pid"), int) else 0,
        boot_id=str(event.get("boot_id") or ""),
        start_s=start.start_s if start else (monotonic_s if not ended else None),
        end_s=monotonic_s if ended else None,
        measured=_numbers(measured) if ended and isinstance(measured, dict) else {},
        made=made if ended and isinstance(made, dict) else {},
    )


def made_since(attempts: Iterable[Attempt], step: str, receipt: str, digest: str) -> str | None:
    """Return when another receipt was made in the place of an earlier one of this digest; None if none was.

    One that the journal does not know may be of an attempt that was killed before it could write its last line.
    """
    tried = [attempt for attempt in attempts if attempt.step == step]
    if not tried or tried[-1].status != "ok" or tried[-1].made.get(receipt, digest) == digest:
        return None
    is_known = any(attempt.made.get(receipt) == digest for attempt in tried)
    return tried[-1].ended_at if is_known else None


def _numbers(measured: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, raw in measured.items() if (value := _number(raw)) is not None}


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def working_s(attempts: Iterable[tuple[str, datetime | None, datetime | None]]) -> float:
    """Return the seconds from the first start to the last end of each run, added up.

    Args:
        attempts: run, start and end of each; a time that is not known is None.
    """
    spans: dict[str, tuple[datetime, datetime]] = {}
    for run_id, *times in attempts:
        for moment in times:
            if moment is not None:
                first, last = spans.get(run_id, (moment, moment))
                spans[run_id] = min(first, moment), max(last, moment)
    return sum((last - first).total_seconds() for first, last in spans.values())


def peak_memory_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Return the largest resident memory so far, in bytes.

    Not ru_maxrss where it can be helped: a child inherits the peak of the process that started it.
    """
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
