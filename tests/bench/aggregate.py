"""All tables of 12,711 records with 415,425 files, beside what one DataFrame of them would take.

The other reads the same receipts without checking them, keeps the rows of all files in one list and writes them with
pandas: less work than ours, and memory that grows with the files. Each runs in a process of its own, and its peak is
VmHWM. Goals are those of the project: 60 s and 1 GB; the ratio compares with the other.

Usage: aggregate.py [records files runs]
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.side_by_side import RUNS, compared, report
from synthetic_runs import plan_run, write_run

RECORDS, FILES = 12_711, 415_425
ROOT = Path(__file__).resolve().parents[2]

OURS = """
from ferry.report.stats import aggregate
recids = sorted(int(path.name) for path in Path("results").iterdir() if path.name.isdigit())
totals = aggregate(recids=recids, results_dir=Path("results"), logs_dir=Path("logs"), publish=False)
count = totals.files
"""
OTHER = """
import pandas as pd
rows, stats = [], []
for folder in Path("results").iterdir():
    if not folder.name.isdigit():
        continue
    receipts = {path.stem: json.loads(path.read_bytes()) for path in folder.glob("*.json")}
    local = {file["key"]: file for file in receipts.get("download", {}).get("files", [])}
    for file in receipts.get("source", {}).get("files", []):
        rows.append({"recid": int(folder.name), **file, **local.get(file["key"], {})})
    stats.append(receipts.get("stats", {}))
pd.DataFrame(rows).to_parquet("other-files.parquet")
pd.DataFrame(stats).to_parquet("other-stats.parquet")
count = len(rows)
"""
HEAD = "import json, time\nfrom pathlib import Path\nbegun = time.perf_counter()\n"
FOOT = """
from ferry.journal import peak_memory_bytes
print(json.dumps([time.perf_counter() - begun, peak_memory_bytes() / 1e6, count]))
"""


def run_once(code: str, folder: Path, files: int) -> tuple[float, float]:
    """Return the seconds and the peak in MB of a process that makes the tables in `folder`."""
    answer = subprocess.run(
        [sys.executable, "-c", HEAD + code + FOOT],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak_mb, count = json.loads(answer.stdout.splitlines()[-1])
    if count != files:
        raise SystemExit(f"expected {files} file rows, found {count}")
    return seconds, peak_mb


def main(records: int = RECORDS, files: int = FILES, runs: int = RUNS) -> None:
    """Make the folder, measure both in turn and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, plan_run(records=records, files=files))
        taken: dict[str, list[tuple[float, float]]] = {OURS: [], OTHER: []}
        for number in range(-1, runs):
            for code in (OURS, OTHER) if number % 2 else (OTHER, OURS):
                measured = run_once(code, folder, files)
                if number >= 0:
                    taken[code].append(measured)
    case = f"{records:,} records / {files:,} file rows"
    results = [
        compared(
            f"{case}, {what}",
            ours=[item[place] for item in taken[OURS]],
            other=[item[place] for item in taken[OTHER]],
            unit=unit,
            goal=None,
        )
        for place, what, unit in ((0, "time", "s"), (1, "peak memory", "MB"))
    ]
    report("aggregate", results)
    seconds, peak_mb = results[0].ours, results[1].ours
    print(f"goal: below 60 s and 1000 MB; found {seconds:.1f} s and {peak_mb:.0f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
