"""What is done otherwise inside Snakemake: each test fails when a new version no longer has the place for it."""

import ast
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def printed_by(program, *arguments, folder=None):
    """Run a program that may alter Snakemake in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(SCRIPTS), **({"HOME": str(folder)} if folder else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CHOOSE = """
import asyncio, inspect
from types import SimpleNamespace
import snakemake.api, snakemake.jobs
from snakemake.scheduling.job_scheduler import JobScheduler

assert isinstance(JobScheduler.open_jobs, property)
assert isinstance(snakemake.jobs.Job.rules, property)
assert isinstance(snakemake.jobs.GroupJob.rules, property)
assert inspect.iscoroutinefunction(JobScheduler.update_input_sizes)
source = inspect.getsource(JobScheduler)
assert "set(self.open_jobs)" in source
assert "self.update_input_sizes(jobs)" in source
assert "self._input_sizes" in source
from hooks import script_jobs
script_jobs.choose_jobs_faster()

waiting = [SimpleNamespace(rules=["download"], priority=1000 + number * 7919 % 100_003) for number in range(5000)]
freeing = [SimpleNamespace(rules=["upload"], priority=number) for number in range(3)]
jobs = [*waiting, *freeing]
scheduler = JobScheduler.__new__(JobScheduler)
scheduler.workflow = SimpleNamespace(dag=SimpleNamespace(ready_jobs=jobs))
chosen = {job.priority for job in scheduler.open_jobs}
assert chosen == {*sorted(job.priority for job in waiting)[-script_jobs.MOST_OF_A_STEP :], 0, 1, 2}
scheduler.workflow.dag.ready_jobs = []
assert scheduler.open_jobs == []
asyncio.run(scheduler.update_input_sizes(jobs))
assert scheduler._input_sizes["any"] == 0
print("done")
"""


def test_the_most_urgent_jobs_of_each_step_are_chosen_from_and_no_size_is_asked_for():
    assert printed_by(CHOOSE) == "done\n"


GRAPH = """
import atexit, gc, inspect, sys
from pathlib import Path
import snakemake.api
from snakemake.jobs import Job
from snakemake.rules import Rule
from snakemake.dag import DAG, ScriptProcessor
from hooks import script_jobs

Path("env.yaml").write_text("dependencies: []")
Path("done.py").write_text("")
Path("Snakefile").write_text('''
rule all:
    input: expand("{n}.txt", n=range(20))
rule one:
    output: "{n}.txt"
    conda: "env.yaml"
    params: number=lambda wildcards: int(wildcards.n)
    priority: lambda wildcards: int(wildcards.n)
    script: "done.py"
''')
asked, jobs, looked, tried, read, compared = [], [], [], [], [], []
expand, read_signature, compare = Rule.expand_params, inspect.signature, DAG.check_directory_outputs
look, try_, build = script_jobs._look_at_script, script_jobs._is_valid, script_jobs._build_job

def count_expanded(rule, *arguments):
    asked.append(rule.name)
    return expand(rule, *arguments)

def count_looked(processor, job):
    looked.append(job.rule.name)
    look(processor, job)

def count_tried(job):
    tried.append(job.rule.name)
    try_(job)

def count_built(job, *arguments, **options):
    build(job, *arguments, **options)
    jobs.append(job)

def count_read(function):
    if getattr(function, "__name__", "") == "<lambda>":
        read.append(function.__code__)
    return read_signature(function)

def count_compared(graph):
    compared.append(graph)
    compare(graph)

inspect.signature, DAG.check_directory_outputs = count_read, count_compared
Rule.expand_params, script_jobs._look_at_script, script_jobs._build_job = count_expanded, count_looked, count_built
script_jobs._is_valid = count_tried
left = gc.get_freeze_count()
atexit.register(lambda: print("left alone" if gc.get_freeze_count() > left else "taken apart"))
if sys.argv[1] == "light":
    script_jobs.lighten_graph()
