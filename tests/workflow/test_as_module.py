"""The workflow as a module of another one, in a fresh folder, by what the page says: with and without a prefix."""

import json
import re
import subprocess

import pytest

from workflow.conftest import ROOT, SNAKEMAKE
from workflow.test_chain import assert_ok

RECID = 80505
PAGE = (ROOT / "docs" / "as-module.md").read_text(encoding="utf-8").replace("/path/to/opendata-ferry", str(ROOT))
SNAKEFILE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[0]
FILL, RUN = re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)


def follow(folder, commands):
    """Do what the page says; its command of the checkout's environment is that of this one."""
    text = commands.replace(f"{ROOT}/.venv/bin/snakemake", str(SNAKEMAKE))
    return subprocess.run(["bash", "-ec", text], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("renamed", "prefix"), [("", ""), (" as ferry_*", "ferry_")])
def test_a_workflow_that_imports_this_one_carries_the_records_of_its_own_folder(flow, renamed, prefix):
    (flow.folder / "Snakefile").write_text(SNAKEFILE.replace(" as ferry_*", renamed), encoding="utf-8")
    assert_ok(follow(flow.folder, FILL))

    def run(*arguments):
        return follow(flow.folder, f"{RUN.strip()} {' '.join(arguments)}")

    done = run()
    assert_ok(done)
    assert f"rule {prefix}upload_record:" in done.stderr
    assert f"localrule {prefix}transform_record:" in done.stderr
    assert "ferry: 1 ok, 0 failed, 0 to go, of 1 records" in done.stderr
    assert flow.receipt(RECID, "stats")["status"] == "ok"
    assert {step for _, step in flow.jobs()} >= {"read_record", "upload_record", "record_stats"}
    assert "Nothing to be done" in run("--dry-run").stdout
    assert json.loads((flow.folder / "logs" / "run.json").read_bytes())["target"]["name"] == "sandbox"
    assert_ok(run(f"{prefix}check"))


def test_an_importer_without_the_handlers_is_told_where_they_stand(flow):
    assert_ok(follow(flow.folder, FILL))
    rules, _, _ = SNAKEFILE.partition("\n\nonstart:")
    (flow.folder / "Snakefile").write_text(rules, encoding="utf-8")
    done = subprocess.run(
        [str(SNAKEMAKE), "--cores", "1"], cwd=flow.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "ConfigError: logs/run.json: expected what the run's start wrote" in done.stderr
    assert "the three handlers of docs/as-module.md" in done.stderr


def test_the_workflow_is_found_where_catalogues_of_workflows_look_for_it(flow):
    flow.want(RECID)
    command = flow.command("--dry-run")
    command[command.index("--snakefile") + 1] = str(ROOT / "workflow" / "Snakefile")
    done = subprocess.run(command, cwd=flow.folder, capture_output=True, text=True, check=False)
    assert_ok(done)
    assert "rule upload_record:" in done.stdout + done.stderr
