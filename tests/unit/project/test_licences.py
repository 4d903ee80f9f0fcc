"""The list of packages says what is installed, and no more than is known."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from dev.licences import NOT_SAID, installed, locked

ROOT = Path(__file__).resolve().parents[3]


def test_the_packages_of_a_run_are_listed_and_those_of_developers_are_not():
    names = {name for name, _, _ in installed()}
    assert {"snakemake", "aiohttp", "nrp-cmd", "brotli", "xrootd", "pandas"} <= names
    assert not {"pytest", "ruff", "mypy", "hypothesis"} & names
    assert {name: found for name, found, _ in installed()} == {name: version(name) for name in names}
    direct = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert len(locked()) > len(direct)


def test_each_package_has_a_licence_of_its_own_words():
    said = {name: licence for name, _, licence in installed()}
    assert said["pandas"] != NOT_SAID
    assert {name for name, licence in said.items() if licence == NOT_SAID} == {"nrp-cmd"}


def test_make_check_prints_the_licences():
    checked = subprocess.run(["make", "-n", "check"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    command = next(line for line in checked.splitlines() if "licences" in line)
    assert "-m dev.licences --short" in command
    told = subprocess.run(
        [sys.executable, "-m", "dev.licences", "--short"],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith(f"{len(list(installed()))} packages of uv.lock: MIT")
