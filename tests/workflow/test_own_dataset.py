"""docs/own-dataset.md followed to the letter, from an empty folder into the sandbox."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from workflow.conftest import ROOT, SNAKEMAKE

CLONED = (
    "Snakefile",
    "config.yaml",
    "rules",
    "scripts",
    "schemas",
    "envs",
    "profiles",
    "report",
    "metadata",
    "records.csv",
)
KEYS = [
    "READ ME.txt",
    "night 1/camera A/raw/frame 001.fits",
    "night 1/camera A/raw/frame 002.fits",
    "night 1/kamera \u010c/raw/sn\u00edmek \u010d. 1.fits",
]


@pytest.fixture
def clone(tmp_path):
    """A copy of what a clone has and a run needs."""
    for name in CLONED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


def follow(clone: Path, commands: str, *, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
    """Run commands as a person does who has copied them."""
    path = f"{SNAKEMAKE.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", commands],
        cwd=clone,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def commands() -> list[str]:
    """Return the blocks of commands of the page."""
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "own-dataset.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.timeout(600)
def test_the_page_brings_a_dataset_of_ones_own_into_the_sandbox(clone):
    *prepared, carried = commands()
    for block in prepared:
        done = follow(clone, block)
        assert done.returncode == 0, done.stderr
    done = follow(clone, carried)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "1 record for rdm-plain: 1 valid (0 of them with warnings), 0 refused" in told
    assert "files            4, " in told
    assert "1 ok, 0 failed, 0 to go, of 1 records" in told
    assert "1 record: 1 equal" in told
    looks = "snakemake --cores 1 --configfile own.yaml -- check; snakemake --cores 1 --configfile own.yaml -- preflight"
    looked = follow(clone, looks)
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "records of one's own name what they want" in looked.stdout
    results = clone / "results" / "1001"
    wrote = json.loads((clone / "own" / "metadata" / "1001.json").read_bytes())["metadata"]
    identity = {"identifier": "https://data.example.org/fram/1001", "scheme": "url"}
    sent = json.loads((results / "record.json").read_bytes())
    assert sent["metadata"] == {**wrote, "identifiers": [identity]}
    published = json.loads((results / "published.json").read_bytes())
    stored = clone / "data" / "sandbox" / "repository" / "records" / f"{published['record_id']}.json"
    assert "opendata.cern.ch" not in stored.read_text(encoding="utf-8")
    files = pd.read_parquet(clone / "results" / "files.parquet")
    assert sorted(files["key"]) == KEYS
    assert list(files["verified"]) == [True] * 4
    assert set(files["verified_by"]) == set(files["declared_algorithm"]) == {"sha256"}
    stats = pd.read_parquet(clone / "results" / "stats.parquet").iloc[0]
    assert (stats["title"], stats["year"], bool(stats["published"])) == ("All-sky frames of one night", 2024, True)
    assert stats["verified_count"] == stats["file_count"] == 4
