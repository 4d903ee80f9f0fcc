"""The upload step beside curl and nrp-cmd, against the sandbox and a real InvenioRDM, both on loopback.

All files, those of the repositories too, lie in /dev/shm, so that no disk is measured. Ours is the whole step from
receipt to receipt, with the settings of config.yaml but for the limits on requests (both repositories are told to have
none): it looks for an earlier draft, makes one, announces, sends, hashes, commits, and lists again to compare every
size and md5. curl makes a draft, announces the file, sends it (`curl -T`) and commits it; it compares nothing.
nrp-cmd makes a draft and calls `files.upload` for one file after the other, in a process as ours; it compares nothing.
Processes have loaded their modules when the clock starts; ours begins and ends as a child of the script server does,
which takes down no module in good order. InvenioRDM takes 100 files a record by default, and 10^10
bytes: here it is told to take more, where 500 files go into one record.

The same over a line of 1, 40 and 150 ms there and back and 100 MB/s, a proxy in this process, into the sandbox, beside
curl at its best: it makes a draft, announces all files in one request, sends them with `--parallel` and the number that
was quickest in a trial before, and then commits them so; it looks for nothing.

`--scale 0.1` takes a tenth of the bytes and of the files and writes no result; `--only sandbox` asks only that one,
`--only far` only over the line.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from target_records import write_target

from bench.far import sandbox_behind_line
from bench.side_by_side import RUNS, Result, compared, measure, report, seconds
from ferry.identity import source_identifier
from ferry.receipts import read_receipt, write_receipt
from ferry.repository.discovery import discover
from ferry.run.run import Target, begin_run
from sandbox import launcher
from sandbox.settings import Settings
from servers.raw_api import document
from servers.rdm.server import default_folder, real_repository

MEMORY = Path("/dev/shm")
CONFIG = yaml.safe_load(Path("config.yaml").read_text())
MOST_FILES = 1000
MOST_BYTES = 10**11
LINE_BYTES_PER_S = 100e6
ROUND_TRIPS_MS = (1, 40, 150)
recids = itertools.count(1)

OURS = """
import gc, json, os, sys
from pathlib import Path
from ferry.journal import peak_memory_bytes
from ferry.run.step import write_log
from ferry.steps.upload_record import upload
write_log(Path("log"))
gc.freeze()
print("ready", flush=True)
arguments = json.loads(sys.stdin.readline())
paths = {name: Path(value) for name, value in arguments.items() if name.endswith(("_path", "_dir", "journal"))}
measured = upload(**{**arguments, **paths})
print(json.dumps({**measured, "peak_bytes": peak_memory_bytes()}), flush=True)
os._exit(0)
"""
NRP_CMD = """
import asyncio, json, os, sys
from pathlib import Path
from nrp_cmd.async_client import get_async_client
from nrp_cmd.config import RepositoryConfig
from yarl import URL

async def main():
    url = URL(os.environ["REPOSITORY"])
    client = await get_async_client(RepositoryConfig(alias="bench", url=url, token=os.environ["NRP_TOKEN"]))
    print("ready", flush=True)
    arguments = json.loads(sys.stdin.readline())
    record = await client.records.create(arguments["document"])
    for path in sorted(Path(arguments["folder"]).iterdir()):
        file = await client.files.upload(record, path.name, {}, path)
        assert file.status == "completed", file
    print(json.dumps({"record_id": record.id}), flush=True)

