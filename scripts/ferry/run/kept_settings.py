"""Settings that records are made with, in a file by whose time Snakemake sees that they have changed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.receipts import write_json

TRANSFORM_SETTINGS = Path("results/transform.json")

_LONG_AGO_S = 946_684_800
"""The year 2000: settings that are kept for the first time make nothing anew."""


def keep_settings(settings: Mapping[str, Any], path: Path) -> None:
    """Write the settings if the file does not say the same already."""
    is_new = not path.exists()
    try:
        if not is_new and json.loads(path.read_bytes()) == settings:
            return
    except ValueError:
        pass  # torn: written again
    write_json(path, settings)
    if is_new:
        os.utime(path, (_LONG_AGO_S, _LONG_AGO_S))


def changed_settings(path: Path = TRANSFORM_SETTINGS) -> list[str]:
    """Return the file once it tells of a change: records carried before there was one had no such input."""
    return [str(path)] if path.stat().st_mtime > _LONG_AGO_S else []
