"""Snakemake as a process of its own, forked from one that has imported it: 1.6 of the 2 s that a run begins with.

What it is told, where it writes and how it ends is as for the command itself.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
UNPACED = _TESTS.parent / "scripts" / "hooks" / "unpaced.py"
"""Runs Snakemake as `make bulk` does."""
_OURS = {str(_TESTS), str(_TESTS.parent / "scripts")}
_forkserver = multiprocessing.get_context("forkserver")
_forkserver.set_forkserver_preload(
    ["snakemake.cli", "snakemake.workflow", "snakemake.dag", "snakemake.scheduling.job_scheduler", "pandas"]
)


def start(
    command: Sequence[str], *, environment: Mapping[str, str], streams: Sequence[Path]
) -> multiprocessing.process.BaseProcess:
    """Start `command`, the snakemake of this Python or UNPACED with arguments; its two streams are added to files."""
    process = _forkserver.Process(
        target=_be_snakemake, args=(list(command), dict(environment), os.getcwd(), [str(path) for path in streams])
    )
    process.start()
    return process


def run(
    command: Sequence[str], *, environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run `command`, the snakemake of this Python with its arguments, to its end, as `subprocess.run` does."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        process = start(command, environment=environment, streams=streams)
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout_s)
        stdout, stderr = (path.read_text(encoding="utf-8") for path in streams)
        return subprocess.CompletedProcess(command, process.exitcode, stdout, stderr)


def _be_snakemake(command: list[str], environment: dict[str, str], cwd: str, streams: list[str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, path in enumerate(streams, start=1):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = command
    is_unpaced = command[0] == str(UNPACED)
    first = [] if is_unpaced else [str(Path(command[0]).parent)]
    sys.path[:] = [*first, *(path for path in sys.path if path not in _OURS)]
    status: int | str | None = 1
    try:
        if is_unpaced:
            runpy.run_path(command[0], run_name="__main__")
        else:
            from snakemake.cli import main

            main()
        status = 0
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - told as Python tells what nobody has caught
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))
