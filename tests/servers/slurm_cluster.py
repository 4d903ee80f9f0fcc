"""A real Slurm on loopback from Debian's packages (slurm-wlm, munge): a controller and two nodes, started as root.

Each node has a host name of its own (a UTS namespace), so that whatever counts by host meets two hosts. All daemons run
in the foreground, as children of the test, and are ended by their process ids. `slurm.conf` has to lie in /etc/slurm,
because a job step drops SLURM_CONF; what lay there before is put back.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from needs import missing, require_tool

NODES = ("ferry-n1", "ferry-n2")
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "unshare")
START_LIMIT_S = 30.0
CONF = Path("/etc/slurm/slurm.conf")

CONFIG = """\
ClusterName=ferry
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
MinJobAge=3600
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=1
{nodes}
PartitionName=debug Nodes={names} Default=YES MaxTime=INFINITE State=UP
PartitionName=long Nodes={names} MaxTime=INFINITE State=UP
"""


@dataclass
class SlurmCluster:
    """Two nodes with two places each, ready for `sbatch`."""

    root: Path

    def ask(self, *command: str) -> str:
        """Return what a Slurm command prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def running_jobs(self) -> dict[str, str]:
        """Return Slurm job id -> node of the jobs that run."""
        lines = self.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i %N").splitlines()
        return dict(line.split() for line in lines)

    def cancel(self, job: str) -> None:
        """End a job as its owner, an administrator or the walltime would."""
        subprocess.run(["scancel", job], check=True, timeout=60)

    def drain(self, node: str) -> None:
        """Take a node out of service: its jobs go on, no new ones start."""
        self.ask("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")

    def resume(self, node: str) -> None:
        """Put a drained node back into service."""
        self.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def written(self) -> Iterator[Path]:
        """Yield every file that Slurm has written: job scripts, environments, logs."""
        yield from (path for path in self.root.rglob("*") if path.is_file())


@contextlib.contextmanager
def slurm_cluster(root: Path) -> Iterator[SlurmCluster]:
    """Start a cluster that keeps everything below `root`, and stop it at the end."""
    ports = _free_ports(1 + len(NODES))
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={name} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=4000 State=UNKNOWN"
        for name, port in zip(NODES, ports[1:], strict=True)
    )
    config = CONFIG.format(
        host=socket.gethostname().split(".")[0], port=ports[0], root=root, nodes=nodes, names=",".join(NODES)
    )
    for folder in ("state", *(f"spool/{name}" for name in NODES)):
        (root / folder).mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_configured(config))
        stack.enter_context(_munge(root))
        stack.enter_context(_daemon(["slurmctld", "-D"], root))
        for name in NODES:
            inside = f"hostname {name} && exec slurmd -D"
            stack.enter_context(_daemon(["unshare", "--uts", "sh", "-c", inside], root))
        cluster = SlurmCluster(root)
        _wait(lambda: _idle_nodes(cluster) == len(NODES), root)
        yield cluster
        subprocess.run(["scancel", "--user", "root"], check=False, timeout=60)
        _wait(lambda: not cluster.running_jobs(), root)


def _idle_nodes(cluster: SlurmCluster) -> int:
    try:
        return cluster.ask("sinfo", "--noheader", "--Node", "--partition=debug", "--format=%t").split().count("idle")
    except subprocess.CalledProcessError:
        return 0  # the controller does not answer yet


@contextlib.contextmanager
def _configured(config: str) -> Iterator[None]:
    before = CONF.read_bytes() if CONF.exists() else None
    CONF.parent.mkdir(parents=True, exist_ok=True)
    CONF.write_text(config, encoding="utf-8")
    try:
        yield
    finally:
        if before is None:
            CONF.unlink()
        else:
            CONF.write_bytes(before)


@contextlib.contextmanager
def _munge(root: Path) -> Iterator[None]:
    """Run munge with a key and a socket of the test's own."""
    key = root / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    files = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "munged.seed"}
    options = [f"--{name}={root / file}" for name, file in files.items()]
    with _daemon(["munged", "--foreground", "--force", f"--key-file={key}", *options], root):
        _wait((root / "munge.socket").exists, root)
        yield


@contextlib.contextmanager
def _daemon(command: Sequence[str], root: Path) -> Iterator[None]:
    with (root / "daemons.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(done: Callable[[], bool], root: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while not done():
        if time.monotonic() > deadline:
            logs = {path.name: path.read_text(errors="replace")[-1500:] for path in root.glob("*.log")}
            raise RuntimeError(f"Slurm did not come to what is waited for within {START_LIMIT_S:g} s: {logs}")
        time.sleep(0.2)


def need_slurm() -> None:
    """Skip the test where Slurm cannot be started; fail it under CI=true."""
    for name in NEEDED:
        require_tool(name, package="slurm-wlm munge")
    if os.geteuid() != 0:
        missing("a Slurm is started by root only")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
