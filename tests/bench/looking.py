"""What `plan` and `validate` of many records cost whose metadata only the portal has, and how often it is asked.

A portal on loopback has records shaped as DELPHI's, as many as BENCH_RECORDS says (3,000). Both are run, in turn, in
this checkout and in another one, BENCH_OTHER (a folder with its own .venv), each time in a new folder. Measured is the
CPU time of Snakemake and all of its children; that of the portal is not in it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from generated_records import ROOT, delphi_sizes, write_records
from record_portal import counts, portal_process

from bench.side_by_side import compared, report

COUNT = int(os.environ.get("BENCH_RECORDS", "3000"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))


def main() -> None:
    """Measure both commands in both checkouts."""
    other = Path(os.environ["BENCH_OTHER"])
    taken: dict[tuple[str, Path], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-looking-") as name:
        folder = Path(name)
        sizes = delphi_sizes(COUNT)
        write_records(folder / "portal", sizes)
        with portal_process(folder / "portal") as address:
            for number in range(RUNS):
                for checkout in (ROOT, other):
                    project = folder / f"{checkout.name}-{number}"
                    (project / "metadata").mkdir(parents=True)
                    (project / "records.csv").write_text("recid\n" + "".join(f"{recid}\n" for recid in sizes))
                    (project / "mine.yaml").write_text(f"metadata: {{portal: '{address}'}}\n")
                    for target in ("plan", "validate"):
                        before = counts(address)
                        taken.setdefault((target, checkout), []).append(cpu_s(checkout, project, target))
                        after = counts(address)
                        told = ", ".join(f"{name} {after[name] - before[name]}" for name in before)
                        print(f"{target}, {checkout}: {told}", file=sys.stderr, flush=True)
    report(
        "looking",
        [
            compared(
                f"{target}, {COUNT} records", ours=taken[target, ROOT], other=taken[target, other], unit="s CPU", goal=2
            )
            for target in ("plan", "validate")
        ],
    )


def cpu_s(checkout: Path, project: Path, target: str) -> float:
    """Run snakemake of a checkout; return its CPU time and that of its children."""
    command = [str(checkout / ".venv" / "bin" / "snakemake"), "--snakefile", str(checkout / "Snakefile")]
    with subprocess.Popen(
        [*command, "--directory", str(project), "--cores", "2", target, "--configfile", str(project / "mine.yaml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as job:
        assert job.stderr is not None
        errors = job.stderr.read()
        _, status, usage = os.wait4(job.pid, 0)
        job.returncode = os.waitstatus_to_exitcode(status)
    if job.returncode:
        sys.exit(f"{target} in {checkout} ended with {job.returncode}: {errors.decode()[-2000:]}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
