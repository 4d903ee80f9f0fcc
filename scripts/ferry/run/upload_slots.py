"""How much of the upload cap a record takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ferry.run.record_bytes import record_bytes


def upload_slots(size_bytes: int, *, bytes_per_slot: int, max_slots: int) -> int:
    """Return the weight of an upload: one slot per `bytes_per_slot` begun, from 1 to `max_slots`."""
    return max(1, min(max_slots, -(-size_bytes // bytes_per_slot)))


def upload_weight(*, bytes_per_slot: int, max_slots: int) -> Callable[[Any, Any], int]:
    """Return the weight of an upload job as a function of its wildcards and its input `package` (the receipt).

    The steps of a record may be one job on a cluster: its weight has to be known before the record is packaged. The
    function raises FileNotFoundError for a record that is not read yet: its weight is not known yet.
    """

    def weight(wildcards: Any, input: Any) -> int:  # noqa: A002, ARG001 - called by these names
        size_bytes = record_bytes(Path(input.package))
        return upload_slots(size_bytes, bytes_per_slot=bytes_per_slot, max_slots=max_slots)

    return weight
