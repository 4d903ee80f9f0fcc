"""The step `validate`: all wanted records in one process, with a table and a verdict at the end."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ferry.csv_tables import write_csv
from ferry.errors import FerryError, MetadataError, TransientError
from ferry.flags import RunFlags
from ferry.mapping.corrections import corrected
from ferry.mapping.own import target_record
from ferry.mapping.transform import InvalidRecordError
from ferry.mapping.work import OWN_JSON, MappingOptions
from ferry.source.file_filter import CHOOSE_OTHERWISE, FileFilter, NoneChosenError
from ferry.source.file_lists import is_index
from ferry.source.known_records import KnownRecords
from ferry.steps.look_at import Source, read_with_corrections
from ferry.steps.transform_record import mapping_options
from ferry.text.formatting import plural
from ferry.text.problem_lines import NOT_KNOWN_YET, common_text, first_recids, without_values

Kind = Literal["refused", "not known yet", "warning", "notice"]
_TITLES: Mapping[Kind, str] = {
    "notice": "told once: it is so of all such records",
    "warning": "warnings",
    NOT_KNOWN_YET: NOT_KNOWN_YET,
    "refused": "refused",
}
"""Of the tables, in the order in which they are printed."""

Remedy = Literal["correct", "files", "choice", "document", "portal", "again"]
_REMEDIES: Mapping[Remedy, str] = {
    "correct": "correct what is refused in {folder}/corrections/<recid>.yaml",
    "files": "corrections do not reach files: have the portal mend them and run `snakemake --cores 2 refresh`, or lay "
    "a mended copy in {folder}/<recid>.json",
    "choice": CHOOSE_OTHERWISE,
    "document": "mend {folder}/<recid>.json, or the correction of the record",
    "portal": "take what the portal does not give off the list, or lay it in {folder}/<recid>.json",
    "again": "not known yet; validate again when there may be an answer",
}
"""What can be done about records that are not valid, each once for those that it fits; `folder`: metadata.dir."""
_FILES = ("files", "_file_indices")

_ORIGIN = re.compile(r"(?:\S*\.(?:json|yaml)|https?://\S+|record \d+): ")
_SAID = re.compile(r"(?:(?P<path>.+?): )?expected (?P<expected>.+?), found (?P<found>.+?)(?:; .*)?", re.DOTALL)
_VALUE = re.compile(r"(?P<found>'.*'|\".*\"|\{.*\}|\[.*\]|\S+) (?P<expected>(?:is|does|was|should|has) .*)", re.DOTALL)
_INDEX_NUMBER = re.compile(r"\[\d+\]")
WHOLE = "(the whole record)"
SHOWN_VALUES = 5
MAX_CELL = 60  # characters of a value in the table


@dataclass(frozen=True)
class Problem:
    """One finding about one record.

    kind: "refused": the record cannot be deposited. "not known yet": whoever was asked for it did not answer.
        "warning": a value was left out or looks wrong. "notice": it is so of all such records at this target.
    path: place in the record or in the target; places in lists as [].
    count: places where the same is to be said.
    remedy: what can be done about a record that is not valid.
    """

    recid: int
    kind: Kind
    path: str
    expected: str
    found: str = ""
    count: int = 1
    remedy: Remedy = "correct"


def validate_record(
    *,
    recid: int,
    read: Callable[[], tuple[Source, Mapping[str, Any]]],
    profile: str,
    options: MappingOptions,
    max_upload_bytes: int | None = None,
) -> list[Problem]:
    """Transform a record and return what is to be said about it; a valid one without warnings gives nothing.

    Args:
        recid: of the record.
        read: gives its receipt `source` and its corrections.
        profile, options: as for the step `transform`.
        max_upload_bytes: the largest file that the repository takes.
    """
    try:
        source, corrections = read()
    except FerryError as error:
        return [_unread(recid, error)]
    try:
        record, _ = corrected(source["record"], corrections)
        done = target_record(source={**source, "record": record}, profile=profile, options=options)
    except InvalidRecordError as error:
        return _counted(_refusal(recid, line) for line in error.problems)
    except FerryError as error:
        return [_refusal(recid, str(error))]
    unread = any(map(is_index, record.get("files") or []))
    notices = [Problem(recid, "notice", _path(each["path"]), each["message"], each["found"]) for each in done.notices]
    warnings = [
        Problem(recid, "warning", _path(warning["path"]), warning["message"], count=warning.get("places", 1))
        for warning in done.warnings
        if not (unread and warning["path"].startswith("distribution."))  # the files in the index are not counted yet
    ]
    kept = options.true_reason(OWN_JSON, has_files=bool(source["files"]))
    unknown = [
        Problem(recid, "warning", row["path"], "a place in the mapping", f"none: {kept}", row["count"])
        for row in done.mapping["paths"]
        if row["status"] == "unknown"
    ]
    return _counted([*notices, *warnings, *unknown, *_giants(recid, source, max_upload_bytes)])


def _giants(recid: int, source: Source, limit: int | None) -> list[Problem]:
    sizes = [file["size_bytes"] for file in source["files"] if limit and (file["size_bytes"] or 0) > limit]
    expected = f"at most {limit} bytes (package.max_upload_bytes): it cannot go up"
    return [Problem(recid, "warning", "files[].size", expected, str(size)) for size in sizes]


def _counted(problems: Iterable[Problem]) -> list[Problem]:
    """Return what is the same but for its values as one problem with its count."""
    groups: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        groups.setdefault(_sameness(problem), []).append(problem)
    return [replace(first, count=sum(each.count for each in (first, *more))) for first, *more in groups.values()]


def _sameness(problem: Problem) -> tuple[str, ...]:
    return (problem.kind, problem.path, without_values(problem.expected))


def _unread(recid: int, error: FerryError) -> Problem:
    refusal = _refusal(recid, str(error))
    if isinstance(error, TransientError):
        return replace(refusal, kind=NOT_KNOWN_YET, remedy="again")
    if isinstance(error, NoneChosenError):
        return replace(refusal, remedy="choice")
    if isinstance(error, MetadataError):
        return replace(refusal, remedy="files" if refusal.path.startswith(_FILES) else "document")
    return replace(refusal, remedy="portal")


def _refusal(recid: int, line: str) -> Problem:
    line = _ORIGIN.sub("", line, count=1) if _ORIGIN.match(line) else line
    said = _SAID.fullmatch(line)
    if said:
        return Problem(recid, "refused", _path(said["path"] or ""), said["expected"], said["found"])
    path, _, message = line.partition(": ")
    value = _VALUE.fullmatch(message)
    if value:
        return Problem(recid, "refused", _path(path), value["expected"], value["found"])
    return Problem(recid, "refused", _path(path if message else ""), message or line)


def _path(place: str) -> str:
    return _INDEX_NUMBER.sub("[]", place) or WHOLE


def problem_table(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return one row per path and expectation, those of records that are not valid first, then by number of records.

    Columns: kind, path, expected ("…" for values that differ), found (the first values), records
    (number), places (number, in all of them), recids (the first of them).
    """
    groups: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        groups.setdefault(_sameness(problem), []).append(problem)
    rows: list[dict[str, Any]] = []
    for members in groups.values():
        recids = {problem.recid for problem in members}
        rows.append(
            {
                "kind": members[0].kind,
                "path": members[0].path,
                "expected": common_text([problem.expected for problem in members]),
                "found": _several(problem.found for problem in members),
                "records": len(recids),
                "places": sum(problem.count for problem in members),
                "recids": first_recids(recids),
            }
        )
    first = {"refused": 0, NOT_KNOWN_YET: 1}
    return sorted(rows, key=lambda row: (first.get(row["kind"], 2), -row["records"], row["path"], row["expected"]))


