"""`restore` beside curl of the same files one after another, from the sandbox or a real InvenioRDM, on loopback.

What is fetched, and what the sandbox keeps, lies in /dev/shm, so that no disk is measured. Ours is the step in a
process of its own, which has loaded its modules when the clock starts: it finds each record by its identifier, as
anybody may, lists its files, reads its manifest, fetches the files, proves size, MD5 and Adler-32 of each, forces them
to the disk and names them; with the settings of config.yaml but for the limits on requests. curl is one process that is
given the addresses of all files, keeps its connection, and neither searches nor proves anything; bundles are unpacked
by unzip afterwards, so that both end with the same files.

The same over a line of 40 ms there and back and 100 MB/s, which is a proxy in this process.

RDM_RUNNING=<file>, as for the tests, names a real InvenioRDM that is measured too; what is published there stays.
`--scale 0.1` takes a tenth of the bytes and writes no result; `--only sandbox` asks only that one.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote
from urllib.request import urlopen

import yaml
from packed_records import RECID, run_package, write_files

from bench.far import sandbox_behind_line
from bench.side_by_side import Result, measure, report
from ferry.deposit.manifest import Manifest
from ferry.deposit.settings import DepositSettings
from ferry.identity import source_identifier
from ferry.receipts import read_receipt
from ferry.repository.discovery import discover
from ferry.run.run import Target, begin_run
from ferry.steps.upload_record import reading
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import deposit, document, own_recid, publish
from servers.rdm.server import RealRepository

MEMORY = Path("/dev/shm")
CONFIG = yaml.safe_load(Path("config.yaml").read_text())
SHAPES = {
    "20x50MB loose": (20, 50_000_000, 20),
    "90x2MB loose": (90, 2_000_000, 98),
    "500x1MB bundled": (500, 1_000_000, 20),
}
"""Number of files, length of each, and from how many on they go up in bundles."""
STEP = """
import json, sys
from pathlib import Path
from ferry.steps.restore import Restore, restore_one
from ferry.run.step import write_log
config = json.loads(sys.argv[1])
write_log(Path("log"))
print("loaded", flush=True)
sys.stdin.readline()
restore = Restore(
    repository=config["repository"], settings=config["upload"], identifier_prefix=None, hosts=(),
    results_dir=Path("results"), restored_dir=Path("restored"), sandbox_dir=Path("none"))
