"""The workflow on a real Slurm of two nodes, with jobs that are killed and a node that is taken out of service.

SLURM_RECORDS says how many records; each takes four starts of Snakemake, so that 40 take ten minutes on two cores.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from servers.slurm_cluster import NODES, SlurmCluster, need_slurm, slurm_cluster
from servers.xrootd_server import need_xrootd, running_server
from workflow.conftest import ROOT, Flow

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

RECORDS = int(os.environ.get("SLURM_RECORDS", "16"))
CAP = 6
REQUESTS_PER_MINUTE = 3 * RECORDS  # a record takes seven: it takes more than two minutes
IN_FLIGHT = 4  # requests that one step has under way at most, with these small files
PROFILE = ("--workflow-profile", str(ROOT / "profiles" / "slurm"))
# a test cannot wait as long as a user, and this Slurm keeps no accounts
IMPATIENT = (
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--slurm-status-command",
    "squeue",
    "--latency-wait",
    "5",
)
CAPS = ("--resources", f"download_slots={CAP}", f"zip_slots={CAP}", "upload_slots=40")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SlurmCluster]:
    need_slurm()
    with slurm_cluster(tmp_path / "slurm") as started:
        yield started


def write_records(flow: Flow, put) -> list[int]:
    """Write records of one small file each; `put(path, content)` lays it where it is read."""
    document = json.loads((ROOT / "metadata" / "80512.json").read_bytes())
    recids = list(range(90001, 90001 + RECORDS))
    for recid in recids:
        content = f"record {recid}\n".encode() * 100
        path = f"delphi/slurm/{recid}.dat"
        put(path, content)
        checksum = f"adler32:{zlib.adler32(content):08x}"
        entry = {"uri": f"root://eospublic.cern.ch//eos/opendata/{path}", "size": len(content), "checksum": checksum}
        flow.write_metadata(recid, {**document, "recid": str(recid), "files": [entry]})
    flow.want(*recids)
    return recids


def events_of(flow: Flow) -> list[dict]:
    lines = [path.read_text(encoding="utf-8").splitlines() for path in flow.folder.glob("logs/*/journal.jsonl")]
    return [json.loads(line) for lines_of_record in lines for line in lines_of_record]


def running_steps(flow: Flow) -> dict[int, dict]:
    """Return pid -> start line of the steps that run on a node."""
    steps = {}
    for event in events_of(flow):
        if event["host"] in NODES:
            if event["event"] == "start":
                steps[event["pid"]] = event
            else:
                steps.pop(event["pid"], None)
    return steps


class Disturbance:
    """What is done to a run, one thing after the other, each when the run has got so far."""

    def __init__(self, cluster: SlurmCluster, flow: Flow) -> None:
        self._cluster, self._flow = cluster, flow
        self._deeds = self._sequence()
        self.is_over = False
        self.most_jobs = 0

    def go_on(self) -> None:
        """Look at the queue, and do the next thing if it is time for it."""
        jobs = self._cluster.ask("squeue", "--noheader", "--states=RUNNING,PENDING", "--format=%i").split()
        self.most_jobs = max(self.most_jobs, len(jobs))
        if not self.is_over:
            self.is_over = next(self._deeds, "over") == "over"

    def _sequence(self) -> Iterator[None]:
        yield from self._until(self._killed_a_step)
        yield from self._until(lambda: self._cluster.ask("squeue", "--noheader", "--states=FAILED"))
        for _ in range(2):
            yield from self._until(self._cluster.running_jobs)
            self._cluster.cancel(next(iter(self._cluster.running_jobs())))
            yield None
        yield from self._until(lambda: NODES[1] in self._cluster.running_jobs().values())
        self._cluster.drain(NODES[1])
        before, done = self._jobs_of(NODES[1]), self._done()
        yield from self._until(lambda: self._done() >= done + 3)
        # what ran there at the time may end there, and nothing else begins
        assert self._jobs_of(NODES[1]) <= before
        self._cluster.resume(NODES[1])

    @staticmethod
    def _until(condition) -> Iterator[None]:
        while not condition():
            yield None

    def _jobs_of(self, node: str) -> set[str]:
        return {job for job, where in self._cluster.running_jobs().items() if where == node}

    def _done(self) -> int:
        return len(list(self._flow.folder.glob("results/*/upload.json")))

    def _killed_a_step(self) -> bool:
        for pid in running_steps(self._flow):
            with contextlib.suppress(OSError):
                # a step that left no end may be gone, and its number taken by a process that is not ours
                if str(self._flow.folder).encode() in Path(f"/proc/{pid}/environ").read_bytes():
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False


def processes_that_know(token: str) -> list[str]:
    """Return the processes whose command line or environment holds the token."""
    found = []
    for name in ("cmdline", "environ"):
        for path in Path("/proc").glob(f"[0-9]*/{name}"):
            with contextlib.suppress(OSError):
                if token.encode() in path.read_bytes():
                    found.append(str(path))
    return found


def most_in_any_minute(moments: Iterable[float]) -> int:
    ordered = sorted(moments)
    return max(sum(start <= moment < start + 60 for moment in ordered[place:]) for place, start in enumerate(ordered))


def most_at_once(attempts: pd.DataFrame, step: str) -> int:
    chosen = attempts[(attempts["step"] == step) & attempts["ended_at"].notna()]
    changes = [*((at, 1) for at in chosen["started_at"]), *((at, -1) for at in chosen["ended_at"])]
    total = peak = 0
    for _, change in sorted(changes):
        total += change
        peak = max(peak, total)
    return peak


def test_records_arrive_though_jobs_are_killed_and_a_node_is_drained(cluster, sandbox, tmp_path):
    need_xrootd()
    flow = Flow(folder=tmp_path / "run")
    flow.folder.mkdir()
    token_file = tmp_path / "token"
    token_file.write_text(sandbox.token, encoding="ascii")
    token_file.chmod(0o600)
    flow.environment = {"NRP_TOKEN_FILE": str(token_file), "NRP_TOKEN": ""}
    flow.config = {
        "repository": {"url": sandbox.url, "requests_per_minute": REQUESTS_PER_MINUTE},
        "package": {"attachments": []},
    }
    known = set()
    with running_server() as server, (tmp_path / "told.txt").open("w") as told:
        flow.config["source"] = {"redirects": {"root://eospublic.cern.ch/": server.prefix}}
        recids = write_records(flow, server.put)
        command = flow.command(*PROFILE, *IMPATIENT, *CAPS)
        run = subprocess.Popen(command, env={**os.environ, **flow.environment}, stdout=told, stderr=subprocess.STDOUT)
        disturbance = Disturbance(cluster, flow)
        try:
            while run.poll() is None:
                disturbance.go_on()
                known |= set(processes_that_know(sandbox.token))
                time.sleep(0.5)
        finally:
            run.kill()
            run.wait()
    text = (tmp_path / "told.txt").read_text(encoding="utf-8")
    assert run.returncode == 0, text[-5000:]
    assert disturbance.is_over
    stats = flow.stats()
    assert list(stats.index) == recids
    assert set(stats["status"]) == {"ok"}
    requests = [json.loads(line) for line in (sandbox.directory / "requests.jsonl").read_text().splitlines()]
    asked = [request for request in requests if request["path"].startswith("/api/")]

    # one draft per record, whatever was killed
    created = [request for request in asked if (request["method"], request["path"]) == ("POST", "/api/records")]
    assert len({record["record_id"] for record in (flow.receipt(recid, "upload") for recid in recids)}) == RECORDS
    assert len(created) == RECORDS

    # both nodes worked, and together kept to what was asked for
    states = Counter(cluster.ask("squeue", "--noheader", "--states=all", "--format=%T").split())
    assert states["CANCELLED"] == 2
    assert states["FAILED"] >= 1
    assert states["COMPLETED"] == RECORDS
    attempts = pd.read_parquet(flow.folder / "results" / "attempts.parquet")
    assert {*NODES} <= set(attempts["host"])
    assert disturbance.most_jobs <= CAP
    assert most_at_once(attempts, "download_files") <= CAP
    assert len(asked) > 2 * REQUESTS_PER_MINUTE
    assert most_in_any_minute(request["at"] for request in asked) <= REQUESTS_PER_MINUTE
    # nothing was refused; a job that was killed while it asked left a request without an answer
    assert {request["status"] for request in asked} <= {200, 201, 202, 204, None}
    assert sum(request["status"] is None for request in asked) <= 3 * IN_FLIGHT  # three were killed

    assert known == set()
    written = [*cluster.written(), *(path for path in flow.folder.rglob("*") if path.is_file()), tmp_path / "told.txt"]
    assert sum(path.name == "environment" for path in written) >= 1, "Slurm keeps the environments of its jobs"
    assert [path for path in written if sandbox.token.encode() in path.read_bytes()] == []


def test_a_token_in_the_environment_is_refused_before_a_batch_system_writes_it_down(cluster, sandbox, tmp_path):
    flow = Flow(folder=tmp_path / "run", environment={"NRP_TOKEN": "canary-51b2e0"})
    flow.folder.mkdir()
    flow.want(80505)
    flow.config = {"repository": {"url": sandbox.url}}
    done = flow.run(*PROFILE, *IMPATIENT)
    assert done.returncode != 0
    assert "NRP_TOKEN_FILE" in done.stdout + done.stderr
    written = [*cluster.written(), *(path for path in flow.folder.rglob("*") if path.is_file())]
    assert [path for path in written if b"canary-51b2e0" in path.read_bytes()] == []
