"""The first step: from metadata/<recid>.json or the portal to the receipt `source`."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ferry.errors import MetadataError
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.receipts import write_receipt
from ferry.retry import retried
from ferry.source.access import CHUNK_BYTES, open_source, redirected
from ferry.source.allowed import AllowedSources, ForbiddenSourceError
from ferry.source.origin import Origin
from ferry.source.portal import fetch_record
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
        attempts: how often an index file is tried, as for a download.
        sleep: waits between two of them.

    Returns:
        What was measured: files_moved is 0, no file was fetched.
    """
    redirects = resolve_redirects(source["redirects"], sandbox_dir=sandbox_dir)
    allowed = AllowedSources.of(source, portal=portal, redirects=redirects)

    def read_once(url: str) -> bytes:
        with open_source(url, allowed=allowed, stall_s=stall_s) as opened:
            text = bytearray()
            for chunk in opened.chunks(start=0, chunk_bytes=CHUNK_BYTES, in_flight=1):
                text += chunk
                if len(text) > limits.record_bytes:
                    raise MetadataError(f"{url}: {limits.exceeded('record_bytes', 'more')}")
            return bytes(text)

    def read_index(uri: str) -> bytes:
        url, limit_s = redirected(uri, redirects), answer_limit_s(stall_s)
        try:
            return retried(
                lambda: in_time(lambda: read_once(url), limit_s=limit_s, what=url), attempts=attempts, sleep=sleep
            )
        except ForbiddenSourceError as error:
            raise ForbiddenSourceError(f"record {recid}: file index {uri}: {error}") from error

    receipt = read_source(
        recid=recid,
        metadata_path=metadata_path,
        fetch_record=lambda wanted: fetch_record(wanted, portal=portal, limits=limits),
        read_index=read_index,
        limits=limits,
        origin=origin,
        folders=source["allow"]["folders"],
    )
    write_receipt(receipt_path, "source", receipt)
    return {"files_moved": 0}
