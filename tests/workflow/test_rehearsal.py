"""Long runs rehearsed in the sandbox: what is told at any time agrees with what lies there, and a blip costs nothing.

REHEARSAL_RECORDS (200; 3000 for the whole) and REHEARSAL_DOWN_S (60; 1200 for twenty minutes) say how large and long:
`REHEARSAL_RECORDS=3000 make test-long ARGS="-k rehearsal -s"`. With -s the numbers are printed as they come.
"""

import csv
import json
import math
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from record_portal import counts, portal_process

from bulk_records import SIZES, TOO_LARGE, write_record
from ferry.source.catalogue import PAGE_SIZE
from sandbox import launcher
from sandbox.demo_source import write_demo_files
from sandbox.settings import Settings
from workflow.conftest import ROOT, Flow

RECORDS = int(os.environ.get("REHEARSAL_RECORDS", "200"))
DOWN_S = float(os.environ.get("REHEARSAL_DOWN_S", "60"))
FAULTS = ("no number", "wrong checksum", "no title", "too large")
BAD_OF = 33
"""Of so many records one is bad: 90 of 3,000."""
STOPPED = ("Terminated", "StoppedError")
EVERY_S = 5.0
"""Between two lines of progress, and two versions of the tables."""


def _has_failed(line: str) -> bool:
    """Tell whether a line of a journal is of an attempt that failed, and was not just told to end with its run."""
    return '"status":"failed"' in line and not any(f'"type":"{end}"' in line for end in STOPPED)


@dataclass
class Truth:
    """What lies there, counted without the ferry: receipts of what is ok, journals of what failed last."""

    folder: Path
    recids: list[int]
    seen: list[tuple[float, Counter]] = field(default_factory=list)

    def count(self) -> Counter:
        """Return how many records are ok and how many failed."""
        found: Counter = Counter(ok=0, failed=0)
        for recid in self.recids:
            journal = self.folder / "logs" / str(recid) / "journal.jsonl"
            if (self.folder / "results" / str(recid) / "stats.json").exists():
                found["ok"] += 1
            elif journal.exists() and any(map(_has_failed, journal.read_text().splitlines())):
                found["failed"] += 1
        self.seen.append((time.monotonic(), found))
        return found

    def between(self, since: float) -> tuple[Counter, Counter]:
        """Return the last count that was taken before a time, and one of now."""
        before = [found for at, found in self.seen if at <= since]
        return (before[-1] if before else Counter(ok=0, failed=0)), self.count()


def told(flow: Flow) -> dict[str, Counter]:
    """Return the same by what each tells."""
    command = [sys.executable, str(ROOT / "scripts" / "status.py"), "--folder", str(flow.folder), "--json"]
    status = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    metrics = (flow.folder / "ferry.prom").read_text(encoding="utf-8")
    prometheus = dict(re.findall(r'ferry_records\{status="(\w+)"\} (\d+)', metrics))
    stats = Counter(row["status"] for row in rows(flow, "stats.csv"))
    return {
        "status": Counter(ok=status["ok"], failed=status["failed"]),
        "prometheus": Counter(ok=int(prometheus["ok"]), failed=int(prometheus["failed"])),
        "stats.csv": Counter(ok=stats["ok"], failed=stats["failed"]),
        "failures.csv": Counter(ok=stats["ok"], failed=len(rows(flow, "failures.csv"))),
    }


def is_told_since(path: Path, began_s: float) -> bool:
    """Tell whether a file was written after a time of the wall clock."""
    return path.exists() and path.stat().st_mtime > began_s


def rows(flow: Flow, name: str) -> list[dict[str, str]]:
    with (flow.folder / "results" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def outside(found: dict[str, Counter], bounds: tuple[Counter, Counter]) -> list[tuple]:
    """Return what is told and was at no time so."""
    return [
        (place, what, counts[what], bounds[0][what], bounds[1][what])
        for place, counts in found.items()
        for what in ("ok", "failed")
        if not bounds[0][what] <= counts[what] <= bounds[1][what]
    ]


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print what a part of the rehearsal took; the processes of a killed run are not in its CPU time."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {time.monotonic() - began:.0f} s, {cpu_s:.0f} s CPU", flush=True)


