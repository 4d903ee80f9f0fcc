"""What the repository calls the members of a collection goes beside CERN's address of each, and can be told from it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ferry.identity import record_number, record_url
from ferry.mapping.diff import diff_records
from ferry.mapping.links import Link, links_in, members_of, with_links, without_links
from ferry.mapping.profiles import PROFILES
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions
from ferry.schemas import problems
from ferry.source.record import read_source

RECORDS = Path(__file__).parents[2] / "fixtures" / "records"
MEMBERS = [81133, 81003]
LINKS = {81133: Link("10.1234/abc-d", "doi"), 81003: Link("https://nrp.invalid/particles/records/x-1", "url")}


def parent(profile: str, **fields: Any) -> dict[str, Any]:
    """A collection with a member that has a DOI of CERN's too, and a record that is related otherwise."""
    source = read_source(recid=81494, metadata_path=RECORDS / "81494.json", index_files="keep")
    relations = [
        {"recid": "81133", "doi": "10.7483/OPENDATA.X", "title": "rawd93", "type": "isParentOf"},
        {"recid": "81003", "title": "rawd91", "type": "isParentOf"},
        {"recid": "81003", "title": "rawd91", "type": "isRelatedTo"},
        {"doi": "10.7483/OPENDATA.Y", "title": "without a number", "type": "isParentOf"},
    ]
    record = {**source["record"], "relations": relations, **fields}
    return transform_record(source={**source, "record": record}, profile=profile, options=MappingOptions()).record


def answered(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with titles of its terms, as a repository answers it."""
    text = json.dumps(document).replace('"id": ', '"title": {"en": "A title"}, "id": ')
    return json.loads(text)


@pytest.mark.parametrize("profile", PROFILES)
def test_each_link_stands_beside_the_address_of_its_member_and_the_target_takes_it(profile: str) -> None:
    document = parent(profile)
    before = copy.deepcopy(document)
    assert members_of(document) == MEMBERS
    linked = with_links(document, LINKS)
    assert document == before
    assert problems(linked, f"target/{profile}") == []
    key = "related_resources" if PROFILES[profile].related_resources else "related_identifiers"
    text = json.dumps(linked["metadata"][key])
    for recid, link in LINKS.items():
        assert text.count(f'"{link.identifier}"') == 1
        assert text.index(record_url(recid)) < text.index(link.identifier)
    other = {name: value for name, value in linked["metadata"].items() if name != key}
    assert other == {name: value for name, value in document["metadata"].items() if name != key}


@pytest.mark.parametrize("profile", PROFILES)
def test_links_are_found_in_a_live_record_and_nothing_else_is_taken_for_one(profile: str) -> None:
    document = parent(profile)
    live = answered(with_links(document, LINKS))
    assert links_in(live, document) == LINKS
    assert diff_records(document, without_links(live, document)) == []
    assert diff_records(document, live) != []
    plain = answered(document)
    assert links_in(plain, document) == {}
    assert without_links(plain, document) == plain


@pytest.mark.parametrize("profile", PROFILES)
def test_an_identifier_of_cern_that_a_correction_takes_away_is_no_link(profile: str) -> None:
    live = answered(parent(profile))
    corrected = parent(profile, relations=[{"recid": "81133", "title": "rawd93", "type": "isParentOf"}])
    assert links_in(live, corrected) == {}
    assert diff_records(corrected, without_links(live, corrected)) != []


def test_a_record_without_members_has_no_links() -> None:
    document = parent("ccmm1", relations=[])
    assert members_of(document) == []
    assert with_links(document, LINKS) == document


@pytest.mark.parametrize("text", ["https://opendata.cern.ch/record/0", "https://opendata.cern.ch/record/7/x", "7", ""])
def test_only_the_address_of_a_record_on_the_portal_has_its_number(text: str) -> None:
    assert record_number(text) is None
    assert record_number(record_url(7)) == 7
