"""The packaging step: from the receipt of the download to what goes up."""

import logging
import shutil
from pathlib import Path
from typing import Any

from ferry.bundle.attachments import attach_source
from ferry.bundle.deflated import packed_notes
from ferry.bundle.member_files import AGAIN, BytesError, check_source
from ferry.bundle.plan import PackagePlan, PackageSettings, PlannedUpload, plan_packages, refuse_twins
from ferry.bundle.receipt import bundle_entry, file_entry, largest_ratio
from ferry.bundle.stored import Work
from ferry.bundle.write import prepare_bundle, texts_path, write_bundle
from ferry.errors import PermanentError
from ferry.receipts import read_receipt, write_receipt
from ferry.steps.drop import DroppedFiles
from ferry.upload_names import RO_CRATE_KEY, manifest_key

log = logging.getLogger(__name__)


def package(
    *,
    recid: int,
    source_path: Path,
    download_path: Path,
    receipt_path: Path,
    data_dir: Path,
    settings: PackageSettings,
    threads: int,
    settings_name: str | None = None,
) -> dict[str, int]:
    """Decide what goes up, see to it that the bundles are right, and write the receipt `package`.

    Bundles that are there are brought right, those of an earlier plan removed. In the mode `stream` only packed texts
    are written. Of bytes that were let go of (`storage.remove`) nothing is made: they have gone up.

    Args:
        recid: of the record, on the portal.
        source_path, download_path: the receipts `source` and `download`.
        receipt_path: where the receipt goes.
        data_dir: data/<recid>, with the downloaded files in files/.
        settings: when to bundle, and the repository's limits.
        threads: cores that may be used.
        settings_name: of `settings`, for `snakemake check`.

    Returns:
        What was measured: bytes_moved and files_moved (bytes and members written to bundles; less than all of them
        where a bundle was there), bytes_read, and bundle_disk_bytes, what lies below data/<recid>/bundles now.

    Raises:
        PermanentError: the record is beyond what the repository takes, its bundles beyond the free disk, or a file is
            called as an attachment is.
        IntegrityError: a file is not what its receipt says, or a receipt is not that of this record.
        BytesError: bytes are gone that are needed, or are not what was downloaded.
    """
    download = read_receipt(download_path, "download", recid=recid)
    plan = plan_packages(recid=recid, files=download["files"], settings=settings)
    if plan.note:
        log.warning("record %d: %s", recid, plan.note)
    known = DroppedFiles.of(data_dir)
    if known is not None:
        entries, work = [_known_entry(known, upload, plan) for upload in plan.uploads], Work()
    else:
        entries, work = _pack_all(plan, data_dir=data_dir, settings=settings, threads=threads)
    if entries and "source" in settings.attachments:
        record = read_receipt(source_path, "source", recid=recid)["record"]
        entries.append(attach_source(recid=recid, record=record, data_dir=data_dir))
        entries.sort(key=lambda entry: str(entry["key"]))
    receipt: dict[str, Any] = {"recid": recid, "uploads": entries}
    if settings_name is not None:
        receipt["settings"] = settings_name
    if entries and "manifest" in settings.attachments:
        receipt["manifest"] = True
    if entries and "ro-crate" in settings.attachments:
        receipt["ro_crate"] = True
    # The manifest and the RO-Crate are written at the end of the upload, and take their names only then.
    later = {manifest_key(recid): "manifest", RO_CRATE_KEY: "ro_crate"}
    refuse_twins(
        recid, [*(entry["key"] for entry in entries), *(key for key, name in later.items() if name in receipt)]
    )
    write_receipt(receipt_path, "package", receipt)
    return {
        "bytes_moved": work.bytes_written,
        "files_moved": work.members_written,
        "bytes_read": work.bytes_read,
        "bundle_disk_bytes": sum(path.stat().st_size for path in (data_dir / "bundles").glob("*")),
    }


def _known_entry(known: DroppedFiles, upload: PlannedUpload, plan: PackagePlan) -> dict[str, Any]:
    """Return the entry of what went up before its bytes were dropped."""
    entry = known.entry(upload)
    if entry is None or (plan.browsable is not None and largest_ratio(entry) > plan.browsable.ratio):
        raise BytesError(f"{upload.key}: was not made before the files of the record were removed; {AGAIN}")
    return entry


def _pack_all(
    plan: PackagePlan, *, data_dir: Path, settings: PackageSettings, threads: int
) -> tuple[list[dict[str, Any]], Work]:
    """Return the entries of what goes up, its bundles made."""
    bundles_dir = data_dir / "bundles"
    bundles = [upload for upload in plan.uploads if upload.kind == "bundle"]
    _remove_stale(bundles_dir, {upload.key for upload in bundles}, settings.mode)
    if bundles and settings.mode == "file":
        _require_disk(plan.recid, bundles, bundles_dir, data_dir)
    entries, work = [], Work()
    for upload in plan.uploads:
        entry, done = _pack(upload, plan, data_dir=data_dir, mode=settings.mode, threads=threads)
        entries.append(entry)
        work += done
    return entries, work


def _pack(
    upload: PlannedUpload, plan: PackagePlan, *, data_dir: Path, mode: str, threads: int
) -> tuple[dict[str, Any], Work]:
    files_dir = data_dir / "files"
    if upload.kind == "file":
        (file,) = upload.members
        check_source(file, files_dir=files_dir)
        return file_entry(file), Work()
    make = write_bundle if mode == "file" else prepare_bundle
    path = data_dir / "bundles" / upload.key
    ratio = plan.browsable.ratio if plan.browsable else None
    bundle = make(path=path, members=upload.members, files_dir=files_dir, threads=threads, most_ratio=ratio)
    return bundle_entry(upload.key, bundle.layout, generated=mode == "stream"), bundle.work


def _remove_stale(bundles_dir: Path, keys: set[str], mode: str) -> None:
    """Remove what an earlier plan has left, so that nothing lies there but what belongs to these bundles."""
    kept = set[str]()
    for key in keys:
        path = bundles_dir / key if mode == "file" else texts_path(bundles_dir / key)
        kept |= {path.name, f"{path.name}.part", packed_notes(bundles_dir / key).name}
    for path in bundles_dir.glob("*"):
        if path.name not in kept:
            path.unlink()


def _require_disk(recid: int, bundles: list[PlannedUpload], bundles_dir: Path, data_dir: Path) -> None:
    """Refuse before the first byte what cannot fit; a bundle that is there takes its place again."""
    needed = sum(member.size_bytes for upload in bundles for member in upload.members)
    there = sum(path.stat().st_size for path in bundles_dir.glob("*.zip*"))
    free = shutil.disk_usage(data_dir).free
    if needed - there > free:
        raise PermanentError(
            f"record {recid}: its bundles take {needed} bytes, {there} are there already, the disk has {free} left; "
            "free some space, or have bundles generated while they are uploaded (package.mode: stream)"
        )
