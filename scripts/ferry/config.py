"""The configuration: checked as a whole before any job starts."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ferry.errors import ConfigError
from ferry.schemas import load_schema, problems

SANDBOX = "sandbox"
"""Stands in config.yaml for the embedded source and repository."""
DEFAULT_METADATA_DIR = "metadata"
"""As in config.yaml: the only one that need not be there, for who takes all records from the portal."""


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration against schemas/config.json and against itself.

    Raises:
        ConfigError: names each place, what was expected and what was found.
    """
    found = list(_unfit_floats(config, load_schema("config"), "")) or problems(dict(config), "config")
    if not found:
        found = list(_contradictions(config))
    if found:
        lines = [f"  {_without_secret(line)}" for line in found]
        raise ConfigError("configuration refused, nothing was started:\n" + "\n".join(lines))


def _without_secret(line: str) -> str:
    """Return a line about repository.url without its value where that may hold a token: logs are passed on."""
    place, _, told = line.partition(": ")
    if place in ("repository", "repository.url") and "@" in told:
        return f"{place}: expected an address without a name or token, found one with @ (not shown); see NRP_TOKEN"
    return line


def _unfit_floats(value: Any, known: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield a line for each 16.0 where an integer is expected, which JSON takes for one and jobs do not, and each .inf.

    Args:
        value: what the configuration has there, whatever it is.
        known: that part of the schema.
        place: of the value, empty for the whole.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            yield f"{place}: expected a number, found {value}"
        elif "integer" in known.get("type", ()):
            yield f"{place}: expected an integer, found {value}; write {value:.0f}"
    elif isinstance(value, Mapping):
        for key, part in value.items():
            below = known.get("properties", {}).get(key) or known.get("additionalProperties") or {}
            yield from _unfit_floats(part, below, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _unfit_floats(part, known.get("items", {}), f"{place}[{number}]")


def _contradictions(config: Mapping[str, Any]) -> list[str]:
    found = []
    if config["repository"]["url"].startswith("https://") and not config["repository"]["verify_tls"]:
        host = config["repository"]["url"].split("/")[2].split(":")[0]
        if host not in ("localhost", "127.0.0.1"):
            found.append("repository.verify_tls: false sends the token to whoever answers; expected true")
    metadata_dir = config["metadata"]["dir"]
    if metadata_dir != DEFAULT_METADATA_DIR and not Path(metadata_dir).is_dir():
        found.append(
            f"metadata.dir: expected a folder, found none at {metadata_dir}; without it each record would be asked of "
            "the portal, and no correction applied"
        )
    of_nrp = config["sandbox"]["flavour"] == "nrp"
    if config["repository"]["url"] == SANDBOX and config["repository"]["community"] and not of_nrp:
        found.append("repository.community: the sandbox has communities with sandbox.flavour: nrp only; expected null")
    asks_somebody = config["repository"]["community"] or config["repository"]["workflow"]
    if config["repository"]["finish"] == "review" and not asks_somebody:
        found.append(
            "repository.finish: review needs somebody who reviews; expected repository.community, or a "
            "repository.workflow that wants a review"
        )
    breaker = config["breaker"]
    if breaker["failed"] > breaker["of_last"]:
        found.append(f"breaker.failed: expected at most breaker.of_last ({breaker['of_last']}), or 0 for never")
    storage = config["storage"]
    if storage["max_bytes"] is not None and set(storage["remove"]) != {"bundles", "files"}:
        found.append(
            f"storage.max_bytes: what stays on disk would fill it for good; expected storage.remove: [bundles, files], "
            f"found {storage['remove']}"
        )
    return found


def publishes(config: Mapping[str, Any]) -> bool:
    """Return whether records go on from a draft."""
    return bool(config["repository"]["finish"] != "draft")


def uses_sandbox_source(config: Mapping[str, Any]) -> bool:
    """Return whether files are read from the embedded demo source."""
    return SANDBOX in config["source"]["redirects"].values()


def uses_sandbox_repository(config: Mapping[str, Any]) -> bool:
    """Return whether records go to the embedded repository."""
    return bool(config["repository"]["url"] == SANDBOX)
