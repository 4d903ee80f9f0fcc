"""The two steps that talk to the repository, from receipts to receipts."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.deposit import Deposit, DepositSettings
from ferry.errors import IntegrityError
from ferry.mapping.identity import source_identifier
from ferry.package_reader import read_chunks
from ferry.publish import publish_record
from ferry.receipts import read_receipt, write_receipt
from ferry.run import read_run
from ferry.target import open_repository


def upload(
    *,
    recid: int,
    record_path: Path,
    package_path: Path,
    receipt_path: Path,
    data_dir: Path,
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    sandbox_dir: Path,
) -> dict[str, int]:
    """Bring a packaged record into the repository as a draft and write the receipt `upload`.

    Args:
        recid: of the record, on the portal.
        record_path, package_path: the receipts `record` and `package`.
        receipt_path: where the receipt goes.
        data_dir: data/<recid>, where the bytes lie and the upload keeps its state.
        repository, settings: those parts of the configuration (`repository`, `upload`).
        sandbox_dir: where the sandbox keeps its token.

    Returns:
        What was measured: bytes_moved, files_moved, requests, retries …
    """
    package = read_receipt(package_path, "package")
    # data on disk may bring files that the record does not list: what goes up decides whether there are files
    document = {**read_receipt(record_path, "record"), "files": {"enabled": bool(package["uploads"])}}

    async def deposit() -> dict[str, int]:
        async with open_repository(
            run=read_run(), repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir
        ) as opened:
            done = await Deposit(
                repository=opened,
                recid=recid,
                identifier=source_identifier(recid)["identifier"],
                document=document,
                uploads=package["uploads"],
                open_upload=lambda entry: read_chunks(entry, data_dir=data_dir),
                state_path=data_dir / "deposit.json",
                settings=DepositSettings(
                    attempts=settings["attempts"],
                    parallel_files=settings["parallel_files"],
                    foreign_files=settings["foreign_files"],
                    community=repository["community"],
                    workflow=repository["workflow"],
                ),
            ).run()
        write_receipt(receipt_path, "upload", done.receipt)
        return done.measured

    return asyncio.run(deposit())


def publish(
    *,
    upload_path: Path,
    receipt_path: Path,
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    sandbox_dir: Path,
) -> dict[str, int]:
    """Publish the draft of the receipt `upload` and write the receipt `published`.

    Raises:
        IntegrityError: the receipt is of another repository, or draft and receipt differ.
    """
    uploaded = read_receipt(upload_path, "upload")

    async def finish() -> dict[str, int]:
        async with open_repository(
            run=read_run(), repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir
        ) as opened:
            if uploaded["repository"] != opened.name:
                raise IntegrityError(
                    f"{upload_path}: expected an upload to {opened.name}, found one to {uploaded['repository']}; "
                    "delete it and run again"
                )
            done = await publish_record(repository=opened, uploaded=uploaded, attempts=settings["attempts"])
        write_receipt(receipt_path, "published", done.receipt)
        return done.measured

    return asyncio.run(finish())
