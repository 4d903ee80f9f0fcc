"""A run's status in words: a page for a terminal, one line for a log, a text file for Prometheus."""

import os
from collections import Counter
from pathlib import Path

from ferry.files import whole_file
from ferry.formatting import format_bytes, format_count, format_seconds, plural
from ferry.report.failures import failure_lines, failure_rows
from ferry.run.status import Status

_SHOWN_RUNNING, _SHOWN_FAILED = 12, 10


def status_line(status: Status) -> str:
    """Return the status in one line."""
    parts = [
        f"{_ok(status)}, {format_count(len(status.failed))} failed, "
        f"{plural(len(status.running), 'job')} running, "
        f"{format_count(status.to_go)} to go of {format_count(status.wanted)}"
    ]
    if status.bytes_up:
        parts.append(f"{format_bytes(status.bytes_up)} up{_rate(status.bytes_up, status)}")
    if status.left_s is not None and status.to_go:
        parts.append(f"about {format_seconds(status.left_s)} left")
    return "ferry: " + "; ".join(parts)


def status_page(status: Status) -> str:
    """Return the status as lines for a terminal."""
    state = "goes on" if status.is_going_on else "is over (or runs on another machine)"
    lines = [
        f"run {status.run_id} {state}, {format_seconds(status.elapsed_s)}",
        f"records  {_ok(status)}, {format_count(len(status.failed))} failed, "
        f"{format_count(status.to_go)} to go, of {format_count(status.wanted)}",
        f"bytes    {format_bytes(status.bytes_down)} down{_rate(status.bytes_down, status)}, "
        f"{format_bytes(status.bytes_up)} up{_rate(status.bytes_up, status)}, in this run",
    ]
    if status.left_s is not None and status.to_go:
        lines.append(f"end      in about {format_seconds(status.left_s)}, at this run's pace in records")
    if status.running:
        counts = Counter(job.step for job in status.running)
        lines.append("running  " + ", ".join(f"{count} {step}" for step, count in counts.items()))
        longest = sorted(status.running, key=lambda job: -job.since_s)
        lines += [f"  {job.recid}  {job.step} for {format_seconds(job.since_s)}" for job in longest[:_SHOWN_RUNNING]]
    if status.failed:
        lines.append("failed")
        failures = failure_rows(status.failed, command=status.command)
        lines += failure_lines(failures, most=_SHOWN_FAILED, rest_in="results/stats.jsonl")
    return "\n".join(lines) + "\n"


def prometheus_text(status: Status) -> str:
    """Return the status in the text format that node_exporter collects."""
    metrics: list[tuple[str, str, str, list[tuple[str, float]]]] = [
        ("ferry_records_wanted", "Records of this run.", "gauge", [("", status.wanted)]),
        (
            "ferry_records",
            "Wanted records by how they stand.",
            "gauge",
            [
                ('{status="ok"}', status.ok),
                ('{status="failed"}', len(status.failed)),
                ('{status="to_go"}', status.to_go),
            ],
        ),
        (
            "ferry_records_in_review",
            "Records that are ok and that reviewers have still to decide about.",
            "gauge",
            [("", status.in_review)],
        ),
        ("ferry_jobs_running", "Attempts at a step under way.", "gauge", [("", len(status.running))]),
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


def _ok(status: Status) -> str:
    waiting = f" ({format_count(status.in_review)} in review)" if status.in_review else ""
    return f"{format_count(status.ok)} ok{waiting}"


def _rate(count: int, status: Status) -> str:
    return f" at {format_bytes(count / status.elapsed_s)}/s" if count and status.elapsed_s > 0 else ""
