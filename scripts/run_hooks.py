"""What the Snakefile calls when it is read, when a run begins and when it ends."""

import asyncio
import logging
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from ferry.config import check_config, uses_sandbox_repository, uses_sandbox_source
from ferry.run import Target, begin_run, lock_folder, refuse_other_repository
from ferry.stats import forget_failed
from ferry.wanted import Wanted, read_wanted

RESULTS_DIR, LOGS_DIR = Path("results"), Path("logs")
RULES_THAT_DEPOSIT = {"upload_record", "publish_record"}

_held: dict[str, Any] = {}
"""What has to live as long as the run: the lock of the folder and the sandbox."""


def prepare(config: Mapping[str, Any]) -> Wanted:
    """Check the configuration and return the wanted records.

    The stats of records that failed in the last run are taken away first: Snakemake would take them for finished.

    Raises:
        ConfigError: names the place, what was expected and what was found.
    """
    check_config(config)
    wanted = read_wanted(list_path=Path(config["records"]["list"]), recids=config["records"]["recids"])
    forget_failed(RESULTS_DIR)
    return wanted


def begin(config: Mapping[str, Any], wanted: Wanted, *, rules_to_run: Set[str]) -> None:
    """Take the folder, start the sandbox if it is asked for, and ask the repository what it is.

    Raises:
        ConfigError: another run works here, no token, or the receipts here are of another repository.
        PermanentError: no repository answers.
    """
    _held["lock"] = lock_folder()
    sandbox_dir = Path(config["sandbox"]["dir"])
    if uses_sandbox_source(config):
        from sandbox.demo_source import write_demo_files  # noqa: PLC0415 - the demo only

        metadata_dir = Path(config["metadata"]["dir"])
        paths = [path for recid in wanted.recids if (path := metadata_dir / f"{recid}.json").exists()]
        write_demo_files(paths, sandbox_dir / "source")
    deposits = bool(RULES_THAT_DEPOSIT & rules_to_run)
    begin_run(target=_find_target(config, sandbox_dir) if deposits else None)


def end(config: Mapping[str, Any], wanted: Wanted, *, failed: bool) -> None:
    """Tell in the stats what became of each record, also of those that failed, and let go of everything."""
    try:
        if failed:
            from ferry.figures import draw_figures  # noqa: PLC0415 - pandas and matplotlib, for a failed run only
            from ferry.stats import aggregate  # noqa: PLC0415

            aggregate(
                recids=wanted.recids,
                results_dir=RESULTS_DIR,
                logs_dir=LOGS_DIR,
                publish=config["repository"]["finish"] == "publish",
            )
            draw_figures(results_dir=RESULTS_DIR, out_dir=RESULTS_DIR / "figures")
    finally:
        if sandbox := _held.pop("sandbox", None):
            sandbox.stop()
        if lock := _held.pop("lock", None):
            lock.close()


def _find_target(config: Mapping[str, Any], sandbox_dir: Path) -> Target:
    from ferry.repository import discover  # noqa: PLC0415 - 0.4 s that a dry run does not pay
    from ferry.target import token_for  # noqa: PLC0415

    name = url = config["repository"]["url"]
    refuse_other_repository(target_name=name, results_dir=RESULTS_DIR)
    if uses_sandbox_repository(config):
        from sandbox import launcher  # noqa: PLC0415 - the demo only

        _held["sandbox"] = launcher.start(sandbox_dir / "repository")
        url = _held["sandbox"].url
    token_for(name=name, url=url, sandbox_dir=sandbox_dir)
    logging.getLogger("nrp_cmd").setLevel(logging.ERROR)
    info = asyncio.run(discover(url=url, verify_tls=config["repository"]["verify_tls"]))
    return Target(name=name, url=url, info=info)