asyncio.run(main())
"""


@dataclass(frozen=True)
class Repository:
    """A repository that answers, and what it tells of itself."""

    name: str
    url: str
    token: str
    storage: Path
    """Where it keeps the content of files."""
    info: dict[str, Any]

    def clear(self) -> None:
        """Take away the content of all files, which would fill the memory."""
        for path in self.storage.rglob("*"):
            if path.is_file():
                path.unlink()


@dataclass
class Cargo:
    """Files to be sent, in a folder that is laid out as one of a run; processes that send them wait for their start."""

    repository: Repository
    folder: Path
    files: list[dict[str, Any]]
    """Entries of the receipt `package`."""
    multipart: bool = False
    measured: list[dict[str, float]] = field(default_factory=list)
    """Of each run of ours."""
    _waiting: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Leave nothing of the last run, and have processes that have loaded their modules."""
        self.repository.clear()
        (self.folder / "data/deposit.json").unlink(missing_ok=True)
        for program in (OURS, NRP_CMD):
            if program not in self._waiting:
                self._waiting[program] = self._start(program)

    def ours(self) -> None:
        """Carry the files as the step `upload` does."""
        recid = next(recids)
        receipts = self.folder / f"results/{recid}"
        receipts.mkdir(parents=True)
        write_target(receipts, recid, document(identifiers=[source_identifier(recid)]))
        write_receipt(receipts / "package.json", "package", {"recid": recid, "uploads": self.files})
        settings = CONFIG["upload"] | ({} if self.multipart else {"multipart_from_bytes": None})
        repository = CONFIG["repository"] | {"requests_per_minute": None, "requests_per_hour": None}
        measured = self._run(
            OURS,
            recid=recid,
            record_path=str(receipts / "record.json"),
            package_path=str(receipts / "package.json"),
            receipt_path=str(receipts / "upload.json"),
            journal=str(receipts / "journal.jsonl"),
            data_dir="data",
            sandbox_dir=".",
            repository=repository,
            settings=settings,
            empty_records="fail",
        )
        receipt = read_receipt(receipts / "upload.json", "upload", recid=recid)
        assert [file["key"] for file in receipt["files"]] == [file["key"] for file in self.files]
        self.measured.append(measured)

    def nrp_cmd(self) -> None:
        """Send one file after the other with nrp-cmd."""
        self._run(NRP_CMD, document=document(), folder="data/files")

    def curl(self) -> None:
        """Send each file with `curl -T`, after what has to be asked before and before what has to be asked after."""
        record = self._curl("/api/records", "--json", json.dumps(document()))
        for file in self.files:
            files = f"/api/records/{record['id']}/draft/files"
            self._curl(files, "--json", json.dumps([{"key": file["key"]}]))
            octets = ("-H", "Content-Type: application/octet-stream", "-H", "Expect:")  # it would wait a second
            self._curl(f"{files}/{file['key']}/content", "-T", str(self.folder / "data" / file["path"]), *octets)
            entry = self._curl(f"{files}/{file['key']}/commit", "-X", "POST")
            assert (entry["status"], entry["size"]) == ("completed", file["size_bytes"]), entry

    def curl_parallel(self, number: int) -> None:
        """Send all files with curl, so many at once, after all are announced, and commit them so."""
        record = self._curl("/api/records", "--json", json.dumps(document()))
        files = f"/api/records/{record['id']}/draft/files"
        self._curl(files, "--json", json.dumps([{"key": file["key"]} for file in self.files]))
        sent = [f'upload-file = "{self.folder / "data" / file["path"]}"' for file in self.files]
        self._curl_all(number, [f"{files}/{file['key']}/content" for file in self.files], sent)
        self._curl_all(
            number, [f"{files}/{file['key']}/commit" for file in self.files], ['request = "POST"'] * len(sent)
        )
        listed = self._curl(files)["entries"]
        assert sum(entry["size"] for entry in listed if entry["status"] == "completed") == sum(
            file["size_bytes"] for file in self.files
        )

    def _curl_all(self, number: int, paths: list[str], options: list[str]) -> None:
        config = self.folder / "curl.config"
        common = ["-H", f"Authorization: Bearer {self.repository.token}", "-H", "Expect:"]
        common += [
            "-H",
            "Content-Type: application/octet-stream",
            "--parallel",
            "--parallel-immediate",
            "--no-progress-meter",
        ]
        lines = [
            f'url = "{self.repository.url}{path}"\n{option}\noutput = "/dev/null"\n'
            for path, option in zip(paths, options, strict=True)
        ]
        config.write_text("".join(lines))
        subprocess.run(
            ["curl", "--silent", "--fail", "--parallel-max", str(number), *common, "--config", str(config)], check=True
        )

    def _curl(self, path: str, *options: str) -> dict[str, Any]:
        token = f"Authorization: Bearer {self.repository.token}"
        command = ["curl", "--silent", "--fail", "-H", token, *options, self.repository.url + path]
        answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return answer

    def _start(self, program: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path("scripts").resolve()),
            "NRP_TOKEN": self.repository.token,
            "REPOSITORY": self.repository.url,
        }
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def _run(self, program: str, **arguments: object) -> dict[str, float]:
        told, _ = self._waiting.pop(program).communicate(json.dumps(arguments) + "\n")
        measured: dict[str, float] = json.loads(told)
        return measured

    def stop(self) -> None:
        """End the processes that wait."""
        for process in self._waiting.values():
            process.kill()
            process.communicate()


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--only", choices=[*REPOSITORIES, "far"])
    parser.add_argument("--runs", type=int, default=RUNS)
    asked = parser.parse_args()
    results = []
    for name, start in REPOSITORIES.items():
        if asked.only in (None, name):
            with start() as repository:
                results += cases(repository, scale=asked.scale, runs=asked.runs)
    for ms in ROUND_TRIPS_MS if asked.only in (None, "far") else ():
        with far_sandbox(round_trip_ms=ms) as repository:
            results += far_cases(repository, ms, scale=asked.scale, runs=asked.runs)
    if asked.scale == 1 and asked.only is None and asked.runs == RUNS:
        report("upload", results)
    else:
        print(*results, sep="\n")