restore_one(restore, int(sys.argv[2]))
"""


@dataclass
class Carried:
    """A public record, and a folder to bring it back to."""

    folder: Path
    url: str
    recid: int
    record_id: str
    keys: list[str]
    size_bytes: int
    step: subprocess.Popen[str] | None = None
    """Has loaded its modules, and waits."""

    def clear(self) -> None:
        """Leave nothing of what was fetched, and have ours loaded."""
        shutil.rmtree(self.folder / "restored", ignore_errors=True)
        (self.folder / "restored").mkdir()

        self.step = self.step or self._loaded()

    def _loaded(self) -> subprocess.Popen[str]:
        limits = {"requests_per_minute": None, "requests_per_hour": None}
        config = {**CONFIG, "repository": {**CONFIG["repository"], **limits}}
        environment = {name: value for name, value in os.environ.items() if name != "NRP_TOKEN"}
        step = subprocess.Popen(
            [sys.executable, "-c", STEP, json.dumps(config), str(self.recid)],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(Path("scripts").resolve()), "HOME": str(self.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert step.stdout is not None
        assert step.stdout.readline() == "loaded\n"
        return step

    def restore(self) -> None:
        """Run ours."""
        assert self.step is not None
        self.step.communicate("go\n")
        assert self.step.returncode == 0
        self.step = None
        files = (self.folder / "restored" / str(self.recid)).rglob("*")
        assert sum(path.stat().st_size for path in files if path.is_file()) == self.size_bytes

    def curl(self) -> None:
        """Fetch the same with curl, and unzip."""
        wanted = []
        for key in self.keys:
            wanted += ["--output", f"{self.folder}/restored/{key}"]
            wanted += [f"{self.url}/api/records/{self.record_id}/files/{quote(key)}/content"]
        subprocess.run(["curl", "--silent", "--show-error", "--fail", "--location", *wanted], check=True)
        for key in self.keys:
            if key.endswith(".zip"):
                bundle = self.folder / "restored" / key
                subprocess.run(["unzip", "-q", "-d", bundle.parent, bundle], check=True)
                bundle.unlink()
        assert sum(path.stat().st_size for path in (self.folder / "restored").iterdir()) >= self.size_bytes


def manifest_of(recid: int, uploads: list[dict], data_dir: Path) -> Manifest:
    """Return the manifest of what was packed."""
    downloaded = read_receipt(data_dir / "download.json", "download", recid=RECID)["files"]
    source = source_identifier(recid)["identifier"]
    return Manifest(recid=recid, source=source, uploads=uploads, downloaded=downloaded, data_dir=data_dir)


@contextmanager
def carried(repository, shape: tuple[int, int, int], scale: float) -> Iterator[Carried]:
    """Bring a record of this shape to a repository and publish it."""
    count, size_bytes, loose = shape
    size_bytes = max(1, int(size_bytes * scale))
    recid = own_recid()
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-restore-") as name:
        folder = Path(name)
        chance = random.Random(count)
        block = chance.randbytes(min(size_bytes, 1 << 20))
        contents = {
            f"f{n:05d}.dst": (chance.randbytes(16) + block * (size_bytes // len(block) + 1))[:size_bytes]
            for n in range(count)
        }
        write_files(folder / "data", contents)
        uploads = run_package(folder / "data", max_files=loose)
        settings = DepositSettings(multipart_from_bytes=90_000_000, part_bytes=90_000_000)
        done = deposit(
            repository,
            folder,
            packed=uploads,
            open_upload=reading(folder / "data"),
            recid=recid,
            settings=settings,
            manifest=manifest_of(recid, uploads, folder / "data"),
        )
        shutil.rmtree(folder / "data")
        publish(repository, done.receipt, doc=document(recid=recid))
        keys = [upload["key"] for upload in uploads]
        wait_until_found(repository, recid)
        info = asyncio.run(discover(url=repository.url, verify_tls=True))
        begin_run(target=Target(name=repository.url, url=repository.url, info=info), path=folder / "logs/run.json")
        one = Carried(folder, repository.url, recid, done.receipt["record_id"], keys, count * size_bytes)
        yield one
        if one.step is not None:
            one.step.communicate("go\n")


def wait_until_found(repository, recid: int) -> None:
    """Return when the search shows the record."""
    query = quote(f'metadata.identifiers.identifier:"{source_identifier(recid)["identifier"]}"')
    for _ in range(60):
        with urlopen(f"{repository.url}/api/records?q={query}") as answer:
            if json.load(answer)["hits"]["total"]:
                return
        time.sleep(0.5)
    raise AssertionError(f"{recid} is not found")


@contextmanager
def far_sandbox(folder: Path) -> Iterator[object]:
    """Give a sandbox at the end of a line; its records are brought there while the line is short."""
    with sandbox_behind_line(folder, rate_limits=()) as (far, url, line):
        yield SimpleNamespace(url=url, token=far.token, directory=folder, line=line)


@contextmanager
def repositories(only: str) -> Iterator[dict[str, object]]:
    """Give those that are measured, by name."""
    with ExitStack() as stack:
        found: dict[str, object] = {}
        if only in ("", "sandbox"):
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-sandbox-"))
            sandbox = launcher.start(Path(folder) / "repository", settings=Settings(rate_limits=()))
            stack.callback(sandbox.stop)
            found["sandbox"] = sandbox
            found["40 ms"] = stack.enter_context(far_sandbox(Path(folder) / "far"))
        if only in ("", "rdm") and (running := os.environ.get("RDM_RUNNING")):
            found["rdm"] = RealRepository(**json.loads(Path(running).read_bytes()))
        yield found


@contextmanager
def lengthened(line) -> Iterator[None]:
    """Make a line long for the time, if there is one."""
    if line is not None:
        line.delay_s, line.bytes_per_s = 0.020, 100e6
    yield
    if line is not None:
        line.delay_s, line.bytes_per_s = 0.0, None


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    results: list[Result] = []
    with repositories(asked.only) as found:
        for name, repository in found.items():
            for shape, numbers in SHAPES.items():
                line = getattr(repository, "line", None)
                with carried(repository, numbers, asked.scale) as one, lengthened(line):
                    case = f"{shape}, {name} vs curl"
                    results.append(measure(case, ours=one.restore, other=one.curl, before=one.clear, goal=1))
    if asked.scale == 1:
        report("restore", results)
    else:
        print(*results, sep="\n")


if __name__ == "__main__":
    main()
