"""Corrections as they lie on the disk: which files may be there, and what one may say.

What a merge patch is and does is the mapping's; here is refused what would have no effect though it is listed as made.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferry.errors import ConfigError, MetadataError
from ferry.mapping.corrections import read_corrections
from ferry.strict_json import unfit_value

FOLDER = "corrections"
"""Below the folder of metadata."""
_NAME = re.compile(r"[1-9][0-9]*\.yaml")
_MEANT_FOR_ONE = re.compile(r"[0-9]+\.\w+|.*\.ya?ml", re.IGNORECASE)
"""Not a README, nor what an editor keeps (80505.yaml~)."""
# The list of files is read from the record before it is corrected: it says which bytes go, and what proves them.
_NOT_CORRECTED = ("files", "_file_indices")


def correction_paths(metadata_dir: Path) -> dict[str, str]:
    """Return the corrections that there are: name -> path. Hidden files are no corrections.

    Raises:
        ConfigError: a file is meant for one and no record asks for its name, as 80505.yml: it would correct nothing.
    """
    found = sorted((metadata_dir / FOLDER).glob("[!.]*"))
    paths = {path.name: path for path in found if _MEANT_FOR_ONE.fullmatch(path.name)}
    for name, path in paths.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{path}: expected corrections by the name <recid>.yaml, found {name!r}; rename it")
    return {name: str(path) for name, path in paths.items()}


def read_correction(path: Path) -> dict[str, Any]:
    """Return the merge patch of a file.

    Raises:
        MetadataError: it is none, holds what no receipt could hold, or would change the list of files.
    """
    patch = read_corrections(path)
    unfit = unfit_value(patch)
    if unfit:
        raise MetadataError(f"{path}: {unfit}")
    twice = next(_keys_twice(path), None)
    if twice is not None:
        raise MetadataError(f"{path}: expected each key once in an object, found {twice}")
    for name in _NOT_CORRECTED:
        if name in patch:
            raise MetadataError(
                f"{path}: {name}: expected a field that is mapped, found the list of files, which a correction does "
                "not change; correct metadata/<recid>.json"
            )
    return patch


def _keys_twice(path: Path) -> Iterator[str]:
    """Give each key that stands twice in one object, with its line: YAML's reader keeps the last value."""
    import yaml  # noqa: PLC0415 - only a record with a correction has to pay for it

    inner: list[Any] = [yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)]
    seen: set[int] = set()
    while inner:
        node = inner.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            inner += node.value
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for key, value in node.value:
                if key.value in names:
                    yield f"{key.value!r} twice (line {key.start_mark.line + 1})"
                names.add(key.value)
                inner.append(value)
