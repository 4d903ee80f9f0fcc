"""YAML that means what is written there: what could be read in two ways is refused with its place, and so is an alias.

Of a key that stands twice, YAML's readers take the last value without a word; 012 they take for 10, and 1:30 for 90. An
alias (`*name`) stands for what is written elsewhere: nine lines of them are a thousand million values to whoever walks
through them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferry.errors import ConfigError

if TYPE_CHECKING:
    import yaml


_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")


class UnfitYamlError(ValueError):
    """YAML that cannot be taken; says where, what was expected and what was found, each in a line of `lines`."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def strict_yaml(text: bytes, *, dates_are_text: bool = False) -> Any:
    """Return what `text` holds.

    Args:
        text: one document.
        dates_are_text: 2014-06-20 stays as it is written, as it is in JSON.

    Raises:
        UnfitYamlError: a key stands twice, a number could be another one, there is an alias, or it is no YAML.
    """
    import yaml  # noqa: PLC0415 - 8 ms, and most jobs read none

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()  # type: ignore[no-untyped-call]
                raise UnfitYamlError(
                    f"line {event.start_mark.line + 1}: expected each value where it belongs, found the alias "
                    f"*{event.anchor}; write out what it stands for"
                )
            return super().compose_node(parent, index)

    if dates_are_text:
        Loader.yaml_implicit_resolvers = {
            first: [entry for entry in resolvers if entry[0] != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
    try:
        loader = Loader(text)
        root = loader.get_single_node()
        if lines := list(_ambiguous(root, "")):
            raise UnfitYamlError(*lines)
        return None if root is None else loader.construct_document(root)
    except UnfitYamlError:
        raise
    except RecursionError as error:
        raise UnfitYamlError("expected YAML of some levels, found more than can be read") from error
    except yaml.MarkedYAMLError as error:  # told without the line itself: the file may be any
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UnfitYamlError(f"{place}expected YAML, found none; correct it") from None
    except (yaml.YAMLError, ValueError):  # no characters, or a number of more digits than Python reads
        raise UnfitYamlError("expected YAML, found none; correct it") from None


def read_config_file(path: Path) -> dict[str, Any]:
    """Return what a file of the configuration says; an empty one says nothing.

    Raises:
        ConfigError: it cannot be read, is no YAML with keys and values, or not as `strict_yaml` takes it.
    """
    try:
        document = strict_yaml(path.read_bytes()) or {}
    except OSError as error:
        raise ConfigError(
            f"configuration refused, nothing was started:\n  {path}: expected a file of the configuration that can be "
            f"read, found: {error.strerror}"
        ) from error
    except UnfitYamlError as error:
        lines = "\n".join(f"  {path}, {line}" for line in error.lines)
        raise ConfigError(f"configuration refused, nothing was started:\n{lines}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected keys and values, found a {type(document).__name__}")
    return document


def _ambiguous(node: "yaml.Node | None", place: str) -> Iterator[str]:
    value = getattr(node, "value", None)
    if node is not None and node.tag == "tag:yaml.org,2002:int" and not _DECIMAL.fullmatch(str(value)):
        line = node.start_mark.line + 1
        yield f"line {line}: {place}: expected a number as people write it, or text in quotes, found {value}"
    if not isinstance(value, list):
        return
    lines: dict[str, int] = {}
    for number, item in enumerate(value):
        if not isinstance(item, tuple):
            yield from _ambiguous(item, f"{place}[{number}]")
            continue
        key, inner = item
        line, name = key.start_mark.line + 1, f"{place}.{key.value}".removeprefix(".")
        if name in lines:
            yield f"line {line}: {name} stands in line {lines[name]} already; expected it once, found it twice"
        lines.setdefault(name, line)
        yield from _ambiguous(inner, name)
