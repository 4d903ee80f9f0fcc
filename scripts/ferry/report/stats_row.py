"""One row per record, one row per attempt: made of the receipts and of what the journal measured."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ferry.chain import CHAIN, DOWNLOAD_STEP, LAST_STEP, UPLOAD_STEP
from ferry.journal import MEASURES, Attempt
from ferry.report.evidence import Evidence, Verdict
from ferry.report.files_table import file_rows
from ferry.report.proof import published_or_adopted
from ferry.source.facts import source_facts, target_fields

_SECONDS = {step.seconds: step.name for step in CHAIN if step.seconds}
_WHOLE = frozenset(MEASURES) - {"rate_wait_s", "cpu_s"}


def stats_row(evidence: Evidence, verdict: Verdict) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a row of `STATS_SCHEMA`, which is also the record's stats.json, and the rows of its files."""
    receipts = evidence.receipts
    files = list(file_rows(evidence))
    upload, published = receipts.get("upload", {}), published_or_adopted(receipts) or {}
    if published.get("record_id") != upload.get("record_id", published.get("record_id")):
        published = {}  # an earlier version: what was uploaded since is a draft
    state, request = _state(receipts, published)
    packages = receipts.get("package")
    bundles = [item for item in (packages or {}).get("uploads", []) if item["kind"] == "bundle"]
    last = {attempt.step: attempt for attempt in evidence.attempts}
    log_path = f"logs/{evidence.recid}/{verdict.step}.log" if verdict.step in last else None
    row = {
        "recid": evidence.recid,
        "status": verdict.status,
        "step": verdict.step,
        "error": verdict.error,
        "error_type": verdict.error_type,
        "attempts": _attempt_count(evidence.attempts, verdict.step),
        "log": log_path,
        **_times(evidence.attempts),
        **_measures(evidence.attempts),
        "file_count": len(files),
        "left_out_count": receipts.get("source", {}).get("left_out", {}).get("files", 0),
        "source_bytes": _sum_known([file["size_bytes"] for file in files]) if "source" in receipts else None,
        "bytes_downloaded": _size(receipts.get("download", {}).get("files", [])),
        "bytes_uploaded": _size(upload.get("files", [])),
        "zip_used": None if packages is None else bool(bundles),
        "bundle_count": len(bundles),
        "upload_count": len(upload.get("files", [])),
        "verified_count": sum(file["verified"] for file in files),
        "read_back_count": sum(file["confirmed_by"] == "read_back" for file in files),
        "repository": published.get("repository", upload.get("repository")),
        "record_id": published.get("record_id", upload.get("record_id")),
        "record_url": published.get("record_url", upload.get("record_url")),
        "state": state,
        "review_url": request.get("url"),
        "kept_fields": (published if state == "published" else upload).get("kept", []),
        "published": state == "published",
        "doi": published.get("doi"),
        **source_facts(receipts.get("source", {}).get("record", {})),
        "metadata_fields": target_fields(receipts.get("record", {})),
    }
    return row, files


def _state(
    receipts: Mapping[str, Mapping[str, Any]], published: Mapping[str, Any]
) -> tuple[str | None, Mapping[str, Any]]:
    """Return how the record stands in the repository, and the request that decides, or has decided, about it."""
    upload, review = receipts.get("upload"), receipts.get("review")
    if upload and "skipped" in upload:
        return None, {}
    if published:
        return str(published["state"]), published["request"] or {}
    if upload is None:
        return None, {}
    if review is None or review["record_id"] != upload["record_id"]:
        return "draft", {}
    states = {"submitted": "in_review", "declined": "declined"}
    return states.get(review["request"]["status"], "draft"), review["request"]


def _times(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return when and how long: wall clock for the dates, monotonic clock for every number of seconds."""
    last = {attempt.step: attempt for attempt in attempts if attempt.step != LAST_STEP}
    ends = [attempt.ended_at for attempt in attempts if attempt.ended_at and attempt.step != LAST_STEP]
    seconds = {name: last[step].duration_s if step in last else None for name, step in _SECONDS.items()}
    return {
        "run_id": attempts[-1].run_id if attempts else None,
        "host": attempts[-1].host if attempts else None,
        "started_at": _valid_time(attempts[0].started_at) if attempts else None,
        "ended_at": _valid_time(ends[-1]) if ends else None,
        "duration_s": round(sum(value for value in seconds.values() if value is not None), 6),
        "queue_s": _queue_s([attempt for attempt in attempts if attempt.step != LAST_STEP]),
        **seconds,
    }


def _queue_s(attempts: Iterable[Attempt]) -> float | None:
    """Return the seconds between the first start and the last end of each run in which no attempt ran.

    The time between two runs is nobody's queue. Monotonic clocks of two machines (or boots) do not compare: None.
    """
    runs: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.start_s is not None and attempt.end_s is not None:
            runs.setdefault(attempt.run_id, []).append(attempt)
    idle_s = 0.0
    for run in runs.values():
        if len({attempt.boot_id for attempt in run}) > 1:
            return None
        busy_until_s: float | None = None
        for start_s, end_s in sorted((attempt.start_s or 0.0, attempt.end_s or 0.0) for attempt in run):
            if busy_until_s is not None:
                idle_s += max(0.0, start_s - busy_until_s)
            busy_until_s = end_s if busy_until_s is None else max(busy_until_s, end_s)
    return round(idle_s, 6) if runs else None


def _measures(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Add up what the steps measured; a rate comes from the last attempt that moved bytes."""

    def total(name: str, step: str | None = None) -> float:
        return sum(attempt.measured.get(name, 0) for attempt in attempts if step in (None, attempt.step))

    peaks = [attempt.measured["peak_memory_bytes"] for attempt in attempts if "peak_memory_bytes" in attempt.measured]
    return {
        "download_moved_bytes": int(total("bytes_moved", DOWNLOAD_STEP)),
        "upload_moved_bytes": int(total("bytes_moved", UPLOAD_STEP)),
        "download_bytes_per_s": _rate(attempts, DOWNLOAD_STEP),
        "upload_bytes_per_s": _rate(attempts, UPLOAD_STEP),
        "retries": int(total("retries")),
        "rate_wait_s": round(max(0.0, total("rate_wait_s")), 6),
        "requests": int(total("requests")),
        "peak_memory_bytes": int(max(peaks)) if peaks else None,
    }


def _rate(attempts: Sequence[Attempt], step: str) -> float | None:
    for attempt in reversed(attempts):
        moved_bytes = attempt.measured.get("bytes_moved", 0)
        if attempt.step == step and moved_bytes > 0 and attempt.duration_s:
            return round(moved_bytes / attempt.duration_s, 3)
    return None


def _attempt_count(attempts: Sequence[Attempt], step: str | None) -> int:
    by_step = Counter(attempt.step for attempt in attempts)
    return by_step[step] if step is not None else max(by_step.values(), default=0)


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """Return a row of `ATTEMPTS_SCHEMA`."""
    names = ("recid", "step", "attempt", "status", "run_id", "started_at", "ended_at", "duration_s", "error_type")
    measured = {name: attempt.measured.get(name) for name in MEASURES}
    return {
        **{name: getattr(attempt, name) for name in (*names, "error", "host")},
        **{name: int(value) if value is not None and name in _WHOLE else value for name, value in measured.items()},
    }


def _size(items: Iterable[Mapping[str, Any]]) -> int:
    return sum(item["size_bytes"] for item in items)


def _sum_known(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return None if sizes and not known else sum(known)


def _valid_time(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment.tzinfo else None
