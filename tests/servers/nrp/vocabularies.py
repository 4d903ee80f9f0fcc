"""The vocabularies of ccmm-invenio with the long ones cut short: each entry costs every start 30 ms."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

LONG = {"languages", "filetypes", "fileformats", "mediatypes", "checksumalgorithms", "subjects", "subjectcategories"}
KEPT = {
    *("ENG", "CES", "eng", "ces"),
    *("10000", "10300", "10303", "ford:10000", "ford:10300", "ford:10303"),
    *("application/json", "application/zip", "application/pdf"),
}
"""Ids that the tests ask for; a few of each vocabulary stay besides."""


def cut_vocabularies(fixtures: Path, app_data: Path) -> None:
    """Write short forms of the long ones in a package's `fixtures` into `app_data`, which is read first."""
    listed = yaml.safe_load((fixtures / "vocabularies.yaml").read_text(encoding="utf-8"))
    cut = {name: definition for name, definition in listed.items() if name in LONG}
    for part in _parts(cut):
        source = fixtures / part["data-file"]
        part["data-file"] = f"vocabularies/cut_{source.name}"
        (app_data / part["data-file"]).write_text(json.dumps(_some(source)), encoding="utf-8")
    with (app_data / "vocabularies.yaml").open("a", encoding="utf-8") as out:
        yaml.safe_dump(cut, out, sort_keys=False)


def _parts(definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for definition in definitions.values():
        parts = definition.get("schemes", [definition])
        yield from parts
        if parts is not definition and "data-file" in definition:
            definition["data-file"] = parts[0]["data-file"]


def _some(source: Path) -> list[dict[str, Any]]:
    entries = yaml.load(source.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return [entry for number, entry in enumerate(entries) if number < 5 or entry["id"] in KEPT]
