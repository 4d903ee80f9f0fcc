"""How fast records are transformed and checked, and what a job pays before it does anything.

12,711 records (BENCH_RECORDS: fewer) are made from the real ones of tests/fixtures (BENCH_SOURCE: of another folder of
<recid>.json), each with its own recid and title; all of them go through one process, in each profile. `other` is the
goal: 200 records a second, 0.25 s of CPU.
"""

import copy
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.side_by_side import Result, compared, report
from ferry.mapping.profiles import PROFILES
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions
from ferry.receipts import write_receipt
from ferry.source.record import bare_record, read_source

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(os.environ.get("BENCH_SOURCE", ROOT / "tests" / "fixtures" / "records"))
RECORDS = sorted(SOURCE.glob("*.json"))
COUNT = int(os.environ.get("BENCH_RECORDS", "12711"))
GOAL_PER_S, GOAL_IMPORT_S = 200.0, 0.25
IMPORT = (
    "import time; start = time.process_time(); import ferry.run.step, ferry.steps.transform_record; "
    "print(time.process_time() - start)"
)
JOB = """
import time
start = time.process_time()
from pathlib import Path
from ferry.mapping.work import MappingOptions
from ferry.steps.transform_record import transform_to_receipts
import ferry.run.step, sys
folder = Path(sys.argv[1])
recid = 100_000
paths = {f"{name}_path": folder / f"{name}.json" for name in ("source", "record", "mapping")}
transform_to_receipts(recid=recid, corrections_path=None, profile="ccmm2", options=MappingOptions(), **paths)
print(time.process_time() - start)
"""


def generated(count: int) -> Iterator[dict[str, Any]]:
    """Yield receipts `source`, one after the other: they need not be in memory together."""
    sources = [read_source(recid=int(path.stem), metadata_path=path, index_files="keep") for path in RECORDS]
    for number in range(count):
        source = copy.deepcopy(sources[number % len(sources)])
        recid = 100_000 + number
        record = bare_record(source["record"], recid=source["recid"], origin=source["origin"])
        record["recid"] = str(recid)
        record["title"] = f"{record['title']} {number}"
        yield {**source, "recid": recid, "record": record}


def records_per_s(profile: str) -> float:
    """Return records transformed and checked per second of CPU."""
    busy = 0.0
    for source in generated(COUNT):
        start = time.process_time()
        transform_record(source=source, profile=profile, options=MappingOptions())
        busy += time.process_time() - start
    return COUNT / busy


def cpu_s(script: str, *arguments: str) -> float:
    """Return what a new process says."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-c", script, *arguments]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def throughput(profile: str, runs: int = 3) -> Result:
    """Measure one profile; in seconds of CPU per 1,000 records, so that smaller is better."""
    ours = [1000 / records_per_s(profile) for _ in range(runs)]
    case = f"{COUNT} records transformed and checked, {profile}, one process"
    return compared(case, ours=ours, other=[1000 / GOAL_PER_S], unit="s CPU per 1,000", goal=1.0)


def main() -> None:
    """Measure everything."""
    folder = Path("results/bench/metadata_job")
    folder.mkdir(parents=True, exist_ok=True)
    write_receipt(folder / "source.json", "source", next(generated(1)))
    results = [throughput(profile) for profile in PROFILES]
    for case, script in (("import of the job transform_record", IMPORT), ("import and one record with receipts", JOB)):
        cpu_s(script, str(folder))  # compiles what is not there yet
        ours = [cpu_s(script, str(folder)) for _ in range(11)]
        results.append(compared(case, ours=ours, other=[GOAL_IMPORT_S], unit="s CPU", goal=1.0))
    report("metadata", results)


if __name__ == "__main__":
    main()
