"""What a record will take, told from its metadata alone: uploads, requests, disk, and whether it can succeed at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ferry.bundle.plan import PackageSettings, PlannedUpload, plan_packages
from ferry.bundle.sizes import most_disk_bytes
from ferry.bundle.zip_format import largest_bundle_overhead, largest_member_overhead
from ferry.deposit.empty import without_files
from ferry.deposit.plan import FILES_PER_INIT
from ferry.deposit.settings import EmptyRecords
from ferry.errors import FerryError, OnTapeError, TransientError
from ferry.run.plan import least_seconds
from ferry.source.access import redirected, refuse_question_mark, refuse_unreadable
from ferry.text.problem_lines import NOT_KNOWN_YET

REQUESTS_PER_DRAFT = 2
"""To look for the record and make its draft."""
REQUESTS_FOR_FILES = 1
"""To list them once all are sent; they are announced FILES_PER_INIT at once."""
REQUESTS_PER_FILE = 2
"""Content and commit."""
REQUESTS_TO_PUBLISH = 3
"""To look for another one, publish it, read it back."""


@dataclass(frozen=True)
class RecordPlan:
    """One row of results/plan.csv; sizes in bytes. Of what cannot succeed nothing is sent: it has its files alone."""

    recid: int
    priority: int
    files: int = 0
    source_bytes: int = 0
    uploads: int = 0
    bundles: int = 0
    upload_bytes: int = 0
    requests: int = 0
    disk_bytes: int = 0
    """Most that it takes below data/ at once."""
    problem: str = ""
    """Why it cannot succeed as things are; empty if nothing is known against it."""
    empty_uploads: int = 0
    """Uploads without a byte, which some repositories refuse."""
    browsable_bundles: int = 0
    """Of the bundles, those that open in the repository (package.browsable)."""
    more_uploads: int = 0
    """How many uploads that costs."""
    more_requests: int = 0
    """Of the requests, those that it costs."""
    to_stage: int = 0
    """Of the files, those that are on tape: the record waits until they are staged."""
    note: str = ""
    """What of it does not open there, and why."""

    @property
    def is_unknown(self) -> bool:
        """Whether nothing can be said of it yet: whoever was asked did not answer."""
        return self.problem.startswith(NOT_KNOWN_YET)


COLUMNS = [field.name for field in fields(RecordPlan)]


def plan_record(
    *,
    recid: int,
    priority: int,
    read: Callable[[], Mapping[str, Any]],
    refused: Sequence[str],
    settings: PackageSettings,
    fetched: bool,
    publish: bool,
    allow_unverified: bool,
    max_bytes: int | None,
    takes_records_without_files: bool | None = None,
    empty_records: EmptyRecords = "fail",
    redirects: Mapping[str, str] | None = None,
) -> RecordPlan:
    """Return what the record will take.

    Args:
        recid, priority: of the record.
        read: gives its receipt `source`.
        refused: what the repository would object to in its metadata.
        settings: when files are bundled, and the repository's limits.
        fetched: its files are; false: they lie on disk already.
        publish: it is to be published.
        allow_unverified: a file may go on whose checksum the record does not name.
        max_bytes: the budget (storage.max_bytes), None if there is none.
        takes_records_without_files: whether the repository does, None: not known.
        empty_records: what becomes of such a record where it does not.
        redirects: what stands in place of the beginnings of addresses (source.redirects).
    """
    try:
        source = read()
    except TransientError as error:
        return RecordPlan(recid, priority, problem=f"{NOT_KNOWN_YET}: {error}")
    except FerryError as error:
        return RecordPlan(recid, priority, problem=str(error))
    files = source["files"]
    source_bytes = sum(file["size_bytes"] or 0 for file in files)
    known: dict[str, Any] = {"recid": recid, "priority": priority, "files": len(files), "source_bytes": source_bytes}
    try:
        if fetched:
            for file in files:
                refuse_question_mark(redirected(file["uri"], redirects or {}))
            refuse_unreadable(files, allow_unverified=allow_unverified)
        members = sized(files)  # the plan needs no checksums
        plan = plan_packages(recid=recid, files=members, settings=settings)
        more_uploads = len(plan.uploads) - _uploads_otherwise(recid, members, settings) if plan.browsable else 0
    except OnTapeError as error:
        return RecordPlan(**known, to_stage=sum(not file["online"] for file in files), problem=str(error))
    except FerryError as error:
        return RecordPlan(**known, problem=str(error))
    uploads = plan.uploads
    bundles = sum(upload.kind == "bundle" for upload in uploads)
    disk_bytes = most_disk_bytes(files=files, settings=settings, fetched=fetched, record=source.get("record"))
    if max_bytes is not None and disk_bytes > max_bytes:
        refused = [f"expected at most {max_bytes} bytes on disk (storage.max_bytes), found {disk_bytes}", *refused]
    empty = {file["key"] for file in files if file["size_bytes"] == 0}
    requests = requests_of(len(uploads), len(settings.attachments), publish=publish)
    if not uploads and takes_records_without_files is False:
        if empty_records == "fail":
            refused = [str(without_files(recid, is_skipped=False)), *refused]
        requests = 1 if empty_records == "skip" else 1 + requests_of(1, 0, publish=publish)
    if refused:
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        return RecordPlan(**known, problem="; ".join(refused[:3]) + more)
    return RecordPlan(
        **known,
        uploads=len(uploads),
        bundles=bundles,
        upload_bytes=sum(map(_upload_bytes, uploads)),
        requests=requests,
        empty_uploads=sum(upload.kind == "file" and upload.key in empty for upload in uploads),
        disk_bytes=disk_bytes,
        browsable_bundles=bundles if plan.browsable else 0,
        more_uploads=more_uploads,
        more_requests=more_uploads * REQUESTS_PER_FILE,
        note=plan.note,
    )


def _uploads_otherwise(recid: int, files: Sequence[Mapping[str, Any]], settings: PackageSettings) -> int:
    """Return how many uploads it would be if the repository need not open them."""
    return len(plan_packages(recid=recid, files=files, settings=replace(settings, browsable=None)).uploads)


def sized(files: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return files of the receipt `source` as a plan of packages takes them: what is not known yet stands as 0."""
    return [{**file, "size_bytes": file["size_bytes"] or 0, "adler32": "0", "crc32": "0"} for file in files]


