"""How much of the upload cap a record takes."""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any


def upload_slots(size_bytes: int, *, bytes_per_slot: int, max_slots: int) -> int:
    """Return the weight of an upload: one slot per `bytes_per_slot` begun, from 1 to `max_slots`."""
    return max(1, min(max_slots, -(-size_bytes // bytes_per_slot)))


def upload_weight(*, bytes_per_slot: int, max_slots: int) -> Callable[[Any, Any], int]:
    """Return the weight of an upload job as a function of its wildcards and its input `package` (the receipt).

    The function raises FileNotFoundError for a record that is not packaged yet: its weight is not known yet.
    """

    def weight(wildcards: Any, input: Any) -> int:  # noqa: A002, ARG001 - called by these names
        path = Path(input.package)
        # the scheduler asks for every ready job at every round: read again only when the file is another one
        size_bytes = _upload_bytes(str(path), path.stat().st_mtime_ns)
        return upload_slots(size_bytes, bytes_per_slot=bytes_per_slot, max_slots=max_slots)

    return weight


@lru_cache(maxsize=100_000)
def _upload_bytes(path: str, _mtime_ns: int) -> int:
    receipt = json.loads(Path(path).read_bytes())
    return sum(upload["size_bytes"] for upload in receipt["uploads"])
