"""The step `preflight`: the run's repository and this machine looked at, and one line told for each finding."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.errors import ConfigError
from ferry.mapping.profiles import find_profile
from ferry.preflight import Check, check_disk, check_repository
from ferry.run import read_run
from ferry.target import limits_of, open_repository


def preflight(
    *,
    repository: Mapping[str, Any],
    settings: Mapping[str, Any],
    profile: str,
    data_dir: Path,
    sandbox_dir: Path,
) -> str:
    """Return what was found, line by line.

    Args:
        repository, settings: those parts of the configuration (`repository`, `upload`).
        profile: of the target metadata.
        data_dir: where bytes will lie.
        sandbox_dir: where the sandbox keeps its token.

    Raises:
        ConfigError: something is not as it must be; the message has all the lines.
    """

    async def ask() -> list[Check]:
        opened = open_repository(
            run=read_run(), repository=repository, stall_s=settings["stall_s"], sandbox_dir=sandbox_dir
        )
        async with opened:
            return await check_repository(
                repository=opened,
                profile=find_profile(profile),
                model=repository["model"],
                community=repository["community"],
                limits=limits_of(repository),
            )

    checks = [*asyncio.run(ask()), check_disk(data_dir)]
    told = "\n".join(check.line() for check in checks)
    if not all(check.is_ok for check in checks):
        raise ConfigError(f"not ready:\n{told}")
    return told
