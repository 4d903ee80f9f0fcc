"""The download step: from the receipt `source` to the receipt `download`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.config import SANDBOX
from ferry.download import Download, DownloadSettings
from ferry.local_data import take_local_files
from ferry.receipts import read_receipt, write_receipt
from ferry.source_access import refuse_unreadable


def download_to_receipt(
    *,
    source_path: Path,
    receipt_path: Path,
    data_dir: Path,
    source: Mapping[str, Any],
    download: Mapping[str, Any],
    sandbox_dir: Path,
) -> dict[str, int]:
    """Fetch a record's files to data/<recid>/files, or take them from the disk, and write the receipt.

    Args:
        source_path: the receipt `source`.
        receipt_path: where the receipt goes.
        data_dir: data/<recid>.
        source, download: those parts of the configuration.
        sandbox_dir: where the demo files lie, for which a redirect says `sandbox`.

    Returns:
        What was measured: bytes_moved, files_moved, retries.
    """
    record = read_receipt(source_path, "source")
    files_dir = data_dir / "files"
    if source["data_root"] is not None:
        refuse_unreadable(
            [{**file, "online": True} for file in record["files"]], allow_unverified=source["allow_unverified"]
        )
        receipt = take_local_files(source=record, data_root=Path(source["data_root"]), files_dir=files_dir)
        write_receipt(receipt_path, "download", receipt)
        return {"bytes_moved": 0, "files_moved": 0, "retries": 0}
    done = Download(
        source=record,
        files_dir=files_dir,
        state_path=data_dir / "verified.jsonl",
        settings=DownloadSettings(
            redirects=resolve_redirects(source["redirects"], sandbox_dir=sandbox_dir),
            parallel_files=download["parallel_files"],
            attempts=download["attempts"],
            stall_s=download["stall_s"],
            allow_unverified=source["allow_unverified"],
        ),
    ).run()
    write_receipt(receipt_path, "download", done.receipt)
    return done.measured


def resolve_redirects(redirects: Mapping[str, str], *, sandbox_dir: Path) -> dict[str, str]:
    """Return the redirects with the word `sandbox` replaced by where the demo files lie."""
    demo = f"file://{(sandbox_dir / 'source').resolve()}/"
    return {prefix: demo if to == SANDBOX else to for prefix, to in redirects.items()}
