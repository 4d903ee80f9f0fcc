"""The step `upload_record`: a packaged record becomes a draft of the repository."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ferry.bundle.attachments import attach_source
from ferry.bundle.proof import ChangedError
from ferry.bundle.reader import UploadReader, open_upload
from ferry.bundle.repair import repair_bundle
from ferry.chain import PACKAGE_STEP, mark_again
from ferry.deposit.deposit import Deposit
from ferry.deposit.desired_files import OpenUpload, Upload
from ferry.deposit.empty import EmptyFileError
from ferry.deposit.manifest import Manifest
from ferry.deposit.settings import DepositSettings, EmptyRecords
from ferry.errors import TransientError
from ferry.receipts import GIVEN, read_identifier, read_receipt, write_receipt
from ferry.repository.client import Repository
from ferry.run.open_repository import open_repository, outlasting, settle_s
from ferry.run.run import read_run
from ferry.steps.upload_state import load_state


def upload(
    *,
    recid: int,
    record_path: Path,
    package_path: Path,
    receipt_path: Path,
    data_dir: Path,
    journal: Path,
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    empty_records: EmptyRecords,
    sandbox_dir: Path,
) -> dict[str, float]:
    """Bring a packaged record into the repository as a draft and write the receipt `upload`.

    Args:
        recid: of the record, on the portal.
        record_path, package_path: the receipts `record` and `package`.
        receipt_path: where the receipt goes.
        data_dir: data/<recid>, where the bytes lie and the upload keeps its state.
        journal: of the record, which tells of earlier attempts where their state is lost.
        repository, settings: those parts of the configuration (`repository`, `upload`).
        empty_records: what becomes of a record without files where the repository takes none (package.empty_records).
        sandbox_dir: where the sandbox keeps its token.

    Returns:
        What was measured: bytes_moved, files_moved, requests, retries …

    Raises:
        ReceiptError: a receipt is not that of this record; nothing was asked of the repository.
        BytesError: bytes that are needed are gone, or are not what was packed; nothing was made or announced for them.
        EmptyFileError: the repository takes no empty file; the next run packs the record anew, as is configured then.
    """
    package = read_receipt(package_path, "package", recid=recid)
    # data on disk may bring files that the record does not list: what goes up decides whether there are files
    document = {**read_receipt(record_path, "record", recid=recid), "files": {"enabled": bool(package["uploads"])}}
    identifier = read_identifier(record_path, recid=recid)
    uploads = package["uploads"]
    if package.get("ro_crate"):
        from ferry.bundle.ro_crate import attach_ro_crate  # noqa: PLC0415 - 0.4 s that only those pay who ask for it

        uploads = [*uploads, attach_ro_crate(identifier, document=document, uploads=uploads, data_dir=data_dir)]
    manifest = None
    if package.get("manifest"):
        manifest = Manifest(
            recid=recid,
            source=identifier,
            uploads=package["uploads"],
            downloaded=read_receipt(package_path.with_name("download.json"), "download", recid=recid)["files"],
            data_dir=data_dir,
            left_out=read_receipt(package_path.with_name("source.json"), "source", recid=recid).get("left_out"),
        )

    def own_json() -> Upload:
        record = read_receipt(package_path.parent / "source.json", "source", recid=recid)["record"]
        return attach_source(recid=recid, record=record, data_dir=data_dir)

    def deposit_in(opened: Repository) -> Deposit:
        return Deposit(
            repository=opened,
            recid=recid,
            identifier=identifier,
            document=document,
            uploads=uploads,
            open_upload=reading(data_dir),
            check_bytes=lambda entry: open_upload(entry, data_dir=data_dir).require(),
            manifest=manifest,
            own_json=own_json,
            state=load_state(
                recid=recid,
                repository=opened.name,
                data_dir=data_dir,
                record_dir=receipt_path.parent,
                journal=journal,
            ),
            given_path=receipt_path.with_name(GIVEN),
            settings=DepositSettings(
                attempts=settings["attempts"],
                parallel_files=settings["parallel_files"],
                foreign_files=settings["foreign_files"],
                workflow=repository["workflow"],
                community=repository["community"],
                publishes=repository["finish"] != "draft",
                when_published=repository["when_published"],
                when_edited=repository["when_edited"],
                settle_s=settle_s(repository, name=opened.name),
                duplicate_drafts=repository["duplicate_drafts"],
                takes_records_without_files=repository["takes_records_without_files"],
                empty_records=empty_records,
                order=settings["order"],
                bytes_per_s=settings["bytes_per_s"],
                multipart_from_bytes=settings["multipart_from_bytes"],
                part_bytes=settings["part_bytes"],
                parallel_parts=settings["parallel_parts"],
            ),
        )

    async def deposit() -> dict[str, float]:
        run = read_run()
        async with open_repository(
            run=run, repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir
        ) as opened:
            done = await outlasting(lambda: deposit_in(opened).run(), opened=opened, run=run)
        write_receipt(receipt_path, "upload", done.receipt)
        return done.measured

    try:
        return asyncio.run(deposit())
    except EmptyFileError:
        mark_again(PACKAGE_STEP, package_path.parent)
        raise


def reading(data_dir: Path) -> OpenUpload:
    """Return what reads uploads; the parts of one are read by one reader, which knows what was given of it already.

    A bundle that is found damaged on disk is repaired where it is, and told as trouble that has passed: all of it is
    read again from where it was asked for.
    """
    readers: dict[tuple[str, str], UploadReader] = {}
    lock = threading.Lock()  # parts begin together, each in a thread of its own

    def reader_of_parts(entry: Upload) -> UploadReader:
        name = (entry["key"], entry["adler32"])
        with lock:
            if name not in readers:
                readers[name] = open_upload(entry, data_dir=data_dir)
            return readers[name]

    def read(entry: Upload, /, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        # a pass over the whole proves itself; counted with the parts it would overlap them
        reader = open_upload(entry, data_dir=data_dir) if length is None else reader_of_parts(entry)
        try:
            yield from reader.chunks(offset=offset, length=length)
        except ChangedError as error:
            if reader.layout is None:
                raise
            path = data_dir / entry["path"]
            repair_bundle(path, reader.layout, files_dir=data_dir / "files", offset=error.offset)
            with lock:
                readers.pop((entry["key"], entry["adler32"]), None)  # it remembers what the damaged bytes were
            raise TransientError(f"{error.where}: was damaged on disk, and is written again from its file") from error

    return read
