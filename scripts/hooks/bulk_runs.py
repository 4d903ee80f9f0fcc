"""The runs of Snakemake that bulk.py makes, one after the other; what one of them cannot tell any more is told here."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.errors import ConfigError
from ferry.flags import ENDED, RunFlags
from ferry.run.bulk import GOES_ON
from ferry.run.run import Run, read_run
from ferry.run.selection import Selection
from ferry.run.termination import take_signals_to_end
from ferry.text.formatting import plural
from ferry.text.terminal import tell
from hooks.ending import tell_of_dead_run

_NO_REASON = ("Using workflow specific profile", '  File "')
"""How lines begin that say nothing of why it has ended."""


class BulkRuns:
    """Begins runs and waits for them. When this process is told to end, so is the run, and no other is begun."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        quiet: Sequence[str],
        folder: Path,
        config: Mapping[str, Any],
        wanted: Selection,
    ) -> None:
        """Take signals to end from now on.

        Args:
            command: of Snakemake but for its targets.
            quiet: has it tell little, or nothing.
            folder: in which it is called.
            config: of all runs.
            wanted: all records.
        """
        self._command, self._quiet, self._folder = command, quiet, folder
        self._config, self._wanted = config, wanted
        self._environment: dict[str, str] = {}
        self._told_to_end: list[signal.Signals] = []
        self._job: subprocess.Popen[bytes] | None = None
        self._is_dead = False
        take_signals_to_end(self._end_with_job)

    def run(self, program: Sequence[str], *targets: str, **environment: str) -> int:
        """Run Snakemake to its end; return its status.

        Raises:
            SystemExit: this process was told to end, which is told, and how the records stand.
        """
        self._end_if_told(is_told=False)
        before = _run_id()
        command = [*program, *targets, *self._command]
        variables = {**os.environ, **self._environment, **environment}
        self._job = subprocess.Popen([*command, *self._quiet], cwd=self._folder, env=variables)  # noqa: S603
        if self._told_to_end:
            self._end_with_job(self._told_to_end[0], None)
        status = self._job.wait()
        run_id = _run_id()
        has_begun = run_id not in (None, before)
        has_told = has_begun and RunFlags(run_id=str(run_id)).get(ENDED) is not None
        self._end_if_told(is_told=has_told)
        if has_begun:
            self._environment[GOES_ON] = " ".join([*self._environment.get(GOES_ON, "").split(), str(run_id)])
        self._is_dead = status < 0 or (has_begun and not has_told)
        if self._is_dead:
            self._tell_dead(f"snakemake (process {self._job.pid}) {_how(status)}")
        elif not has_begun and self._quiet:
            self._tell_nothing_begun(command, status)
        return 128 - status if status < 0 else status

    def _end_with_job(self, number: int, _frame: object) -> None:
        self._told_to_end.append(signal.Signals(number))
        if self._job and number == signal.SIGTERM:  # Ctrl-C reaches it by itself
            self._job.terminate()

    def _end_if_told(self, *, is_told: bool) -> None:
        """End this process if it was told so; `is_told`: a run has said how the records stand."""
        if not self._told_to_end:
            return
        number = self._told_to_end[0]
        if not is_told:
            self._tell_dead(f"told to end ({number.name})")
            self.tell_how_to_go_on()
        sys.exit(128 + number)

    def tell_how_to_go_on(self) -> None:
        """Say what is to be done, if no run has said so last."""
        if self._is_dead:
            tell("  run the same command again to go on\n", sys.stderr)

    def _tell_dead(self, what: str) -> None:
        self._is_dead = True
        tell(f"bulk.py: {what}\n", sys.stderr)
        if _last_run() is not None:
            tell_of_dead_run(self._config, self._wanted)

    def _tell_nothing_begun(self, command: Sequence[str], status: int) -> None:
        """Say why no run began: Snakemake, told to be quiet, is so about that too. A dry run has the same reasons."""
        if not status:
            through = plural(len(self._wanted.recids), "record")
            tell(f"bulk.py: nothing to be done: {through} through already\n", sys.stderr)
            return
        dry = [*command, "--dry-run", "--quiet", "rules", "progress", "host"]
        # of a dry run it tells all on standard output
        done = subprocess.run(  # noqa: S603
            dry, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        reason = f":\n{_without_places(done.stdout)}" if done.returncode else ", for a reason told above"
        if done.returncode and "Traceback " in done.stdout and (path := os.environ.get("PYTHONPATH")):
            reason += f"\n  PYTHONPATH is {path}: what lies there goes before what is installed here; "
            reason += "if that is why, run without it"
        tell(f"bulk.py: snakemake ended with {status} before a run began{reason}\n", sys.stderr)


def _without_places(text: str) -> str:
    """Return what Snakemake tells of an error without where in Python it was raised."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(_NO_REASON)]
    if (
        began := next((number for number, line in enumerate(lines) if line.startswith("Traceback ")), None)
    ) is not None:
        lines[began:-1] = []
    return "\n".join(lines)


def refuse_unwritable_cache() -> None:
    """Make sure that Snakemake can write its cache: without one it ends with pages of Python.

    Raises:
        ConfigError: says where it would be, and what to do.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "snakemake")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(cache, os.W_OK | os.X_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise ConfigError(
            f"{cache}: expected a folder in which Snakemake can keep its cache, found none that can be written; "
            "export XDG_CACHE_HOME=/some/folder"
        )


def _run_id() -> str | None:
    """Return the id of the run that was begun last in the folder; None if none was, or if it did not get as far."""
    run = _last_run()
    return run.run_id if run and run.is_ready else None


def _last_run() -> Run | None:
    try:
        return read_run()
    except ConfigError:
        return None


def _how(status: int) -> str:
    """Say how a process ended that said nothing itself."""
    if status >= 0:
        return f"ended with {status} before it could tell how the records stand"
    name = signal.Signals(-status).name
    by_whom = " (by somebody, or by the system where memory is short)" if -status == signal.SIGKILL else ""
    return f"was ended by {name}{by_whom}"