def cases(repository: Repository, *, scale: float, runs: int) -> Iterator[Result]:
    """Measure what is asked of one repository."""
    name = repository.name
    with cargo(repository, files=1, size_bytes=int(2e9 * scale)) as one:
        ways = {"ours": one.ours, "other": one.curl, "before": one.prepare, "runs": runs}
        yield measure(f"1x2GB vs curl -T, {name}", **ways, goal=0.95)
        yield peak(f"peak memory 1x2GB vs 150 MB, {name}", one)
        one.multipart = True
        yield measure(f"1x2GB in parts vs curl -T, {name}", **ways)
    with cargo(repository, files=int(500 * scale), size_bytes=100_000) as many:
        ways = {"ours": many.ours, "other": many.nrp_cmd, "before": many.prepare, "runs": runs}
        yield measure(f"500x100kB vs nrp-cmd, {name}", **ways, goal=3)
        yield peak(f"peak memory 500x100kB vs 150 MB, {name}", many)
        requests = [each["requests"] / len(many.files) for each in many.measured]
        yield compared(f"requests per file vs 2.1, {name}", ours=requests, other=[2.1], unit="", goal=1)


def far_cases(repository: Repository, ms: int, *, scale: float, runs: int) -> Iterator[Result]:
    """Measure small files and a large one over a line."""
    with cargo(repository, files=max(1, int(98 * scale)), size_bytes=100_000) as many:
        number = best_number(many)
        curl = partial(many.curl_parallel, number)
        ways = {"ours": many.ours, "other": curl, "before": many.prepare, "runs": runs}
        yield measure(f"98x100kB at {ms} ms vs curl --parallel", **ways, goal=1.0 if ms > 1 else None)
        requests = [each["requests"] for each in many.measured]
        yield compared(
            f"requests at {ms} ms vs 4 + 2 a file", ours=requests, other=[4 + 2 * len(many.files)], unit="", goal=1
        )
    with cargo(repository, files=1, size_bytes=int(500e6 * scale)) as one:
        ways = {"ours": one.ours, "other": one.curl, "before": one.prepare, "runs": runs}
        yield measure(f"1x500MB at {ms} ms vs curl -T", **ways, goal=0.95 if ms > 1 else None)


