"""What a run does before it has jobs: it asks the repository what it is, waits for it, and can be told to end."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferry.config import uses_sandbox_repository
from ferry.run.bulk import GOES_ON
from ferry.run.run import RUN_WAITS, Run, Target, refuse_other_repository
from ferry.run.termination import take_signals_to_end
from ferry.text.terminal import tell
from ferry.waiting import waits_told
from hooks.ending import RESULTS_DIR
from hooks.rule_kinds import RULES_THAT_ASK, RULES_THAT_RESTORE, RULES_THAT_SEND
from hooks.run_state import RunState


@contextmanager
def beginning(state: RunState) -> Iterator[None]:
    """Tell what the run waits for before it has jobs, and end it at SIGTERM: Snakemake heeds none until then.

    Args:
        state: of the run; whatever ends it here ends its progress too.

    Raises:
        SystemExit: it was told to end.
    """
    told_to_end: list[SystemExit] = []

    def say_wait(line: str) -> None:
        tell(f"ferry: the run begins, {line}\n", sys.stderr)
        if state.progress:
            state.progress.tell_now()

    def end_at_once(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        reason = f"told to end ({signal.Signals(number).name})"
        tell(f"ferry: the run was stopped before it had begun: {reason}\n  run the same command again\n", sys.stderr)
        end = SystemExit(128 + number)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise end from None
        told_to_end.append(end)
        for task in asyncio.all_tasks(loop):  # an exception raised here would be told with where in asyncio it came by
            task.cancel()
        loop.call_soon_threadsafe(lambda: None)

    take_signals_to_end(end_at_once, signal.SIGTERM)
    try:
        with waits_told(RUN_WAITS, say=say_wait):
            yield
    except BaseException:
        if state.progress:
            state.progress.stop()
            state.progress = None
        if told_to_end:
            raise told_to_end[0] from None
        raise


def ask_target(run: Run, config: Mapping[str, Any], rules_to_run: Set[str], state: RunState) -> Target | None:
    """Ask the repository what it is, and whether it takes the records, if the run has anything to do with it.

    Args:
        run: that begins.
        config: of it.
        rules_to_run: names of all of its rules.
        state: of the run; gets the sandbox, where that is the repository.

    Raises:
        ConfigError: the receipts here are of another repository, there is no token, or token, model, community or
            workflow are not such that records can come.
        PermanentError: no repository answers.
    """
    if not RULES_THAT_ASK & rules_to_run:
        return None
    target = _found_target(config, state, as_anybody=rules_to_run <= RULES_THAT_RESTORE)
    if RULES_THAT_SEND & rules_to_run:
        from ferry.steps.preflight import refuse_unready  # noqa: PLC0415 - nrp-cmd, 0.4 s

        refuse_unready(
            run=replace(run, target=target),
            repository=config["repository"],
            transform=config["transform"],
            stall_s=config["upload"]["stall_s"],
            sandbox_dir=Path(config["sandbox"]["dir"]),
            maps=config["metadata"]["origin"] != "own",
        )
    return target


def _found_target(config: Mapping[str, Any], state: RunState, *, as_anybody: bool) -> Target:
    from ferry.repository.discovery import discover  # noqa: PLC0415 - 0.4 s that a dry run does not pay
    from ferry.run.open_repository import limits_of, token_for  # noqa: PLC0415

    name = url = config["repository"]["url"]
    refuse_other_repository(target_name=name, results_dir=RESULTS_DIR)
    sandbox_dir = Path(config["sandbox"]["dir"])
    if uses_sandbox_repository(config):
        from sandbox import launcher  # noqa: PLC0415 - the demo only
        from sandbox.settings import Settings  # noqa: PLC0415

        limits = tuple((limit.requests, limit.window_s) for limit in limits_of(config["sandbox"]))
        settings = Settings(flavour=config["sandbox"]["flavour"], rate_limits=limits)
        state.sandbox = launcher.start(sandbox_dir / "repository", settings=settings)
        url = state.sandbox.url
    if not as_anybody:
        token_for(name=name, url=url, sandbox_dir=sandbox_dir)
    logging.getLogger("nrp_cmd").setLevel(logging.ERROR)
    logging.getLogger("ferry.retry").addHandler(logging.NullHandler())  # each try; that it waits is said once
    patience_s = config["breaker"]["give_up_after_s"] if GOES_ON in os.environ else 0
    info = asyncio.run(discover(url=url, verify_tls=config["repository"]["verify_tls"], patience_s=patience_s))
    return Target(name=name, url=url, info=info)