else:
    Job.__init__, Job.is_valid, ScriptProcessor.process_job = count_built, count_tried, count_looked
from snakemake.cli import main
try:
    main(["--cores", "1", "-n", "--quiet", "--rerun-triggers", "mtime"])
except SystemExit as end:
    assert not end.code
sets = {id(getattr(job, name)) for job in jobs for name in script_jobs._SETS_OF_FLAGGED_FILES}
guards = {id(job.output.index) for job in jobs}
of_one = [names.count("one") for names in (asked, looked, tried)]
print(len(jobs), *of_one, len(sets), len(guards), len(read), len(compared))
"""


def graph_of_twenty_jobs(folder, how):
    """Return what happens to the graph at the end, and numbers.

    They are of jobs, of looks at parameters and at scripts, of tries whether a job is valid, of empty sets and guards,
    of readings of the signature of a function, and of comparisons of all outputs.
    """
    *_, numbers, end = printed_by(GRAPH, how, folder=folder).splitlines()
    return end, [int(number) for number in numbers.split()]


def test_the_graph_is_light_where_snakemake_makes_it_heavy(tmp_path):
    assert graph_of_twenty_jobs(tmp_path, "heavy") == ("taken apart", [21, 20, 40, 20, 105, 21, 100, 1])
    end, (jobs, expanded, *others) = graph_of_twenty_jobs(tmp_path, "light")
    assert end == "left alone"
    assert jobs == 21
    assert expanded <= 2  # of the job whose environment is looked at, and of that whose script is
    assert others == [1, 1, 1, 1, 2, 0]


STORAGE = """
from types import SimpleNamespace
import snakemake.api
from snakemake.io import IOFile, flag
from hooks import script_jobs

far = flag("far.txt", "storage_object", SimpleNamespace())
kinds = [IOFile("plain.txt"), IOFile(flag("kept.txt", "ancient")), IOFile(far)]
before = [file.is_storage for file in kinds]
script_jobs.lighten_graph()
print([file.is_storage for file in kinds] == before == [False, False, True])
"""


def test_a_file_in_storage_elsewhere_is_still_known_as_one():
    assert printed_by(STORAGE) == "True\n"


WRITE_DOWN = """
import snakemake.api
from snakemake.benchmark import BenchmarkRecord
from hooks import script_jobs
record = BenchmarkRecord()
ended = script_jobs.Ended(0, cpu_s=3.0, peak_bytes=80 << 20, read_bytes=1 << 20, written_bytes=5 << 20)
script_jobs.write_down(record, ended, elapsed_s=12.0)
print(dict(zip(BenchmarkRecord.get_header(False), record.to_tsv(False).split("\t"))))
"""


def test_the_benchmark_of_a_job_says_what_the_system_has_counted():
    assert ast.literal_eval(printed_by(WRITE_DOWN)) == {
        "s": "12.00",
        "h:m:s": "0:00:12",
        "max_rss": "80.00",
        "max_vms": "-",
        "max_uss": "-",
        "max_pss": "-",
        "io_in": "1.00",
        "io_out": "5.00",
        "mean_load": "25.00",
        "cpu_time": "3.00",
    }


AGAIN = """
from types import SimpleNamespace
import snakemake.api
from snakemake.scheduling.job_scheduler import JobScheduler
from hooks import script_jobs

looks = []
script_jobs._look_again = lambda scheduler, delay_s: looks.append(delay_s)
script_jobs.choose_jobs_faster()
for limiter in (None, SimpleNamespace(get_free_jobs=lambda: 0), SimpleNamespace(get_free_jobs=lambda: 7)):
    JobScheduler._schedule_reevalutation(SimpleNamespace(job_rate_limiter=limiter), len(looks))
print(looks)
"""


def test_the_choice_is_made_again_later_only_where_a_limit_has_held_jobs_back():
    assert printed_by(AGAIN) == "[0, 1]\n"
