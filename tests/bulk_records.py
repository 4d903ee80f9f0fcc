"""Many small records with the kinds and proportions of DELPHI's, some of which fail in different steps.

fixtures/delphi_sizes.csv has 785 of the portal's DELPHI records (CC0); files are cut down to a few kB.
"""

import csv
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from sandbox.demo_source import content
from workflow.conftest import ROOT, Flow

SIZES = Path(__file__).parent / "fixtures" / "delphi_sizes.csv"
MOST_FILES, MOST_BYTES, TOO_LARGE = 24, 6000, 1_000_001
FAULTS = (
    ("read_record", "torn"),
    ("download_files", "wrong checksum"),
    ("transform_record", "no title"),
    ("package_files", "too large"),
    ("upload_record", "state in the way"),
    ("download_files", "no such file"),
    ("read_record", "torn"),
    ("transform_record", "corrections torn"),
    ("download_files", "wrong checksum"),
    ("package_files", "too large"),
)
"""Step that fails, and how it is made to; the n-th failing record gets the n-th."""


def write_bulk(flow: Flow, *, records: int, failing: int) -> tuple[list[int], dict[int, str]]:
    """Write `records` records into a folder, the list of them and the configuration; return them and what must fail."""
    with SIZES.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = rows[:: len(rows) // records][:records]
    distance = records // failing
    faults = {int(chosen[n * distance]["recid"]): fault for n, fault in enumerate(FAULTS[:failing])}
    (flow.folder / "metadata" / "corrections").mkdir(parents=True)
    for row in chosen:
        write_record(flow.folder, row, fault=faults.get(int(row["recid"]), ("", ""))[1])
    flow.want(*(int(row["recid"]) for row in chosen))
    flow.config = {
        "package": {"max_upload_bytes": TOO_LARGE - 1},
        # 300 records are more requests than the default allows in an hour
        "repository": {"requests_per_minute": None, "requests_per_hour": None},
        # the jobs of eight records may all be over in less than a second
        "progress": {"every_s": 0.1, "prometheus": "ferry.prom"},
    }
    return [int(row["recid"]) for row in chosen], {recid: step for recid, (step, _) in faults.items()}


def write_record(folder: Path, row: dict[str, str], *, fault: str) -> None:
    """Write metadata/<recid>.json for a row, and what makes it fail."""
    recid = int(row["recid"])
    count = max(1, min(int(row["files"] or 1), MOST_FILES)) if fault else min(int(row["files"] or 0), MOST_FILES)
    whole = min(int(row["bytes"] or 0) // 1_000_000 + 100, MOST_BYTES)
    sizes = [whole // (number + 1) for number in range(count)]
    if fault == "too large":
        sizes = [TOO_LARGE]
    document = json.loads((ROOT / "metadata" / "80512.json").read_bytes())
    document |= {
        "recid": str(recid),
        "title": "" if fault == "no title" else row["title"],
        "date_created": [row["year"] or "1995"],
        "type": {"primary": row["primary"], "secondary": [row["secondary"]]},
        "distribution": {"formats": [row["formats"] or "txt"], "number_files": count, "size": sum(sizes)},
        "files": files(recid, sizes),
    }
    if fault == "wrong checksum":
        document["files"][0]["checksum"] = "adler32:00000001"
    if fault == "no number":
        document["files"][0]["size"] = "many"
    if fault == "no such file":
        document["files"][0]["uri"] = f"file://{folder}/nowhere/{recid}.dat"
    if fault == "state in the way":
        (folder / "data" / str(recid) / "deposit.json").mkdir(parents=True)
    if fault == "corrections torn":
        (folder / "metadata" / "corrections" / f"{recid}.yaml").write_text("title: [", encoding="utf-8")
    text = json.dumps(document)
    (folder / "metadata" / f"{recid}.json").write_text(text[: 40 if fault == "torn" else None], encoding="utf-8")


def files(recid: int, sizes: Sequence[int]) -> list[dict]:
    """Return the record's file list; the demo source makes files of these addresses and lengths."""
    listed = []
    for number, size in enumerate(sizes):
        uri = f"root://demo.invalid//eos/opendata/delphi/bulk/{recid}/part{number:03}.dat"
        checksum = zlib.adler32(content(uri=uri, size_bytes=size))
        listed.append({"uri": uri, "size": size, "checksum": f"adler32:{checksum:08x}"})
    return listed
