"""The step `link_members`: collections get what the repository calls their members, beside CERN's addresses of them."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.chain import UPLOAD_STEP, mark_again
from ferry.csv_tables import write_csv
from ferry.deposit.links import LinkMembers, link_of
from ferry.deposit.read_back import DraftGoneError
from ferry.errors import FerryError, PermanentError
from ferry.identity import source_identifier
from ferry.mapping.links import Link, members_of
from ferry.receipts import GIVEN, LostReceiptError, read_identifier, read_receipt, write_receipt
from ferry.repository.client import Repository
from ferry.run.open_repository import open_repository, settle_s
from ferry.run.run import read_run
from ferry.steps.upload_state import load_state
from ferry.text.formatting import plural

log = logging.getLogger(__name__)

_MOST_NAMED = 10


@dataclass(frozen=True)
class Parent:
    """A record that names others as its parts."""

    recid: int
    document: Mapping[str, Any]
    members: Sequence[int]


@dataclass(frozen=True)
class Row:
    """What became of the links of one parent."""

    parent: Parent
    record_url: str = ""
    linked: Sequence[int] = ()
    why_not: str = ""
    error: str = ""

    @property
    def lacking(self) -> list[int]:
        """The members that have no link."""
        return [recid for recid in self.parent.members if recid not in self.linked]


def link_all(
    *,
    recids: Sequence[int],
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    publish: bool,
    results_dir: Path,
    data_dir: Path,
    sandbox_dir: Path,
    table_path: Path,
) -> str:
    """Give each parent among these records the links of those of its members that are there; return what to print.

    A parent that has them already is only read. Writes the receipt `relations` of each parent that has got links, and
    the table (CSV, a row per parent), in which the members without a link are named, and why they have none: the next
    run adds those that it brings. Without a parent there is nothing to print.

    Args:
        recids: of the wanted records.
        repository, settings: those parts of the configuration; settings is `upload`.
        publish: whether records go on from a draft: then a member is there when it is public.
        results_dir: where receipts lie.
        data_dir: where uploads keep their state.
        sandbox_dir: where the sandbox keeps its token.
        table_path: where the table goes.

    Raises:
        PermanentError: parents could not be given their links; the message has all the rest too.
    """
    parents = list(_parents(recids, results_dir))

    async def link() -> list[Row]:
        if not parents:
            return []
        opened = open_repository(
            run=read_run(), repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir
        )
        async with opened:
            return [
                await _link(
                    parent,
                    opened,
                    repository=repository,
                    attempts=settings["attempts"],
                    publish=publish,
                    results_dir=results_dir,
                    data_dir=data_dir,
                )
                for parent in parents
            ]

    rows = asyncio.run(link())
    summary = _summary(rows, table_path)
    write_csv(
        table_path,
        ["recid", "record_url", "members", "linked", "lacking", "why_not"],
        [_cells(row, recids=frozenset(recids), results_dir=results_dir) for row in rows],
    )
    if any(row.error for row in rows):
        raise PermanentError(f"{summary}\nrun again to link those")
    return summary


def _parents(recids: Sequence[int], results_dir: Path) -> Iterator[Parent]:
    for recid in recids:
        try:
            path = results_dir / str(recid) / "record.json"
            document = read_receipt(path, "record", recid=recid)
        except LostReceiptError:  # of a record that failed
            continue
        is_own = read_identifier(path, recid=recid) != source_identifier(recid)["identifier"]
        # what is of the portal has no records of one's own as parts
        members = [] if is_own else members_of(document)
        if members:
            yield Parent(recid, document, members)


async def _link(
    parent: Parent,
    opened: Repository,
    *,
    repository: Mapping[str, Any],
    attempts: int,
    publish: bool,
    results_dir: Path,
    data_dir: Path,
) -> Row:
    record_dir = results_dir / str(parent.recid)

    def there(recid: int) -> Link | None:
        return link_of(results_dir / str(recid), repository=opened.name, publish=publish)

    if there(parent.recid) is None:
        return Row(parent, why_not="it is not there itself: the next run that brings it links its members")
    try:
        uploaded = read_receipt(record_dir / "upload.json", "upload", recid=parent.recid)
        done = await LinkMembers(
            repository=opened,
            uploaded=uploaded,
            document=parent.document,
            links={recid: link for recid in parent.members if (link := there(recid)) is not None},
            state=load_state(
                recid=parent.recid,
                repository=opened.name,
                data_dir=data_dir / str(parent.recid),
                record_dir=record_dir,
                journal=None,
            ),
            settle_s=settle_s(repository, name=opened.name),
            finish=repository["finish"],
            when_edited=repository["when_edited"],
            given_path=record_dir / GIVEN,
            community=repository["community"],
            attempts=attempts,
        ).run()
        linked = [recid for recid in parent.members if recid in done.links]
        if not done.why_not:
            receipt = {
                "recid": parent.recid,
                "repository": opened.name,
                "record_id": done.record.id,
                "links": [
                    {"recid": recid, "identifier": done.links[recid].identifier, "scheme": done.links[recid].scheme}
                    for recid in linked
                ],
                "lacking": [recid for recid in parent.members if recid not in linked],
            }
            write_receipt(record_dir / "relations.json", "relations", receipt)
    except FerryError as error:
        if isinstance(error, DraftGoneError):
            mark_again(UPLOAD_STEP, record_dir)
        log.error("%d: %s", parent.recid, error)
        return Row(parent, error=str(error))
    return Row(parent, done.record.page_url, linked, done.why_not)


def _cells(row: Row, *, recids: Set[int], results_dir: Path) -> list[Any]:
    lacking = " ".join(map(str, row.lacking))
    members = len(row.parent.members)
    why_not = row.error or row.why_not or _why_lacking(row.lacking, recids=recids, results_dir=results_dir)
    return [row.parent.recid, row.record_url, members, len(row.linked), lacking, why_not]


def _why_lacking(lacking: Sequence[int], *, recids: Set[int], results_dir: Path) -> str:
    """Say of members without a link whether anybody here brings them."""
    carried = {recid for recid in lacking if recid in recids or (results_dir / str(recid) / "upload.json").exists()}
    others = [recid for recid in lacking if recid not in carried]
    by_reason = {"not carried in this folder": others, "not there yet": sorted(carried)}
    return "; ".join(f"{why}: {_named(members)}" for why, members in by_reason.items() if members)


def _named(recids: Sequence[int]) -> str:
    more = f" and {len(recids) - _MOST_NAMED} more" if len(recids) > _MOST_NAMED else ""
    return ", ".join(map(str, recids[:_MOST_NAMED])) + more


def _summary(rows: Sequence[Row], table_path: Path) -> str:
    if not rows:
        return ""
    lines = []
    for row in rows:
        if row.lacking or row.why_not or row.error:
            lacking = f", {len(row.lacking)} lacking ({', '.join(map(str, row.lacking[:10]))})" if row.lacking else ""
            why = f": {row.error or row.why_not}" if row.error or row.why_not else ""
            members = plural(len(row.parent.members), "member")
            lines.append(f"{row.parent.recid}: {len(row.linked)} of {members} linked{lacking}{why}")
    if any(row.why_not for row in rows):
        lines.append(f"once that is changed, delete {table_path} and run again")
    linked = sum(len(row.linked) for row in rows)
    members = plural(sum(len(row.parent.members) for row in rows), "member")
    return "\n".join([*lines, f"{plural(len(rows), 'collection')}: {linked} of {members} linked"])