def requests_of(uploads: int, attachments: int, *, publish: bool) -> int:
    """Return what a record asks of the repository that is brought for the first time and meets no trouble.

    Args:
        uploads: files and bundles.
        attachments: beside them, where there is an upload.
        publish: it is published too.
    """
    sent = uploads + attachments if uploads else 0
    files = -(-sent // FILES_PER_INIT) + REQUESTS_PER_FILE * sent + REQUESTS_FOR_FILES if sent else 0
    return REQUESTS_PER_DRAFT + files + (REQUESTS_TO_PUBLISH if publish else 0)


def _upload_bytes(upload: PlannedUpload) -> int:
    size_bytes = sum(member.size_bytes for member in upload.members)
    if upload.kind == "bundle":
        size_bytes += largest_bundle_overhead() + sum(largest_member_overhead(member.key) for member in upload.members)
    return size_bytes


@dataclass(frozen=True)
class RunForecast:
    """What all records together will take."""

    records: int
    impossible: int
    """Records that no rerun helps."""
    unknown: int
    """Records of which nothing can be said yet; they are not among the impossible, nor in the sums."""
    files: int
    source_bytes: int
    uploads: int
    bundles: int
    upload_bytes: int
    requests: int
    hours_by_rate_limit: float | None
    """Least that the repository's limits make of it, None if there are none."""
    hours_by_earlier_runs: float | None
    """What the bytes take, None if nothing is known of earlier runs."""
    disk_bytes: int
    records_without_files: int = 0
    records_with_empty_files: int = 0
    browsable_bundles: int = 0
    more_uploads: int = 0
    more_requests: int = 0
    to_stage: int = 0
    """Records that wait for files on tape; they are not among the impossible, nor in the sums."""
    noted: int = 0
    """Records of which something does not open in the repository though it was asked for."""


_ADDED_UP = (
    "files", "source_bytes", "uploads", "bundles", "upload_bytes", "requests", "browsable_bundles", "more_uploads",
    "more_requests",
)  # fmt: skip


def hours_by_rate_limit(requests: int, limits: Sequence[Sequence[float]]) -> float:
    """Return the hours below which so many requests cannot be asked."""
    return least_seconds(requests, limits) / 3600


def forecast(
    plans: Iterable[RecordPlan],
    *,
    limits: Sequence[Sequence[float]],
    bytes_per_s: float | None,
    removed: bool,
    at_once: int,
    max_bytes: int | None,
) -> RunForecast:
    """Add up the records that can succeed.

    Args:
        plans: of all wanted records.
        limits: of the repository: at most so many requests in so many seconds.
        bytes_per_s: what earlier runs have moved, None if there were none.
        removed: a record's bytes are removed when the repository has confirmed them.
        at_once: records that may be on disk together then: the largest ones count.
        max_bytes: the budget (storage.max_bytes), None if there is none.
    """
    rows = list(plans)
    possible = [plan for plan in rows if not plan.problem]
    disks = sorted((plan.disk_bytes for plan in possible), reverse=True)
    disk_bytes = sum(disks[:at_once] if removed else disks)
    added = {name: sum(getattr(plan, name) for plan in possible) for name in _ADDED_UP}
    return RunForecast(
        records=len(rows),
        impossible=sum(bool(plan.problem) and not (plan.to_stage or plan.is_unknown) for plan in rows),
        unknown=sum(plan.is_unknown for plan in rows),
        to_stage=sum(plan.to_stage > 0 for plan in rows),
        hours_by_rate_limit=hours_by_rate_limit(added["requests"], limits) if limits else None,
        hours_by_earlier_runs=added["upload_bytes"] / bytes_per_s / 3600 if bytes_per_s else None,
        disk_bytes=min(disk_bytes, max_bytes) if max_bytes is not None else disk_bytes,
        noted=sum(bool(plan.note) for plan in possible),
        records_without_files=sum(not plan.uploads for plan in possible),
        records_with_empty_files=sum(plan.empty_uploads > 0 for plan in possible),
        **added,
    )
