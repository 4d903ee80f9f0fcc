"""The step `preflight`: the run's repository and this machine looked at, and one line told for each finding."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.config import SANDBOX
from ferry.errors import ConfigError
from ferry.mapping.profiles import find_profile
from ferry.run.open_repository import limits_of, open_repository
from ferry.run.run import Run, read_run, require_target
from ferry.steps.body_sizes import check_body_sizes
from ferry.steps.preflight_checks import (
    Check,
    check_access,
    check_configured_ids,
    check_dates,
    check_disk,
    check_repository,
    refused_lines,
)
from ferry.steps.preflight_files import check_files


def refuse_unready(
    *,
    run: Run,
    repository: Mapping[str, Any],
    transform: Mapping[str, Any],
    stall_s: float,
    sandbox_dir: Path,
    maps: bool = True,
) -> None:
    """Make sure, in a handful of requests, that the records of a run can come into its repository.

    Of the vocabulary ids only those that the configuration names are looked up, and the form of descriptions of dates
    only where it names one: those of a profile are right for the
    repository that it was made for, and `preflight` asks for all of them.

    What the repository does not answer just now refuses nothing: it is told by the records.

    Args:
        run: that begins.
        repository, transform: those parts of the configuration.
        stall_s: seconds without a byte after which a request counts as stalled.
        sandbox_dir: where the sandbox keeps its token.
        maps: records are mapped by the profile; those of one's own name what they want.

    Raises:
        ConfigError: token, model, community, workflow or a vocabulary id are not as they must be; the message has the
            lines that `preflight` tells.
    """

    async def ask() -> list[Check]:
        opened = open_repository(run=run, repository=repository, stall_s=stall_s, sandbox_dir=sandbox_dir)
        async with opened:
            checks = await check_access(
                repository=opened,
                model=repository["model"],
                community=repository["community"],
                workflow=repository["workflow"],
            )
            if refused_lines(checks) or not maps:
                return checks
            profile, said = find_profile(transform["profile"]), transform["date_descriptions"]
            checks = await check_configured_ids(
                repository=opened, profile=profile, categories=transform["categories"].values()
            )
            return [*checks, await check_dates(opened, profile, said)] if said else checks

    if lines := refused_lines(asyncio.run(ask())):
        raise ConfigError("not ready, no record was begun:\n" + "\n".join(lines))


def preflight(
    *,
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    transform: Mapping[str, Any],
    package: Mapping[str, Any],
    data_dir: Path,
    sandbox_dir: Path,
    maps: bool = True,
) -> str:
    """Return what was found, line by line.

    Args:
        repository, settings, transform, package: those parts of the configuration (`repository`, `upload` …).
        data_dir: where bytes will lie.
        sandbox_dir: where the sandbox keeps its token.
        maps: as for `refuse_unready`.

    Raises:
        ConfigError: something is not as it must be; the message has all the lines.
    """

    async def ask() -> list[Check]:
        run = read_run()
        opened = open_repository(run=run, repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir)
        async with opened:
            checks = await check_repository(
                repository=opened,
                profile=find_profile(transform["profile"]) if maps else None,
                categories=transform["categories"].values(),
                date_descriptions=transform["date_descriptions"],
                model=repository["model"],
                community=repository["community"],
                workflow=repository["workflow"],
                limits=limits_of(repository),
            )
            if require_target(run).name != SANDBOX:  # that one takes what its settings say
                checks.append(await check_body_sizes(repository=opened, settings=settings))
            return checks + await check_files(
                repository=opened,
                takes_records_without_files=repository["takes_records_without_files"],
                package=package,
            )

    checks = [*asyncio.run(ask()), check_disk(data_dir)]
    lines = "\n".join(check.line() for check in checks)
    if refused_lines(checks):
        raise ConfigError(f"not ready:\n{lines}")
    return lines
