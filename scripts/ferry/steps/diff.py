"""The step `diff`: what an upload would change in the metadata of the records that the repository has."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ferry.csv_tables import write_csv
from ferry.deposit.draft_search import DraftSearch
from ferry.deposit.duplicates import OneRecord
from ferry.deposit.given import GivenMetadata
from ferry.deposit.state import DepositState
from ferry.errors import FerryError, PermanentError
from ferry.flags import RunFlags
from ferry.identity import source_identifier
from ferry.mapping.corrections import corrected
from ferry.mapping.diff import FieldChange
from ferry.mapping.links import diff_but_links
from ferry.mapping.own import target_record
from ferry.mapping.work import MappingOptions
from ferry.repository.client import Repository
from ferry.retry import RetryPolicy
from ferry.run.disk_budget import DEPOSIT
from ferry.run.open_repository import open_repository
from ferry.run.run import read_run
from ferry.source.file_filter import FileFilter
from ferry.source.known_records import KnownRecords
from ferry.steps.look_at import read_with_corrections
from ferry.steps.transform_record import mapping_options
from ferry.text.formatting import plural, truncate
from ferry.text.problem_lines import problem_lines

State = Literal["absent", "draft", "published", "failed"]
SHOWN_CHANGES = 10
SHOWN_PROBLEMS = 15
MAX_VALUE = 100  # characters of a value on the terminal; the table has all of it
_COMPARED = "compared are metadata and access; files are compared by the upload itself"


@dataclass(frozen=True)
class LiveDiff:
    """One record held against what the repository has of it."""

    recid: int
    state: State
    url: str = ""
    changes: Sequence[FieldChange] = ()
    error: str = ""


def diff_all(
    *,
    recids: Sequence[int],
    metadata: Mapping[str, Any],
    folders: Sequence[str] = (),
    chosen_by: FileFilter | None = None,
    catalogue_path: Path,
    transform: Mapping[str, Any],
    package: Mapping[str, Any],
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    results_dir: Path,
    data_dir: Path,
    sandbox_dir: Path,
    table_path: Path,
) -> str:
    """Hold the metadata of each wanted record against those of its draft or published record; return what to print.

    Files are not compared. The repository is asked with GET requests only. The changes go to `table_path` (CSV: recid,
    state, url, path, kind, before, after; values as JSON), a line for a record without changes too.

    Args:
        recids: of the wanted records.
        metadata, transform, package, repository, settings: those parts of the configuration; settings is `upload`.
        folders: into which metadata and corrections may be links (source.allow.folders).
        chosen_by: which files go on (source.files).
        catalogue_path: the catalogue, for the titles of related records.
        results_dir: where receipts lie, for records without a metadata file.
        data_dir: data/, where uploads have written down the ids of their drafts.
        sandbox_dir: where the sandbox keeps its token.
        table_path: where the table goes.

    Raises:
        PermanentError: some records could not be compared; the message has all the rest too.
    """
    known = KnownRecords(Path(metadata["dir"]), catalogue_path, folders)
    options = mapping_options(transform=transform, package=package, metadata=metadata, known=known)

    run = read_run()
    read = partial(
        read_with_corrections,
        metadata=metadata,
        folders=folders,
        results_dir=results_dir,
        chosen_by=chosen_by,
        flags=RunFlags(run_id=run.run_id),
    )

    async def ask() -> list[LiveDiff]:
        opened = open_repository(run=run, repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir)
        async with opened:
            return [
                await _diff(
                    recid,
                    opened,
                    read=partial(_ours, partial(read, recid), transform["profile"], options),
                    state_path=data_dir / str(recid) / DEPOSIT,
                    attempts=settings["attempts"],
                    identifier=source_identifier(recid, prefix=options.identifier_prefix)["identifier"],
                )
                for recid in recids
            ]

    found = asyncio.run(ask())
    write_csv(table_path, ["recid", "state", "url", "path", "kind", "before", "after"], _rows(found))
    summary = _summary(found, table_path)
    if any(each.state == "failed" for each in found):
        raise PermanentError(summary)
    return summary


def _ours(
    read: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]], profile: str, options: MappingOptions
) -> dict[str, Any]:
    source, corrections = read()
    record, _ = corrected(source["record"], corrections)
    return target_record(source={**source, "record": record}, profile=profile, options=options).record


async def _diff(
    recid: int,
    repository: Repository,
    *,
    read: Callable[[], dict[str, Any]],
    state_path: Path,
    attempts: int,
    identifier: str,
) -> LiveDiff:
    try:
        ours = read()
        search = DraftSearch(
            one=OneRecord(
                repository=repository,
                recid=recid,
                identifier=identifier,
                model_recid=ours["metadata"].get("recid"),
                duplicates="fail",
                given=GivenMetadata(None, recid=recid, repository=repository.name),
            ),
            state=DepositState.load(path=state_path, recid=recid, repository=repository.name),
            retry=RetryPolicy(attempts=attempts),
            settle_s=0,
        )
        live = await search.find()
    except FerryError as error:
        return LiveDiff(recid, "failed", error=str(error))
    if live is None:
        return LiveDiff(recid, "absent")
    state: State = "published" if live.is_published else "draft"
    return LiveDiff(recid, state, live.page_url, diff_but_links(ours, live.document))


def _rows(found: Sequence[LiveDiff]) -> Iterator[list[Any]]:
    for each in found:
        row = [each.recid, each.state, each.url]
        for change in each.changes:
            yield [*row, change.path, change.kind, _json(change.before), _json(change.after)]
        if not each.changes:
            yield [*row, "", "", "", each.error]


def _summary(found: Sequence[LiveDiff], table_path: Path) -> str:
    lines = []
    for each in found:
        if not each.changes:
            continue
        lines.append(f"{each.recid}, {each.state}, {each.url}: {plural(len(each.changes), 'change')}")
        for change in each.changes[:SHOWN_CHANGES]:
            values = f"{_json(change.before) or 'nothing'} -> {_json(change.after) or 'nothing'}"
            lines.append(f"  {change.path}: {truncate(values, 2 * MAX_VALUE)}")
        if len(each.changes) > SHOWN_CHANGES:
            lines.append(f"  and {len(each.changes) - SHOWN_CHANGES} more")
    if failed := [(each.recid, each.error) for each in found if each.error]:
        lines += ["not compared:", *problem_lines(failed, most=SHOWN_PROBLEMS)]
    counts = {
        "changed": sum(bool(each.changes) for each in found),
        "equal": sum(each.state in ("draft", "published") and not each.changes for each in found),
        "not there yet": sum(each.state == "absent" for each in found),
        "not compared": sum(each.state == "failed" for each in found),
    }
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return "\n".join([*lines, f"{plural(len(found), 'record')}: {summary}; all of it in {table_path}", _COMPARED])


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
