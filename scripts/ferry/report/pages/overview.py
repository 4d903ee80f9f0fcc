"""The first page of the report, as a fragment of HTML that stands in Snakemake's own first page."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ferry.report.evidence import TO_STAGE
from ferry.report.pages.summary import WORST, Row, Summary
from ferry.report.proof import MANIFEST
from ferry.text.formatting import format_bytes, format_count, format_part_of, format_seconds, plural, truncate
from ferry.text.problem_lines import common_text, first_recids, without_values
from ferry.text.safe_text import printable

_SHOWN_FAILURES = 10
_SHOWN_WAITING = 20

_STYLE = """
.h-screen.overflow-auto:has(.ferry) { align-items: flex-start; justify-content: flex-start; min-width: 0; }
.flex.gap-3:has(.ferry) { flex-wrap: wrap; min-width: 0; max-width: 100%; }
.py-2:has(.ferry) { flex: 1 1 18rem; min-width: 0; max-width: 94rem; }
.prose.max-w-lg:has(.ferry) { max-width: none; }
@media (max-width: 640px) {
  .flex-row:has(.ferry) { flex-direction: column; width: 100%; height: auto; }
  .flex-row:has(.ferry) > * { height: auto; width: 100%; position: static; }
}
.ferry h1 { font-size: 1.5rem; margin-bottom: .5rem; }
.ferry table { font-size: .875rem; }
.ferry td, .ferry th { padding: .2rem .7rem .2rem 0; vertical-align: top; text-align: left; overflow-wrap: anywhere; }
.ferry th { white-space: nowrap; }
.ferry td:first-child { overflow-wrap: normal; }
/* a container has no width of its own: what it asks for beside the menu is said here */
.ferry { container-type: inline-size; contain-intrinsic-inline-size: 64rem; }
.ferry .number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.ferry .number ~ td:not(.number) { min-width: 5.5rem; }
@container (max-width: 40rem) {
  .ferry td.number { white-space: normal; overflow-wrap: normal; }
  .ferry .stacked tr { display: block; padding: .4rem 0; border-bottom: 1px solid #9aa7b3; }
  .ferry .stacked :is(td, th) { display: inline; padding: 0 .5rem 0 0; }
  .ferry .stacked .wide { display: block; }
}
.ferry .failed { color: #9c1c2b; overflow-wrap: normal; }
.ferry .bar { display: flex; height: .9rem; margin: .4rem 0 1rem; border: 1px solid #5c6b7a; }
.ferry .flow { overflow-x: auto; scrollbar-color: #5c6b7a #dfe4e9; }
.ferry > :not(.flow, .goes-on) { max-width: 64rem; }
.ferry .flow svg { display: block; width: 100%; height: auto; }
.ferry .goes-on { display: none; }
/* less than the whole page, but letters of 10 pixels: those of 8 points in a figure of 1199 */
@container (max-width: 63.9rem) {
  .ferry .flow svg { width: 94rem; max-width: none; }
  .ferry .goes-on { display: block; font-size: .875rem; text-align: right; }
}
.ferry code { font-size: .75rem; font-weight: 400; background: #eef1f4; padding: .05rem .25rem; }
.ferry code { overflow-wrap: anywhere; }
.ferry code::before, .ferry code::after { content: none; }
body:has(> .ferry) { font: 14px/1.4 system-ui, sans-serif; color: #1b2a3a; background: #fff; margin: 1rem 1.5rem; }
body > .ferry { max-width: 94rem; }
@media (prefers-color-scheme: dark) {
  :root:has(body > .ferry) { color-scheme: dark; }
  body:has(> .ferry) { color: #e4e9ee; background: #161d25; }
  body > .ferry code { background: #232d38; }
  body > .ferry .failed { color: #ff8f9a; }
}
"""


def headline(summary: Summary) -> str:
    """Return what became of the run in one sentence."""
    text = f"{format_count(summary.ok)} of {plural(summary.records, 'record')} arrived complete"
    text += f", {format_count(summary.unverified)} of them unverified" if summary.unverified else ""
    text += f", {format_count(summary.parts)} of them with the chosen files only" if summary.parts else ""
    rest = [f"{format_count(summary.failed)} failed"] if summary.failed else []
    rest += [f"{format_count(summary.skipped)} skipped"] if summary.skipped else []
    rest += [f"{format_count(len(summary.to_stage))} {TO_STAGE}"] if summary.to_stage else []
    return "; ".join([text, ", ".join(rest)] if rest else [text])


def facts(summary: Summary) -> list[tuple[str, str]]:
    """Return the numbers of the run with their names, as text."""
    unknown = f", {plural(summary.sizes_unknown, 'record')} of unknown size" if summary.sizes_unknown else ""
    span = f"{summary.began:%Y-%m-%d %H:%M} to {summary.ended:%Y-%m-%d %H:%M} UTC" if summary.began else "not begun"
    to_stage = f"{format_count(len(summary.to_stage))} {TO_STAGE}, " if summary.to_stage else ""
    rate = f", {format_bytes(summary.bytes_per_s)}/s" if summary.bytes_per_s else ""
    waited = f", {format_seconds(summary.rate_wait_s)} at the repository's rate limit" if summary.rate_wait_s else ""
    retried = "retry" if summary.retries == 1 else "retries"
    return [
        ("Records", f"{format_count(summary.ok)} ok{_unverified(summary)}, {format_count(summary.failed)} failed, "
                    f"{format_count(summary.skipped)} skipped, {to_stage}of {format_count(summary.records)} wanted"),
        ("Published", f"{format_count(summary.published)}{_reviews(summary)}"),
        ("Files proven", f"{format_count(summary.verified_files)} of {format_count(summary.files)}: "
                         "source = local = repository by size and checksum"),
        ("Read back", f"{format_count(summary.read_back_files)} of {format_count(summary.files)}: "
                      "read again and compared; of the others the repository says that it has them"),
        ("Bytes arrived", f"{format_part_of(summary.bytes_arrived, summary.bytes_known)}{unknown}"),
        ("Bytes moved", f"{format_bytes(summary.downloaded_bytes)} down, "
                        f"{format_bytes(summary.uploaded_bytes)} up{rate}"),
        ("Time", f"{span}: {format_seconds(summary.working_s)} of work in {plural(summary.runs, 'run')}"),
        ("Trouble", f"{plural(summary.failed_attempts, 'attempt')} that failed, "
                    f"{format_count(summary.retries)} {retried} within attempts{waited}"),
        ("Repository", ", ".join(summary.repositories) or "none yet"),
        ("Machines", ", ".join(summary.hosts) or "none yet"),
    ]  # fmt: skip


def _unverified(summary: Summary) -> str:
    return f" ({format_count(summary.unverified)} unverified)" if summary.unverified else ""


def _reviews(summary: Summary) -> str:
    waiting = f", {format_count(summary.in_review)} in review" if summary.in_review else ""
    return waiting + (f", {format_count(summary.declined)} declined" if summary.declined else "")


def next_steps(summary: Summary, *, command: str, publish: bool) -> list[str]:
    """Return what to do now, as sentences; a command stands between backquotes."""
    steps = []
    if summary.failed or summary.skipped or summary.to_stage:
        steps.append(f"Run `{command}` again: only what is missing is done, nothing that is right is sent again.")
    if summary.failed:
        steps.append("First look at the reasons below: what is wrong with a record itself will fail again.")
    if summary.to_stage:
        steps.append(
            f"Ask for {plural(len(summary.to_stage), 'record')} at the addresses below: files are on tape and have "
            "to be staged; each run asks whether they are online."
        )
    if summary.unverified:
        unverified = plural(summary.unverified, "record")
        steps.append(
            f"No checksum proves all files of {unverified} (the table Files says which): write a manifest beside the "
            "files, or see that the metadata name one."
        )
    if summary.in_review:
        waiting = f"{plural(summary.in_review, 'record')} in review: somebody has still to decide"
        steps.append(f"{waiting} (table Records, column review); each run asks again.")
    if summary.declined:
        steps.append(f"Correct {plural(summary.declined, 'declined record')}: the next run submits what has changed.")
    if not publish and summary.ok > summary.published + summary.in_review:
        drafts = plural(summary.ok - summary.published - summary.in_review, "draft")
        steps.append(
            f"Look at the {drafts} in the repository; `repository.finish: publish` publishes them in the next run."
        )
    return steps or ["Nothing is left to do."]


def overview(
    summary: Summary,
    *,
    failures: Sequence[Mapping[str, Any]],
    command: str,
    publish: bool,
    proofs_sha256: str = "",
    flow: str = "",
    stylesheet: str = _STYLE,
) -> str:
    """Return the fragment; every text from outside is escaped, as are signs that nobody sees.

    Args:
        summary: of the run.
        failures: rows as of failures.csv.
        command: of the run, without targets.
        publish: whether records go on from a draft.
        proofs_sha256: digest of the manifest of all proofs, "" where there is none.
        flow: the figure records_by_outcome, as SVG; empty for none.
        stylesheet: of the fragment.
    """
    parts = [
        '<meta charset="utf-8">',
        f"<style>{stylesheet}</style>",
        '<div class="ferry">',
        f"<h1>{escape(headline(summary))}</h1>",
    ]
    proofs = [("Proofs", f"results/{MANIFEST} has the digest of each; its own SHA-256 is {proofs_sha256}")]
    parts += [_bar(summary), _table([*facts(summary), *(proofs if proofs_sha256 else [])])]
    parts += [_inline(flow)] if flow else []
    parts += ["<h2>How to go on</h2>", "<ul>"]
    parts += [f"<li>{_with_code(text)}</li>" for text in next_steps(summary, command=command, publish=publish)]
    parts.append("</ul>")
    if summary.to_stage:
        parts.append(f"<h2>{escape(plural(len(summary.to_stage), 'record'))} {TO_STAGE}</h2>")
        parts.append(_table(map(_waiting_row, summary.to_stage[:_SHOWN_WAITING]), numbers={0}, wide={1}))
        more = len(summary.to_stage) > _SHOWN_WAITING
        parts.append("<p>The table <em>Records</em> has all of them.</p>" if more else "")
    if failures:
        parts.append(f"<h2>{escape(plural(len(failures), 'record'))} failed</h2>")
        parts.append(_reasons(failures))
        parts.append(
            f'<table class="stacked">{"".join(_failure_line(row) for row in failures[:_SHOWN_FAILURES])}</table>'
        )
        parts.append("<p>The table <em>Failures</em> has all of them.</p>" if len(failures) > _SHOWN_FAILURES else "")
    if summary.slowest:
        parts.append(f"<h2>The {min(WORST, len(summary.slowest))} that took longest</h2>")
        head = ("recid", "size", "time", "slowest step", "title")
        parts.append(_table([_slow_row(row) for row in summary.slowest], head=head, numbers={0, 1, 2}))
    parts += [
        "<p>A record counts as <b>ok</b> only if each of its files was read from its source with the declared size and "
        "checksum, and the repository reports the same size and MD5 as were computed while it was sent. Where "
        "<code>source.allow_unverified</code> says so, files without a checksum go along, and their record is told as "
        "<b>unverified</b>. The figures and tables are in the menu.</p>",
        "</div>",
    ]
    return printable("\n".join(parts) + "\n")


def _inline(svg: str) -> str:
    """Return a figure to stand in the page: its style is its own, and it is read out as what it shows."""
    inside = svg[svg.index("<svg") :].replace("*{", ".ferry svg *{", 1)
    figure = f'<div class="flow" tabindex="0" role="img" aria-label="Records by outcome">{inside}</div>'
    return f'<div class="goes-on">The figure goes on to the right: scroll it. →</div>{figure}'


def _reasons(failures: Sequence[Mapping[str, Any]]) -> str:
    """Return how many records failed at which step for which reason, the largest group first."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in failures:
        groups.setdefault((row["step"], row["error_type"], without_values(row["error"] or "")), []).append(row)
    largest = sorted(groups.values(), key=lambda rows: -len(rows))
    lines = [
        (
            format_count(len(rows)),
            f"{rows[0]['step']}, {rows[0]['error_type']}",
            truncate(common_text([row["error"] or "" for row in rows]), 200),
            first_recids(row["recid"] for row in rows),
        )
        for rows in largest[:_SHOWN_FAILURES]
    ]
    return _table(lines, head=("records", "step and kind", "reason", "recids"), numbers={0}, wide={2, 3})


def _failure_line(row: Mapping[str, Any]) -> str:
    reason = f"{row['error_type']}: {truncate(row['error'] or '', 300)}"
    where = f"Log: <code>{escape(row['log'] or 'none')}</code><br>Again: <code>{escape(row['command'])}</code>"
    step = f"{escape(row['step'] or 'none')}<br>attempt {row['attempts']}"
    cells = (
        f'<td class="number">{row["recid"]}',
        f'<td class="failed">{step}',
        f'<td class="wide">{escape(reason)}<br>{where}',
    )
    return f"<tr>{''.join(cell + '</td>' for cell in cells)}</tr>"


def _slow_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    steps = {name: row[name] or 0.0 for name in row if name.endswith("_s") and name not in _NO_STEPS}
    slowest = max(steps, key=lambda name: steps[name])
    size = "" if row["source_bytes"] is None else format_bytes(row["source_bytes"])
    step = f"{slowest.removesuffix('_s')}, {format_seconds(steps[slowest])}"
    return str(row["recid"]), size, format_seconds(row["duration_s"]), step, truncate(row["title"] or "", 90)


def _waiting_row(row: Row) -> tuple[str, ...]:
    return str(row["recid"]), truncate(row["error"] or "", 300)


_NO_STEPS = frozenset({"duration_s", "queue_s", "rate_wait_s", "download_bytes_per_s", "upload_bytes_per_s"})


def _bar(summary: Summary) -> str:
    colours = (
        ("#8db4d3", summary.ok - summary.unverified),
        ("#e8a33d", summary.unverified),
        ("#9c1c2b", summary.failed),
        ("#b9b9b9", summary.skipped),
        ("#a892c4", len(summary.to_stage)),
    )
    parts = "".join(f'<div style="flex:{count};background:{colour}"></div>' for colour, count in colours if count)
    return f'<div class="bar" role="img" aria-label="{escape(headline(summary))}">{parts}</div>'


def _table(
    rows: Iterable[Sequence[str]],
    *,
    head: Sequence[str] = (),
    numbers: Collection[int] = (),
    wide: Collection[int] = (),
) -> str:
    """Return a table; of one with `wide` cells, a narrow page shows each row as a block, these below the others."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = ("number" if place in numbers else "wide" if place in wide else "" for place in range(len(cells)))
        made = (
            f'<{tag} class="{kind}">{escape(cell)}</{tag}>' if kind else f"<{tag}>{escape(cell)}</{tag}>"
            for cell, kind in zip(cells, kinds, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    body = f"{line(head, 'th') if head else ''}{''.join(line(row, 'td') for row in rows)}"
    return f'<table class="stacked">{body}</table>' if wide else f"<table>{body}</table>"


def _with_code(text: str) -> str:
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if place % 2 else escape(part) for place, part in enumerate(parts))
