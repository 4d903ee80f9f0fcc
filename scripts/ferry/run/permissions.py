"""Who else on this machine may read what a run makes; nobody else may ever change it."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDERS = tuple(map(Path, ("results", "data", "logs", "benchmarks", "restored", ".snakemake")))
"""What a run writes to, but for what the configuration names elsewhere."""
_LOGS = Path(".snakemake/log")
"""Begun by Snakemake before it has read the Snakefile."""
_CHANGED_BY_OTHERS = 0o002
_OF_OTHERS = 0o077


def keep_from_others(config: Mapping[str, Any]) -> None:
    """Take the rights of others from what this process and its jobs make: to change it, and to read what may be secret.

    Snakemake reads the Snakefile in each job, on each node: so this holds wherever one is done.
    """
    os.umask(_taken(config) | os.umask(_OF_OTHERS))


def close_folders(config: Mapping[str, Any]) -> None:
    """Take the same rights from the folders of the run that are there: what earlier runs have made lies below them."""
    for path in (*FOLDERS, _LOGS, *_LOGS.glob("*")):
        with suppress(FileNotFoundError):
            before = path.stat()
            after = before.st_mode & ~_taken(config)
            if after != before.st_mode and before.st_uid == os.geteuid():
                path.chmod(after & 0o7777)


def _taken(config: Mapping[str, Any]) -> int:
    return _OF_OTHERS if _may_be_restricted(config) else _CHANGED_BY_OTHERS


def _may_be_restricted(config: Mapping[str, Any]) -> bool:
    """Tell whether a record of the run may be: of one's own each says so itself, and what all share tells of each."""
    return bool(config["transform"]["access"] == "restricted" or config["metadata"]["origin"] == "own")
