"""What the Snakefile calls when it is read, when a run begins and when it ends."""

import atexit
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ferry.config import check_config, normalise_config, publishes, uses_sandbox_source
from ferry.errors import ConfigError, FerryError
from ferry.flags import ENDED, STOPPED, RunFlags
from ferry.jsonl import cut_torn_end
from ferry.report.stats import RULES_OF_TABLES, outdate_tables
from ferry.report.stats_log import STATS_LOG, latest_rows
from ferry.repository.tokens import refuse_token_in_environment
from ferry.run.breaker import CircuitBreaker
from ferry.run.bulk import GOES_ON, PART_OF_BULK
from ferry.run.disk_budget import DiskBudget, refuse_too_few_cores
from ferry.run.look import found_wrong
from ferry.run.permissions import close_folders, keep_from_others
from ferry.run.plan import (
    RunPlan,
    caps_of_steps,
    command_without_targets,
    hopeless_among,
    rate_limits,
    write_plan,
)
from ferry.run.run import begin_run, lock_folder, read_run, run_ready
from ferry.run.selection import Selection, nothing_listed, selection_of
from ferry.run.standing import standing_of, write_live_tables
from ferry.run.step import ATTEMPTS_FILE
from ferry.run.termination import end_steps, take_signals_to_end
from ferry.steps.drop import drop_arrived
from ferry.strict_yaml import read_config_file
from ferry.text.formatting import format_count, plural
from ferry.text.safe_text import uncaught_text
from ferry.text.terminal import tell
from hooks.beginning import ask_target, beginning
from hooks.ending import LOGS_DIR, OVERVIEW, RESULTS_DIR, progress_of, tell_tables, tell_terminal
from hooks.rule_kinds import RULES_THAT_ONLY_LOOK, RULES_THAT_RESTORE, needs_no_list
from hooks.run_state import RunState

_state = RunState()
"""Of the run that goes on."""


