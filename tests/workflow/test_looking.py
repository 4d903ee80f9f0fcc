"""What looks only ends in its table and one line, wherever the project lies, and its verdict is the exit status."""

import os
import subprocess

from workflow.conftest import ROOT, Flow
from workflow.test_chain import MANUAL, first_record

LOOKS = ("plan", "validate", "preflight", "diff", "catalogue")
OF_SNAKEMAKE = ("RuleException", "CalledProcessError", "Traceback", "Logfile ", "Error in rule", "did not complete")


def test_five_looks_that_find_what_must_not_be_say_so_and_no_more_in_any_folder(tmp_path):
    """Each died in the shell where the path has a space; elsewhere Snakemake's words on failed jobs hid the table."""
    project = tmp_path / "my 'proj'"
    project.mkdir()
    for name in (".venv", "Snakefile", "config.yaml", "profiles", "report", "rules", "schemas", "scripts", "envs"):
        (project / name).symlink_to(ROOT / name)
    flow = Flow(folder=project, config={"repository": {"model": "particles"}})
    flow.want(MANUAL)
    document = flow.metadata(MANUAL)
    first_record(document).pop("title")
    flow.write_metadata(MANUAL, document)
    (project / "catalogue.csv").write_text("recid\n1\n", encoding="utf-8")
    flow.command()  # writes the configuration
    python = [str(project / ".venv" / "bin" / "python"), "-m", "snakemake"]
    command = [*python, "--cores", "1", *LOOKS, "--configfile", "flow.yaml"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "records          1, of which 1 cannot succeed as is" in told
    assert f"1 record ({MANUAL}): correct what is refused in metadata/corrections/<recid>.yaml" in told
    assert "NOT  model" in told
    assert "1 record: 1 not compared; all of it in results/diff.csv" in told
    assert "catalogue.csv: expected no file there yet, found one" in told
    assert [word for word in OF_SNAKEMAKE if word in told] == []
    assert "ferry: " not in told, "nothing was carried that could be counted"


def test_a_report_before_the_first_run_says_what_comes_first(flow):
    flow.want(MANUAL)
    done = flow.run("--report", "results/report.html")
    assert done.returncode == 1
    assert "results/overview.html: expected what a run has left for the report, found none; run first" in done.stderr


def test_where_snakemake_cannot_keep_its_cache_another_folder_for_it_will_do(flow):
    flow.want(MANUAL)
    home = flow.folder / "home"
    home.mkdir()
    (home / ".cache").write_text("no folder, and none that can be made")

    def look(**environment):
        environment = {**os.environ, "HOME": str(home), **environment}
        return subprocess.run(flow.command("--dry-run"), env=environment, capture_output=True, text=True, check=False)

    ended = look(XDG_CACHE_HOME="")
    assert ended.returncode != 0
    assert ".cache/snakemake'" in ended.stdout + ended.stderr
    assert look(XDG_CACHE_HOME=str(flow.folder / "some" / "folder")).returncode == 0
