"""Carries thousands of records in parts: bulk.py [--most N] [--configfile F] [any other argument of snakemake]."""

import argparse
import os
import sys
from pathlib import Path

from snakemake.utils import update_config

from ferry.config import check_config, normalise_config, publishes
from ferry.errors import ConfigError, FerryError
from ferry.run.bulk import PART_OF_BULK, AnotherRun, MadeProgress, run_in_parts
from ferry.run.run import BULK_LOCK, lock_folder
from ferry.run.selection import nothing_listed, selection_of
from ferry.run.settings_files import SettingsFiles
from ferry.strict_yaml import read_config_file
from hooks.bulk_runs import BulkRuns, refuse_unwritable_cache

parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
parser.add_argument("--most", type=int, help="records of a part (run.part_size)")
parser.add_argument("--directory", "-d", type=Path, default=Path(), help="as for snakemake")
parser.add_argument("--configfile", "--configfiles", type=Path, help="as for snakemake")
options, arguments = parser.parse_known_args()
given = {argument.split("=")[0] for argument in arguments}
if options.most is not None and options.most < 1:
    parser.error(f"--most: expected at least 1, found {options.most}")
if {"-C", "--config"} & given:
    parser.error("--config is for snakemake alone; what it changes, write to a file for --configfile")

project = Path(__file__).resolve().parents[1]
# hooks/unpaced.py says what the limit on the jobs of a timespan costs; whoever sets one keeps it
program = (
    [str(Path(sys.executable).with_name("snakemake"))]
    if "--max-jobs-per-timespan" in given
    else [sys.executable, "-P", str(project / "scripts" / "hooks" / "unpaced.py")]
)
command = [*arguments, "--directory", str(options.directory)]
if not given & {"-s", "--snakefile"}:
    command += ["--snakefile", str(project / "Snakefile")]
try:
    config = read_config_file(project / "config.yaml")
    if options.configfile:
        update_config(config, read_config_file(options.configfile))
        command += ["--configfile", str(options.configfile)]
    here = Path.cwd()
    try:
        os.chdir(options.directory)
    except OSError as error:
        raise ConfigError(
            f"--directory {options.directory}: expected a folder with the list of records, found: {error.strerror}; "
            "make it, or name another one"
        ) from error
    normalise_config(config)
    check_config(config)
    wanted = selection_of(config)
    refuse_unwritable_cache()
    lock = lock_folder(BULK_LOCK)
except (FerryError, OSError) as error:
    sys.exit(f"bulk.py: {error}")
if not wanted.recids:
    sys.stderr.write(f"bulk.py: {nothing_listed(config)}\n")
    sys.exit(0)
# the lines of thousands of jobs would hide the few that count
quiet = [] if given & {"-q", "--quiet"} else ["--quiet", "all"]

runs = BulkRuns(command, quiet=quiet, folder=here, config=config, wanted=wanted)
status = run_in_parts(
    wanted,
    results_dir=Path("results"),
    most=options.most or config["run"]["part_size"],
    publish=publishes(config),
    settings=SettingsFiles(config).names,
    run_part=lambda targets: runs.run(program, *targets, **{PART_OF_BULK: "1"}),
    run_all=lambda: runs.run(program),
    made_progress=MadeProgress(),
    may_help=AnotherRun(give_up_after_s=config["breaker"]["give_up_after_s"]).may_help,
)
runs.tell_how_to_go_on()
sys.exit(status)
