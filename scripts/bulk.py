"""Carries thousands of records in parts: bulk.py [--most N] [--configfile F] [any other argument of snakemake]."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from snakemake.utils import update_config

from ferry.config import check_config, normalise_config, publishes
from ferry.errors import ConfigError, FerryError
from ferry.run.bulk import PART_OF_BULK, MadeProgress, run_in_parts
from ferry.run.run import BULK_LOCK, lock_folder, read_run
from ferry.run.selection import selection_of
from ferry.run.settings_files import SettingsFiles
from ferry.strict_yaml import read_config_file
from ferry.text.formatting import plural

LONG_LIST = 100

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
command = [str(Path(sys.executable).with_name("snakemake")), *arguments, "--directory", str(options.directory)]
if not given & {"-s", "--snakefile"}:
    command += ["--snakefile", str(project / "Snakefile")]
try:
    config = read_config_file(project / "config.yaml")
    if options.configfile:
        update_config(config, read_config_file(options.configfile))
        command += ["--configfile", str(options.configfile)]
    here = Path.cwd()
    os.chdir(options.directory)
    normalise_config(config)
    check_config(config)
    wanted = selection_of(config)
    lock = lock_folder(BULK_LOCK)
except (FerryError, OSError) as error:
    sys.exit(f"bulk.py: {error}")
# the lines of thousands of jobs would hide the few that count
quiet = [] if given & {"-q", "--quiet"} else ["--quiet", "all"]
# Of each job that ends Snakemake's scheduler looks at all that are ready once more a timespan later, and so on to the
# end of the run: at its 100/1s that is a sixth of the CPU of 200 records. It ends no sooner than the last timespan.
pace = (
    ["--max-jobs-per-timespan", "500/5s"]
    if len(wanted.recids) >= LONG_LIST and "--max-jobs-per-timespan" not in given
    else []
)


def run(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run snakemake to its end; when this process is told to stop, stop with it."""
    signals: list[int] = []
    before = _run_id()
    job = subprocess.Popen([*command, *quiet], cwd=here, env=environment)  # noqa: S603

    def stop(number: int, _frame: object) -> None:
        signals.append(number)
        if number == signal.SIGTERM:  # Ctrl-C reaches it by itself
            job.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    status = job.wait()
    if signals:
        sys.exit(128 + signals[0])
    if quiet and _run_id() == before:
        if status:
            _tell_why(command, status)
        else:
            sys.stderr.write(f"bulk.py: nothing to be done: {plural(len(wanted.recids), 'record')} through already\n")
    return status


def _run_id() -> str | None:
    """Return the id of the run that was begun last in the folder."""
    try:
        return read_run().run_id
    except ConfigError:
        return None


def _tell_why(command: Sequence[str], status: int) -> None:
    """Say why no run began: Snakemake, told to be quiet, is so about that too. A dry run has the same reasons."""
    dry = [*command, "--dry-run", "--quiet", "rules", "progress", "host"]
    # of a dry run it tells all on standard output
    done = subprocess.run(dry, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603
    reason = f":\n{done.stdout.strip()}" if done.returncode else ", for a reason told above"
    sys.stderr.write(f"bulk.py: snakemake ended with {status} before a run began{reason}\n")


part = {**os.environ, PART_OF_BULK: "1"}
sys.exit(
    run_in_parts(
        wanted,
        results_dir=Path("results"),
        most=options.most or config["run"]["part_size"],
        publish=publishes(config),
        settings=SettingsFiles(config).names,
        run_part=lambda targets: run([command[0], *targets, *command[1:], *pace], part),
        run_all=lambda: run([*command, *pace]),
        made_progress=MadeProgress(),
    )
)
