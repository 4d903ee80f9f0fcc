"""Room under data/, shared by all jobs of a run: a record takes it before its first byte and gives it back at the end.

The ledger `data/storage.json` says which record holds how many bytes (`records`), and how many the notes take that
stay of records that are through (`notes_bytes`); it is changed under a lock, so jobs on several nodes may share it
where the file system has locks. A record takes what its files and its bundles will need together, so a record that
has begun never waits again, and somebody always gets on.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ferry.errors import ConfigError, PermanentError, TransientError
from ferry.files import own_lock
from ferry.journal import is_alive
from ferry.receipts import write_json
from ferry.waiting import ROOM, waiting

LEDGER = Path("data/storage.json")
DEPOSIT, DROPPED = "deposit.json", "dropped.json.gz"
"""Notes in data/<recid>, all that stays there of a record that is through: of its upload, and of bytes that went."""
POLL_S = 0.5
PATIENCE_S = 60.0
"""A waiting record gives up when for so long nobody who holds room has worked."""

Entry = dict[str, Any]
"""What a record holds: `bytes`, `failed` (a step of it, at its last try), `jobs` (running ones, each as host:pid)."""


class DiskBudget:
    """The ledger of one folder. Without one (no budget was ever asked for) everything but `take` does nothing."""

    def __init__(
        self,
        path: Path = LEDGER,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use the ledger at `path`; `sleep` and `clock` are for tests."""
        self._path = path
        self._sleep = sleep
        self._clock = clock

    def reserve(
        self, *, recid: int, size_bytes: int, max_bytes: int, notes_bytes: int = 0, streamed_bytes: int | None = None
    ) -> float:
        """Wait until the record's bytes fit beside those of the others, then hold them; return the seconds waited.

        Args:
            recid: of the record.
            size_bytes: what it will take at most.
            max_bytes: the budget.
            notes_bytes: what it has left there when it was through before: now part of `size_bytes`.
            streamed_bytes: what it would take with bundles that are never written; told where that would do.

        Raises:
            PermanentError: the record alone is larger than the budget.
            TransientError: what is held is held by failed records, or nobody who holds it works any more.
        """
        if size_bytes > max_bytes:
            would_do = streamed_bytes is not None and streamed_bytes <= max_bytes
            or_stream = ", or have bundles generated while they are uploaded (package.mode: stream)" if would_do else ""
            raise PermanentError(
                f"record {recid}: expected at most {max_bytes} bytes on disk (storage.max_bytes), found that it takes "
                f"{size_bytes}; raise the budget to that{or_stream}"
            )
        began = worked = self._clock()
        while True:
            with self._ledger() as ledger:
                held = ledger["records"]
                others = {int(key): entry for key, entry in held.items() if key != str(recid)}
                notes = ledger["notes_bytes"] - (0 if str(recid) in held else notes_bytes)
                room = max_bytes - notes - sum(entry["bytes"] for entry in others.values())
                if size_bytes <= room:
                    ledger["notes_bytes"] = max(0, notes)
                    jobs = held.get(str(recid), {}).get("jobs", [])
                    held[str(recid)] = {"bytes": size_bytes, "failed": False, "jobs": sorted({*jobs, _this_job()})}
                    return self._clock() - began
            now = self._clock()
            if any(_works(entry) for entry in others.values()):
                worked = now
            if all(entry["failed"] for entry in others.values()) or now - worked > PATIENCE_S:
                named = ", ".join(map(str, sorted(others)[:10])) or "none"
                raise TransientError(
                    f"record {recid}: expected room for {size_bytes} bytes, found {room} of {max_bytes} "
                    f"(storage.max_bytes); the rest is held by records that have failed or were left ({named}), and "
                    f"{notes} bytes by notes on others: mend them and run again, or remove their data/<recid>, or "
                    "raise the budget"
                )
            with waiting(ROOM):
                self._sleep(POLL_S)

    def begin(self, *, recid: int) -> None:
        """Say that a step of the record runs in this process."""

        def begun(entry: Entry) -> None:
            entry["jobs"] = sorted({*entry["jobs"], _this_job()})
            entry["failed"] = False

        self._change(recid, begun)

    def end(self, *, recid: int, failed: bool) -> None:
        """Say that the step is over."""

        def over(entry: Entry) -> None:
            entry["jobs"] = sorted({*entry["jobs"]} - {_this_job()})
            entry["failed"] = failed

        self._change(recid, over)

    def release(self, *, recid: int, notes_bytes: int = 0) -> None:
        """Release what the record holds, all but for its notes."""
        if self._path.exists():
            with self._ledger() as ledger:
                if ledger["records"].pop(str(recid), None) is not None:
                    ledger["notes_bytes"] += notes_bytes

    def reconcile(self, *, jobs_may_run: bool) -> None:
        """Bring the ledger up to what lies beside it, where a run begins.

        What a run without a budget has left of a record is held by it from now on. Unless `jobs_may_run`, a record
        whose folder is gone holds nothing, and what a killed run left as running works no more, though its process id
        may live again.
        """
        folders = {path.name: path for path in self._path.parent.glob("[1-9]*") if path.name.isdecimal()}
        if not (folders or self._path.exists()):
            return
        with self._ledger() as ledger:
            held, notes = ledger["records"], 0
            if not jobs_may_run:
                ledger["records"] = held = {recid: entry for recid, entry in held.items() if recid in folders}
                for entry in held.values():
                    entry["jobs"] = []
            for recid in folders.keys() - held.keys():
                left, noted = _bytes_below(folders[recid]), notes_bytes(folders[recid])
                if left > noted:
                    held[recid] = {"bytes": left, "failed": False, "jobs": []}
                else:
                    notes += noted
            ledger["notes_bytes"] = notes

    def held(self) -> Mapping[int, Entry]:
        """Return recid -> what it holds."""
        if not self._path.exists():
            return {}
        with self._ledger() as ledger:
            return {int(key): entry for key, entry in ledger["records"].items()}

    def _change(self, recid: int, change: Callable[[Entry], None]) -> None:
        if self._path.exists():
            with self._ledger() as ledger:
                if str(recid) in ledger["records"]:
                    change(ledger["records"][str(recid)])

    @contextmanager
    def _ledger(self) -> Iterator[dict[str, Any]]:
        with own_lock(self._path.with_suffix(".lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # gone with the process, however it ends
            ledger = {"records": {}, "notes_bytes": 0}
            if self._path.exists():
                ledger |= json.loads(self._path.read_bytes())
            before = json.dumps(ledger, sort_keys=True)
            yield ledger
            if json.dumps(ledger, sort_keys=True) != before:
                write_json(self._path, ledger)


def refuse_too_few_cores(*, package_threads: int, cores: int, download_slots: int) -> None:
    """Make sure that a record which holds room can be packed while downloads, each on a core, wait for that room.

    One thread always can: its record's own download has just left a core.

    Raises:
        ConfigError: the waiting downloads may hold a core that packing needs.
    """
    if package_threads > 1 and cores < package_threads + download_slots:
        raise ConfigError(
            f"package.threads: expected 1 with storage.max_bytes on {cores} cores, where {download_slots} downloads "
            f"(download_slots of the profile) may hold a core each while they wait for room, found {package_threads}; "
            f"or run with --cores {package_threads + download_slots}"
        )


def _bytes_below(folder: Path) -> int:
    """Return how much lies below a folder, but for files that have another name elsewhere (source.data_root)."""
    size_bytes = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a job on another node may remove it just now
                found = os.stat(os.path.join(parent, name))
                size_bytes += found.st_size if found.st_nlink == 1 else 0
    return size_bytes


def notes_bytes(data_dir: Path) -> int:
    """Return how much the notes take that stay of a record."""
    size_bytes = 0
    for name in (DEPOSIT, DROPPED):
        with suppress(FileNotFoundError):
            size_bytes += (data_dir / name).stat().st_size
    return size_bytes


def _this_job() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _works(entry: Entry) -> bool:
    """Tell whether a job of the record runs; one on another host is believed."""
    places = [place.rpartition(":") for place in entry["jobs"]]
    return any(is_alive(host, pid) for host, _, pid in places)
