"""Metadata, corrections and lists as somebody may have laid them there: links to private files, pipes, any text."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from own_records import OWN, own_record

from ferry.errors import ConfigError
from ferry.run.selection import read_wanted
from workflow.conftest import Flow

SECRET = "pin: [4711 of the safe"
"""Neither JSON nor YAML."""


@pytest.fixture
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are nobody's business."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "note.txt").write_text(SECRET, encoding="ascii")
    (folder / "record.json").write_text(json.dumps(own_record(title="4711 in private")), encoding="ascii")
    return folder


def document(flow: Flow, recid: int) -> Path:
    (flow.folder / "own" / str(recid)).mkdir(parents=True)
    (flow.folder / "own" / str(recid) / "a.txt").write_text("a", encoding="ascii")
    return flow.folder / "metadata" / f"{recid}.json"


def test_documents_that_lead_out_or_are_none_are_refused_and_nothing_of_them_is_shown(
    flow: Flow, private: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listed = tmp_path_factory.mktemp("listed")
    (listed / "6.json").write_text(json.dumps(own_record()), encoding="utf-8")
    flow.config = {
        **OWN,
        "source": {"data_root": "own", "allow_unverified": True, "allow": {"folders": [str(listed)]}},
        "repository": {"finish": "draft"},
    }
    flow.want(1, 2, 3, 4, 5, 6, 7)
    document(flow, 1).write_text(json.dumps(own_record()), encoding="utf-8")
    document(flow, 2).symlink_to(private / "note.txt")
    os.mkfifo(document(flow, 3))
    document(flow, 4).symlink_to(private / "record.json")
    document(flow, 5).write_text(SECRET, encoding="ascii")
    document(flow, 6).symlink_to(listed / "6.json")
    document(flow, 7).write_text(json.dumps(own_record()), encoding="utf-8")
    (flow.folder / "metadata" / "corrections").symlink_to(private)
    (private / "7.yaml").write_text(SECRET, encoding="ascii")

    looked = subprocess.run(flow.command("validate"), capture_output=True, text=True, timeout=60, check=False)
    assert "7 records for rdm-plain: 2 valid (0 of them with warnings), 5 refused" in looked.stdout + looked.stderr
    planned = flow.run("plan", timeout_s=60)
    done = flow.run()

    told = "".join(each.stdout + each.stderr for each in (looked, planned, done))
    assert "metadata/2.json: expected a file that lies in metadata, found a link that leads to" in told
    assert "metadata/3.json: expected a file, found something else by that name" in told
    assert "metadata/5.json: expected JSON, found none in line 1, column 1" in told
    assert "4711" not in told
    made = [path for name in ("results", "logs") for path in (flow.folder / name).rglob("*") if path.is_file()]
    assert [path for path in made if b"4711" in path.read_bytes()] == []
    assert sorted(flow.stats().query("status == 'ok'").index) == [1, 6]


def test_a_correction_that_is_no_yaml_is_told_by_its_line_only(flow: Flow) -> None:
    flow.config = {**OWN, "source": {"data_root": "own", "allow_unverified": True}}
    flow.want(7)
    document(flow, 7).write_text(json.dumps(own_record()), encoding="utf-8")
    (flow.folder / "metadata" / "corrections").mkdir()
    (flow.folder / "metadata" / "corrections" / "7.yaml").write_text(SECRET, encoding="ascii")
    looked = flow.run("validate")
    table = (flow.folder / "results" / "validation.csv").read_text(encoding="utf-8")
    assert '7,refused,"line 1, column 23",YAML,none' in table
    assert "4711" not in looked.stdout + looked.stderr + table


@pytest.mark.timeout(20)
def test_a_list_that_leads_out_or_is_a_pipe_is_refused_and_not_shown(tmp_path: Path, private: Path) -> None:
    (tmp_path / "link.csv").symlink_to(private / "note.txt")
    with pytest.raises(ConfigError, match=r"link\.csv: expected a file that lies in") as refused:
        read_wanted(list_path=tmp_path / "link.csv", recids=[])
    assert "4711" not in str(refused.value)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ConfigError, match=r"pipe\.csv: expected a file, found something else"):
        read_wanted(list_path=tmp_path / "pipe.csv", recids=[])
