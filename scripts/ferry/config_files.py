"""Files of the configuration, read so that nothing in them is passed over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ferry.errors import ConfigError


def read_config_file(path: Path) -> dict[str, Any]:
    """Return what a file of the configuration says; an empty one says nothing.

    Raises:
        ConfigError: it is no YAML with keys and values, or a key stands twice.
        OSError: it cannot be read.
    """
    refuse_repeated_keys(path)
    try:
        document = yaml.safe_load(path.read_bytes()) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: expected YAML, found {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected keys and values, found a {type(document).__name__}")
    return document


def refuse_repeated_keys(path: Path) -> None:
    """Make sure that each key stands once: of several, YAML readers take the last one without a word.

    Raises:
        ConfigError: names each key with its lines.
    """
    try:
        root = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    except (OSError, yaml.YAMLError):
        return  # told by who reads it
    if lines := [f"  {path}, {line}" for line in _repeated(root, "")]:
        raise ConfigError("configuration refused, nothing was started:\n" + "\n".join(lines))


def _repeated(node: yaml.Node | None, place: str) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated(item, f"{place}[{number}]")
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, f"{place}.{key.value}".removeprefix(".")
            if name in lines:
                yield f"line {line}: {name} stands in line {lines[name]} already; expected it once, found it twice"
            lines.setdefault(name, line)
            yield from _repeated(value, name)
