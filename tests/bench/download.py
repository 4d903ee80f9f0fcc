"""The download step beside xrdcp and cernopendata-client, from a real XRootD server on loopback.

The server's files and what is fetched lie in /dev/shm, so that no disk is measured. Ours is the whole step as a run
starts it, a child of the script server (Snakemake's own work is not counted): it reads the receipt `source`, fetches,
proves size and Adler-32 of every file, computes CRC-32, forces each file to the disk, names it, and writes the receipt
`download`; with the settings of config.yaml. xrdcp copies the same list of files and
verifies nothing; it runs with the number of --parallel (or --streams for a single file) that was quickest in a trial
before. cernopendata-client 1.0.2 is installed into a folder of its own and downloads with its XRootD engine and
without --verify; the portal that it asks is a server in this process, and its address of CERN's is replaced.

The same over a line of 1, 40 and 150 ms there and back and 100 MB/s, which is a proxy in this process.

`--scale 0.1` takes a tenth of the files and writes no result; `--only TEXT` the cases that have it in their names.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from loopback import serving

from bench.side_by_side import RUNS, Result, compared, measure, report, seconds
from ferry.receipts import read_receipt, write_receipt
from ferry.run.script_server import ScriptServer
from hooks.script_jobs import READY
from servers.tcp_proxy import tcp_proxy
from servers.xrootd_server import EXPORT, XrootdServer, running_server

MEMORY = Path("/dev/shm")
RECID = 7
CERN = "root://eospublic.cern.ch/"
CONFIG = yaml.safe_load(Path("config.yaml").read_text())

STEP = """
import json, os
from pathlib import Path
from ferry.steps.download_files import download_to_receipt
from ferry.run.step import write_log
folder, config = Path(os.environ["FOLDER"]), json.loads(os.environ["CONFIG"])
write_log(folder / "log")
measured = download_to_receipt(
    recid=int(os.environ["RECID"]),
    source_path=folder / "source.json", receipt_path=folder / "target/download.json", data_dir=folder / "target/data",
    sandbox_dir=folder, **config)
