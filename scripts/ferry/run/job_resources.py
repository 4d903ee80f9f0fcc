"""What a step of a record asks of a cluster: time by the record's bytes, and more of everything with each attempt."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.run.record_bytes import record_bytes


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
