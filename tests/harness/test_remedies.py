"""What a message says is to be done is found in it, and nothing else."""

from pathlib import Path

import pytest

from harness.remedies import Failure, commands_of_check, remedies_of


@pytest.mark.parametrize(
    ("error", "paths"),
    [
        ("results/7/a.json: expected a receipt (a), found no JSON; delete it and run again", {"results/7/a.json"}),
        ("x of 3; delete data/7/deposit.json and run again", {"data/7/deposit.json"}),
        (
            "data/7/files/a.al: changed; delete the record's package receipt, download receipt and "
            "data/<recid>/verified.jsonl, and run again",
            {"results/7/package.json", "results/7/download.json", "data/7/verified.jsonl"},
        ),
        ("the source does not answer; run again", set()),
        ("files that were removed (by storage.remove) are needed again: data/7/files/a.al; run again", set()),
    ],
)
def test_what_is_to_be_deleted_is_found(error, paths):
    found = remedies_of([Failure(7, error)])
    assert found.paths == {Path(path) for path in paths}
    assert found.unknown == []


def test_a_message_without_a_remedy_is_told():
    failure = Failure(7, "record 7 is published already and differs")
    assert remedies_of([failure]).unknown == [failure]


def test_a_command_is_taken_whole_and_once():
    failures = [Failure(recid, "rm results/7/a.json && snakemake --cores 1") for recid in (7, 8)]
    assert remedies_of(failures).commands == ["rm results/7/a.json && snakemake --cores 1"]
    told = "2 records\n  x: lost\nto mend all of this: snakemake -- mend && snakemake\n"
    assert commands_of_check(told) == ["snakemake -- mend && snakemake"]


def test_a_setting_is_taken_for_all_records_that_fail_for_want_of_it():
    failures = [
        Failure(recid, f"two of {recid}; delete one, or set repository.a_key to remove, and run again")
        for recid in (7, 8)
    ]
    assert remedies_of(failures).settings == {("repository", "a_key"): "remove"}
    assert remedies_of([Failure(7, "set repository.a_key to what shall become of it")]).settings == {}


def test_what_is_to_be_run_in_any_case_is_told_from_what_helps_where_a_run_does_not():
    told = "correct the record, then run `snakemake --cores 1 mend`, and run again"
    other = "run again, it is made anew (if that finds nothing to do, after `snakemake --cores 1 mend`)"
    assert remedies_of([Failure(7, told), Failure(8, told)]).runs == ["mend"]
    assert (remedies_of([Failure(7, other)]).runs, remedies_of([Failure(7, other)]).targets) == ([], ["mend"])