def _several(found: Iterable[str]) -> str:
    values = list(dict.fromkeys(found))
    return ", ".join(values[:SHOWN_VALUES]) + (", …" if len(values) > SHOWN_VALUES else "")


def rendered(rows: Sequence[Mapping[str, Any]], *, kind: Kind) -> str:
    """Return the rows of one kind as a table for a terminal; empty if there are none."""
    chosen = [row for row in rows if row["kind"] == kind]
    if not chosen:
        return ""
    columns = ["path", "expected", "found", "records", "places", "recids"]
    cells = [[_cell(row[column]) for column in columns] for row in chosen]
    widths = [max(len(line[place]) for line in [columns, *cells]) for place in range(len(columns))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in [columns, *cells]
    ]
    return "\n".join([_TITLES[kind], *(line.rstrip() for line in lines)])


def _cell(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def validate_all(
    *,
    recids: Sequence[int],
    metadata: Mapping[str, Any],
    folders: Sequence[str] = (),
    chosen_by: FileFilter | None = None,
    results_dir: Path,
    transform: Mapping[str, Any],
    package: Mapping[str, Any],
    catalogue_path: Path,
    table_path: Path,
    flags: RunFlags | None = None,
) -> str:
    """Transform and check all these records without fetching a file; return what is to be printed.

    A record comes from its metadata file, else from its receipt `source` if there is one, else from the portal. The
    problems go to `table_path` (CSV, one row per problem and record). Titles and kinds of related records are looked up
    in the folder of metadata and in the catalogue. `folders` are those into which both may be links
    (source.allow.folders), `chosen_by` which files go on. With `flags`, of the run, a portal that does not answer for
    one record is asked for no other.

    Raises:
        MetadataError: some would be refused, or are not known yet; the message has the table.
    """
    known = KnownRecords(Path(metadata["dir"]), catalogue_path, folders)
    options = mapping_options(transform=transform, package=package, metadata=metadata, known=known)
    problems: list[Problem] = []
    for recid in recids:
        problems += validate_record(
            recid=recid,
            read=partial(
                read_with_corrections,
                recid,
                metadata=metadata,
                folders=folders,
                results_dir=results_dir,
                chosen_by=chosen_by,
                flags=flags,
            ),
            profile=transform["profile"],
            options=options,
            max_upload_bytes=package["max_upload_bytes"],
        )
    cells = ([p.recid, p.kind, p.path, p.expected, p.found, p.count] for p in problems)
    write_csv(table_path, ["recid", "kind", "path", "expected", "found", "places"], cells)
    rows = problem_table(problems)
    refused, unknown, warned = (
        {problem.recid for problem in problems if problem.kind == kind}
        for kind in ("refused", NOT_KNOWN_YET, "warning")
    )
    valid = len(recids) - len(refused) - len(unknown)
    found = f"{valid} valid ({len(warned - refused)} of them with warnings), {len(refused)} refused"
    found += f", {len(unknown)} {NOT_KNOWN_YET}" if unknown else ""
    summary = "\n\n".join(
        part
        for part in (
            *(rendered(rows, kind=kind) for kind in _TITLES),
            f"{plural(len(recids), 'record')} for {transform['profile']}: {found}; all of it in {table_path}",
        )
        if part
    )
    if refused or unknown:
        raise MetadataError("\n".join([summary, *_advice(problems, folder=metadata["dir"])]))
    return summary


def _advice(problems: Iterable[Problem], *, folder: str) -> Iterator[str]:
    """Yield what can be done about records that are not valid, each remedy once."""
    told = [problem for problem in problems if problem.kind in ("refused", NOT_KNOWN_YET)]
    for remedy, advice in _REMEDIES.items():
        if recids := {problem.recid for problem in told if problem.remedy == remedy}:
            yield f"{plural(len(recids), 'record')} ({first_recids(recids)}): {advice.format(folder=folder)}"
