"""What Snakemake does otherwise here: a lighter graph, jobs chosen faster, scripts run by the script server."""

import atexit
import functools
import gc
import heapq
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import snakemake.common  # type: ignore[import-untyped]
import snakemake.rules  # type: ignore[import-untyped]
from snakemake.benchmark import BenchmarkRecord  # type: ignore[import-untyped]
from snakemake.dag import DAG, ScriptProcessor  # type: ignore[import-untyped]
from snakemake.io import _IOFile  # type: ignore[import-untyped]
from snakemake.iocontainers import AttributeGuard  # type: ignore[import-untyped]
from snakemake.jobs import Job  # type: ignore[import-untyped]
from snakemake.scheduling.job_scheduler import JobScheduler  # type: ignore[import-untyped]
from snakemake.script import PythonScript  # type: ignore[import-untyped]

from ferry.run.script_server import Ended, ScriptServer

MODULES = (
    "snakemake.logging",
    "snakemake.io",
    "snakemake.iocontainers",
    "ferry.run.step",
    "ferry.steps.read_record",
    "ferry.steps.download_files",
    "ferry.source.xrootd",
    "ferry.steps.transform_record",
    "ferry.steps.package_files",
    "ferry.steps.upload_record",
    "ferry.steps.publish_record",
    "ferry.steps.record_stats",
    "ferry.report.stats_log",
    "ferry.run.disk_budget",
)
"""What the entry scripts of a record import: 0.3 s that each of them would take."""

MOST_OF_A_STEP = 50

_MEBIBYTE = 1 << 20

_SETS_OF_FLAGGED_FILES = (
    "temp_output",
    "protected_output",
    "touch_output",
    "pipe_or_service_output",
    "_queue_input",
)
_NO_FILES: frozenset[str] = frozenset()

_as_snakemake_does = PythonScript.execute_script
_look_at_script = ScriptProcessor.process_job
_build_job = Job.__init__
_is_valid = Job.is_valid
_conda_env_of = Job.conda_env_spec.fget
_parameters_of = snakemake.common.get_function_params
_look_again = JobScheduler._schedule_reevalutation


def lighten_graph() -> None:
    """Have the graph of 76,000 jobs take half the time to read and four fifths of the memory.

    Snakemake reads the script of each job to make sure that it is there, tries whether each job's log can be named,
    and expands each job's parameters to learn of its conda environment: once for each rule will do. It gives each job
    five sets that stay empty and each list of files two objects that only say no: one of each will do. It looks up the
    parameters of a rule's functions for each job, and sorts all outputs to find one in a folder that another job makes:
    no rule here makes a folder. And a graph is no garbage: the collector need not walk through it again and again, nor
    take it apart when the process ends.
    """
    looked_at: set[str] = set()
    tried: set[str] = set()
    environments: dict[str, Any] = {}

    def look_once(processor: object, job: Any) -> None:
        if job.rule.name not in looked_at:
            looked_at.add(job.rule.name)
            _look_at_script(processor, job)

    def try_once(job: Any) -> None:
        if job.rule.name not in tried:
            tried.add(job.rule.name)
            _is_valid(job)

    def build(job: Any, *arguments: Any, **options: Any) -> None:
        _build_job(job, *arguments, **options)
        for name in _SETS_OF_FLAGGED_FILES:
            if not getattr(job, name):
                setattr(job, name, _NO_FILES)

    def environment_of_rule(job: Any) -> Any:
        if job.rule.name not in environments:
            environments[job.rule.name] = _conda_env_of(job)
        return environments[job.rule.name]

    @functools.cache
    def guard(kind: type, _name: str) -> Any:
        return object.__new__(kind)

    ScriptProcessor.process_job = look_once
    Job.__init__ = build
    Job.is_valid = try_once
    _IOFile.is_storage = property(lambda file: "storage_object" in file.flags)
    Job.conda_env_spec = property(environment_of_rule)
    AttributeGuard.__new__ = guard
    snakemake.common.get_function_params = snakemake.rules.get_function_params = functools.cache(_parameters_of)
    DAG.check_directory_outputs = lambda _graph: None
    gc.set_threshold(50_000, 20, 50)
    atexit.register(gc.freeze)


def choose_jobs_faster() -> None:
    """Have the choice of the next job cost the same however many wait, and be made once.

    Snakemake looks at every job that could begin, and asks the disk for the size of each of its inputs, whenever
    another has ended. Here it looks at the most urgent ones of each step (its own `--scheduler-subsample` takes any),
    so that steps which wait for a resource hide none that would free it; and at no sizes: they would matter between
    jobs of one priority only, and a record's bytes are in its priority. A second later Snakemake looks once more each
    time, in case its limit of jobs per second had held some back: here only if it had.
    """

    def most_urgent(scheduler: Any) -> list[Any]:
        by_step: defaultdict[frozenset[str], list[Any]] = defaultdict(list)
        for job in scheduler.workflow.dag.ready_jobs:
            by_step[frozenset(job.rules)].append(job)
        urgent = attrgetter("priority")
        return [job for jobs in by_step.values() for job in heapq.nlargest(MOST_OF_A_STEP, jobs, key=urgent)]

    async def no_sizes(scheduler: Any, _jobs: Iterable[Any]) -> None:
        scheduler._input_sizes = defaultdict(int)

    def look_again_if_held_back(scheduler: Any, delay_s: float) -> None:
        limiter = scheduler.job_rate_limiter
        if limiter is None or limiter.get_free_jobs() == 0:
            _look_again(scheduler, delay_s)

    JobScheduler._schedule_reevalutation = look_again_if_held_back
    JobScheduler.open_jobs = property(most_urgent)
    JobScheduler.update_input_sizes = no_sizes


def serve_scripts() -> ScriptServer:
    """Start a script server for this run and let it run the scripts, until it is stopped.

    Snakemake has no setting for it. Where a script needs more than this Python (a conda environment, a container, a
    shadow folder), or where the server has gone, Snakemake runs it as ever.
    """
    server = ScriptServer(*MODULES)

    def execute_script(job: Any, fname: str, edit: bool = False) -> None:
        if edit or job.conda_env or job.container_img or job.env_modules or job.shadow_dir:
            _as_snakemake_does(job, fname, edit=edit)
            return

        environment = {"OMP_NUM_THREADS": str(job.threads), "TMPDIR": str(job.resources["tmpdir"])}
        began_s = time.monotonic()
        try:
            ended = server.run(fname, environment=environment)
        except OSError:
            _as_snakemake_does(job, fname, edit=edit)
            return
        if job.bench_record is not None:
            write_down(job.bench_record, ended, elapsed_s=time.monotonic() - began_s)
        if ended.status:
            raise subprocess.CalledProcessError(ended.status, job.path.get_filename())

    PythonScript.execute_script = execute_script
    return server


def write_down(record: BenchmarkRecord, ended: Ended, *, elapsed_s: float) -> None:
    """Fill what Snakemake writes to benchmarks/: it would ask the system for all processes again and again."""
    record.running_time, record.data_collected = elapsed_s, True
    record.max_rss = ended.peak_bytes / _MEBIBYTE
    record.io_in, record.io_out = ended.read_bytes / _MEBIBYTE, ended.written_bytes / _MEBIBYTE
    record.cpu_time = ended.cpu_s
    record.cpu_usage = 100 * ended.cpu_s  # percent of a core, times seconds
