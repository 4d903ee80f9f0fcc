"""What is told when a run ends."""

from ferry.chain import has_arrived
from ferry.config import normalise_config
from ferry.journal import attempts, read
from ferry.report.evidence import read_evidence
from ferry.run.plan import RunPlan, write_plan
from ferry.run.run import begin_run
from ferry.run.selection import Selection
from ferry.run.status import read_status
from ferry.strict_yaml import read_config_file
from hooks.ending import tell_tables
from unit.report.test_stats import RECID, Folder
from unit.run.test_status import NOW, ROOT, table


def test_what_has_arrived_when_a_run_is_stopped_is_ok_by_its_receipts_too(tmp_path, monkeypatch):
    """Tables said ok of a record of which `failure.json` of an earlier run lay there, and no `stats.json`."""
    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path)
    run = begin_run(target=None)
    folder.receipts()
    for step in ("read_record", "transform_record", "download_files", "package_files", "upload_record"):
        folder.attempt(step, run_id=run.run_id)
    folder.attempt("publish_record", run_id=run.run_id)
    folder.path("failure").write_text("{}")
    plan = RunPlan(run.run_id, [RECID], publish=True, to_do=frozenset([RECID]), started_at=run.started_at)
    write_plan(plan)
    config = read_config_file(ROOT / "config.yaml")
    normalise_config(config)

    tell_tables(config, Selection({RECID: 0}), failed=True, is_stopped=True, in_a_hurry=True)

    assert has_arrived(tmp_path / "results" / str(RECID), publish=True)
    assert not folder.path("failure").exists()
    assert [row["status"] for row in table(tmp_path / "results" / "stats.csv")] == ["ok"]
    assert [row["recid"] for row in read_status(tmp_path, now=NOW).standing.ok] == [RECID]
    last = attempts(read(folder.journal()))[-1]
    assert (last.step, last.status, sorted(last.made)) == ("record_stats", "ok", ["proof", "stats"])
    assert not read_evidence(recid=RECID, record_dir=folder.results / str(RECID), journal=folder.journal()).wrong
