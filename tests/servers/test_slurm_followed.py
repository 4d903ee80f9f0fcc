"""docs/slurm.md followed to the letter on a real Slurm; of other batch systems it says itself that none was tried."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pages import blocks, clone, follow

from servers.slurm_cluster import NODES, SlurmCluster, need_slurm, slurm_cluster
from workflow.conftest import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

PAGE = "docs/slurm.md"
TOKEN, RUN = blocks(PAGE)
FIRST, LATER = [80505, 81592], [81642, 80512]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SlurmCluster]:
    need_slurm()
    with slurm_cluster(tmp_path / "slurm") as started:
        yield started


def inline(beginning: str) -> str:
    """Return the command of a sentence that begins so."""
    (command,) = re.findall(rf"`({re.escape(beginning)}[^`]*)`", (ROOT / PAGE).read_text(encoding="utf-8"))
    return command


def test_the_page_carries_records_by_the_jobs_of_a_cluster_and_on_the_disks_of_its_nodes(cluster, sandbox, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    clone(project)
    environment = (project / ".venv" / "bin" / "python").resolve(), project / ".venv"
    assert all(path.exists() for path in environment)

    def carry(recids: list[int], *more: str, **settings: dict) -> pd.DataFrame:
        config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        config["records"]["recids"], config["repository"]["url"] = recids, sandbox.url
        for part, values in settings.items():
            config[part] |= values
        (project / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        # a Slurm of a test keeps no accounts
        run = " ".join([RUN.text.strip(), inline("--slurm-status-command"), *more])
        done = follow(project, f"{TOKEN.text}{run}", home=tmp_path, typed=f"{sandbox.token}\n")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return pd.read_parquet(project / "results" / "stats.parquet").set_index("recid")

    assert list(carry(FIRST)["status"]) == ["ok"] * len(FIRST)
    token = tmp_path / ".nrp-token"
    assert token.stat().st_mode & 0o077 == 0
    jobs = cluster.ask("squeue", "--noheader", "--states=all", "--format=%P %a %T").splitlines()
    assert len(jobs) == len(FIRST)
    assert {job.split()[0] for job in jobs} == {"long"}
    attempts = pd.read_parquet(project / "results" / "attempts.parquet")
    assert set(attempts[attempts["step"] == "upload_record"]["host"]) <= {*NODES}

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    subprocess.run(["rm", "-r", str(project / "data")], check=True)
    done = follow(project, inline("ln -s ").replace("/scratch/$USER/ferry", str(scratch)))
    assert done.returncode == 0, done.stderr
    stats = carry([*FIRST, *LATER], inline("--groups "), storage={"remove": ["bundles", "files"]})
    assert list(stats["status"]) == ["ok"] * (len(FIRST) + len(LATER))
    assert len(cluster.ask("squeue", "--noheader", "--states=all", "--format=%i").splitlines()) == len(FIRST + LATER)
    for recid in LATER:
        assert (scratch / str(recid) / "deposit.json").exists()
        assert not [path for path in (scratch / str(recid)).glob("*/*") if path.parent.name in ("files", "bundles")]
