"""One run: what its jobs share, and that there is only one at a time on a folder."""

import fcntl
import json
import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ferry.config import same_address
from ferry.errors import ConfigError
from ferry.files import own_lock
from ferry.receipts import REPOSITORY, write_json
from ferry.waiting import WAITS

RUN_FILE = Path("logs/run.json")
RUN_WAITS = RUN_FILE.with_suffix(WAITS)
"""What a run waits for that begins."""
LOCK_FILE = Path("logs/run.lock")
BULK_LOCK = Path("logs/bulk.lock")
"""Held by `make bulk` from the first of its runs to the last, also between two of them."""
LOCKS = Path("/proc/locks")


@dataclass(frozen=True)
class Target:
    """The repository of a run, as it answered when the run began."""

    name: str
    """What receipts call it: its address, or `sandbox`."""
    url: str
    info: dict[str, Any]
    """nrp-cmd's RepositoryInfo: links, models, transfers."""


@dataclass(frozen=True)
class Run:
    """Written when a run begins and read by each of its jobs."""

    run_id: str
    started_at: str
    target: Target | None
    """None if no job of the run talks to the repository."""
    across_nodes: bool = False
    """Whether its jobs run on other machines than this one, which share the folder."""
    command: str = "snakemake --cores 1"
    """Its snakemake command without targets."""
    is_ready: bool = True
    """Whether its jobs may begin: until then it asks the repository, which may take its time."""
    ready_after_s: float = 0
    """How long that took."""
    after: Sequence[str] = ()
    """The runs before it of the same bulk run: what has failed for good in them is not tried again."""
    give_up_after_s: float = 0
    """How long its jobs wait for a repository that is away."""


def begin_run(
    *,
    target: Target | None,
    across_nodes: bool = False,
    command: str = Run.command,
    is_ready: bool = True,
    after: Sequence[str] = (),
    give_up_after_s: float = 0,
    path: Path = RUN_FILE,
) -> Run:
    """Write down what the jobs of the new run share."""
    now = datetime.now(UTC)
    run = Run(
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}",
        started_at=now.isoformat(timespec="milliseconds"),
        target=target,
        across_nodes=across_nodes,
        command=command,
        is_ready=is_ready,
        after=after,
        give_up_after_s=give_up_after_s,
    )
    write_json(path, asdict(run))
    return run


def run_ready(run: Run, *, target: Target | None, path: Path = RUN_FILE) -> Run:
    """Write down that the jobs of a run may begin, and with which repository."""
    took_s = (datetime.now(UTC) - datetime.fromisoformat(run.started_at)).total_seconds()
    ready = replace(run, target=target, is_ready=True, ready_after_s=max(0.0, took_s))
    write_json(path, asdict(ready))
    return ready


def read_run(path: Path = RUN_FILE) -> Run:
    """Return the run under way.

    Raises:
        ConfigError: none was begun here.
    """
    try:
        document = json.loads(path.read_bytes())
        target = document["target"]
        return Run(
            run_id=document["run_id"],
            started_at=document["started_at"],
            target=None if target is None else Target(**target),
            across_nodes=document.get("across_nodes", False),
            command=document.get("command", Run.command),
            is_ready=document.get("is_ready", True),
            after=tuple(document.get("after", ())),
            ready_after_s=document.get("ready_after_s", 0),
            give_up_after_s=document.get("give_up_after_s", 0),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: expected what the run's start wrote, found {error!r}; start with snakemake, and where this is a "
            "module of another workflow, give that one the three handlers of docs/as-module.md"
        ) from error


def require_target(run: Run) -> Target:
    """Return the run's repository.

    Raises:
        ConfigError: the run was begun without one.
    """
    if run.target is None:
        raise ConfigError(f"{RUN_FILE}: this run began without a repository; start it again")
    return run.target


def lock_folder(path: Path = LOCK_FILE) -> IO[str]:
    """Take the folder for this process until it ends, however it ends.

    Unlike a lock file that somebody has to remove, this one is gone with the process.

    Raises:
        ConfigError: another run has it.
    """
    stream = own_lock(path)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, host = stream.read().strip().partition(" ")
        stream.close()
        raise ConfigError(
            f"{path.resolve().parents[1]}: another run works here (process {pid or 'unknown'}) "
            f"on {host or 'this machine'}; wait for it, or stop it"
        ) from None
    stream.truncate(0)
    stream.write(f"{os.getpid()} {socket.gethostname()}\n")
    stream.flush()
    return stream


def is_locked(path: Path = LOCK_FILE, *, locks: Path = LOCKS) -> bool:
    """Tell whether a process of this machine holds the folder, without asking for the lock itself."""
    try:
        inode = path.stat().st_ino
        held = locks.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    return any(f":{inode} " in line and "FLOCK" in line and "->" not in line for line in held)


def refuse_other_repository(*, target_name: str, results_dir: Path) -> None:
    """Make sure that the receipts in this folder are of this repository.

    Raises:
        ConfigError: they tell of uploads to another one.
    """
    marker = results_dir / REPOSITORY
    try:
        known = json.loads(marker.read_bytes()).get("repository")
    except (FileNotFoundError, ValueError, AttributeError):
        known = None
    if known != target_name:
        for receipt in results_dir.glob("*/upload.json"):
            try:
                found = json.loads(receipt.read_bytes()).get("repository")
            except (ValueError, AttributeError):
                continue  # a torn receipt is found out by the job that reads it
            if same_address(str(found)) != target_name:
                raise ConfigError(
                    f"{receipt}: tells of an upload to {found}, but repository.url is {target_name}; "
                    "use another folder for another repository (snakemake --directory)"
                )
        write_json(marker, {"repository": target_name})
