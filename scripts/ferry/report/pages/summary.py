"""The numbers of a run that a person asks for first; numbers in, numbers out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferry.journal import working_s
from ferry.report.evidence import ON_TAPE, is_part, is_to_stage, is_unverified

type Row = Mapping[str, Any]

WORST = 10


@dataclass(frozen=True)
class Summary:
    """A run in numbers; bytes are those of source files, `working_s` leaves out the time between two runs.

    Those in `to_stage` wait for files on tape, and are not among the skipped.
    """

    records: int
    ok: int
    failed: int
    skipped: int
    to_stage: Sequence[Row]
    published: int
    unverified: int
    parts: int
    in_review: int
    declined: int
    files: int
    verified_files: int
    read_back_files: int
    bytes_known: int
    bytes_arrived: int
    sizes_unknown: int
    began: datetime | None
    ended: datetime | None
    runs: int
    working_s: float
    downloaded_bytes: int
    uploaded_bytes: int
    retries: int
    rate_wait_s: float
    failed_attempts: int
    repositories: Sequence[str]
    hosts: Sequence[str]
    slowest: Sequence[Row]

    @property
    def bytes_per_s(self) -> float | None:
        """Return the bytes that went up per second of working time."""
        return self.uploaded_bytes / self.working_s if self.working_s > 0 and self.uploaded_bytes else None


def summarise(stats: Sequence[Row], attempts: Sequence[Row]) -> Summary:
    """Return the summary from rows of `STATS_SCHEMA` and `ATTEMPTS_SCHEMA` with their times as datetimes."""
    of = {status: [row for row in stats if row["status"] == status] for status in ("ok", "failed", "skipped")}
    to_stage = list(filter(is_to_stage, stats))
    times = [time for row in attempts for time in (row["started_at"], row["ended_at"]) if time is not None]
    worked = [row for row in stats if row["duration_s"]]
    return Summary(
        records=len(stats),
        ok=len(of["ok"]),
        failed=len(of["failed"]),
        skipped=len(of["skipped"]) - len(to_stage),
        to_stage=to_stage,
        published=sum(bool(row["published"]) for row in stats),
        unverified=sum(map(is_unverified, stats)),
        parts=sum(map(is_part, stats)),
        in_review=sum(row["state"] == "in_review" for row in stats),
        declined=sum(row["state"] == "declined" for row in stats),
        files=sum(row["file_count"] for row in stats),
        verified_files=sum(row["verified_count"] for row in stats),
        read_back_files=sum(row["read_back_count"] for row in stats),
        bytes_known=sum(row["source_bytes"] or 0 for row in stats),
        bytes_arrived=sum(row["source_bytes"] or 0 for row in of["ok"]),
        sizes_unknown=sum(row["source_bytes"] is None for row in stats),
        began=min(times, default=None),
        ended=max(times, default=None),
        runs=len({row["run_id"] for row in attempts}),
        working_s=working_s((row["run_id"], row["started_at"], row["ended_at"]) for row in attempts),
        downloaded_bytes=sum(row["download_moved_bytes"] or 0 for row in stats),
        uploaded_bytes=sum(row["upload_moved_bytes"] or 0 for row in stats),
        retries=sum(row["retries"] or 0 for row in stats),
        rate_wait_s=sum(row["rate_wait_s"] or 0.0 for row in stats),
        failed_attempts=sum(row["status"] != "ok" and row["error_type"] != ON_TAPE for row in attempts),
        repositories=sorted({row["repository"] for row in stats if row["repository"]}),
        hosts=sorted({row["host"] for row in stats if row["host"]}),
        slowest=sorted(worked, key=lambda row: (-row["duration_s"], row["recid"]))[:WORST],
    )
