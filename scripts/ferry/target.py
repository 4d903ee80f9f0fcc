"""The repository of this run, opened for one job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.config import SANDBOX
from ferry.errors import ConfigError
from ferry.repository import TOKEN_VARIABLE, Repository, read_token
from ferry.run import Run, require_target


def token_for(*, name: str, url: str, sandbox_dir: Path) -> str:
    """Return the token for a repository; the sandbox has one of its own and never sees another.

    Raises:
        ConfigError: there is none.
    """
    if name == SANDBOX:
        return (sandbox_dir / "repository" / "token").read_text(encoding="ascii").strip()
    token = read_token(url=url)
    if not token:
        raise ConfigError(
            f"{url}: expected a token in the environment ({TOKEN_VARIABLE}) or in nrp-cmd's configuration, found none; "
            f"make one in the repository's settings and export {TOKEN_VARIABLE}"
        )
    return token


def open_repository(*, run: Run, repository: Mapping[str, Any], stall_s: float, sandbox_dir: Path) -> Repository:
    """Return the run's repository for this job, to be used as an asynchronous context manager.

    Raises:
        ConfigError: no token, or the run began without a repository.
    """
    target = require_target(run)
    return Repository(
        name=target.name,
        url=target.url,
        token=token_for(name=target.name, url=target.url, sandbox_dir=sandbox_dir),
        info=target.info,
        verify_tls=repository["verify_tls"],
        stall_s=stall_s,
        model=repository["model"],
    )
