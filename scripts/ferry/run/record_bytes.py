"""How many bytes a record has, as far as is known before it moves."""

import errno
import json
import os
from functools import lru_cache
from pathlib import Path


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
