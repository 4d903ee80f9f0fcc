"""A run's status in words: a page for a terminal, one line for a log, a text file for Prometheus."""

import json
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from ferry.files import whole_file
from ferry.report.evidence import TO_STAGE
from ferry.report.failures import failure_lines, failure_rows, to_stage_lines
from ferry.run.status import Status
from ferry.text.formatting import format_bytes, format_count, format_seconds, plural
from ferry.waiting import Wait, wait_text

_SHOWN_RUNNING, _SHOWN_FAILED = 12, 10
_CLOSING = "tables, figures and pages follow"


def status_line(status: Status) -> str:
    """Return the status in one line."""
    parts = [f"{_ok(status)}, {_failed(status)}, {plural(len(status.running), 'job')} running, {_to_go(status)}"]
    if waits := _waits(status):
        parts.append("waiting: " + ", ".join(waits))
    if status.is_closing:
        parts.append(_CLOSING)
    if status.bytes_up:
        parts.append(f"{format_bytes(status.bytes_up)} up{_rate(status.bytes_up, status)}")
    if status.left_s:
        parts.append(f"about {format_seconds(status.left_s)} left{_after_that(status)}")
    return "ferry: " + "; ".join(parts)


def status_page(status: Status) -> str:
    """Return the status as lines for a terminal."""
    over = "is over" if status.has_told else "was killed or refused, or runs on another machine"
    state = "goes on" if status.is_going_on else over
    state = "begins" if status.begins else state
    lines = [
        f"run {status.standing.plan.run_id} {state}, {format_seconds(status.elapsed_s)}",
        f"records  {_ok(status)}, {_failed(status)}, {_to_go(status)}",
        f"bytes    {format_bytes(status.bytes_down)} down{_rate(status.bytes_down, status)}, "
        f"{format_bytes(status.bytes_up)} up{_rate(status.bytes_up, status)}, in this run",
    ]
    if status.is_closing:
        lines.append(f"end      {_CLOSING}")
    if status.left_s:
        left = f"in about {format_seconds(status.left_s)}{_after_that(status)}"
        lines.append(f"end      {left}, at this run's pace in records and its limits")
    if waits := _waits(status):
        lines.append("waiting  " + ", ".join(waits))
    if status.running:
        counts = Counter(job.step for job in status.running)
        lines.append("running  " + ", ".join(f"{count} {step}" for step, count in counts.items()))
        longest = sorted(status.running, key=lambda job: -job.since_s)
        lines += [f"  {job.recid}  {job.step} for {format_seconds(job.since_s)}" for job in longest[:_SHOWN_RUNNING]]
    lines += [line.removeprefix("ferry: ") for line in to_stage_lines(status.standing.to_stage, most=_SHOWN_FAILED)]
    if failed := status.standing.failed_told:
        lines.append("failed")
        lines += failure_lines(failed, most=_SHOWN_FAILED, command=status.standing.plan.command)
    return "\n".join(lines) + "\n"


def status_json(status: Status) -> str:
    """Return the status as one JSON object, for programs."""
    found, plan = status.standing, status.standing.plan
    counts = {
        "wanted": plan.recids, "ok": found.ok, "failed": found.failed, "skipped": found.left_out,
        "to_stage": found.to_stage, "to_go": found.to_go, "interrupted": found.interrupted,
        "in_review": found.in_review, "unverified": found.unverified,
    }  # fmt: skip
    document = {
        "run_id": plan.run_id,
        "is_going_on": status.is_going_on,
        "begins": status.begins,
        "is_closing": status.is_closing,
        "wait": asdict(status.wait) if status.wait else None,
        **{name: len(rows) for name, rows in counts.items()},
        "to_retry": status.again,
        "elapsed_s": round(status.elapsed_s, 3),
        "left_s": status.left_s,
        "bytes_down": status.bytes_down,
        "bytes_up": status.bytes_up,
        "running": [asdict(job) for job in status.running],
        "failures": failure_rows(found.failed_told, command=plan.command),
    }
    return json.dumps(document, ensure_ascii=False)


