"""The configuration: checked as a whole before any job starts."""

import ipaddress
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ferry.errors import ConfigError
from ferry.identity import is_of_portal
from ferry.schemas import load_schema, problems

SANDBOX = "sandbox"
"""Stands in config.yaml for the embedded source and repository."""
DEFAULT_METADATA_DIR = "metadata"
"""As in config.yaml: the only one that need not be there, for who takes all records from the portal."""
PATHS = (
    ("records", "list"),
    ("catalogue", "list"),
    ("metadata", "dir"),
    ("source", "data_root"),
    ("sandbox", "dir"),
    ("progress", "prometheus"),
)
"""What of the configuration is a path, in which a ~ stands for the home folder."""
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
"""Of other signs than these it is written as xn--..., or is none."""
_BEFORE_HOST = re.compile(r"^([a-z]+:)?/+")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?")
ADDRESSES = (("repository", "url"), ("metadata", "portal"))


def normalise_config(config: dict[str, Any]) -> None:
    """Bring what means the same into one form, in place: ~ in paths, spellings of an address, numbers given as text.

    What is not as it should be is left for `check_config`.
    """
    for key in list(config):
        config[key] = _typed(config[key], load_schema("config")["properties"].get(key, {}))
    for section, key in PATHS:
        part = config.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            part[key] = os.path.expanduser(part[key])  # ~nobody stays, and is no folder
    allow = config["source"].get("allow") if isinstance(config.get("source"), dict) else None
    if isinstance(allow, dict) and isinstance(allow.get("folders"), list):
        allow["folders"] = [os.path.expanduser(each) if isinstance(each, str) else each for each in allow["folders"]]
    for section, key in ADDRESSES:
        part = config.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str) and _address_problem(part[key]) is None:
            part[key] = same_address(part[key])


def same_address(url: str) -> str:
    """Return the one spelling of an address: host in small letters, no port that goes without saying, no / at the end.

    What is no address, as `sandbox`, stays as it is.
    """
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port not in (None, _PORTS.get(parts.scheme)) else ""
    return urlunsplit((parts.scheme, host + port, parts.path, parts.query, "")).rstrip("/")


def _host_of(url: str) -> str:
    """Return the host of an address, empty if it has none that is one, or a name or token before it."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # refuses what is none
    except ValueError:
        return ""
    host = parts.hostname or ""
    return host if _HOST.fullmatch(host) and "@" not in parts.netloc else ""


def _typed(value: Any, known: Mapping[str, Any]) -> Any:
    """Return numbers and truth values that were given as text, as `snakemake --config` hands all of {...} on."""
    if isinstance(value, dict):
        properties, others = known.get("properties", {}), known.get("additionalProperties") or {}
        return {key: _typed(part, properties.get(key, others)) for key, part in value.items()}
    if isinstance(value, list):
        return [_typed(part, known.get("items", {})) for part in value]
    types = known.get("type", ())
    types = {types} if isinstance(types, str) else set(types)
    if not isinstance(value, str) or "string" in types or not types & {"integer", "number", "boolean", "null"}:
        return value
    import yaml  # noqa: PLC0415 - 8 ms that each job would pay

    try:
        meant = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    is_number = isinstance(meant, int | float) and _NUMBER.fullmatch(value.strip())
    return meant if meant is None or isinstance(meant, bool) or is_number else value


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration against schemas/config.json and against itself.

    Raises:
        ConfigError: names each place, what was expected and what was found.
    """
    found = list(_unfit_floats(config, load_schema("config"), "")) + list(_unfit_addresses(config))
    found = found or problems(dict(config), "config")
    if not found:
        found = list(_contradictions(config))
    if found:
        raise ConfigError("configuration refused, nothing was started:\n" + "\n".join(f"  {line}" for line in found))


