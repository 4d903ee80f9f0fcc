"""What only looks reads of a record what a run would make of it: a receipt of other settings is not believed."""

import csv
import json

import pytest
import yaml

from answering_portal import Answer
from answering_portal import portal as answering
from ferry.errors import MetadataError
from ferry.limits import Limits
from ferry.receipts import write_receipt
from ferry.source.file_filter import FileFilter
from ferry.source.portal import fetch_record
from ferry.source.portal_cache import PortalCache
from ferry.source.record import read_source
from ferry.steps.look_at import read_with_corrections
from ferry.steps.plan import PlanInputs, plan_all
from workflow.conftest import ROOT

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
KEYS = ["one.root", "two.root", "three.txt", "four.txt"]
FILES = [{"uri": f"root://x//{key}", "size": 10, "checksum": f"adler32:{n:08x}"} for n, key in enumerate(KEYS)]
RECORD = {"recid": "7", "title": "A record", "type": {"primary": "Dataset"}, "date_published": "2014", "files": FILES}
RECORD |= {"collaboration": {"name": "DELPHI Collaboration"}, "abstract": {"description": "Some data."}}
RECORD |= {"publisher": "CERN Open Data Portal", "license": {"attribution": "CC0-1.0"}}
ALL: dict = {"names": [], "regexp": None, "ranges": []}


@pytest.fixture
def portal():
    with answering(Answer(body=json.dumps({"id": "7", "metadata": RECORD}).encode())) as server:
        yield server


@pytest.fixture
def carried(tmp_path, portal):
    """Leave the receipt of a run with these files of the portal's record, or of a file that is gone again."""

    def carry(*, of_file=False, **chosen):
        metadata = tmp_path / "metadata"
        if of_file:
            metadata.mkdir()
            (metadata / "7.json").write_text(json.dumps({**RECORD, "title": "Of a file"}), encoding="utf-8")
        receipt = read_source(
            recid=7,
            metadata_path=metadata / "7.json",
            fetch_record=lambda recid: fetch_record(recid, portal=portal.url, cache=PortalCache.of(metadata)),
            limits=Limits(),
            chosen_by=FileFilter.of({"files": {**ALL, **chosen}}),
        )
        write_receipt(tmp_path / "results" / "7" / "source.json", "source", receipt)

    return carry


@pytest.fixture
def seen(tmp_path, portal):
    """Return the names of the files that are seen of the record by a choice of files."""

    def see(**chosen):
        source, _ = read_with_corrections(
            7,
            metadata={**CONFIG["metadata"], "dir": str(tmp_path / "metadata"), "portal": portal.url},
            results_dir=tmp_path / "results",
            chosen_by=FileFilter.of({"files": {**ALL, **chosen}}),
        )
        return [file["uri"].removeprefix("root://x//") for file in source["files"]]

    return see


def test_a_choice_of_files_that_is_new_holds_for_what_was_carried_without_one(carried, seen):
    carried()
    assert seen() == KEYS
    assert seen(names=["*.root"]) == KEYS[:2]
    with pytest.raises(MetadataError, match=r"source\.files chooses \(names nomatch\*\), found none among 4 files"):
        seen(names=["nomatch*"])


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, KEYS),
        ({"names": ["*.txt"]}, KEYS[2:]),
        ({"ranges": ["2-3"]}, KEYS[1:3]),
        ({"names": ["*.root"], "ranges": ["2-3"]}, KEYS[1:2]),
    ],
)
def test_a_part_by_one_choice_does_not_tell_what_another_one_leaves(carried, seen, chosen, expected):
    carried(names=["*.root"])
    assert seen(**chosen) == expected


def test_a_part_by_the_same_choice_is_taken_as_it_is_and_not_chosen_from_again(carried, seen, portal):
    carried(ranges=["2-3"])
    assert seen(ranges=["2-3"]) == KEYS[1:3]
    assert len(portal.asked) == 1


def test_the_receipt_of_a_metadata_file_that_is_gone_is_not_what_a_run_would_read(carried, seen, portal, tmp_path):
    carried(of_file=True)
    assert portal.asked == []
    (tmp_path / "metadata" / "7.json").unlink()
    assert seen() == KEYS
    assert portal.asked == ["/api/records/7"]


def test_a_plan_after_a_run_heeds_the_present_choice_of_files(carried, portal, tmp_path):
    def planned(**chosen):
        changed = {
            "metadata": {**CONFIG["metadata"], "dir": str(tmp_path / "metadata"), "portal": portal.url},
            "source": {**CONFIG["source"], "files": {**ALL, **chosen}},
        }
        inputs = PlanInputs(config={**CONFIG, **changed}, results_dir=tmp_path / "results", priorities={7: 0})
        plan_all(inputs=inputs, cores=1, table_path=tmp_path / "plan.csv")
        with (tmp_path / "plan.csv").open(encoding="utf-8", newline="") as stream:
            [row] = csv.DictReader(stream)
        return row["files"], row["problem"]

    carried()
    assert planned() == ("4", "")
    assert planned(names=["*.root"]) == ("2", "")
    files, problem = planned(names=["nomatch*"])
    assert files == "0"
    assert "expected files that source.files chooses (names nomatch*), found none among 4 files" in problem
