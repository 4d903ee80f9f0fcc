"""Which files a record is made from, as functions of a job's wildcards."""

from pathlib import Path
from typing import Any

from ferry.mapping.correction_files import correction_paths


class RecordInputs:
    """The folder of metadata, listed once: a record may have a file there, and a correction, or neither."""

    def __init__(self, *, metadata_dir: Path) -> None:
        """List it.

        Raises:
            ConfigError: a file among the corrections would correct nothing.
        """
        self._metadata = {path.name: str(path) for path in metadata_dir.glob("*.json")}
        self._corrections = correction_paths(metadata_dir)

    def metadata(self, wildcards: Any) -> list[str]:
        """Return the record's metadata file; none if it has to be fetched from the portal."""
        return _those_there(self._metadata, f"{wildcards.recid}.json")

    def corrections(self, wildcards: Any) -> list[str]:
        """Return the record's corrections; none if there are none."""
        return _those_there(self._corrections, f"{wildcards.recid}.yaml")


def _those_there(paths: dict[str, str], name: str) -> list[str]:
    return [paths[name]] if name in paths else []
