"""The workflow as a module of another one, in another folder, with its rules' names as they are and with a prefix."""

import json
import subprocess

import pytest

from workflow.conftest import ROOT, SNAKEMAKE
from workflow.test_chain import MANUAL, assert_ok

IMPORTER = """
configfile: "{root}/config.yaml"


module ferry:
    snakefile:
        "{root}/Snakefile"
    config:
        config


use rule * from ferry{renamed}


onstart:
    ferry.onstart()


onsuccess:
    ferry.onsuccess()


onerror:
    ferry.onerror()
"""


@pytest.mark.parametrize(("renamed", "prefix"), [("", ""), (" as ferry_*", "ferry_")])
def test_a_workflow_that_imports_this_one_carries_the_records_of_its_own_folder(flow, renamed, prefix):
    flow.want(MANUAL)
    (flow.folder / "Snakefile").write_text(IMPORTER.format(root=ROOT, renamed=renamed), encoding="utf-8")
    command = [str(SNAKEMAKE), "--workflow-profile", str(ROOT / "profiles" / "default"), "--cores", "2"]

    def run(*arguments):
        return subprocess.run([*command, *arguments], cwd=flow.folder, capture_output=True, text=True, check=False)

    done = run()
    assert_ok(done)
    assert f"rule {prefix}upload_record:" in done.stderr
    assert f"localrule {prefix}transform_record:" in done.stderr
    assert "ferry: 1 ok, 0 failed, 0 not reached, of 1 records" in done.stderr
    assert flow.receipt(MANUAL, "stats")["status"] == "ok"
    assert {step for _, step in flow.jobs()} >= {"read_record", "upload_record", "record_stats"}
    assert "Nothing to be done" in run("--dry-run").stdout
    assert json.loads((flow.folder / "logs" / "run.json").read_bytes())["target"]["name"] == "sandbox"
    assert_ok(run(f"{prefix}check"))


def test_an_importer_without_the_handlers_is_told_where_they_stand(flow):
    flow.want(MANUAL)
    rules, _, _ = IMPORTER.format(root=ROOT, renamed="").partition("\n\nonstart:")
    (flow.folder / "Snakefile").write_text(rules, encoding="utf-8")
    done = subprocess.run(
        [str(SNAKEMAKE), "--cores", "1"], cwd=flow.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "ConfigError: logs/run.json: expected what the run's start wrote" in done.stderr
    assert "the three handlers of docs/as-module.md" in done.stderr
