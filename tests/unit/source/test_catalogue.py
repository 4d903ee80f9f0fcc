"""The master list of an experiment: complete beyond the portal's limit, ordered as asked, or not written."""

import csv
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from ferry.errors import ConfigError, MetadataError, TransientError
from ferry.run.look import look
from ferry.run.selection import read_wanted
from ferry.source.catalogue import RESULT_WINDOW, Wanted, write_catalogue

PRIORITIES = {"Collision": 2, "Simulated": 1}


def record(recid, *, secondary="Simulated", years=("1994",), experiment="DELPHI", **more):
    return {
        "recid": str(recid),
        "title": f"Record {recid}",
        "experiment": [experiment],
        "type": {"primary": "Dataset", "secondary": [secondary]},
        "date_created": list(years),
        "date_published": "2024",
        "availability": "online",
        "distribution": {"number_files": recid % 7, "size": recid * 10},
        **more,
    }


class SearchLikeThePortals:
    """Answers as the portal's search does: by its filters, in its order, and not beyond its result window."""

    def __init__(self, records, window=RESULT_WINDOW):
        self.records, self.window, self.asked = records, window, []

    def __call__(self, url):
        parts = urlsplit(url)
        assert parts.path == "/api/records/"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert (query["skip_files"], query["ondemand"]) == ("1", "true")
        self.asked.append(query)
        found = [each for each in self.records if query["experiment"] in each["experiment"]]
        if "year" in query:
            found = [each for each in found if query["year"] in each.get("date_created", [])]
        if "Higgs" in query.get("q", ""):
            found = [each for each in found if "Higgs" in each["title"]]
            query["q"] = query["q"].removeprefix("(Higgs) AND (").removesuffix(")").removeprefix("Higgs")
        if query.get("q"):
            assert query["q"] == "NOT _exists_:date_created"
            found = [each for each in found if "date_created" not in each]
        found.sort(key=lambda each: int(each["recid"]), reverse=query["sort"] == "mostrecent")
        start, end = (int(query["page"]) - 1) * int(query["size"]), int(query["page"]) * int(query["size"])
        assert end <= self.window or end == int(query["size"]), "HTTP 400: beyond the result window"
        return {"hits": {"total": len(found), "hits": [{"metadata": each} for each in found[start:end]]}}


def catalogue(search, path, experiment="DELPHI", **wanted):
    told = write_catalogue(
        experiment=experiment,
        portal="https://portal.example/",
        priorities=PRIORITIES,
        list_path=path,
        wanted=Wanted(**wanted),
        ask=search,
    )
    return told, list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_collisions_come_first_then_the_simulated_then_the_rest(tmp_path):
    kinds = {1: "Manual", 2: "Simulated", 3: "Collision", 4: "Simulated", 5: "Collision"}
    records = [record(recid, secondary=kind) for recid, kind in kinds.items()] + [record(6, experiment="CMS")]
    told, rows = catalogue(SearchLikeThePortals(records), tmp_path / "list.csv")
    assert [(row["recid"], row["priority"]) for row in rows] == [
        ("3", "2"), ("5", "2"), ("2", "1"), ("4", "1"), ("1", "0")
    ]  # fmt: skip
    assert rows[0] == {
        "recid": "3", "priority": "2", "title": "Record 3", "type_primary": "Dataset", "type_secondary": "Collision",
        "category": "", "year": "1994", "file_count": "3", "size_bytes": "30", "availability": "online",
    }  # fmt: skip
    assert "DELPHI: 5 records" in told
    assert re.search(r"priority 2: 2 records, 80 B \(Collision\)", told)
    assert read_wanted(list_path=tmp_path / "list.csv", recids=[]).priorities == {3: 2, 5: 2, 2: 1, 4: 1, 1: 0}


def test_more_records_than_the_portal_gives_for_a_query_are_all_found(tmp_path):
    records = [record(recid, years=[str(1990 + recid % 11)]) for recid in range(1, 12_001)]
    records += [record(20_000, years=["1994", "1995"])]
    timeless = record(20_001)
    del timeless["date_created"]
    search = SearchLikeThePortals([*records, timeless])
    _, rows = catalogue(search, tmp_path / "list.csv")
    assert sorted(int(row["recid"]) for row in rows) == [*range(1, 12_001), 20_000, 20_001]


def test_a_few_records_are_asked_for_without_taking_them_apart(tmp_path):
    search = SearchLikeThePortals([record(recid) for recid in range(1, 451)])
    _, rows = catalogue(search, tmp_path / "list.csv")
    assert len(rows) == 450
    assert len(search.asked) == 1 + 3


def test_what_the_portal_does_not_tell_is_empty_and_not_zero(tmp_path):
    bare = {"recid": "1", "experiment": ["DELPHI"], "title": "Two\nlines"}
    _, [row] = catalogue(SearchLikeThePortals([bare]), tmp_path / "list.csv")
    assert row["title"] == "Two lines"
    assert (row["priority"], row["file_count"], row["size_bytes"], row["year"]) == ("0", "", "", "")


