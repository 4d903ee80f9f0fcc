"""Forty small records of all kinds, made of a seed: their metadata, and a source tree with their bytes."""

import json
import random
import zlib
from collections.abc import Callable
from pathlib import Path

from generated_records import PREFIX, document

FIRST_RECID = 100_001
RECORDS = 40
MAX_FILES = 4
"""package.max_files of the runs: a record with more goes up as a bundle."""
_KINDS = ("loose", "loose", "loose", "bundled", "bundled", "empty file", "odd names", "no files")
_ODD_NAMES = (
    "a b.al",
    "déjà vu.al",
    "100%.al",
    "plus+and&.al",
    "x/same.al",
    "y/same.al",
    "Case.al",
    "case.al",
    "d/content/z.al",
    "no extension",
    ".hidden",
    "long" * 40 + ".al",
)


def write_records(
    folder: Path, chance: random.Random, put: Callable[[str, bytes], object], *, records: int = RECORDS
) -> list[int]:
    """Write records.csv and metadata/<recid>.json into the folder; `put(path, bytes)` lays files; return the recids.

    The bytes of no file are those of another, but for the empty ones.
    """
    recids = list(range(FIRST_RECID, FIRST_RECID + records))
    (folder / "metadata").mkdir(parents=True)
    (folder / "records.csv").write_text("recid\n" + "\n".join(map(str, recids)) + "\n", encoding="ascii")
    for recid in recids:
        files = []
        for name, content in _files(chance.choice(_KINDS), chance):
            path = f"harness/{recid}/{name}"
            put(path, content)
            checksum = f"adler32:{zlib.adler32(content):08x}"
            files.append({"uri": PREFIX + path, "size": len(content), "checksum": checksum})
        words = {"title": f"Record {recid}, {chance.randbytes(4).hex()}"}
        words["abstract"] = {"description": f"What record {recid} holds: {chance.randbytes(8).hex()}"}
        record = {**document(recid, files), **words}
        (folder / "metadata" / f"{recid}.json").write_text(json.dumps(record), encoding="utf-8")
    return recids


def _files(kind: str, chance: random.Random) -> list[tuple[str, bytes]]:
    if kind == "no files":
        return []
    if kind == "odd names":
        names = chance.sample(_ODD_NAMES, chance.randint(1, 6))
    else:
        count = chance.randint(MAX_FILES + 1, MAX_FILES + 3) if kind == "bundled" else chance.randint(1, MAX_FILES)
        names = [f"f{number:03}.al" for number in range(count)]
    sizes = [chance.randint(16, 600) for _ in names]
    if kind == "empty file":
        sizes[-1] = 0
    return [(name, chance.randbytes(size)) for name, size in zip(names, sizes, strict=True)]