def prometheus_text(status: Status) -> str:
    """Return the status in the text format that node_exporter collects."""
    metrics: list[tuple[str, str, str, list[tuple[str, float]]]] = [
        ("ferry_records_wanted", "Records of the whole list.", "gauge", [("", len(status.standing.plan.recids))]),
        (
            "ferry_records",
            "Wanted records by how they stand.",
            "gauge",
            [
                ('{status="ok"}', len(status.standing.ok)),
                ('{status="failed"}', len(status.standing.failed)),
                ('{status="skipped"}', len(status.standing.left_out)),
                ('{status="to_stage"}', len(status.standing.to_stage)),
                ('{status="to_go"}', status.to_go),
            ],
        ),
        (
            "ferry_records_to_retry",
            "Records that failed and that the run is still to try once more.",
            "gauge",
            [("", status.again)],
        ),
        (
            "ferry_records_interrupted",
            "Records that are to go and that were at work when their run was stopped or killed.",
            "gauge",
            [("", len(status.standing.interrupted))],
        ),
        (
            "ferry_records_in_review",
            "Records that are ok and that reviewers have still to decide about.",
            "gauge",
            [("", len(status.standing.in_review))],
        ),
        (
            "ferry_records_unverified",
            "Records that are ok with files that no checksum proves.",
            "gauge",
            [("", len(status.standing.unverified))],
        ),
        (
            "ferry_run_beginning",
            "1 while a run asks the repository before its jobs begin, by what it waits for.",
            "gauge",
            [(f'{{waits_for="{status.wait.reason if status.wait else ""}"}}', int(status.begins))],
        ),
        ("ferry_jobs_running", "Attempts at a step under way.", "gauge", [("", len(status.running))]),
        (
            "ferry_jobs",
            "Attempts at a step under way, by step and by what they wait for.",
            "gauge",
            [
                (f'{{step="{step}",waits_for="{reason}"}}', count)
                for (step, reason), count in sorted(
                    Counter((job.step, job.wait.reason if job.wait else "") for job in status.running).items()
                )
            ],
        ),
        (
            "ferry_moved_bytes",
            "Bytes moved by this run.",
            "gauge",
            [('{direction="down"}', status.bytes_down), ('{direction="up"}', status.bytes_up)],
        ),
        ("ferry_run_seconds", "Seconds since this run began.", "gauge", [("", round(status.elapsed_s, 3))]),
    ]
    lines = []
    for name, about, kind, values in metrics:
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{labels} {value}" for labels, value in values]
    return "\n".join(lines) + "\n"


def write_prometheus(path: Path, status: Status) -> None:
    """Write the text file in one step, as the collector wants it, who is another user and reads counts only."""
    with whole_file(path) as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(prometheus_text(status).encode())


def _waits(status: Status) -> list[str]:
    """Return how many jobs wait for what, and until when the first of them does."""
    waits: dict[str, list[Wait]] = {}
    for job in status.running:
        if job.wait:
            waits.setdefault(job.wait.reason, []).append(job.wait)
    told = [f"the run, which begins, for {wait_text(status.wait.reason, status.wait.until)}"] if status.wait else []
    for reason, same in waits.items():
        ends = [wait.until for wait in same if wait.until is not None]
        told.append(f"{format_count(len(same))} for {wait_text(reason, min(ends, default=None))}")
    return told


def _after_that(status: Status) -> str:
    return " once that answers" if status.stands_still else ""


def _ok(status: Status) -> str:
    of_these = {"in review": status.standing.in_review, "unverified": status.standing.unverified}
    told = ", ".join(f"{format_count(len(rows))} {word}" for word, rows in of_these.items() if rows)
    return f"{format_count(len(status.standing.ok))} ok" + (f" ({told})" if told else "")


def _failed(status: Status) -> str:
    again = f" ({format_count(status.again)} to be tried again)" if status.again else ""
    return f"{format_count(len(status.standing.failed))} failed{again}"


def _to_go(status: Status) -> str:
    left_out = len(status.standing.left_out)
    skipped = f"{format_count(left_out)} skipped, " if left_out else ""
    to_stage = len(status.standing.to_stage)
    skipped += f"{format_count(to_stage)} {TO_STAGE}, " if to_stage else ""
    interrupted = len(status.standing.interrupted)
    of_these = f" ({format_count(interrupted)} interrupted)" if interrupted else ""
    return f"{skipped}{format_count(status.to_go)} to go{of_these}, of {format_count(len(status.standing.plan.recids))}"


def _rate(count: int, status: Status) -> str:
    return f" at {format_bytes(count / status.elapsed_s)}/s" if count and status.elapsed_s > 0 else ""
