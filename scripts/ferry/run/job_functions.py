"""What Snakefile and rules ask of a job: its inputs, its time and memory, its share of the upload cap."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ferry.chain import upload_slots
from ferry.mapping.correction_files import correction_paths
from ferry.receipts import REVIEW


def record_bytes(receipt: Path) -> int:
    """Return the bytes that a record uploads; while it is not packaged, those of its files.

    0 where the receipt that tells is not what it should be: the job that reads it says what is wrong.

    Args:
        receipt: a receipt of the record that the asking step needs; beside it lie those that tell.

    Raises:
        FileNotFoundError: it is not even read yet. Names `receipt`: to Snakemake, which asks in a dry run too, that
            says that the answer depends on a file that is still to come.
    """
    for name, listed in (("package", "uploads"), ("source", "files")):
        path = receipt.with_name(f"{name}.json")
        try:
            changed_ns = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
        # the scheduler asks for every ready job at every round: read again only when the file is another one
        return _listed_bytes(str(path), listed, changed_ns)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(receipt))


@lru_cache(maxsize=100_000)
def _listed_bytes(path: str, listed: str, _changed_ns: int) -> int:
    try:
        return sum(entry["size_bytes"] or 0 for entry in json.loads(Path(path).read_bytes())[listed])
    except (ValueError, KeyError, TypeError):
        return 0


@dataclass(frozen=True)
class JobResources:
    """The functions that Snakemake calls, by the part `cluster` of the configuration.

    A cluster ends a job that takes longer or more than it asked for; so the next attempt asks for more.
    """

    minutes: int
    """Time of any step, whatever its size."""
    bytes_per_s: int
    """The slowest pace at which a step that moves bytes has to get through."""
    memory_mb: int

    def walltime_minutes(self, wildcards: Any, input: Any, attempt: int) -> int:  # noqa: A002, ARG002 - called by these names
        """Return the minutes that a step over all bytes of a record may take.

        Raises:
            FileNotFoundError: the record is not read yet.
        """
        size_bytes = record_bytes(Path(input[0]))
        return (self.minutes + -(-size_bytes // (60 * self.bytes_per_s))) * attempt

    def memory(self, wildcards: Any, attempt: int) -> int:  # noqa: ARG002 - called by these names
        """Return the MB that a step may take."""
        return self.memory_mb * attempt


def upload_weight(*, bytes_per_slot: int, max_slots: int) -> Callable[[Any, Any], int]:
    """Return the weight of an upload job as a function of its wildcards and its input `package` (the receipt).

    The steps of a record may be one job on a cluster: its weight has to be known before the record is packaged. The
    function raises FileNotFoundError for a record that is not read yet: its weight is not known yet.
    """

    def weight(wildcards: Any, input: Any) -> int:  # noqa: A002, ARG001 - called by these names
        size_bytes = record_bytes(Path(input.package))
        return upload_slots(size_bytes, bytes_per_slot=bytes_per_slot, max_slots=max_slots)

    return weight


class RecordInputs:
    """The folder of metadata, listed once: a record may have a file there, and a correction, or neither."""

    def __init__(self, *, metadata_dir: Path, results_dir: Path = Path("results")) -> None:
        """List it.

        Raises:
            ConfigError: a file among the corrections would correct nothing.
        """
        self._metadata = {path.name: str(path) for path in metadata_dir.glob("*.json")}
        self._corrections = correction_paths(metadata_dir)
        self._results_dir = results_dir

    def metadata(self, wildcards: Any) -> list[str]:
        """Return the record's metadata file; none if it has to be fetched from the portal."""
        return _those_there(self._metadata, f"{wildcards.recid}.json")

    def corrections(self, wildcards: Any) -> list[str]:
        """Return the record's corrections; none if there are none."""
        return _those_there(self._corrections, f"{wildcards.recid}.yaml")

    def review(self, wildcards: Any) -> list[str]:
        """Return what is known of the record's review; none if nobody ever had to decide about it."""
        path = f"{self._results_dir}/{wildcards.recid}/{REVIEW}"
        return [path] if os.path.exists(path) else []


def _those_there(paths: dict[str, str], name: str) -> list[str]:
    return [paths[name]] if name in paths else []
