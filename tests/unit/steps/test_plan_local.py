"""The plan of records whose files no list names: what lies there is counted, and what would fail is said before."""

import csv
import hashlib
import json

import pytest
import yaml
from local_steps import RECID, ROOT, lay

from ferry.steps.plan import PlanInputs, plan_all

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
RECORD = {"recid": RECID, "title": "A record without a list", "type": {"primary": "Dataset"}, "date_published": "2014"}


@pytest.fixture
def planned(tmp_path):
    """Return the row of the plan, and what was printed."""
    (tmp_path / "metadata").mkdir()
    record = RECORD | {"collaboration": {"name": "DELPHI Collaboration"}, "abstract": {"description": "Some data."}}
    (tmp_path / "metadata" / f"{RECID}.json").write_text(json.dumps(record), encoding="utf-8")

    def plan(*, repository=CONFIG["repository"], package=CONFIG["package"], **source):
        changed = {
            "repository": repository,
            "package": package,
            "metadata": {**CONFIG["metadata"], "dir": str(tmp_path / "metadata")},
            "source": {**CONFIG["source"], "data_root": str(tmp_path / "root"), **source},
        }
        table = tmp_path / "plan.csv"
        inputs = PlanInputs(config={**CONFIG, **changed}, results_dir=tmp_path / "results", priorities={RECID: 0})
        told = plan_all(inputs=inputs, cores=1, table_path=table)
        with table.open(encoding="utf-8", newline="") as stream:
            [row] = csv.DictReader(stream)
        return row, told

    return plan


def test_what_lies_there_is_counted(tmp_path, planned):
    files = {f"run {number}/a.dat": b"x" * 1000 for number in range(25)}
    said = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    lay(tmp_path / "root", {**files, "SHA256SUMS": said.encode()})
    row, told = planned()
    assert (row["files"], row["source_bytes"], row["uploads"], row["bundles"], row["problem"]) == (
        "25", "25000", "1", "1", "",
    )  # fmt: skip
    assert "files            25, 25" in told


def test_what_nothing_proves_cannot_succeed_until_it_is_allowed(tmp_path, planned):
    lay(tmp_path / "root", {"a.dat": b"x"})
    row, told = planned()
    assert "expected a statement of what its files are" in row["problem"]
    assert "of which 1 cannot succeed as is" in told
    row, _ = planned(allow_unverified=True)
    assert (row["files"], row["problem"]) == ("1", "")


def test_a_folder_that_is_lacking_or_holds_what_is_not_data_is_told(tmp_path, planned):
    row, _ = planned()
    assert "root/7: expected a folder with the record's files, found none" in row["problem"]
    (lay(tmp_path / "root", {}) / ".netrc").write_bytes(b"password")
    row, _ = planned()
    assert ".netrc (hidden)" in row["problem"]


def test_a_record_that_is_skipped_asks_for_as_much_by_each_setting_as_its_row_says(tmp_path, planned):
    repository = {**CONFIG["repository"], "takes_records_without_files": False}
    package = {**CONFIG["package"], "empty_records": "skip"}
    row, told = planned(repository=repository, package=package, data_root=None)
    assert (row["files"], row["requests"], row["problem"]) == ("0", "1", "")
    [now] = [line for line in told.splitlines() if "(now)" in line]
    assert now.count("1 request, no wait") == 2
