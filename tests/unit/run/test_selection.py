"""The master list: which records are wanted and which go first."""

from types import SimpleNamespace

import pytest

from ferry.errors import ConfigError
from ferry.run.selection import read_wanted


def _read(tmp_path, text, recids=()):
    path = tmp_path / "records.csv"
    path.write_text(text, encoding="utf-8")
    return read_wanted(list_path=path, recids=list(recids))


def test_a_list_gives_recids_in_its_order_and_their_priorities(tmp_path):
    wanted = _read(tmp_path, "recid,title,priority\n81642,a,10\n80505,b,\n")
    assert wanted.recids == [81642, 80505]
    assert wanted.priorities == {81642: 10, 80505: 0}


def test_a_byte_order_mark_and_a_missing_priority_column_are_fine(tmp_path):
    assert _read(tmp_path, "\ufeffrecid\n5\n").priorities == {5: 0}


@pytest.mark.parametrize("header", ["recid, priority", "recid,Priority", " RECID ,PRIORITY,,"])
def test_blanks_and_capitals_in_the_header_do_not_lose_the_priorities(tmp_path, header):
    assert _read(tmp_path, f"{header}\n5, 10\n\n6,\n7,1,,,\n8\n").priorities == {5: 10, 6: 0, 7: 1, 8: 0}


def test_a_folder_as_the_list_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="expected a file, found something else by that name"):
        read_wanted(list_path=tmp_path, recids=[])


def test_given_recids_take_the_place_of_the_list(tmp_path):
    assert read_wanted(list_path=tmp_path / "none.csv", recids=[7, 3]).recids == [7, 3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recid\n80505\nx1\n", "line 3: recid: expected a whole number from 1 on, found 'x1'"),
        ("recid\n-4\n", "line 2: recid: expected a whole number from 1 on, found '-4'"),
        ("recid\n5\n6\n5\n", "line 4: recid 5 stands in line 2 already"),
        ("recid,priority\n5,high\n", "line 2: priority: expected a whole number"),
        ("id\n5\n", "line 1: expected a column recid, found id"),
        ("", "expected a column recid, found nothing"),
        ("recid\n80505,81147\n", "line 2: expected 1 cell as in line 1, found more: 81147"),
        ('recid,title\n5,"a\n6,b\n', "line 2: expected CSV with each record in one line, found unexpected end of data"),
        ('recid,title\n5,a\n\n6,"b\n7,c"\n', "line 4: expected each record in one line, found a quote that is open"),
        ('recid,title\n5,"a\n6,"b\n', "line 2: expected CSV with each record in one line, found ',' expected"),
        ("recid,recid\n5,6\n", "line 1: expected one column recid, found 2"),
        ("recid,priority, Priority\n5,6,7\n", "line 1: expected one column priority, found 2"),
        ("recid\n1_000\n", "line 2: recid: expected a whole number from 1 on, found '1_000'"),
        ("recid\n\u0665\n", "line 2: recid: expected a whole number from 1 on, found '\u0665'"),
        (f"recid\n{2**63}\n", f"line 2: recid: expected at most {2**63 - 1}, found {2**63}"),
    ],
)
def test_a_bad_list_is_refused_with_file_and_line(tmp_path, text, told):
    with pytest.raises(ConfigError, match=r"records\.csv") as refused:
        _read(tmp_path, text)
    assert told in str(refused.value)


def test_a_list_with_its_header_alone_is_of_nothing(tmp_path):
    assert _read(tmp_path, "recid,step,error\n").recids == []


def test_no_list_and_no_recids_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="no such file; expected the master list"):
        read_wanted(list_path=tmp_path / "none.csv", recids=[])


def test_a_prioritised_record_goes_before_any_stage_of_others_and_later_stages_go_first(tmp_path):
    wanted = _read(tmp_path, "recid,priority\n1,0\n2,1\n")
    first = SimpleNamespace(recid="1")
    prioritised = SimpleNamespace(recid="2")
    assert wanted.priority_at(stage=1)(prioritised) > wanted.priority_at(stage=6)(first)
    assert wanted.priority_at(stage=4)(first) > wanted.priority_at(stage=1)(first)


def test_within_a_priority_and_a_stage_the_larger_record_of_the_plan_goes_first(tmp_path):
    plan = tmp_path / "plan.csv"
    plan.write_text(f"recid,source_bytes\n1,10\n2,{10**15}\n3,5000\n")
    (tmp_path / "records.csv").write_text("recid,priority\n1,0\n2,0\n3,1\n4,0\n")
    given = {"list_path": tmp_path / "records.csv", "recids": [], "plan_path": plan}
    wanted = read_wanted(**given, largest_first=True)
    assert wanted.in_order() == [3, 2, 1, 4]
    ranked = [
        wanted.priority_at(stage=stage)(SimpleNamespace(recid=str(recid)))
        for recid, stage in [(3, 1), (1, 6), (2, 5), (2, 1), (1, 1), (4, 1)]
    ]
    assert ranked == sorted(set(ranked), reverse=True)
    assert read_wanted(**given).in_order() == [3, 1, 2, 4]


def test_without_a_plan_sizes_decide_nothing_and_one_that_is_no_plan_is_refused(tmp_path):
    given = {"list_path": tmp_path / "none.csv", "recids": [7, 3], "largest_first": True}
    assert read_wanted(**given, plan_path=tmp_path / "plan.csv").in_order() == [7, 3]
    (tmp_path / "plan.csv").write_text("recid\n7\n")
    with pytest.raises(ConfigError, match="plan again"):
        read_wanted(**given, plan_path=tmp_path / "plan.csv")


def test_what_all_records_wait_for_goes_before_each_of_their_steps(tmp_path):
    wanted = _read(tmp_path, "recid,priority\n5,-3\n6,40\n")
    steps = [wanted.priority_at(stage=stage)(SimpleNamespace(recid=recid)) for recid in ("5", "6") for stage in (1, 6)]
    assert wanted.highest_priority > max(steps)
