"""Records whose files lie on a test server, and a download of them."""

import hashlib
import json
import os
import random
import zlib
from pathlib import Path
from typing import Any

from ferry.source.allowed import AllowedSources
from ferry.source.download import Download, Downloaded, DownloadSettings
from ferry.source.keys import file_keys
from servers.xrootd_server import EXPORT, XrootdServer

PORTAL_PREFIX = "root://eospublic.cern.ch/"


def make_bytes(size: int, seed: object = 0) -> bytes:
    """Return the same bytes for the same arguments."""
    return random.Random(f"{seed}/{size}").randbytes(size)


def adler32(content: bytes) -> dict[str, str]:
    """Return the checksum as the receipt `source` holds it."""
    return {"algorithm": "adler32", "value": f"{zlib.adler32(content):08x}"}


def record(files: dict[str, bytes], *, recid: int = 7, **changes: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt `source`; `changes` alter the entry of a file by its position: `f0={"size_bytes": 3}`."""
    uris = [f"{PORTAL_PREFIX}{EXPORT}/{name}" for name in files]
    entries = [
        {"key": key, "uri": uri, "size_bytes": len(content), "checksum": adler32(content), "online": True}
        for key, uri, content in zip(file_keys(uris), uris, files.values(), strict=True)
    ]
    for name, change in changes.items():
        entries[int(name.removeprefix("f"))].update(change)
    return {"recid": recid, "origin": "test", "record": {}, "files": entries}


def serve(server: XrootdServer, files: dict[str, bytes], **options: Any) -> dict[str, Any]:
    """Lay the files onto the server and return the receipt `source` that lists them."""
    for name, content in files.items():
        server.put(name, content)
    return record(files, **options)


def download(
    source: dict[str, Any], folder: Path, *, prefix: str, pauses: list[float] | None = None, **settings: Any
) -> Downloaded:
    """Download into `folder`; pauses are written down instead of waited for."""
    waited = pauses if pauses is not None else []
    return Download(
        source=source,
        files_dir=folder / "files",
        state_path=folder / "verified.jsonl",
        settings=DownloadSettings(
            redirects={PORTAL_PREFIX: prefix}, allowed=AllowedSources().including(prefix), **settings
        ),
        pause=waited.append,
    ).run()


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below the folder by relative path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def receipt_of(source: dict[str, Any], files: dict[str, bytes], verified: str = "adler32") -> dict[str, Any]:
    """Return the receipt `download` that the files must give."""
    return {
        "recid": source["recid"],
        "files": [
            {
                "key": entry["key"],
                "size_bytes": len(content),
                "adler32": f"{zlib.adler32(content):08x}",
                "crc32": f"{zlib.crc32(content):08x}",
                "verified": verified,
            }
            for entry, content in zip(source["files"], files.values(), strict=True)
        ],
    }


RUN = """
import json, os, sys
from pathlib import Path
from ferry.source.allowed import AllowedSources
from ferry.source.allowed import AllowedSources
from ferry.source.download import Download, DownloadSettings
from ferry.receipts import write_receipt
source, folder, settings = json.loads(sys.stdin.read())
folder = Path(folder)
done = Download(source=source, files_dir=folder / "files", state_path=folder / "verified.jsonl",
                settings=DownloadSettings(allowed=AllowedSources().including(*settings["redirects"].values()),
                                          **settings)).run()
write_receipt(folder / "download.json", "download", done.receipt)
print(json.dumps(done.measured))
"""


def run_input(source: dict[str, Any], folder: Path, *, prefix: str, **settings: Any) -> bytes:
    """Return what `RUN`, a download in a process of its own, reads from its standard input."""
    options = {"redirects": {PORTAL_PREFIX: prefix}, **settings}
    return json.dumps([source, str(folder), options]).encode()


def run_environment(**more: str) -> dict[str, str]:
    """Return the environment of such a process, without what a client in this process has set for itself."""
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("XRD_")}
    return {**inherited, "PYTHONPATH": str(scripts), **more}


def sha1(content: bytes) -> dict[str, str]:
    """Return a sha1 as the receipt `source` holds it."""
    return {"algorithm": "sha1", "value": hashlib.sha1(content).hexdigest()}