@pytest.mark.parametrize("size", ["12345", 1.5, [1], True])
def test_a_size_that_is_no_number_is_empty_and_the_list_is_told(tmp_path, size):
    odd = record(1, distribution={"number_files": "7", "size": size})
    told, rows = catalogue(SearchLikeThePortals([odd, record(2)]), tmp_path / "list.csv")
    assert "DELPHI: 2 records" in told
    assert "priority 1: 2 records, 20 B" in told
    assert [(row["file_count"], row["size_bytes"]) for row in rows] == [("", ""), ("2", "20")]


def test_a_title_of_several_lines_stands_in_one_as_a_master_list_has_it(tmp_path):
    _, rows = catalogue(SearchLikeThePortals([record(5, title="Two\n lines")]), tmp_path / "list.csv")
    assert rows[0]["title"] == "Two lines"
    assert read_wanted(list_path=tmp_path / "list.csv", recids=[]).priorities == {5: 1}


def test_records_that_the_years_do_not_show_are_missed_and_told(tmp_path):
    records = [record(recid, years=[str(1990 + recid % 11)]) for recid in range(1, 12_001)] + [record(1, years=["99"])]
    records[-1]["recid"] = "20000"
    with pytest.raises(TransientError, match="expected 12001 records of DELPHI as the portal counts, found 12000"):
        catalogue(SearchLikeThePortals(records), tmp_path / "list.csv")
    assert not list(tmp_path.iterdir())


def test_a_year_beyond_the_limit_is_refused_and_named(tmp_path):
    records = [record(recid) for recid in range(1, 10_002)]
    with pytest.raises(MetadataError, match=r"at most 10000 records for \{'year': '1994'\}, found 10001"):
        catalogue(SearchLikeThePortals(records), tmp_path / "list.csv")


def test_a_list_that_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("recid,priority\n1,7\n")
    with pytest.raises(ConfigError, match=r"list.csv: expected no file there yet"):
        catalogue(SearchLikeThePortals([record(1)]), path)
    assert path.read_text() == "recid,priority\n1,7\n"


@pytest.mark.parametrize(
    ("wanted", "recids"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"query": "Higgs"}, [2]),
        ({"years": [1994]}, [1, 2, 4]),
        ({"years": [1995, 1996]}, [2, 3]),
        ({"years": [2024]}, [5]),
        ({"types": ["Collision", "Software"]}, [3, 4]),
        ({"types": ["Dataset"], "years": [1994]}, [1, 2]),
        ({"availability": "ondemand"}, [4]),
        ({"availability": "online"}, [1, 2, 3, 5]),
    ],
)
def test_a_part_of_an_experiment_is_listed_by_query_year_type_and_availability(tmp_path, wanted, recids):
    timeless = record(5)
    del timeless["date_created"], timeless["availability"]
    records = [
        record(1),
        record(2, years=["1994", "1995"], title="Higgs search"),
        record(3, years=["1996"], secondary="Collision"),
        record(4, type={"primary": "Software", "secondary": ["Tool"]}, availability="ondemand"),
        timeless,
    ]
    _, rows = catalogue(SearchLikeThePortals(records), tmp_path / "list.csv", **wanted)
    assert sorted(int(row["recid"]) for row in rows) == recids


def test_a_query_of_more_than_the_portal_gives_is_taken_apart_too(tmp_path):
    records = [record(recid, years=[str(1990 + recid % 11)], title="Higgs") for recid in range(1, 10_501)]
    timeless = record(20_001, title="Higgs")
    del timeless["date_created"]
    search = SearchLikeThePortals([*records, timeless, record(20_002)])
    _, rows = catalogue(search, tmp_path / "list.csv", query="Higgs")
    assert len(rows) == 10_501


def test_where_nothing_is_wanted_of_what_was_found_no_list_is_written(tmp_path):
    with pytest.raises(ConfigError, match="years, types and availability that some of 1 record of DELPHI have"):
        catalogue(SearchLikeThePortals([record(1)]), tmp_path / "list.csv", years=[2001])
    assert not (tmp_path / "list.csv").exists()


def test_an_unknown_experiment_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"catalogue.experiment: .* found no record of 'DELFI'"):
        catalogue(SearchLikeThePortals([record(1)]), tmp_path / "list.csv", experiment="DELFI")


@pytest.mark.parametrize("answer", [{}, {"hits": []}, {"hits": {"total": 1, "hits": [{"metadata": {}}]}}])
def test_what_is_no_search_result_is_refused(tmp_path, answer):
    with pytest.raises(MetadataError, match="expected a search result with hits and their recids, found none"):
        catalogue(lambda url: answer, tmp_path / "list.csv")


def test_what_the_portal_says_is_no_order_to_the_terminal(tmp_path, capsys):
    hit = record(7, secondary="Coll\x1b[2J\u202e24 ok, 0 failed")
    found = {"hits": {"total": 1, "hits": [{"metadata": hit}]}}
    options = {"experiment": "DELPHI", "portal": "https://x", "priorities": {}, "list_path": tmp_path / "list.csv"}
    look(tmp_path / "catalogue.log", lambda: write_catalogue(**options, ask=lambda _url: found))
    told = capsys.readouterr().out
    assert "Coll\\x1b[2J\\u202e24 ok" in told
    assert not re.search("[\x1b\u202e]", told)