def write_records(flow: Flow) -> tuple[list[int], set[int]]:
    """Write so many records of the kinds of DELPHI's, some of them bad; return them and the bad ones."""
    with SIZES.open(encoding="utf-8", newline="") as stream:
        sizes = list(csv.DictReader(stream))
    recids = list(range(100_001, 100_001 + RECORDS))
    bad = recids[7::BAD_OF]
    faults = {recid: FAULTS[number % len(FAULTS)] for number, recid in enumerate(bad)}
    (flow.folder / "metadata" / "corrections").mkdir(parents=True)
    for number, recid in enumerate(recids):
        row = sizes[number % len(sizes)] | {"recid": str(recid)}
        write_record(flow.folder, row, fault=faults.get(recid, ""))
    flow.want(*recids)
    flow.config = {
        "package": {"max_upload_bytes": TOO_LARGE - 1},
        "repository": {"requests_per_minute": None, "requests_per_hour": None},
        "sandbox": {"requests_per_minute": None, "requests_per_hour": None},
        "progress": {"every_s": EVERY_S, "prometheus": "ferry.prom"},
    }
    return recids, set(bad)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_at_any_time_status_prometheus_and_tables_agree_with_what_lies_there(flow: Flow):
    recids, bad = write_records(flow)
    portal = (flow.folder / "metadata").rename(flow.folder / "portal")
    write_demo_files(portal.glob("*.json"), flow.folder / "data" / "sandbox" / "source")
    with portal_process(portal) as address:
        flow.config["metadata"] = {"portal": address}
        for target, most in (("catalogue", 1 + math.ceil(RECORDS / PAGE_SIZE)), ("plan", RECORDS), ("validate", 0)):
            before = counts(address)["asked"]
            with measured(target):
                done = subprocess.run(flow.command(target), capture_output=True, text=True, check=False)
            print(
                f"{target}: ended with {done.returncode}, asked the portal {counts(address)['asked'] - before} times",
                flush=True,
            )
            assert counts(address)["asked"] - before == most, done.stderr[-3000:]
        before = counts(address)["asked"]
        with measured("bulk"):
            now, wrong = carry_with_two_ends(flow, recids)
        assert counts(address)["asked"] == before, "what plan and validate have asked the run does not ask"
    assert not wrong
    assert now == Counter(ok=RECORDS - len(bad), failed=len(bad))
    assert {int(row["recid"]) for row in rows(flow, "failures.csv")} == bad
    assert Counter(row["step"] for row in rows(flow, "failures.csv")).keys() == {
        "read_record", "download_files", "transform_record", "package_files"
    }  # fmt: skip


