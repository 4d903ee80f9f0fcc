"""The reference of the configuration, made of its schema and of the values that config.yaml has."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ferry.schemas import load_schema

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "configuration.md"

_HEAD = """# Configuration

Every key, what it may be, and what it is in `config.yaml`. Single keys are changed from a file of your own:
`snakemake --cores 8 --configfile mine.yaml`. An unknown key or a value that is not allowed stops the run before it
starts. The comments in `config.yaml` say what follows from each key.

This page is made of `schemas/config.json` by `make docs`.
"""


def write_reference() -> None:
    """Write docs/configuration.md."""
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(reference(), encoding="utf-8")


def reference() -> str:
    """Return the page as Markdown: a section and a table for each part of the configuration."""
    defaults = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    parts = load_schema("config")["properties"].items()
    return "\n".join([_HEAD, *(line for name, part in parts for line in _section(name, part, defaults[name]))])


def _section(name: str, part: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n\n{part['description']}\n"
    yield "| key | may be | default | what it says |\n|---|---|---|---|"
    for key, known in part["properties"].items():
        cells = (f"`{key}`", may_be(known), f"`{json.dumps(defaults[key])}`", known["description"].replace("<", "&lt;"))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def may_be(known: Mapping[str, Any]) -> str:
    """Return in words which values a part of a schema allows."""
    if "enum" in known:
        return ", ".join(f"`{value}`" for value in known["enum"])
    kinds = known["type"] if isinstance(known["type"], list) else [known["type"]]
    return " or ".join(_kind(kind, known) for kind in kinds)


def _kind(kind: str, known: Mapping[str, Any]) -> str:
    match kind:
        case "integer" | "number":
            low, high = known.get("minimum"), known.get("maximum")
            bounds = f" {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
            return kind + bounds
        case "array":
            return f"list of {may_be(known['items'])}"
        case "object" if "properties" in known:
            return "; ".join(f"`{name}`: {may_be(part)}" for name, part in known["properties"].items())
        case "object":
            return f"map of text to {may_be(known['additionalProperties'])}"
        case "string":
            return f"text like `{known['pattern']}`" if "pattern" in known else "text"
        case "boolean":
            return "`true`, `false`"
        case _:
            return f"`{kind}`"
