"""What is done otherwise inside Snakemake: fails when a new version no longer has the place for it."""

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


PUT_IN_PLACE = """
import snakemake.api
import snakemake.script
from hooks import script_jobs

kind, before = snakemake.script.PythonScript, snakemake.script.PythonScript.execute_script
assert script_jobs.script_class() is kind
served = script_jobs.serve_scripts()
assert kind.execute_script is not before
served.stop()
assert kind.execute_script is before
print("done")
"""


def test_the_installed_snakemake_fits_and_is_as_it_was_when_the_run_is_over():
    assert printed_by(PUT_IN_PLACE) == "done\n"


ALL_READY = """
import importlib, sys, threading
from hooks.script_jobs import READY

for name in READY:
    module, _, function = name.partition(":")
    imported = importlib.import_module(module)
    if function:
        getattr(imported, function)()
assert "XRootD.client" in sys.modules
assert threading.active_count() == 1, "a child of fork has one thread"
with open("/proc/self/status") as status:
    assert "Threads:\\t1\\n" in status.read()
print("done")
"""


def test_all_that_is_made_ready_for_scripts_is_there_and_leaves_no_thread():
    assert printed_by(ALL_READY) == "done\n"


UNKNOWN = """
import contextlib, io, sys
import snakemake.api
import snakemake.script
from hooks import script_jobs

class Otherwise:
    def __init__(self, path): ...
    def execute_script(self, fname): ...

snakemake.script.PythonScript, before = Otherwise, Otherwise.execute_script
told = io.StringIO()
with contextlib.redirect_stderr(told):
    assert script_jobs.serve_scripts() is None
assert Otherwise.execute_script is before
del snakemake.script.PythonScript
assert script_jobs.script_class() is None
print(told.getvalue())
"""


def test_a_snakemake_that_is_not_known_is_left_as_it_is_and_one_line_says_so():
    (line,) = printed_by(UNKNOWN).strip().splitlines()
    assert line.startswith("ferry: this release of Snakemake runs scripts in a way that is not known here")


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