def carry_with_two_ends(flow: Flow, recids: list[int]) -> tuple[Counter, list]:
    """Carry all by `make bulk`, ended once by SIGTERM and once by SIGKILL; return the last count and what was wrong."""
    truth = Truth(flow.folder, recids)
    _snakemake, _snakefile, _name, *arguments = flow.command()
    bulk = [
        "make", "--directory", str(ROOT), "--old-file", ".venv/.installed", "bulk",
        f"ARGS=--most {max(20, RECORDS // 6)} {shlex.join(arguments)}",
    ]  # fmt: skip
    looked, wrong = 0, []
    for ended_by, until in ((signal.SIGTERM, RECORDS // 3), (signal.SIGKILL, 2 * RECORDS // 3), (None, RECORDS)):
        with (
            (flow.folder / "told.txt").open("ab") as told_to,
            subprocess.Popen(bulk, cwd=flow.folder, start_new_session=True, stdout=told_to, stderr=told_to) as run,
        ):
            began, begun_s = time.monotonic(), time.time()
            while run.poll() is None and truth.count().total() < until:
                time.sleep(max(1.0, RECORDS / 150))
                # what a killed run has left of Prometheus' file stands until the next one has told its first line
                if time.monotonic() > began + 4 * EVERY_S and is_told_since(flow.folder / "ferry.prom", begun_s):
                    since = time.monotonic() - 3 * EVERY_S
                    wrong += outside(told(flow), truth.between(since))
                    looked += 1
            if ended_by is not None:
                assert run.poll() is None, "it was to be ended in the middle"
                os.killpg(run.pid, ended_by)
        ended = time.monotonic()
        while subprocess.run(["pgrep", "-s", str(run.pid)], capture_output=True, check=False).stdout:
            time.sleep(0.2)
        found, now = told(flow), truth.count()
        print(
            f"ended by {ended_by} after {ended - began:.0f} s: {dict(now)}, {found}; looked {looked} times", flush=True
        )
        if ended_by == signal.SIGKILL:  # nobody was left to write tables: they are those of the last line of progress
            wrong += outside({"status": found.pop("status")}, (now, now))
            wrong += outside(found, (truth.between(ended - 4 * EVERY_S)[0], now))
        else:
            wrong += outside(found, (now, now))
        print(*wrong, sep="\n", flush=True)
    assert looked > 3
    assert now.total() == len(recids), (flow.folder / "told.txt").read_text(encoding="utf-8")[-3000:]
    return now, wrong


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_a_bulk_run_outlives_a_repository_that_is_away_and_nothing_is_failed_for_it(flow: Flow, tmp_path_factory):
    recids, bad = write_records(flow)
    wanted = recids[8:48] if RECORDS <= 200 else recids
    told = carry_over_an_outage(
        flow,
        [recid for recid in wanted if recid not in bad],
        tmp_path_factory.mktemp("repository"),
        is_long_enough=lambda _: time.sleep(DOWN_S) is None,
    )
    assert "jobs wait for the repository to answer until " in told


@pytest.mark.timeout(600)
@pytest.mark.parametrize("most", [3, pytest.param(100, marks=pytest.mark.long)])
def test_a_list_of_which_all_that_is_left_meets_an_outage_goes_on_when_the_repository_is_back(
    flow: Flow, tmp_path_factory, most
):
    """The next part, or the one run of all, could not begin, and the whole bulk run had ended."""
    recids, _ = write_records(flow)
    carry_over_an_outage(
        flow,
        recids[:5],
        tmp_path_factory.mktemp("repository"),
        is_long_enough=lambda text: "wait for the repository" in text or "waiting for the repository" in text,
        most=most,
    )


def carry_over_an_outage(
    flow: Flow, recids: list[int], place: Path, *, is_long_enough: Callable[[str], bool], most: int = 20
) -> str:
    """Carry records by `make bulk` into a repository that goes away after a quarter of them; return what it told."""
    flow.want(*recids)
    server = launcher.start(place, settings=Settings(rate_limits=()))
    flow.config["repository"]["url"] = server.url
    flow.config = {"upload": {"attempts": 2}} | flow.config
    told, back = flow.folder / "told.txt", []

    def go_away() -> None:
        while len(list(flow.folder.glob("results/*/stats.json"))) < len(recids) // 4:
            time.sleep(0.2)
        server.stop()
        while not is_long_enough(told.read_text(encoding="utf-8")):
            time.sleep(0.2)
        back.append(launcher.start(place, settings=Settings(rate_limits=())))

    going = threading.Thread(target=go_away, daemon=True)
    bulk = [sys.executable, str(ROOT / "scripts" / "bulk.py"), "--most", str(most), *flow.command()[1:]]
    with measured(f"{len(recids)} records, over an outage"), told.open("wb") as stream:
        going.start()
        done = subprocess.run(
            bulk, cwd=flow.folder, env={**os.environ, "NRP_TOKEN": server.token}, stderr=stream, check=False
        )
    text = told.read_text(encoding="utf-8")
    print(*(line for line in text.splitlines() if line.startswith("ferry: ")), sep="\n", flush=True)
    assert done.returncode == 0, text[-3000:]
    back[0].stop()
    assert f"ferry: {len(recids)} ok, 0 failed, 0 to go, of {len(recids)} records" in text
    return text