(folder / "target/measured.json").write_text(json.dumps(measured))
"""
CLIENT = """
import sys
from cernopendata_client import cli, downloader
downloader.SERVER_ROOT_URI = sys.argv.pop(1)
cli.cernopendata_client()
"""


@dataclass(frozen=True)
class Record:
    """A record on the test server, and a folder to fetch it to."""

    folder: Path
    scripts: ScriptServer
    prefix: str
    keys: list[str]
    size_bytes: int

    def clear(self) -> None:
        """Leave nothing of what was fetched."""
        shutil.rmtree(self.folder / "target", ignore_errors=True)
        (self.folder / "target").mkdir()

    def step(self) -> dict[str, int]:
        """Run ours; return what it measured, its peak of memory among it."""
        parts = ("source", "download", "package", "storage")
        config = {"repository": "", "portal": CONFIG["metadata"]["portal"], **{part: CONFIG[part] for part in parts}}
        config["source"] = {**config["source"], "redirects": {CERN: self.prefix}}
        script = self.folder / "step.py"
        script.write_text(STEP)
        environment = {"FOLDER": str(self.folder), "CONFIG": json.dumps(config), "RECID": str(RECID)}
        ended = self.scripts.run(str(script), environment=environment)
        assert ended.status == 0
        receipt = read_receipt(self.folder / "target/download.json", "download", recid=RECID)
        assert [file["verified"] for file in receipt["files"]] == ["adler32"] * len(self.keys)
        measured: dict[str, int] = json.loads((self.folder / "target/measured.json").read_text())
        assert measured["bytes_moved"] == self.size_bytes
        return {**measured, "peak_bytes": ended.peak_bytes}

    def xrdcp(self, *options: str) -> None:
        """Copy the same files with xrdcp."""
        sources = self.folder / "sources.txt"
        sources.write_text("".join(f"{self.prefix}{EXPORT}/{key}\n" for key in self.keys))
        target = self.folder / "target"
        subprocess.run(["xrdcp", "--silent", *options, "--infiles", sources, target], check=True)
        self.expect_files(target)

    def expect_files(self, folder: Path) -> None:
        """Raise if not all files are in a folder."""
        found = sum(entry.stat().st_size for entry in os.scandir(folder))
        assert found == self.size_bytes, f"{folder}: expected {self.size_bytes} bytes, found {found}"


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    results = []
    for name, case in CASES.items():
        if asked.only in name:
            results += case(name, asked.scale)
    if asked == parser.parse_args([]):
        report("download", results)
    else:
        print(*results, sep="\n")


def one_large(name: str, scale: float) -> list[Result]:
    """Measure one file of 2 GB on loopback."""
    with record(files=1, size_bytes=int(2e9 * scale)) as one:
        return [
            beside_xrdcp(f"{name} vs xrdcp", one, best_of(one, "--streams", (1, 4, 8)), goal=1.5),
            memory(name, one),
        ]


def many(name: str, scale: float) -> list[Result]:
    """Measure 2,000 files of 1 MB on loopback."""
    with record(files=int(2000 * scale), size_bytes=1_000_000) as files, client_installed() as client:
        return [
            beside_xrdcp(f"{name} vs xrdcp", files, best_of(files, "--parallel", (4, 16, 64)), goal=1.5),
            beside_client(f"{name} vs cernopendata-client", files, client, goal=3),
            memory(name, files),
        ]


def many_small(name: str, scale: float) -> list[Result]:
    """Measure 20,000 files of 10 kB on loopback."""
    with record(files=int(20_000 * scale), size_bytes=10_000) as files:
        return [
            beside_xrdcp(f"{name} vs xrdcp", files, best_of(files, "--parallel", (4, 16, 64)), goal=1.1),
            memory(name, files),
        ]


def far(
    name: str, scale: float, *, files: int, size_bytes: int, round_trip_s: float, goal: float | None
) -> list[Result]:
    """Measure files over a line, beside xrdcp; a large one beside the line's own rate too."""
    if files == 1:
        size_bytes = int(size_bytes * scale)
    else:
        files = int(files * scale)
    option, numbers = ("--streams", (1, 4, 8)) if files == 1 else ("--parallel", (16, 64, 128))
    with record(files=files, size_bytes=size_bytes, round_trip_s=round_trip_s, bytes_per_s=LINE_BYTES_PER_S) as record_:
        compared_ = beside_xrdcp(f"{name} vs xrdcp", record_, best_of(record_, option, numbers), goal=goal)
        results = [compared_, memory(name, record_)]
        if files == 1:
            line_s = size_bytes / LINE_BYTES_PER_S
            results.append(compared(f"{name} vs line", ours=[compared_.ours], other=[line_s], unit="s", goal=0.9))
        return results


LINE_BYTES_PER_S = 100e6
FAR = {"1000x10kB": (1000, 10_000, 2.0), "300x1MB": (300, 1_000_000, 1.2), "1x500MB": (1, 500_000_000, 1.0)}
CASES: dict[str, Callable[[str, float], list[Result]]] = {
    "1x2GB": one_large,
    "2000x1MB": many,
    "20000x10kB": many_small,
} | {
    f"{name} at {ms} ms": partial(
        far, files=files, size_bytes=size_bytes, round_trip_s=ms / 1000, goal=goal if ms > 1 else None
    )
    for ms in (1, 40, 150)
    for name, (files, size_bytes, goal) in FAR.items()
}


def beside_xrdcp(case: str, record: Record, options: Sequence[str], *, goal: float | None) -> Result:
    """Compare with xrdcp."""
    ours, other = record.step, lambda: record.xrdcp(*options)
    return measure(case, ours=ours, other=other, before=record.clear, goal=goal)


