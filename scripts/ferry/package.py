"""The packaging step: from the receipt of the download to what goes up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.bundle import write_bundle
from ferry.package_plan import PackageSettings, PlannedUpload, plan_packages
from ferry.receipts import read_receipt, write_receipt


def package(
    *, recid: int, download_path: Path, receipt_path: Path, data_dir: Path, settings: PackageSettings, threads: int
) -> dict[str, int]:
    """Decide what goes up, write the bundles below data/<recid>/bundles, and write the receipt `package`.

    Args:
        recid: of the record, on the portal.
        download_path: the receipt `download`.
        receipt_path: where the receipt goes.
        data_dir: data/<recid>, with the downloaded files in files/.
        settings: when to bundle, and the repository's limits.
        threads: cores that may be used.

    Returns:
        What was measured: bytes_moved (written to bundles), files_moved (members of bundles).

    Raises:
        PermanentError: the record is beyond what the repository takes.
        IntegrityError: a file is not what its receipt says.
    """
    download = read_receipt(download_path, "download")
    plan = plan_packages(recid=recid, files=download["files"], settings=settings)
    wanted = {upload.key for upload in plan.uploads if upload.kind == "bundle"}
    _remove_stale(data_dir / "bundles", wanted)
    uploads = [_upload(upload, data_dir=data_dir, threads=threads) for upload in plan.uploads]
    write_receipt(receipt_path, "package", {"recid": recid, "uploads": uploads})
    bundles = [upload for upload in uploads if upload["kind"] == "bundle"]
    return {
        "bytes_moved": sum(bundle["size_bytes"] for bundle in bundles),
        "files_moved": sum(len(bundle["members"]) for bundle in bundles),
    }


def settings_of(config: Mapping[str, Any]) -> PackageSettings:
    """Return the settings that the part `package` of the configuration gives."""
    limit = config["max_bundle_bytes"]
    return PackageSettings(
        max_files=config["max_files"],
        patterns=tuple(config["patterns"]),
        max_bundle_bytes=limit,
        max_upload_bytes=config["max_upload_bytes"],
    )


def _upload(upload: PlannedUpload, *, data_dir: Path, threads: int) -> dict[str, Any]:
    if upload.kind == "file":
        (file,) = upload.members
        return {
            "key": upload.key,
            "kind": "file",
            "path": f"files/{file.key}",
            "size_bytes": file.size_bytes,
            "adler32": f"{file.adler32:08x}",
            "members": [],
        }
    path = f"bundles/{upload.key}"
    layout = write_bundle(
        path=data_dir / path, members=upload.members, files_dir=data_dir / "files", threads=threads
    ).layout
    return {
        "key": upload.key,
        "kind": "bundle",
        "path": path,
        "size_bytes": layout.size_bytes,
        "adler32": f"{layout.adler32:08x}",
        "members": [
            {
                "key": member.key,
                "size_bytes": member.size_bytes,
                "adler32": f"{member.adler32:08x}",
                "crc32": f"{member.crc32:08x}",
            }
            for member in upload.members
        ],
    }


def _remove_stale(bundles_dir: Path, wanted: set[str]) -> None:
    """Remove what an earlier plan has left, so that no bundle lies there that is not in the receipt."""
    for path in bundles_dir.glob("*"):
        if path.name not in wanted:
            path.unlink()