def _unfit_addresses(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for what is no address to send a token to, or to believe; one with a secret in it is not shown."""
    for section, key in ADDRESSES:
        part = config.get(section)
        value = part.get(key, "") if isinstance(part, Mapping) else part
        if "@" in str(value):  # logs are passed on
            yield (
                f"{section}.{key}: expected an address without a name or token, found one with @ (not shown)"
                f"{'; see NRP_TOKEN' if section == 'repository' else ''}"
            )
        elif isinstance(value, str) and value != SANDBOX and (problem := _address_problem(value)):
            yield f"{section}.{key}: {problem}"


def _redirect_problems(redirects: Mapping[str, str]) -> Iterator[str]:
    for prefix, place in redirects.items():
        if "~" in place.partition("://")[2].lstrip("/")[:1] or place.startswith("~"):
            yield f"source.redirects, {prefix}: a ~ stands for no folder in an address; expected the whole path"
        if place.startswith("file:") and (meant := _unescaped(place)):
            yield (
                f"source.redirects, {prefix}: a file: address is taken as it stands, its % signs too; expected a "
                f"folder that is there, found none at {place}; did you mean {meant}?"
            )


def _unescaped(place: str) -> str | None:
    """Return what a file: address of a folder may mean, if there is one only where its % signs are read as escapes."""
    path = place.removeprefix("file:").removeprefix("//").removeprefix("localhost/")
    scheme = place.removesuffix(path)
    root = "/" if scheme.endswith("localhost/") else ""
    is_meant = not Path(root + path).exists() and Path(root + unquote(path)).exists()
    return scheme + unquote(path) if is_meant else None


def _address_problem(value: str) -> str | None:
    scheme, there, _ = value.partition("://")
    if not there:
        meant = f"https://{_BEFORE_HOST.sub('', value)}"
        return f"expected an address that begins with https://, found {value!r}; did you mean {meant}?"
    if scheme not in ("http", "https"):
        return f"expected an address that begins with https://, found the scheme {scheme!r}"
    host = _host_of(value)
    if not host or any(sign.isspace() for sign in value):
        return f"expected an address, https:// and a host, found {value!r}"
    if scheme == "http" and not is_loopback(host):
        return (
            f"expected https://, as what goes to {host} by http:// can be read and changed on the way; found {value!r}"
        )
    return None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
    url = config["repository"]["url"]
    if url.startswith("https://") and not config["repository"]["verify_tls"] and not is_loopback(_host_of(url)):
        found.append("repository.verify_tls: false sends the token to whoever answers; expected true")
    metadata_dir = config["metadata"]["dir"]
    if metadata_dir != DEFAULT_METADATA_DIR and not Path(metadata_dir).is_dir():
        found.append(
            f"metadata.dir: expected a folder, found none at {metadata_dir}; without it each record would be asked of "
            "the portal, and no correction applied"
        )
    found += _origin_problems(config["metadata"], config["source"])
    found += _filter_problems(config["source"])
    of_nrp = config["sandbox"]["flavour"] == "nrp"
    if config["repository"]["url"] == SANDBOX and config["repository"]["community"] and not of_nrp:
        found.append("repository.community: the sandbox has communities with sandbox.flavour: nrp only; expected null")
    asks_somebody = config["repository"]["community"] or config["repository"]["workflow"]
    if config["repository"]["finish"] == "review" and not asks_somebody:
        found.append(
            "repository.finish: review needs somebody who reviews; expected repository.community, or a "
            "repository.workflow that wants a review"
        )
    found += _redirect_problems(config["source"]["redirects"])
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


def _origin_problems(metadata: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[str]:
    prefix = metadata["identifier_prefix"]
    if metadata["origin"] != "own":
        if prefix is not None:
            yield (
                f"metadata.identifier_prefix: expected null with metadata.origin: cern-opendata, whose records are "
                f"found by their address on the portal; found {prefix!r}"
            )
        return
    if prefix is None:
        yield (
            "metadata.identifier_prefix: expected an address that is yours, as https://data.example.org/fram/, with "
            "metadata.origin: own; by it and its number a record is found again; found null"
        )
    elif is_of_portal(prefix):
        yield f"metadata.identifier_prefix: expected an address that is yours, found the portal's: {prefix!r}"
    if source["data_root"] is None:
        yield (
            "source.data_root: expected the folder of the files with metadata.origin: own, found null; a record "
            'that has none says so in its document, "files": {"enabled": false}'
        )


def _filter_problems(source: Mapping[str, Any]) -> Iterator[str]:
    chosen = source["files"]
    if chosen["regexp"] is not None:
        try:
            re.compile(chosen["regexp"])
        except re.error as error:
            yield f"source.files.regexp: expected a regular expression, found {chosen['regexp']!r}: {error}"
    for text in chosen["ranges"]:
        first, _, last = text.partition("-")
        if int(first) > int(last):
            yield f"source.files.ranges: expected the smaller place first, found {text!r}"
    if any(chosen.values()) and source["data_root"] is not None:
        yield "source.files: expected nothing with source.data_root, where the folder says which files there are"


def publishes(config: Mapping[str, Any]) -> bool:
    """Return whether records go on from a draft."""
    return bool(config["repository"]["finish"] != "draft")


def uses_sandbox_source(config: Mapping[str, Any]) -> bool:
    """Return whether files are read from the embedded demo source."""
    return SANDBOX in config["source"]["redirects"].values()


def uses_sandbox_repository(config: Mapping[str, Any]) -> bool:
    """Return whether records go to the embedded repository."""
    return bool(config["repository"]["url"] == SANDBOX)
