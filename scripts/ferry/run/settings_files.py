"""Settings that records are made with, as files that Snakemake can look at: one for each state that they were in.

The name of the file holds a digest of what it says. Other settings are another file, and so another input of the jobs
that use them: a change is noticed, and so is the way back to what was there before. Files of old settings may stay.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from ferry.errors import ConfigError
from ferry.receipts import write_json

SETTINGS_DIR = Path("results/settings")

_OF_MAPPING = ("max_files", "patterns", "attachments", "empty_files", "empty_records")
"""What the mapping says of files depends on these settings of `package`."""
_OF_OWN = ("origin", "identifier_prefix")
"""And what becomes of records of one's own on these of `metadata`."""
_NOT_OF_PACKAGES = ("threads",)
"""Settings of `package` that leave what is made as it is."""
_TOLD_BY = {"mapping": "transform", "package": "package"}
"""Receipt that says with which settings it was made -> part of the settings."""


class SettingsFiles:
    """The parts of a configuration that decide what is made of a record, each in a file of its own."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        package, metadata = config["package"], config["metadata"]
        own = {"metadata": {name: metadata[name] for name in _OF_OWN}} if metadata["origin"] == "own" else {}
        self._parts = {
            "transform": {
                "transform": config["transform"],
                "package": {name: package[name] for name in _OF_MAPPING},
                **own,
            },
            "source": {"files": config["source"]["files"]},
            "package": {"package": {name: package[name] for name in package if name not in _NOT_OF_PACKAGES}},
        }

    def digest(self, part: str) -> str:
        """Return what stands for the present settings of a part in the name of its file."""
        text = orjson.dumps(self._parts[part], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:12]

    @property
    def names(self) -> dict[str, str]:
        """The name of the file of each part that receipts tell of, without its ending."""
        return {part: Path(self.path(part)).stem for part in _TOLD_BY.values()}

    def path(self, part: str) -> str:
        """Return the file that has the present settings of a part, once it is there."""
        return str(SETTINGS_DIR / f"{part}-{self.digest(part)}.json")

    def of_filter(self) -> list[str]:
        """Return the file of the filter of files (source.files); none where all files go on."""
        return [self.path("source")] if any(self._parts["source"]["files"].values()) else []

    def content(self, wildcards: Any) -> Mapping[str, Any]:
        """Return what the file of a job's wildcards (part, digest) says.

        Raises:
            ConfigError: it is the file of other settings than the present ones, which nothing is known of any more.
        """
        if wildcards.digest != self.digest(wildcards.part):
            raise ConfigError(
                f"{SETTINGS_DIR}/{wildcards.part}-{wildcards.digest}.json: expected a file of the present settings "
                f"({self.path(wildcards.part)}), found the name of one of other settings"
            )
        return self._parts[wildcards.part]


def is_outdated(receipts: Mapping[str, Any], settings: Mapping[str, str]) -> bool:
    """Tell whether receipts of a record, by name, say that it was made with other settings than these names."""
    return any(
        receipts.get(name, {}).get("settings", settings[part]) != settings[part] for name, part in _TOLD_BY.items()
    )


def is_outdated_in(record_dir: Path, settings: Mapping[str, str]) -> bool:
    """Tell the same of the receipts in a folder; one that is lost or torn says nothing."""
    receipts: dict[str, Any] = {}
    for name in _TOLD_BY:
        with suppress(OSError, ValueError):
            receipt = orjson.loads((record_dir / f"{name}.json").read_bytes())
            receipts[name] = receipt if isinstance(receipt, dict) else {}
    return is_outdated(receipts, settings)


def keep_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings; the same settings always give the same bytes."""
    write_json(path, settings)
