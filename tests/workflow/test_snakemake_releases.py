"""The demo with the oldest and the newest Snakemake that pyproject.toml allows, and without the script server."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from workflow.conftest import ROOT
from workflow.test_chain import MANUAL, MANY_FILES, assert_ok

(OLDEST, BELOW) = re.search(r'"snakemake>=([0-9.]+),<([0-9]+)"', (ROOT / "pyproject.toml").read_text()).groups()


@pytest.fixture
def environment(tmp_path):
    """Give an environment as the lock file has it, in which `install` puts another Snakemake."""
    own = ROOT / ".tools" / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    folder = tmp_path / "venv"
    python = ["--python", sys.executable]
    settings = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    subprocess.run([uv, "sync", "--locked", "--quiet", *python, "--project", ROOT], env=settings, check=True)

    def install(requirement):
        install = [uv, "pip", "install", "--quiet", "--upgrade", "--python", folder / "bin" / "python", requirement]
        subprocess.run(install, check=True)
        return folder / "bin" / "snakemake"

    return install


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("requirement", [f"snakemake=={OLDEST}", f"snakemake<{BELOW}"])
def test_the_demo_runs_with_the_oldest_and_the_newest_snakemake(flow, tmp_path, environment, requirement):
    snakemake = environment(requirement)
    flow.folder = tmp_path / "run"
    flow.folder.mkdir()
    flow.want(MANUAL, MANY_FILES)

    def run(*arguments):
        command = [snakemake, *flow.command(*arguments)[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run()
    assert_ok(done)
    assert set(flow.stats()["status"]) == {"ok"}
    assert "scripts run" not in done.stderr
    assert "Nothing to be done" in run("--dry-run").stdout


def test_scripts_run_as_snakemake_runs_them_where_no_server_is_wanted(flow):
    flow.want(MANUAL)
    flow.config = {"run": {"script_server": False}}
    assert_ok(flow.run(f"results/{MANUAL}/stats.json"))
    assert flow.receipt(MANUAL, "stats")["status"] == "ok"