def best_of(record: Record, option: str, numbers: Sequence[int]) -> list[str]:
    """Return the option with which xrdcp is quickest (the better of two tries each)."""
    taken = {}
    for number in (*numbers, *numbers):
        record.clear()
        taken[number] = min(taken.get(number, float("inf")), seconds(lambda n=number: record.xrdcp(option, str(n))))
    print(f"xrdcp {option}: " + ", ".join(f"{number}: {taken[number]:.2f} s" for number in numbers), flush=True)
    return [option, str(min(taken, key=taken.__getitem__))]


def beside_client(case: str, record: Record, client: Path, *, goal: float) -> Result:
    """Compare with the XRootD engine of cernopendata-client."""
    files = [{"uri": f"{CERN}{EXPORT}/{key}", "size": 0, "checksum": "adler32:0"} for key in record.keys]
    with portal({"id": str(RECID), "metadata": {"recid": str(RECID), "files": files}}) as url:
        options = ["--recid", str(RECID), "--server", url, "--protocol", "xrootd"]

        def other() -> None:
            subprocess.run(
                [client, "-c", CLIENT, record.prefix, "download-files", *options],
                cwd=record.folder / "target",
                stdout=subprocess.DEVNULL,
                check=True,
            )
            record.expect_files(record.folder / "target" / str(RECID))

        return measure(case, ours=record.step, other=other, before=record.clear, goal=goal)


def memory(name: str, record: Record) -> Result:
    """Return the peak of our process beside 200 MB."""
    peaks = []
    for _ in range(RUNS):
        record.clear()
        peaks.append(record.step()["peak_bytes"] / 1e6)
    return compared(f"peak memory {name} vs 200 MB", ours=peaks, other=[200], unit="MB", goal=1)


@contextmanager
def record(*, files: int, size_bytes: int, round_trip_s: float = 0, bytes_per_s: float | None = None):
    """Give a record of so many files on a server of its own, at the end of a line where one is asked for."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-download-") as folder,
        running_server(MEMORY) as server,
        tcp_proxy(server.port) as proxy,
        script_server() as scripts,
    ):
        entries = list(lay_files(server, files, size_bytes))
        write_receipt(
            Path(folder) / "source.json",
            "source",
            {"recid": RECID, "origin": "benchmark", "record": {}, "files": entries},
        )
        prefix = server.prefix
        if bytes_per_s is not None:
            proxy.delay_s, proxy.bytes_per_s = round_trip_s / 2, bytes_per_s
            prefix = f"root://127.0.0.1:{proxy.port}/"
        yield Record(Path(folder), scripts, prefix, [entry["key"] for entry in entries], files * size_bytes)


@contextmanager
def script_server() -> Iterator[ScriptServer]:
    """Have the server of a run, with all modules loaded."""
    server = ScriptServer(*READY)
    try:
        yield server
    finally:
        server.stop()


def lay_files(server: XrootdServer, files: int, size_bytes: int):
    """Write the files into the server's export and give their entries of the receipt `source`."""
    random_ = random.Random(1)
    for number in range(files):
        key = f"{number:06d}.dst"
        adler32, left = 1, size_bytes
        with (server.export / key).open("wb") as stream:
            while left:
                block = random_.randbytes(min(left, 1 << 20))
                stream.write(block)
                adler32, left = zlib.adler32(block, adler32), left - len(block)
        yield {
            "key": key,
            "uri": f"{CERN}{EXPORT}/{key}",
            "size_bytes": size_bytes,
            "checksum": {"algorithm": "adler32", "value": f"{adler32:08x}"},
            "online": True,
        }


@contextmanager
def client_installed():
    """Give the interpreter that has cernopendata-client."""
    uv = shutil.which("uv") or ".tools/bin/uv"
    with tempfile.TemporaryDirectory(prefix="bench-client-") as folder:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        python = Path(folder) / "bin/python"
        client = "cernopendata-client[xrootd]==1.0.2"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, client], check=True)
        yield python


@contextmanager
def portal(record: dict[str, Any]):
    """Give the address of a server that answers with this record whatever it is asked."""
    body = json.dumps(record).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


if __name__ == "__main__":
    main()
