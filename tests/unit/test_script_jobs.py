"""What is done otherwise inside Snakemake: each test fails when a new version no longer has the place for it."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

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
import script_jobs
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
    done = subprocess.run(
        [sys.executable, "-c", CHOOSE], env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr
