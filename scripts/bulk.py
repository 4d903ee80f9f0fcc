"""Carries thousands of records in parts: bulk.py [--most N] [--configfile F] [any other argument of snakemake]."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import yaml
from snakemake.utils import update_config

from ferry.bulk import PART_OF_BULK, run_in_parts
from ferry.wanted import wanted_of

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--most", type=int, default=200, help="records of a part (200)")
parser.add_argument("--configfile", type=Path, help="as for snakemake")
options, arguments = parser.parse_known_args()

config = yaml.safe_load((Path(__file__).resolve().parents[1] / "config.yaml").read_text(encoding="utf-8"))
command = [str(Path(sys.executable).with_name("snakemake")), *arguments]
if options.configfile:
    update_config(config, yaml.safe_load(options.configfile.read_text(encoding="utf-8")))
    command += ["--configfile", str(options.configfile)]
if not {"-q", "--quiet"} & {argument.split("=")[0] for argument in arguments}:
    command += ["--quiet", "rules", "host"]  # the lines of thousands of jobs would hide the few that count
part = {**os.environ, PART_OF_BULK: "1"}
sys.exit(
    run_in_parts(
        wanted_of(config),
        results_dir=Path("results"),
        most=options.most,
        run_part=lambda targets: subprocess.run([command[0], *targets, *command[1:]], env=part, check=False).returncode,  # noqa: S603
        run_all=lambda: subprocess.run(command, check=False).returncode,  # noqa: S603
    )
)
