"""The first step: from metadata/<recid>.json or the portal to the receipt `source`."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ferry.errors import MetadataError
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.receipts import write_receipt
from ferry.retry import retried
from ferry.source.access import read_bytes, redirected
from ferry.source.allowed import AllowedSources, ForbiddenSourceError
from ferry.source.file_filter import FileFilter
from ferry.source.origin import Origin
from ferry.source.portal import fetch_record
from ferry.source.portal_cache import PortalCache
from ferry.source.record import read_source
from ferry.source.threads import in_time
from ferry.source.xrootd import answer_limit_s
from ferry.steps.download_files import resolve_redirects


def read_to_receipt(
    *,
    recid: int,
    metadata_path: Path | None,
    portal: str,
    source: Mapping[str, Any],
    stall_s: int,
    sandbox_dir: Path,
    receipt_path: Path,
    limits: Limits = DEFAULT_LIMITS,
    origin: Origin = "cern-opendata",
    cache: PortalCache | None = None,
    attempts: int = 4,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, int]:
    """Read a record, from its file if there is one, else from the portal, and write the receipt.

    Args:
        recid: of the record.
        metadata_path: metadata/<recid>.json, None if there is none.
        portal: address of the portal.
        source, stall_s, sandbox_dir: how index files are read that list the record's files, as for a download.
        receipt_path: where the receipt goes.
        limits: most that the record may hold.
        origin: whose records they are (metadata.origin).
        cache: what the portal has said already, and where what it says goes.
        attempts: how often an index file is tried, as for a download.
        sleep: waits between two of them.

    Returns:
        What was measured: files_moved is 0, no file was fetched.
    """
    redirects = resolve_redirects(source["redirects"], sandbox_dir=sandbox_dir)
    allowed = AllowedSources.of(source, portal=portal, redirects=redirects)

    def read_once(url: str) -> bytes:
        text = read_bytes(url, allowed=allowed, stall_s=stall_s, most_bytes=limits.record_bytes)
        if text is None:
            raise MetadataError(f"{url}: {limits.exceeded('record_bytes', 'more')}")
        return text

    def read_index(uri: str) -> bytes:
        url, limit_s = redirected(uri, redirects), answer_limit_s(stall_s)
        try:
            return retried(
                lambda: in_time(lambda: read_once(url), limit_s=limit_s, what=url), attempts=attempts, sleep=sleep
            )
        except ForbiddenSourceError as error:
            raise ForbiddenSourceError(f"record {recid}: file index {uri}: {error}") from error

    read = partial(
        read_source,
        recid=recid,
        metadata_path=metadata_path,
        fetch_record=lambda wanted: fetch_record(wanted, portal=portal, limits=limits, cache=cache),
        read_index=read_index,
        limits=limits,
        origin=origin,
        folders=source["allow"]["folders"],
        chosen_by=FileFilter.of(source),
    )
    was_known = cache is not None and cache.path(recid).exists()
    receipt = read()
    if cache is not None and was_known and not all(file["online"] for file in receipt["files"]):
        cache.forget(recid)  # what was on tape may be staged by now
        receipt = read()
    write_receipt(receipt_path, "source", receipt)
    return {"files_moved": 0}
