"""The one place where the repository's token is read.

A token in the environment goes wherever the environment goes: a batch system writes it down with each job. So there it
has to come from a file that only its owner can read.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from yarl import URL

from ferry.errors import ConfigError

TOKEN_VARIABLE = "NRP_TOKEN"  # noqa: S105 - the name of the variable, not a token
TOKEN_FILE_VARIABLE = "NRP_TOKEN_FILE"  # noqa: S105


def read_token(*, url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the token for this repository, None if there is none.

    It is looked for in NRP_TOKEN, in the file that NRP_TOKEN_FILE names, and in nrp-cmd's own configuration.

    Raises:
        ConfigError: a file that others can read, or that is not what it should be; or the variable is no token.
    """
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if token:
        if not _is_one_token(token):
            raise ConfigError(f"{TOKEN_VARIABLE}: expected one token, found one with a blank or a line break in it")
        return token
    if named := environment.get(TOKEN_FILE_VARIABLE, ""):
        return _token_in(Path(named))
    path = Path(environment.get("NRP_CMD_CONFIG_PATH", Path.home() / ".nrp" / "invenio-config.json"))
    if not path.exists():
        return None
    _refuse_readable(path)
    try:
        known = json.loads(path.read_bytes())["repositories"]
        origins = [(URL(each["url"]).origin(), each) for each in known if each.get("enabled", True)]
    except (ValueError, KeyError, TypeError, AttributeError):
        # the text of the error would quote the file
        raise ConfigError(f"{path}: expected nrp-cmd's configuration, found something else; write it anew") from None
    for origin, repository in origins:
        if origin == URL(url).origin():
            return repository.get("token") or None
    return None


def refuse_token_in_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that a batch system is not given the token with the environment of its jobs.

    Raises:
        ConfigError: NRP_TOKEN is set.
    """
    if environment.get(TOKEN_VARIABLE, "").strip():
        raise ConfigError(
            f"{TOKEN_VARIABLE}: expected to be unset, because a batch system writes the environment of every job to "
            f"disk; put the token into a file that only you can read (chmod 600), export {TOKEN_FILE_VARIABLE} with "
            f"its path, and unset {TOKEN_VARIABLE}"
        )


def _token_in(path: Path) -> str:
    try:
        _refuse_readable(path)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "something else"
        raise ConfigError(f"{path}: expected a token ({TOKEN_FILE_VARIABLE}), found {told}") from None
    if not _is_one_token(token):
        raise ConfigError(f"{path}: expected one token and nothing else ({TOKEN_FILE_VARIABLE}), found something else")
    return token


def _is_one_token(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text.split()) == 1


def _refuse_readable(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: holds a token and can be read by others; run: chmod 600 {path}")
