"""Many records through the whole chain, beside one asyncio process that calls the same functions of the package.

The files lie on a real XRootD server, the repository is the sandbox; both share the machine with what is measured.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from generated_records import PREFIX, ROOT, write_records

from bench.side_by_side import Result, compared
from sandbox import launcher
from sandbox.settings import Settings
from servers.xrootd_server import EXPORT, running_server

BASELINE = Path(__file__).with_name("asyncio_chain.py")


@dataclass(frozen=True)
class Records:
    """Records whose files lie on a server, and the configuration that finds them there."""

    folder: Path
    recids: Sequence[int]
    config: Mapping[str, Mapping[str, object]]

    def working_folder(self) -> Path:
        """Return a new folder to carry them in."""
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="run-"))
        (folder / "metadata").symlink_to(self.folder / "metadata")
        (folder / "records.csv").write_text("recid\n" + "".join(f"{recid}\n" for recid in self.recids))
        return folder


@contextmanager
def records_on_server(sizes: Mapping[int, Sequence[int]], *, folder: Path | None = None) -> Iterator[Records]:
    """Lay the records: recid -> length of each file."""
    with tempfile.TemporaryDirectory(prefix="bench-chain-", dir=folder) as name, running_server(folder) as server:
        write_records(Path(name) / "metadata", sizes, put=lambda path, data: lay(server.export / path, data))
        found_there = {"source": {"redirects": {PREFIX: f"{server.prefix}{EXPORT}/"}}}
        yield Records(folder=Path(name), recids=list(sizes), config=found_there)


def lay(path: Path, data: bytes) -> None:
    """Write a file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def by_snakemake(records: Records, cores: int) -> tuple[float, Path]:
    """Carry the records as `make bulk` does; return seconds and the folder."""
    folder = records.working_folder()
    command = [sys.executable, ROOT / "scripts" / "bulk.py", "--snakefile", ROOT / "Snakefile"]
    command += ["--cores", str(cores), "--configfile", "flow.yaml"]
    with new_repository(folder) as (repository, token):
        config = {**records.config, "repository": repository}
        (folder / "flow.yaml").write_text(yaml.safe_dump(config))
        return timed(command, folder, token), folder


def by_asyncio(records: Records) -> tuple[float, Path]:
    """Carry them by one process; return seconds and the folder."""
    folder = records.working_folder()
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    with new_repository(folder) as (repository, token):
        for name, changes in {**records.config, "repository": repository}.items():
            config[name] |= changes
        (folder / "config.json").write_text(json.dumps(config))
        return timed([sys.executable, BASELINE, "config.json"], folder, token), folder


@contextmanager
def new_repository(folder: Path) -> Iterator[tuple[Mapping[str, object], str]]:
    """Start an empty sandbox without rate limits; give that part of the configuration, and the token."""
    sandbox = launcher.start(folder / "repository", settings=Settings(rate_limits=()))
    try:
        yield {"url": sandbox.url, "requests_per_minute": None, "requests_per_hour": None}, sandbox.token
    finally:
        sandbox.stop()


def timed(command: Sequence[object], folder: Path, token: str) -> float:
    """Run a command to its end in the folder; return the seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "NRP_TOKEN": token}
    os.sync()
    start = time.perf_counter()
    with (folder / "output.txt").open("w") as output:
        done = subprocess.run(
            list(map(str, command)), cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    elapsed_s = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}: {(folder / 'output.txt').read_text()[-3000:]}")
    return elapsed_s


def tiny_files_beside_asyncio(count: int) -> Result:
    """Carry `count` records of 1 to 30 files of up to 6 kB both ways."""
    dice = random.Random(count)
    sizes = {
        100_000 + number: [dice.randint(100, 6_000) for _ in range(dice.randint(1, 30))] for number in range(count)
    }
    return _beside_asyncio(f"{count} records vs asyncio", sizes, goal=0.33)


def _beside_asyncio(case: str, sizes: Mapping[int, Sequence[int]], *, goal: float, cores: int = 2) -> Result:
    with records_on_server(sizes) as records:
        other_s, folder = by_asyncio(records)
        expected = uploaded(folder, records)
        shutil.rmtree(folder)
        ours_s, folder = by_snakemake(records, cores)
        assert uploaded(folder, records) == expected
        print_steps(folder)
    return compared(case, ours=[ours_s], other=[other_s], unit="s", goal=goal)


def uploaded(folder: Path, records: Records) -> dict[int, dict[str, str]]:
    """Return recid -> key -> md5 of what the receipts say is in the repository."""
    receipts = {recid: json.loads((folder / f"results/{recid}/upload.json").read_bytes()) for recid in records.recids}
    return {recid: {file["key"]: file["md5"] for file in receipt["files"]} for recid, receipt in receipts.items()}


def print_steps(folder: Path) -> None:
    """Tell what each step of a record took, in seconds of time and of CPU."""
    attempts = pd.read_parquet(folder / "results" / "attempts.parquet")
    print(attempts.groupby("step")[["duration_s", "cpu_s"]].agg(["median", "sum"]).round(3).to_string())
