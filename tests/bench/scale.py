"""The workflow at the size of the DELPHI collection: what reading and planning it costs, and what each record costs.

Records as in fixtures/delphi_sizes.csv, with metadata and no bytes. For the rerun that finds nothing to do, each
receipt is laid as an empty object, in the order in which a run would have written them: Snakemake looks at times only.

Run as `python scale.py [case ...]`, each case as in the table or a part of its name; without one all are measured.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from generated_records import ROOT, delphi_sizes, write_records

from bench.side_by_side import Result, compared, report
from bench.whole_chain import tiny_files_beside_asyncio

COUNTS = (1000, 12_711)
RECEIPTS = ("source", "download", "record", "mapping", "package", "upload", "stats")
LIMIT_CPU_S, LIMIT_MB = 150, 1600


CHAINS = {
    "1000 records vs asyncio": partial(tiny_files_beside_asyncio, 1000),
}


def main() -> None:
    """Measure the cases that are asked for."""
    asked = sys.argv[1:] or [""]
    results = []
    for count in COUNTS:
        if any(name in f"without data, {count} records" for name in asked):
            results += without_data(count)
    for case, measure in CHAINS.items():
        if any(name in case for name in asked):
            results.append(measure())
    report("scale", results)


def without_data(count: int) -> list[Result]:
    """Measure reading, planning and finding nothing to do."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as name:
        folder = Path(name)
        sizes = delphi_sizes(count)
        write_records(folder / "metadata", sizes)
        (folder / "records.csv").write_text("recid\n" + "".join(f"{recid}\n" for recid in sizes))
        results += both(f"dry run, {count} records", folder, "-n", "--quiet")
        results += both(f"plan, {count} records", folder, "plan")
        lay_receipts(folder, list(sizes))
        results += both(f"nothing to do, {count} records", folder)
    return results


def both(case: str, folder: Path, *arguments: str) -> tuple[Result, Result]:
    """Run snakemake; return its CPU time and its peak memory beside the limits, and print the wall time."""
    command = [str(Path(sys.executable).with_name("snakemake")), "--snakefile", str(ROOT / "Snakefile")]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, "--directory", str(folder), "--cores", "2", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as job:
        assert job.stderr is not None
        errors = job.stderr.read()  # until it ends
        _, status, usage = os.wait4(job.pid, 0)
        job.returncode = os.waitstatus_to_exitcode(status)
    elapsed_s = time.perf_counter() - start
    if job.returncode:
        sys.exit(f"{case}: snakemake ended with {job.returncode}: {errors.decode()[-2000:]}")
    print(f"{case}: {elapsed_s:.1f} s")
    cpu_s = usage.ru_utime + usage.ru_stime
    return (
        compared(f"{case} vs {LIMIT_CPU_S} s of CPU", ours=[cpu_s], other=[LIMIT_CPU_S], unit="s", goal=1),
        compared(f"{case} vs {LIMIT_MB} MB", ours=[usage.ru_maxrss / 1000], other=[LIMIT_MB], unit="MB", goal=1),
    )


def lay_receipts(folder: Path, recids: list[int]) -> None:
    """Lay empty receipts whose times follow each other as in a run, and what the aggregate makes of them."""
    now = time.time()
    for recid in recids:
        for place, name in enumerate(RECEIPTS):
            path = folder / "results" / str(recid) / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}\n")
            os.utime(path, (now + place, now + place))
    listed = subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), "--snakefile", str(ROOT / "Snakefile"), "--directory",
         str(folder), "-n", "--quiet", "rules", "--summary"], capture_output=True, text=True, check=True
    ).stdout.splitlines()  # fmt: skip
    for line in listed:
        path = folder / line.split("\t")[0]
        if path.parent.name in ("results", "figures", "tables"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (now + 100, now + 100))


if __name__ == "__main__":
    main()
