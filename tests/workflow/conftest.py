"""Runs the real workflow in a folder of its own, changed only by a config file."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import yaml

from workflow import forked_snakemake

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")


@dataclass
class Flow:
    """A working folder: `records.csv`, `metadata/`, and what runs make of them."""

    folder: Path
    config: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        """Return the command line; the configuration lies beside it."""
        path = self.folder / "flow.yaml"
        path.write_text(yaml.safe_dump(self.config), encoding="utf-8")
        base = [str(SNAKEMAKE), "--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        configured = ["--configfile", str(path)] if self.config else []
        return [*base, "--cores", str(cores), *arguments, *configured]

    def run(self, *arguments: str, cores: int = 2, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
        """Run snakemake to its end."""
        command = self.command(*arguments, cores=cores)
        return forked_snakemake.run(command, environment={**os.environ, **self.environment}, timeout_s=timeout_s)

    def want(self, *recids: int, priorities: dict | None = None) -> None:
        """Write the master list, and the demo metadata of these records where there is none yet."""
        rows = [f"{recid},{(priorities or {}).get(recid, '')}" for recid in recids]
        (self.folder / "records.csv").write_text("recid,priority\n" + "\n".join(rows) + "\n", encoding="utf-8")
        (self.folder / "metadata").mkdir(exist_ok=True)
        for recid in recids:
            source, target = ROOT / "metadata" / f"{recid}.json", self.folder / "metadata" / f"{recid}.json"
            if source.exists() and not target.exists():
                target.write_bytes(source.read_bytes())

    def metadata(self, recid: int) -> dict:
        """Return the record's metadata file."""
        return json.loads((self.folder / "metadata" / f"{recid}.json").read_bytes())

    def write_metadata(self, recid: int, document: dict) -> None:
        """Replace the record's metadata file."""
        (self.folder / "metadata").mkdir(exist_ok=True)
        (self.folder / "metadata" / f"{recid}.json").write_text(json.dumps(document), encoding="utf-8")

    def stats(self) -> pd.DataFrame:
        """Return results/stats.parquet by recid."""
        return pd.read_parquet(self.folder / "results" / "stats.parquet").set_index("recid")

    def receipt(self, recid: int, kind: str) -> dict:
        """Return one receipt."""
        return json.loads((self.folder / "results" / str(recid) / f"{kind}.json").read_bytes())

    def jobs(self) -> list[tuple[int, str]]:
        """Return (recid, step) of all ended attempts so far, in their order."""
        lines = (self.folder / "results" / "attempts.jsonl").read_text(encoding="utf-8").splitlines()
        return [(event["recid"], event["step"]) for event in map(json.loads, lines)]

    def requests(self) -> list[dict]:
        """Return what the sandbox was asked."""
        log = self.folder / "data" / "sandbox" / "repository" / "requests.jsonl"
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def first_record(document: dict) -> dict:
    """Return the bare metadata of either shape."""
    return document.get("metadata", document)


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """A new working folder."""
    return Flow(folder=tmp_path)
