"""Metadata of real records of the portal (CC0), of all experiments and kinds, without their file lists."""

import json
import lzma
from pathlib import Path
from typing import Any

_PATH = Path(__file__).resolve().parent / "fixtures" / "metadata.jsonl.xz"


def real_metadata() -> list[dict[str, Any]]:
    """Return 184 records, by recid."""
    return [json.loads(line) for line in lzma.decompress(_PATH.read_bytes()).splitlines()]