@contextmanager
def errors_told(*, is_silent: bool) -> Iterator[None]:
    """Tell an error of what runs inside, and end Snakemake: it would add where in Python it was raised.

    Args:
        is_silent: Snakemake was told to be, and tells nothing of an error that nobody knows of either.

    Raises:
        SystemExit: for an error of ours.
    """
    try:
        yield
    except FerryError as error:
        tell(f"ferry: {error}\n", sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        if is_silent:
            tell(f"ferry: {uncaught_text(type(error), error, error.__traceback__)}", sys.stderr)
        raise


def prepare(config: dict[str, Any], *, files: Iterable[str | Path]) -> Selection:
    """Check the configuration and return the wanted records; nothing is written, for a dry run reads all this too.

    Args:
        config: is brought into one form, in place.
        files: that it was read from.

    Raises:
        ConfigError: names the place, what was expected and what was found.
    """
    # a full disk is told by the step that meets it, not by pages on each line of Snakemake's own log
    logging.raiseExceptions = False
    for path in files:
        read_config_file(Path(path))  # refuses what Snakemake has taken without a word
    normalise_config(config)
    check_config(config)
    keep_from_others(config)
    if any(argument.partition("=")[0] == "--report" for argument in sys.argv) and not OVERVIEW.exists():
        raise ConfigError(f"{OVERVIEW}: expected what a run has left for the report, found none; run first")
    # a graph of 76,000 jobs is no garbage: it need not be walked through again and again
    gc.set_threshold(50_000, 20, 50)
    if needs_no_list(config):
        return Selection({})
    selection = selection_of(config)
    if not selection.recids:
        tell(f"ferry: {nothing_listed(config)}\n", sys.stderr)
    return selection


def begin(
    config: Mapping[str, Any],
    selection: Selection,
    *,
    jobs: Set[tuple[str, str | None]],
    resources: Mapping[str, Any],
    across_nodes: bool,
    begin_no_more: Callable[[], object],
) -> None:
    """Take the folder, start the sandbox if it is asked for, and ask the repository what it is.

    Args:
        config: as `prepare` has checked it.
        selection: what `prepare` gave.
        jobs: that the run has: the rule's name, and the recid where it is of one record.
        resources: of the profile, by name.
        across_nodes: the jobs run on other machines.
        begin_no_more: makes Snakemake end when the jobs have ended that run now.

    Raises:
        ConfigError: there is no master list, another run works here, no token, a token where others would read it,
            the receipts here are of another repository, or token, model, community or workflow are not such that
            records can come.
        PermanentError: no repository answers.
    """
    rules_to_run = {name for name, _ in jobs}
    if not selection.recids and not rules_to_run <= {"catalogue", *RULES_THAT_RESTORE}:
        selection_of(config)  # says what is wrong with the list
    if across_nodes:
        refuse_token_in_environment()
    _state.lock = lock_folder()
    close_folders(config)
    to_do = frozenset(int(recid) for _, recid in jobs if recid is not None)
    _state.only_looks = rules_to_run <= RULES_THAT_ONLY_LOOK
    if config["storage"]["remove"] and not _state.only_looks:
        drop_arrived(remove=config["storage"]["remove"], publish=publishes(config), but=to_do)
    if config["storage"]["max_bytes"] is not None:
        DiskBudget().reconcile(jobs_may_run=across_nodes)  # on other nodes those of the run before may still be at work
        if not across_nodes:
            refuse_too_few_cores(
                package_threads=config["package"]["threads"],
                cores=resources["_cores"].value,
                download_slots=resources["download_slots"].value,
            )
    for grown in (STATS_LOG, ATTEMPTS_FILE):
        cut_torn_end(grown)
    sandbox_dir = Path(config["sandbox"]["dir"])
    if uses_sandbox_source(config):
        from sandbox.demo_source import write_demo_files  # noqa: PLC0415 - the demo only

        metadata_dir = Path(config["metadata"]["dir"])
        wanted = to_do.union(selection.recids)  # a target may be of a record that is not in the list
        paths = [path for recid in sorted(wanted) if (path := metadata_dir / f"{recid}.json").exists()]
        write_demo_files(paths, sandbox_dir / "source")
    if config["run"]["script_server"] and (_state.only_looks or not across_nodes):  # who looks runs here
        from ferry.source.xrootd import client_environment  # noqa: PLC0415 - a dry run serves none
        from hooks.script_jobs import serve_scripts  # noqa: PLC0415 - nor does it need this

        _state.scripts = serve_scripts(client_environment(config["download"]["stall_s"]))
    run = begin_run(
        target=None,
        across_nodes=across_nodes,
        command=command_without_targets(sys.argv),
        is_ready=False,
        after=os.environ.get(GOES_ON, "").split(),
        give_up_after_s=config["breaker"]["give_up_after_s"],
    )
    plan = RunPlan(
        run_id=run.run_id,
        recids=selection.recids,
        publish=publishes(config),
        to_do=to_do - hopeless_among(jobs, after=run.after, logs_dir=LOGS_DIR),
        caps=caps_of_steps({name: resource.value for name, resource in resources.items()}),
        slots={name: config["upload"][name] for name in ("bytes_per_slot", "max_slots")},
        limits=rate_limits(config["repository"]),
        command=run.command,
        started_at=run.started_at,
        is_part=PART_OF_BULK in os.environ,
        after=run.after,
    )
    if not _state.only_looks:
        write_plan(plan)  # before anything is asked: who looks on from outside sees that a run has begun, and waits
        _state.progress = progress_of(config).start()
    with beginning(_state):
        target = ask_target(run, config, rules_to_run, _state)
    _tell_what_is_to_do(plan, rules_to_run)  # as long as the run only begins, nobody else writes the tables
    run_ready(run, target=target)
    if _state.progress:
        _state.progress.tell_now()
    _watch(config, flags=RunFlags(run_id=run.run_id), begin_no_more=begin_no_more)
    atexit.register(_end_broken_down, Path.cwd(), config, selection)


def _tell_what_is_to_do(plan: RunPlan, rules_to_run: Set[str]) -> None:
    if plan.to_do and not _state.only_looks:
        outdate_tables(RESULTS_DIR, rules=RULES_OF_TABLES & ({"aggregate_stats"} | rules_to_run))
        write_live_tables(standing_of(plan, latest_rows()), RESULTS_DIR)
        tell(f"ferry: {plural(len(plan.to_do), 'record')} to do, of {format_count(len(plan.recids))}\n", sys.stderr)


def _watch(config: Mapping[str, Any], *, flags: RunFlags, begin_no_more: Callable[[], object]) -> None:
    """Stop the run when it cannot get on, and end it at SIGTERM and Ctrl-C."""

    def stop(reason: str) -> None:
        _state.stopped = reason
        flags.set(STOPPED, reason)

    def stop_beginning(reason: str) -> None:
        stop(reason)
        tell(f"ferry: nothing new is begun: {reason}\n", sys.stderr)
        begin_no_more()

    def end_at_once(number: int, _frame: object) -> None:
        _state.in_a_hurry = number == signal.SIGTERM
        signal.signal(signal.SIGINT, signal.SIG_IGN if number == signal.SIGTERM else signal.default_int_handler)
        if number == signal.SIGTERM:  # after Ctrl-C both still end the making of tables
            signal.signal(number, signal.SIG_IGN)
        stop(f"told to end ({signal.Signals(number).name})")
        end_steps()
        raise KeyboardInterrupt  # Snakemake cancels what it has submitted

    take_signals_to_end(end_at_once)
    _state.breaker = CircuitBreaker(
        attempts_file=ATTEMPTS_FILE,
        flags=flags,
        stop=stop_beginning,
        say=lambda text: tell(f"ferry: {text}\n", sys.stderr),
        **config["breaker"],
    ).start()


def _end_broken_down(folder: Path, config: Mapping[str, Any], selection: Selection) -> None:
    """End a run whose Snakemake broke down: it calls no handler then, and has left the folder of the run."""
    os.chdir(folder)
    RunFlags(run_id=read_run().run_id).set(STOPPED, "Snakemake broke down")
    end(config, selection, failed=True)


def end(config: Mapping[str, Any], selection: Selection, *, failed: bool) -> None:
    """Tell in the stats what became of each record, also of those that failed, and let go of everything."""
    atexit.unregister(_end_broken_down)
    if _state.breaker:
        _state.breaker.end()
    if _state.progress:
        _state.progress.stop()
    try:
        if not _state.only_looks:
            try:
                tell_tables(
                    config,
                    selection,
                    failed=failed,
                    is_stopped=_state.stopped is not None,
                    in_a_hurry=_state.in_a_hurry,
                    progress=_state.progress,
                )
            finally:  # whatever becomes of tables and figures
                if _state.progress:
                    _state.progress.tell_now()
                tell_terminal(selection, stopped=_state.stopped)
        with suppress(OSError):  # a full disk; then the run counts as one that was killed
            RunFlags(run_id=read_run().run_id).set(ENDED, "")
    finally:
        _state.close()
    if not failed and found_wrong():
        sys.exit(1)
