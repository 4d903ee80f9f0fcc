"""The download step beside xrdcp and cernopendata-client, from a real XRootD server on loopback.

The server's files and what is fetched lie in /dev/shm, so that no disk is measured. Ours is the whole step in a
process of its own, as Snakemake starts it (Python's start and imports included, Snakemake's own work not): it reads
the receipt `source`, fetches, proves size and Adler-32 of every file, computes CRC-32, forces each file to the disk,
names it, and writes the receipt `download`; with the settings of config.yaml. xrdcp copies the same list of files and
verifies nothing; it runs with the number of --parallel (or --streams for a single file) that was quickest in a trial
before. cernopendata-client 1.0.2 is installed into a folder of its own and downloads with its XRootD engine and
without --verify; the portal that it asks is a server in this process, and its address of CERN's is replaced.

`--scale 0.1` takes a tenth of the files and writes no result.
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
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from loopback import serving

from bench.side_by_side import RUNS, Result, compared, measure, report, seconds
from ferry.receipts import read_receipt, write_receipt
from servers.tcp_proxy import tcp_proxy
from servers.xrootd_server import EXPORT, XrootdServer, running_server

MEMORY = Path("/dev/shm")
RECID = 7
CERN = "root://eospublic.cern.ch/"
CONFIG = yaml.safe_load(Path("config.yaml").read_text())

STEP = """
import json, sys
from pathlib import Path
from ferry.steps.download_files import download_to_receipt
from ferry.run.step import write_log
folder, config = Path(sys.argv[1]), json.loads(sys.argv[2])
write_log(folder / "log")
measured = download_to_receipt(
    recid=int(sys.argv[3]),
    source_path=folder / "source.json", receipt_path=folder / "target/download.json", data_dir=folder / "target/data",
    sandbox_dir=folder, **config)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({**measured, "peak_bytes": int(peak.split()[1]) * 1024}))
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
        done = subprocess.run(
            [sys.executable, "-c", STEP, self.folder, json.dumps(config), str(RECID)],
            env={**os.environ, "PYTHONPATH": "scripts"},
            stdout=subprocess.PIPE,
            check=True,
        )
        receipt = read_receipt(self.folder / "target/download.json", "download", recid=RECID)
        assert [file["verified"] for file in receipt["files"]] == ["adler32"] * len(self.keys)
        measured: dict[str, int] = json.loads(done.stdout)
        assert measured["bytes_moved"] == self.size_bytes
        return measured

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
    scale = parser.parse_args().scale
    results = []
    with record(files=1, size_bytes=int(2e9 * scale)) as one:
        results.append(beside_xrdcp("1x2GB vs xrdcp", one, best_of(one, "--streams", (1, 4, 8)), goal=1.5))
        results.append(memory("1x2GB", one))
    with record(files=int(2000 * scale), size_bytes=1_000_000) as many, client_installed() as client:
        results.append(beside_xrdcp("2000x1MB vs xrdcp", many, best_of(many, "--parallel", (4, 16, 64)), goal=1.5))
        results.append(beside_client("2000x1MB vs cernopendata-client", many, client, goal=3))
        results.append(memory("2000x1MB", many))
    with record(files=int(20_000 * scale), size_bytes=10_000) as small:
        results.append(beside_xrdcp("20000x10kB vs xrdcp", small, best_of(small, "--parallel", (4, 16, 64)), goal=1.1))
        results.append(memory("20000x10kB", small))
    with record(files=int(600 * scale), size_bytes=10_000, delay_s=0.020, bytes_per_s=30e6) as far:
        options = best_of(far, "--parallel", (16, 64))
        results.append(per_second(beside_xrdcp("small files/s at 40 ms, 30 MB/s", far, options, goal=None), far))
    if scale == 1:
        report("download", results)
    else:
        print(*results, sep="\n")


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


def per_second(result: Result, record: Record) -> Result:
    """Say a result in files per second."""
    files = len(record.keys)
    return replace(result, ours=round(files / result.ours, 1), other=round(files / result.other, 1), unit="1/s")


@contextmanager
def record(*, files: int, size_bytes: int, delay_s: float = 0, bytes_per_s: float | None = None):
    """Give a record of so many files on a server of its own, behind a proxy where the link is to be slow."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-download-") as folder,
        running_server(MEMORY) as server,
        tcp_proxy(server.port) as proxy,
    ):
        entries = list(lay_files(server, files, size_bytes))
        write_receipt(
            Path(folder) / "source.json",
            "source",
            {"recid": RECID, "origin": "benchmark", "record": {}, "files": entries},
        )
        prefix = server.prefix
        if bytes_per_s is not None:
            proxy.delay_s, proxy.bytes_per_s = delay_s, bytes_per_s
            prefix = f"root://127.0.0.1:{proxy.port}/"
        yield Record(Path(folder), prefix, [entry["key"] for entry in entries], files * size_bytes)


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
