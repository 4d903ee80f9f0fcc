"""Entry scripts run by the script server: the one thing that Snakemake does otherwise here than by itself.

Snakemake has no setting for it, so a method of its own gives way to ours while a run goes on. It is looked up by name
when the run begins, and only where it is as we know it; else scripts run as Snakemake runs them, which takes longer.
"""

import importlib
import inspect
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ferry.run.script_server import Ended, ScriptServer

READY = (
    "encodings.ascii",
    "snakemake.logging",
    "snakemake.io",
    "snakemake.iocontainers",
    "ferry.run.step",
    "ferry.steps.read_record",
    "ferry.steps.download_files",
    "ferry.source.xrootd:import_client",
    "ferry.steps.transform_record",
    "ferry.steps.package_files",
    "ferry.steps.bytes_again",
    "ferry.steps.upload_record",
    "ferry.steps.publish_record",
    "ferry.steps.record_stats",
    "ferry.report.stats_log",
    "ferry.run.disk_budget",
    "ferry.mapping.experiments:special_experiments",
    "ferry.schemas:compile_schemas",
)
"""What the entry scripts of a record import and compile: 1.8 s of CPU on a slow machine, median of five starts."""

_MODULE, _CLASS, _METHOD = "snakemake.script", "PythonScript", "execute_script"
_ARGUMENTS = ("self", "fname", "edit")
_OF_SCRIPT = {"bench_record", "conda_env", "container_img", "env_modules", "path", "resources", "shadow_dir", "threads"}
_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class ServedScripts:
    """That a server runs the scripts of a run, until it is stopped."""

    server: ScriptServer
    kind: Any
    before: Callable[..., object]

    def stop(self) -> None:
        """Have scripts run as Snakemake runs them again, and end the server."""
        setattr(self.kind, _METHOD, self.before)
        self.server.stop()


def serve_scripts(environment: Mapping[str, str] | None = None) -> ServedScripts | None:
    """Start a script server for this run and let it run the scripts; None where the installed Snakemake does not fit.

    `environment` is what the scripts have besides what this process has, whose own values stay.

    Where a script needs more than this Python (a conda environment, a container, a shadow folder), or where the server
    has gone, Snakemake runs it as ever.
    """
    kind = script_class()
    if kind is None:
        sys.stderr.write(
            "ferry: this release of Snakemake runs scripts in a way that is not known here: they run as Snakemake runs "
            "them, each in a Python of its own, which takes longer (run.script_server: false for no such line)\n"
        )
        return None
    as_snakemake_does: Callable[..., object] = getattr(kind, _METHOD)
    server = ScriptServer(*READY, environment=environment)

    def execute_script(job: Any, fname: str, edit: bool = False) -> None:
        if edit or job.conda_env or job.container_img or job.env_modules or job.shadow_dir:
            as_snakemake_does(job, fname, edit=edit)
            return

        environment = {"OMP_NUM_THREADS": str(job.threads), "TMPDIR": str(job.resources["tmpdir"])}
        began_s = time.monotonic()
        try:
            ended = server.run(fname, environment=environment)
        except OSError:
            as_snakemake_does(job, fname, edit=edit)
            return
        if job.bench_record is not None:
            write_down(job.bench_record, ended, elapsed_s=time.monotonic() - began_s)
        if ended.status:
            raise subprocess.CalledProcessError(ended.status, job.path.get_filename())

    setattr(kind, _METHOD, execute_script)
    return ServedScripts(server, kind, as_snakemake_does)


def script_class() -> Any | None:
    """Return the class of Snakemake that runs a Python script, None if it is not as we know it."""
    try:
        kind = getattr(importlib.import_module(_MODULE), _CLASS)
        arguments = tuple(inspect.signature(getattr(kind, _METHOD)).parameters)
        fits = arguments == _ARGUMENTS and inspect.signature(kind.__init__).parameters.keys() >= _OF_SCRIPT
    except (ImportError, AttributeError, TypeError, ValueError):
        return None
    return kind if fits else None


def write_down(record: Any, ended: Ended, *, elapsed_s: float) -> None:
    """Fill what Snakemake writes to benchmarks/: it would ask the system for all processes again and again."""
    record.running_time, record.data_collected = elapsed_s, True
    record.max_rss = ended.peak_bytes / _MEBIBYTE
    record.io_in, record.io_out = ended.read_bytes / _MEBIBYTE, ended.written_bytes / _MEBIBYTE
    record.cpu_time = ended.cpu_s
    record.cpu_usage = 100 * ended.cpu_s  # percent of a core, times seconds
