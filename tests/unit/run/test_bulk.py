"""Thousands of records in parts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ferry.flags import STOPPED, RunFlags
from ferry.run.bulk import AnotherRun, MadeProgress, parts_to_go, run_in_parts
from ferry.run.hold import Hold, hold_back, let_go_on
from ferry.run.run import begin_run
from ferry.run.selection import Selection

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = {"transform": "transform-0123456789ab", "package": "package-0123456789ab"}
WANTED = Selection(priorities={1: 0, 2: 5, 3: 0, 4: 5, 5: 0})


def tell(results_dir, recid, status="ok"):
    path = results_dir / str(recid) / "stats.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"status": status}))


def to_go(results_dir, most, *, publish=False):
    return list(parts_to_go(WANTED, results_dir=results_dir, most=most, publish=publish, settings=SETTINGS))


def targets(*recids):
    return [f"results/{recid}/stats.json" for recid in recids]


def run(folder, outcomes, most=2, gets_on_for=99, outages=0):
    """Return the status and what was run; a part leaves the stats that `outcomes` names."""
    ran = []

    def run_part(wanted):
        ran.append(list(wanted))
        recids = [int(target.split("/")[1]) for target in wanted]
        for recid in recids:
            if outcomes[recid] != "none":
                tell(folder, recid, outcomes[recid])
        return int(any(outcomes[recid] != "ok" for recid in recids))

    def run_all():
        ran.append("all")
        return 3

    outcome = run_in_parts(
        WANTED,
        results_dir=folder,
        most=most,
        publish=False,
        settings=SETTINGS,
        run_part=run_part,
        run_all=run_all,
        made_progress=lambda: len(ran) < gets_on_for,
        may_help=lambda: ran.count("all") <= outages,
    )
    return outcome, ran


def test_records_of_higher_priority_go_in_earlier_parts_and_what_has_arrived_in_none(tmp_path):
    assert to_go(tmp_path, 2) == [[2, 4], [1, 3], [5]]
    tell(tmp_path, 4)
    tell(tmp_path, 1, "failed")
    assert to_go(tmp_path, 2) == [[2, 1], [3, 5]]


def test_each_part_runs_once_and_all_at_the_end_tells_the_status(tmp_path):
    ok = dict.fromkeys(range(1, 6), "ok")
    assert run(tmp_path, ok) == (3, [targets(2, 4), targets(1, 3), targets(5), "all"])
    assert run(tmp_path, ok) == (3, ["all"])


def test_what_fits_into_one_part_is_run_as_all_at_once(tmp_path):
    tell(tmp_path, 1)
    assert run(tmp_path, dict.fromkeys(range(1, 6), "ok"), most=4) == (3, ["all"])


def test_a_part_of_which_some_failed_does_not_stop_the_next(tmp_path):
    outcomes = {1: "ok", 2: "failed", 3: "none", 4: "ok", 5: "ok"}
    assert run(tmp_path, outcomes)[1] == [targets(2, 4), targets(1, 3), targets(5), "all"]


def test_a_part_of_which_all_failed_by_themselves_does_not_stop_the_next(tmp_path):
    outcomes = {1: "ok", 2: "failed", 3: "ok", 4: "failed", 5: "ok"}
    assert run(tmp_path, outcomes)[1] == [targets(2, 4), targets(1, 3), targets(5), "all"]


def test_a_part_that_does_not_get_on_ends_it(tmp_path):
    outcomes = {1: "none", 2: "ok", 3: "failed", 4: "ok", 5: "ok"}
    assert run(tmp_path, outcomes, gets_on_for=2) == (1, [targets(2, 4), targets(1, 3)])


def test_what_failed_in_the_last_run_for_what_did_not_answer_is_run_once_more(tmp_path):
    ok = dict.fromkeys(range(1, 6), "ok")
    assert run(tmp_path, ok, most=9, outages=2)[1] == ["all"] * 3
    assert run(tmp_path, ok, most=9, outages=2, gets_on_for=2)[1] == ["all"] * 2


def test_another_run_may_help_after_an_outage_as_long_as_something_got_through_or_it_has_not_lasted_too_long(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    now = [0.0]
    another = AnotherRun(give_up_after_s=100, clock=lambda: now[0])

    def ended(*, is_held, went_on=False):
        flags = RunFlags(run_id=begin_run(target=None).run_id)
        if is_held:
            hold_back(Hold("upload_record", 1), flags=flags)
        if went_on:
            let_go_on(flags=flags)
        return another.may_help()

    assert not ended(is_held=False)
    assert ended(is_held=True)
    now[0] = 99.0
    assert ended(is_held=True)
    now[0] = 101.0
    assert not ended(is_held=True)
    assert ended(is_held=True, went_on=True)
    now[0] = 200.0
    assert ended(is_held=True)
    assert not ended(is_held=False)


def test_a_run_gets_on_when_it_tried_something_and_was_not_stopped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun, attempts = begin_run(target=None), tmp_path / "results" / "attempts.jsonl"
    attempts.parent.mkdir()
    made_progress = MadeProgress()
    assert not made_progress()
    attempts.write_text("{}\n")
    assert made_progress()
    assert not made_progress()
    attempts.write_text("{}\n{}\n")
    RunFlags(run_id=begun.run_id).set(STOPPED, "the repository is down")
    assert not made_progress()


def test_with_publishing_a_draft_has_not_arrived(tmp_path):
    tell(tmp_path, 4)
    tell(tmp_path, 2)
    (tmp_path / "2" / "published.json").write_text("{}")
    assert to_go(tmp_path, 9, publish=True) == [[4, 1, 3, 5]]


@pytest.mark.parametrize(("receipt", "part"), [("mapping", "transform"), ("package", "package")])
def test_what_was_made_with_other_settings_goes_in_parts_too(tmp_path, receipt, part):
    texts = [f'{{"settings": "{SETTINGS[part]}"}}', f'{{"settings": "{part}-other"}}', "{", "[]", "{}"]
    for recid, text in enumerate(texts, start=1):
        tell(tmp_path, recid)
        (tmp_path / str(recid) / f"{receipt}.json").write_text(text)
    assert to_go(tmp_path, 9) == [[2]]


def test_a_folder_that_is_not_there_is_told_with_the_option_that_names_it(tmp_path):
    command = [sys.executable, ROOT / "scripts" / "bulk.py", "--directory", tmp_path / "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"bulk.py: --directory {tmp_path}/nowhere: expected a folder with the list of records, found: No such file or "
        "directory; make it, or name another one\n"
    )
