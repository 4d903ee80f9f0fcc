"""The step `refresh`: the portal is asked again, and what it says otherwise now is what the next run reads."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ferry.chain import READ_STEP, take_away_from
from ferry.errors import DiskError, FerryError, PermanentError, TransientError
from ferry.flags import RunFlags
from ferry.limits import Limits
from ferry.receipts import ReceiptError, read_receipt
from ferry.source.http import NotFoundError
from ferry.source.portal import ask_again, record_address
from ferry.source.portal_cache import PortalAnswer, PortalCache
from ferry.source.record import bare_record
from ferry.text.formatting import plural
from ferry.text.problem_lines import first_recids, problem_lines

SHOWN_PROBLEMS = 15


@dataclass
class _Found:
    """Recids by what was found of them."""

    new: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    same: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    unanswered: list[tuple[int, str]] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)


def refresh_all(
    *,
    recids: Sequence[int],
    metadata: Mapping[str, Any],
    folders: Sequence[str] = (),
    results_dir: Path,
    flags: RunFlags | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Ask the portal for each wanted record, and keep what it says otherwise than before; return what is to be printed.

    Of a record that has changed the receipts go, and so the next run begins it anew; its files are looked at and stay.
    One whose metadata are the same stays as it is, whatever else has changed of it on the portal.

    Args:
        recids: of the wanted records.
        metadata: that part of the configuration; records with a file in its folder are not asked for.
        folders: into which answers may be links (source.allow.folders).
        results_dir: where receipts lie.
        flags: of the run: where the portal does not answer for one record, it is asked for no other.
        sleep: waits before the portal is asked once more.

    Raises:
        PermanentError: of some nothing came that can be kept; the message has all the rest too.
    """
    metadata_dir, limits, portal = Path(metadata["dir"]), Limits(**metadata["limits"]), metadata["portal"]
    cache = PortalCache.of(metadata_dir, folders)
    found = _Found()
    ask = partial(ask_again, limits=limits, flags=flags, sleep=sleep)
    for recid in recids:
        if metadata["origin"] == "own" or (metadata_dir / f"{recid}.json").exists():
            found.own.append(recid)
            continue
        try:
            url = record_address(recid, portal=portal)
            _refresh(recid, url, cache, found, limits=limits, ask=ask, receipt_dir=results_dir / str(recid))
        except NotFoundError:
            found.missing.append(recid)
        except TransientError as error:
            found.unanswered.append((recid, str(error)))
        except FerryError as error:
            found.failed.append((recid, str(error)))
    told = "\n".join(_lines(found, total=len(recids), folder=cache.folder))
    if found.missing or found.unanswered or found.failed:
        raise PermanentError(told)
    return told


def _refresh(
    recid: int,
    url: str,
    cache: PortalCache,
    found: _Found,
    *,
    limits: Limits,
    ask: Callable[..., PortalAnswer | None],
    receipt_dir: Path,
) -> None:
    kept = cache.read(recid, url=url, limits=limits)
    answer = ask(url, etag=kept.etag if kept else None)
    cached = bare_record(kept.document, recid=recid, origin=url) if kept else None
    now = cached if answer is None else bare_record(answer.document, recid=recid, origin=url)
    if answer is not None and now != cached and not cache.write(recid, answer):
        raise DiskError(f"{cache.path(recid)}: expected to be written, found that it cannot be: nothing was begun anew")
    # the cache may know already what no run has read yet: after a kill, or as something else has asked the portal
    before = _read_before(recid, receipt_dir) or cached
    if now == before:
        found.same.append(recid)
        return
    take_away_from(READ_STEP, receipt_dir)
    (found.new if before is None else found.changed).append(recid)


def _read_before(recid: int, receipt_dir: Path) -> Mapping[str, Any] | None:
    """Return the record as a run has read it from the portal, None if none has, or nobody can tell."""
    try:
        record: Mapping[str, Any] = read_receipt(receipt_dir / "source.json", "source", recid=recid)["record"]
    except ReceiptError:
        return None
    return record


def _lines(found: _Found, *, total: int, folder: Path) -> list[str]:
    lines = []
    if found.changed:
        count, first = plural(len(found.changed), "record"), first_recids(found.changed)
        lines.append(f"changed          {count} ({first}): the next run begins them anew")
    if found.new:
        lines.append(f"new              {plural(len(found.new), 'record')}, kept in {folder}")
    if found.same:
        lines.append(f"as before        {plural(len(found.same), 'record')}")
    if found.own:
        lines.append(f"not asked for    {plural(len(found.own), 'record')}: their metadata are files of yours")
    if found.missing:
        count, first = plural(len(found.missing), "record"), first_recids(found.missing)
        lines.append(f"not found        {count} ({first}) at the portal")
    if found.failed:
        lines += [
            f"not compared     {plural(len(found.failed), 'record')}:",
            *problem_lines(found.failed, most=SHOWN_PROBLEMS),
        ]
    if found.unanswered:
        lines += [
            f"not answered     {plural(len(found.unanswered), 'record')}; refresh again when there may be an answer:",
            *problem_lines(found.unanswered, most=SHOWN_PROBLEMS),
        ]
    asked = "" if found.own or found.unanswered else " asked for at the portal"
    return [*lines, f"{plural(total, 'record')}{asked}"]
