"""Nothing waits without need: 300 mixed records over a line, and how busy what they need most is meanwhile.

The records are shaped as those of DELPHI (fixtures/delphi_sizes.csv), their bytes scaled down. They come from a real
XRootD server and go to the sandbox, each at the end of a line of 40 ms there and back and 100 MB/s, which is a proxy in
this process; `make bulk` carries them, with the sandbox's limit on requests and its own set to the same. What a run
needs is line down, line up, requests and cores; each has a least time in which it could be done, by the run's own
journals and by what the system has counted of the cores. The longest of them beside the time that the run took is how
busy that was. The hours that `snakemake plan` tells before are held against what the run took.

`--records 30` takes fewer and writes no result.
"""

import argparse
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pandas as pd
import yaml
from generated_records import PREFIX, ROOT, delphi_sizes
from yarl import URL

from bench.far import sandbox_behind_line
from bench.side_by_side import Result, compared, report
from bench.whole_chain import Records, records_on_server, timed
from servers.tcp_proxy import tcp_proxy
from servers.xrootd_server import EXPORT

RECORDS = 300
SMALLER = 100
"""By this the bytes of each file are divided: 8.3 GB are left of 300 records."""
LINE_BYTES_PER_S = 100e6
ROUND_TRIP_S = 0.040
REQUESTS_PER_MINUTE = 1500
"""Three times what InvenioRDM allows, so that the bench ends within minutes."""
CORES = 4
"""Jobs at once, as docs advise where most of them wait for the line."""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=RECORDS)
    asked = parser.parse_args()
    whole = delphi_sizes(785)
    chosen = islice(whole.items(), 0, None, max(1, len(whole) // asked.records))
    sizes = {recid: [max(1, length // SMALLER) for length in lengths] for recid, lengths in chosen if lengths}
    sizes = dict(islice(sizes.items(), asked.records))
    with records_on_server(sizes) as records:
        results = carried(records)
    if asked.records == RECORDS:
        report("mixed", results)
    else:
        print(*results, sep="\n")


def carried(records: Records) -> list[Result]:
    """Plan the records, carry them, and tell how busy each resource was."""
    folder = records.working_folder()
    near = URL(records.config["source"]["redirects"][PREFIX])
    assert near.port is not None
    limits = ((REQUESTS_PER_MINUTE, 60.0),)
    with tcp_proxy(near.port) as down, sandbox_behind_line(folder / "repository", rate_limits=limits) as (far, url, up):
        for line in (down, up):
            line.delay_s, line.bytes_per_s = ROUND_TRIP_S / 2, LINE_BYTES_PER_S
        config = {
            "source": {"redirects": {PREFIX: f"root://127.0.0.1:{down.port}/{EXPORT}/"}},
            "repository": {"url": url, "requests_per_minute": REQUESTS_PER_MINUTE, "requests_per_hour": None},
        }
        (folder / "flow.yaml").write_text(yaml.safe_dump(config))
        planned_s = planned(folder, far.token)
        command = [sys.executable, ROOT / "scripts" / "bulk.py", "--snakefile", ROOT / "Snakefile"]
        command += ["--cores", CORES, "--configfile", "flow.yaml"]
        before = cores_busy_s()
        took_s = timed(command, folder, far.token)
        cores_s = (cores_busy_s() - before) / (os.cpu_count() or 1)
    least_s = least_times(folder) | {"cores": cores_s}
    for name, seconds in least_s.items():
        print(f"{name}: busy {seconds / took_s:.0%} of {took_s:.0f} s", flush=True)
    name = max(least_s, key=lambda each: least_s[each])
    case, busy = f"{len(records.recids)} mixed records", f"the busiest ({name}) vs all the time"
    return [
        compared(f"{case}, {busy}", ours=[took_s], other=[least_s[name]], unit="s", goal=0.9),
        compared(f"{case}, plan's time vs the run's", ours=[took_s], other=[planned_s], unit="s", goal=0.85),
    ]


def planned(folder: Path, token: str) -> float:
    """Return the seconds that `snakemake plan` tells for the limit on requests."""
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [snakemake, "--snakefile", ROOT / "Snakefile", "--cores", "2", "--configfile", "flow.yaml", "--", "plan"]
    environment = {**os.environ, "NRP_TOKEN": token}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    told = done.stdout + done.stderr
    print("\n".join(line for line in told.splitlines() if line.startswith(("records ", "files ", "uploads ", "by "))))
    hours = pd.read_csv(folder / "results" / "plan.csv")
    requests = int(hours["requests"].sum())
    assert re.search(r"^by rate limit", told, re.MULTILINE)
    return requests / REQUESTS_PER_MINUTE * 60


def least_times(folder: Path) -> dict[str, float]:
    """Return, by resource, the seconds in which what the run's journals tell of could have been done."""
    attempts = pd.read_parquet(folder / "results" / "attempts.parquet")
    moved = attempts.groupby("step")["bytes_moved"].sum()
    print(attempts.groupby("step")[["duration_s", "cpu_s", "requests", "rate_wait_s"]].sum().round(1).to_string())
    return {
        "line down": moved["download_files"] / LINE_BYTES_PER_S,
        "line up": moved["upload_record"] / LINE_BYTES_PER_S,
        "requests": attempts["requests"].sum() / REQUESTS_PER_MINUTE * 60,
    }


def cores_busy_s() -> float:
    """Return for how long all cores together have been at work since the system began."""
    with open("/proc/stat", encoding="ascii") as stream:
        user, nice, system, _idle, _waiting, *interrupts = (int(field) for field in stream.readline().split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
