"""Corrections as they lie on the disk: which files may be there, and what one may say.

What a merge patch is and does is the mapping's; here is refused what would have no effect though it is listed as made.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferry.documents import read_document
from ferry.errors import ConfigError, MetadataError
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.strict_json import kind_of, unfit_value
from ferry.strict_yaml import UnfitYamlError, strict_yaml

FOLDER = "corrections"
"""Below the folder of metadata."""
MAX_BYTES = 1 << 20
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


def read_correction(path: Path, *, limits: Limits = DEFAULT_LIMITS, folders: Sequence[str] = ()) -> dict[str, Any]:
    """Return the merge patch of a file in the folder of corrections; an empty file corrects nothing.

    Args:
        path: of the file.
        limits: most that it may hold.
        folders: into which it may be a link (source.allow.folders), as within the folder of metadata.

    Raises:
        MetadataError: it cannot be read, is none, holds what no receipt could hold or more than a record may, or would
            change the list of files.
    """
    try:
        text = read_document(path, within=path.parent.parent, folders=folders, most_bytes=MAX_BYTES)
        if len(text) > MAX_BYTES:
            raise MetadataError(f"{path}: expected at most {MAX_BYTES} bytes of corrections, found more")
        patch = strict_yaml(text, dates_are_text=True)
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnfitYamlError as error:
        raise MetadataError(f"{path}: {error}") from error
    if patch is None:
        return {}
    if unfit := unfit_value(patch, limits):
        raise MetadataError(f"{path}: {unfit}")
    if not isinstance(patch, dict):
        raise MetadataError(f"{path}: expected an object (field: new value), found {kind_of(patch)}")
    for name in _NOT_CORRECTED:
        if name in patch:
            raise MetadataError(
                f"{path}: {name}: expected a field that is mapped, found the list of files, which a correction does "
                "not change; correct <metadata.dir>/<recid>.json"
            )
    return patch
