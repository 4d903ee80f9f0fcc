"""Any number of records made for a test or a benchmark: metadata as the portal gives it, files of any sizes."""

import csv
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, cycle, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = json.loads((ROOT / "metadata" / "81642.json").read_text(encoding="utf-8"))
PREFIX = "root://eospublic.cern.ch//eos/opendata/"


def content(path: str, size_bytes: int) -> bytes:
    """Return the bytes of a file: noise that only its path and length decide."""
    block = hashlib.shake_128(path.encode()).digest(min(size_bytes, 1 << 20))
    return (block * (size_bytes // max(1, len(block)) + 1))[:size_bytes]


def document(recid: int, files: Iterable[Mapping[str, object]]) -> dict:
    """Return a collision record of DELPHI with this recid and these entries of `files`."""
    listed = list(files)
    total = sum(int(str(file["size"])) for file in listed)
    return {
        **TEMPLATE,
        "recid": str(recid),
        "title": f"Generated record {recid}",
        "distribution": {"formats": ["al"], "number_files": len(listed), "size": total},
        "files": listed,
    }


def write_records(
    metadata_dir: Path, sizes: Mapping[int, Sequence[int]], *, put: Callable[[str, bytes], object] | None = None
) -> int:
    """Write `<recid>.json` of each record; `put(path, bytes)` lays its files; return the bytes of all files.

    Args:
        metadata_dir: where the metadata go.
        sizes: recid -> length of each of its files.
        put: called with the path below /eos/opendata and the bytes. None: no data, and the checksums are made up.
    """
    metadata_dir.mkdir(parents=True, exist_ok=True)
    total = 0
    for recid, lengths in sizes.items():
        files = []
        for number, length in enumerate(lengths):
            path = f"generated/{recid}/f{number:05d}.al"
            checksum = recid * 100_003 + number
            if put is not None:
                data = content(path, length)
                put(path, data)
                checksum = zlib.adler32(data)
            files.append({"uri": PREFIX + path, "size": length, "checksum": f"adler32:{checksum % 2**32:08x}"})
            total += length
        (metadata_dir / f"{recid}.json").write_text(json.dumps(document(recid, files)), encoding="utf-8")
    return total


def put_below(folder: Path) -> Callable[[str, bytes], object]:
    """Return a `put` for `write_records` that lays files below a folder, to be read as file://."""

    def put(path: str, data: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    return put


def redirect(folder: Path) -> dict[str, str]:
    """Return the redirects with which files laid by `put_below` are read."""
    return {PREFIX: f"file://{folder.resolve()}/"}


def delphi_sizes(count: int) -> dict[int, list[int]]:
    """Return the file lengths of `count` records shaped like the DELPHI collection, by recids from 100,001 on.

    fixtures/delphi_sizes.csv has number of files and bytes of 785 real records. They come first; simulated ones,
    which are nearly all of the collection, are repeated for the rest.
    """
    with (ROOT / "tests" / "fixtures" / "delphi_sizes.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    simulated = [row for row in rows if row["secondary"] == "Simulated"]
    chosen = islice(chain(rows, cycle(simulated)), count)
    sizes = {}
    for recid, row in enumerate(chosen, start=100_001):
        files, total = int(row["files"]), int(row["bytes"])
        sizes[recid] = [total // files] * files if files else []
    return sizes
