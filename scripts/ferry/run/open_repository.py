"""The repository of this run, opened for one job."""

import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from yarl import URL

from ferry.config import SANDBOX
from ferry.errors import ConfigError
from ferry.flags import RunFlags
from ferry.repository.client import Repository
from ferry.repository.rate_limit import Limit, RateLimiter
from ferry.repository.tokens import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, read_token
from ferry.run.outage import Outages
from ferry.run.run import Run, require_target
from ferry.text.safe_text import hide

SANDBOX_SETTLE_S = 5.0
"""Nothing stands before the sandbox that could hand on a request late; its search shows a draft after a second."""
RATE_LIMIT_DIR = Path("logs/rate_limit")


def token_for(*, name: str, url: str, sandbox_dir: Path) -> str:
    """Return the token for a repository, shown nowhere from now on; the sandbox has one of its own and sees no other.

    Raises:
        ConfigError: there is none.
    """
    token = _known_token(name=name, url=url, sandbox_dir=sandbox_dir)
    if not token:
        raise ConfigError(
            f"{url}: expected a token in the environment ({TOKEN_VARIABLE}), in a file ({TOKEN_FILE_VARIABLE}) or in "
            f"nrp-cmd's configuration, found none; make one in the repository's settings and export {TOKEN_VARIABLE}"
        )
    return token


def token_if_any(*, run: Run, sandbox_dir: Path) -> str | None:
    """Return the token for the run's repository, None where there is none: for what anybody may read."""
    target = require_target(run)
    return _known_token(name=target.name, url=target.url, sandbox_dir=sandbox_dir)


def _known_token(*, name: str, url: str, sandbox_dir: Path) -> str | None:
    if name == SANDBOX:
        token: str | None = (sandbox_dir / "repository" / "token").read_text(encoding="ascii").strip()
    else:
        token = read_token(url=url)
    if token:
        hide(token)
    return token


def open_repository(
    *, run: Run, repository: Mapping[str, Any], stall_s: float, sandbox_dir: Path, as_anybody: bool = False
) -> Repository:
    """Return the run's repository for this job, to be used as an asynchronous context manager.

    Args:
        run: that the job is of.
        repository: that part of the configuration.
        stall_s: seconds without a byte.
        sandbox_dir: where the sandbox keeps its token.
        as_anybody: without a token, for what is public.

    Raises:
        ConfigError: no token, or the run began without a repository.
    """
    target = require_target(run)
    return Repository(
        name=target.name,
        url=target.url,
        token=None if as_anybody else token_for(name=target.name, url=target.url, sandbox_dir=sandbox_dir),
        info=target.info,
        verify_tls=repository["verify_tls"],
        stall_s=stall_s,
        model=repository["model"],
        rate_limiter=RateLimiter(
            path=pace_path(target.name, across_nodes=run.across_nodes),
            limits=limits_of(repository),
            across_nodes=run.across_nodes,
        ),
        flags=RunFlags(run_id=run.run_id),
    )


def settle_s(repository: Mapping[str, Any], *, name: str) -> float:
    """Return how late something may come of a request that nobody has answered, in the repository of this name."""
    configured = float(repository["settle_s"])
    return min(configured, SANDBOX_SETTLE_S) if name == SANDBOX else configured


def limits_of(repository: Mapping[str, Any]) -> list[Limit]:
    """Return the limits that the configuration names: those of the repository, for one User-Agent and address."""
    windows = {"requests_per_minute": 60.0, "requests_per_hour": 3600.0}
    return [Limit(repository[name], window_s) for name, window_s in windows.items() if repository[name] is not None]


def pace_path(name: str, *, across_nodes: bool) -> Path:
    """Return where the jobs on this machine, or on all nodes together, count what they ask of a repository.

    The nodes of a cluster commonly leave by one address, and the repository counts by address.
    """
    host = URL(name).authority if "//" in name else name
    where = "all-nodes" if across_nodes else socket.gethostname()
    return RATE_LIMIT_DIR / f"{re.sub(r'[^A-Za-z0-9.-]', '_', host)}@{where}"


async def outlasting[Result](act: Callable[[], Awaitable[Result]], *, opened: Repository, run: Run) -> Result:
    """Do something with a repository that may be done twice; where it is away as a whole, wait for it in between.

    Raises:
        TransientError: of `act`: the repository was there all the time, or is away for longer than the run waits.
    """
    flags = RunFlags(run_id=run.run_id)
    return await Outages(answers=opened.answers, flags=flags, give_up_after_s=run.give_up_after_s).outlast(act)
