"""The step `download_files` on data that lie on the disk, configured as config.yaml is but for what a test changes."""

import zlib
from pathlib import Path

import yaml

from ferry.receipts import read_receipt, write_receipt
from ferry.source.keys import file_keys
from ferry.steps.download_files import download_to_receipt

ROOT = Path(__file__).resolve().parents[1]
SOURCE = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["source"]
PREFIX = "root://far.example//eos/opendata/"
RECID = 7


def record(files: dict[str, bytes], **changes: dict) -> dict:
    """Return the receipt `source` of a record that lists these files; `f0` … change the entries."""
    uris = [PREFIX + name for name in files]
    entries = [
        {
            "key": key,
            "uri": uri,
            "size_bytes": len(content),
            "checksum": {"algorithm": "adler32", "value": f"{zlib.adler32(content):08x}"},
            "online": True,
        }
        for key, uri, content in zip(file_keys(uris), uris, files.values(), strict=True)
    ]
    for name, change in changes.items():
        entries[int(name.removeprefix("f"))].update(change)
    return {"recid": RECID, "origin": "test", "record": {}, "files": entries}


def lay(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below <root>/<recid>; return that folder."""
    folder = root / str(RECID)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def download(tmp_path: Path, source: dict, **settings: object) -> dict[str, float]:
    """Run the step on the data below tmp_path/root."""
    write_receipt(tmp_path / "source.json", "source", source)
    return download_to_receipt(
        recid=RECID,
        source_path=tmp_path / "source.json",
        receipt_path=tmp_path / "download.json",
        data_dir=tmp_path / "data",
        source={**SOURCE, "data_root": str(tmp_path / "root"), **settings},
        portal="https://portal.invalid",
        download={"parallel_files": 4, "attempts": 1, "stall_s": 5},
        package={},
        storage={"max_bytes": None},
        repository="one",
        sandbox_dir=tmp_path / "sandbox",
    )


def taken(tmp_path: Path) -> dict[str, str]:
    """Return key -> what proved it, by the receipt."""
    return {
        each["key"]: each["verified"]
        for each in read_receipt(tmp_path / "download.json", "download", recid=RECID)["files"]
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of all files below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
