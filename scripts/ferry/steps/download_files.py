"""The download step: from the receipt `source` to the receipt `download`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferry.chain import READ_STEP, mark_again
from ferry.config import SANDBOX
from ferry.errors import OnTapeError
from ferry.receipts import read_receipt, write_receipt
from ferry.run.disk_budget import DROPPED
from ferry.source.allowed import AllowedSources
from ferry.source.download import Download, DownloadSettings
from ferry.source.local_data import take_local_files
from ferry.source.local_files import LocalSettings
from ferry.source.local_match import with_local_files
from ferry.source.portal import record_page
from ferry.steps.drop import DroppedFiles


def download_to_receipt(
    *,
    recid: int,
    source_path: Path,
    receipt_path: Path,
    data_dir: Path,
    source: Mapping[str, Any],
    portal: str,
    download: Mapping[str, Any],
    package: Mapping[str, Any],
    storage: Mapping[str, Any],
    repository: str,
    sandbox_dir: Path,
) -> dict[str, float]:
    """Fetch a record's files to data/<recid>/files, or take them from the disk, and write the receipt.

    Files that have arrived in the repository and were removed (`storage.remove`) are not fetched for the receipt.

    Args:
        recid: of the record.
        source_path: the receipt `source`.
        receipt_path: where the receipt goes.
        data_dir: data/<recid>.
        source, download, package, storage: those parts of the configuration.
        portal: address of the portal.
        repository: name of the one that the files are for.
        sandbox_dir: where the demo files lie, for which a redirect says `sandbox`.

    Raises:
        OnTapeError: names the page of the portal at which the record is asked for.

    Returns:
        What was measured: bytes_moved, files_moved, retries, waited_for_disk_s.
    """
    record = read_receipt(source_path, "source", recid=recid)
    local = LocalSettings.of(source) if source["data_root"] is not None else None
    fetched = local is None
    known = DroppedFiles.of(data_dir) if fetched else None
    is_known = known is not None and known.has(record["files"], repository=repository)
    waited_s = 0.0
    if storage["max_bytes"] is not None:
        sized = with_local_files(record, local) if local else record
        waited_s = _wait_for_room(sized, data_dir, package, storage, fetched=fetched, has_gone=is_known)
    if known is not None and is_known:
        write_receipt(receipt_path, "download", known.download)
        return {"bytes_moved": 0, "files_moved": 0, "retries": 0, "waited_for_disk_s": waited_s}
    if (data_dir / DROPPED).exists():  # of other files, or for another repository
        (data_dir / DROPPED).unlink()
    files_dir = data_dir / "files"
    state_path = data_dir / "verified.jsonl"
    if local is not None:
        receipt = take_local_files(source=record, settings=local, files_dir=files_dir, state_path=state_path)
        write_receipt(receipt_path, "download", receipt)
        return {"bytes_moved": 0, "files_moved": 0, "retries": 0, "waited_for_disk_s": waited_s}
    redirects = resolve_redirects(source["redirects"], sandbox_dir=sandbox_dir)
    download_all = Download(
        source=record,
        files_dir=files_dir,
        state_path=state_path,
        settings=DownloadSettings(
            redirects=redirects,
            allowed=AllowedSources.of(source, portal=portal, redirects=redirects),
            parallel_files=download["parallel_files"],
            attempts=download["attempts"],
            stall_s=download["stall_s"],
            allow_unverified=source["allow_unverified"],
        ),
    )
    try:
        done = download_all.run()
    except OnTapeError as error:
        mark_again(READ_STEP, receipt_path.parent)  # the next run asks the portal whether it is online by now
        raise OnTapeError(f"to be staged: ask at {record_page(recid, portal=portal)}; {error}") from error
    write_receipt(receipt_path, "download", done.receipt)
    return {**done.measured, "waited_for_disk_s": waited_s}


def _wait_for_room(
    record: Mapping[str, Any],
    data_dir: Path,
    package: Mapping[str, Any],
    storage: Mapping[str, Any],
    *,
    fetched: bool,
    has_gone: bool,
) -> float:
    from ferry.bundle.plan import PackageSettings  # noqa: PLC0415
    from ferry.bundle.sizes import most_bytes_beside, most_disk_bytes  # noqa: PLC0415 - most runs have no budget
    from ferry.run.disk_budget import DiskBudget, notes_bytes  # noqa: PLC0415

    files, settings = record["files"], PackageSettings.of(package)

    def most(settings: PackageSettings) -> int:
        if has_gone:
            keys = [file["key"] for file in files]
            return most_bytes_beside(keys=keys, settings=settings, record=record["record"])
        return most_disk_bytes(files=files, settings=settings, fetched=fetched, record=record["record"])

    return DiskBudget().reserve(
        recid=record["recid"],
        size_bytes=most(settings),
        max_bytes=storage["max_bytes"],
        notes_bytes=notes_bytes(data_dir),
        streamed_bytes=most(replace(settings, mode="stream")),
    )


def resolve_redirects(redirects: Mapping[str, str], *, sandbox_dir: Path) -> dict[str, str]:
    """Return the redirects with the word `sandbox` replaced by where the demo files lie."""
    demo = f"file://{(sandbox_dir / 'source').resolve()}/"
    return {prefix: demo if to == SANDBOX else to for prefix, to in redirects.items()}