def best_number(cargo: Cargo) -> int:
    """Return how many at once curl is quickest with (the better of two tries each)."""
    taken: dict[int, float] = {}
    for number in (16, 48, 98) * 2:
        cargo.repository.clear()
        taken[number] = min(taken.get(number, float("inf")), seconds(lambda n=number: cargo.curl_parallel(n)))  # type: ignore[misc]
    print("curl --parallel-max", ", ".join(f"{number}: {taken[number]:.2f} s" for number in taken), flush=True)
    return min(taken, key=taken.__getitem__)


def peak(case: str, cargo: Cargo) -> Result:
    """Return the peak of our process beside 150 MB."""
    peaks = [each["peak_bytes"] / 1e6 for each in cargo.measured]
    return compared(case, ours=peaks, other=[150], unit="MB", goal=1)


@contextmanager
def cargo(repository: Repository, *, files: int, size_bytes: int) -> Iterator[Cargo]:
    """Give so many files of this length, to be sent to the repository."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-upload-") as name:
        folder = Path(name)
        target = Target(name=repository.url, url=repository.url, info=repository.info)
        begin_run(target=target, path=folder / "logs/run.json")
        laid = Cargo(repository, folder, list(lay_files(folder / "data/files", files, size_bytes)))
        try:
            yield laid
        finally:
            laid.stop()


def lay_files(folder: Path, files: int, size_bytes: int) -> Iterator[dict[str, Any]]:
    """Write files and give their entries of the receipt `package`."""
    random_ = random.Random(1)
    folder.mkdir(parents=True)
    for number in range(files):
        key = f"{number:06d}.dst"
        adler32, left = 1, size_bytes
        with (folder / key).open("wb") as stream:
            while left:
                block = random_.randbytes(min(left, 1 << 20))
                stream.write(block)
                adler32, left = zlib.adler32(block, adler32), left - len(block)
        yield {
            "key": key,
            "kind": "file",
            "path": f"files/{key}",
            "size_bytes": size_bytes,
            "adler32": f"{adler32:08x}",
            "members": [],
        }


@contextmanager
def sandbox() -> Iterator[Repository]:
    """Start a sandbox."""
    settings = Settings(quota_bytes=MOST_BYTES, max_files=MOST_FILES, index_lag_s=0, rate_limits=())
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-sandbox-") as folder:
        started = launcher.start(Path(folder), settings=settings)
        try:
            yield Repository("sandbox", started.url, started.token, Path(folder) / "blobs", told_by(started.url))
        finally:
            started.stop()


@contextmanager
def far_sandbox(*, round_trip_ms: int) -> Iterator[Repository]:
    """Start a sandbox at the other end of a line."""
    settings = {"quota_bytes": MOST_BYTES, "index_lag_s": 0, "rate_limits": ()}
    with (
        tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-sandbox-") as folder,
        sandbox_behind_line(Path(folder), **settings) as (started, url, line),
    ):
        info = told_by(url)
        line.delay_s, line.bytes_per_s = round_trip_ms / 2000, LINE_BYTES_PER_S
        yield Repository("sandbox", url, started.token, Path(folder) / "blobs", info)


@contextmanager
def invenio() -> Iterator[Repository]:
    """Start a real InvenioRDM."""
    settings = {
        "RDM_RECORDS_MAX_FILES_COUNT": MOST_FILES,
        "RDM_FILES_DEFAULT_QUOTA_SIZE": MOST_BYTES,
        "FILES_REST_DEFAULT_QUOTA_SIZE": MOST_BYTES,
        "FILES_REST_DEFAULT_MAX_FILE_SIZE": MOST_BYTES,
    }
    with (
        tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-invenio-") as folder,
        real_repository(default_folder(), settings=settings, files_dir=Path(folder)) as started,
    ):
        yield Repository("InvenioRDM", started.url, started.token, Path(folder), told_by(started.url))


REPOSITORIES = {"sandbox": sandbox, "invenio": invenio}


def told_by(url: str) -> dict[str, Any]:
    """Ask a repository what it is."""
    return asyncio.run(discover(url=url, verify_tls=True))


if __name__ == "__main__":
    main()
