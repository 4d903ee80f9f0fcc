"""How a record stands to others: what its words say of it, each target once, under its own title."""

import json
from pathlib import Path
from typing import Any

import pytest
from mapped_records import mapped, metadata, related, told, warned

from ferry.mapping.profiles import PROFILES
from ferry.source.known_records import KnownRecord, KnownRecords

PORTAL = "https://opendata.cern.ch/record"


def of(kind: str, **words: str) -> dict[str, Any]:
    return {"relations": [{"type": kind, "recid": "18352", **words}]}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (of("isChildOf", description="This dataset was derived from:"), "isderivedfrom"),
        (of("isChildOf", description="QCD300to600_RunI_8TeV was derived from:"), "isderivedfrom"),
        (of("isChildOf", title="/JetHT/Run2012C-22Jan2013-v1/AOD"), "isderivedfrom"),
        (of("isChildOf", description="This record is part of the collection"), "ispartof"),
        (of("isChildOf", description="This document is replaced by a new revision in"), "isobsoletedby"),
        (of("isParentOf", description="Datasets that were derived from this one"), "issourceof"),
        (of("isParentOf", description="One of the parts"), "haspart"),
        (of("isPartOf"), "ispartof"),
        (of("isRelatedTo"), "references"),
        (of("isRelatedTo", description="A newer version is available:"), "ispreviousversionof"),
        (of("isRelatedTo", description="The ouput dataset of this software tool is available in"), "issourceof"),
    ],
)
def test_the_words_of_a_relation_decide_what_it_is(relation: dict[str, Any], expected: str, profile: str) -> None:
    found = related(relation, profile, files=1)
    assert {identifier: kind.lower() for identifier, kind in found.items()} == {f"{PORTAL}/18352": expected}
    assert not warned(relation, profile, files=1)


@pytest.mark.parametrize("kind", ["isChildOf", "isParentOf"])
def test_where_no_word_decides_the_vaguer_term_is_taken_with_a_warning(kind: str) -> None:
    relation = of(kind, title="Some other data")
    assert related(relation, files=1) == {f"{PORTAL}/18352": "references"}
    assert "neither description nor title tells" in warned(relation, files=1)["relations[0].type"]
    assert "Related: " in told(relation, files=1)


def test_a_parent_without_files_of_its_own_is_made_of_its_children() -> None:
    for recid, count in ((81507, 5), (93910, 24)):
        parts = [each for each, kind in related(recid).items() if kind == "haspart" and each.startswith(PORTAL)]
        assert len(parts) == count
        assert not [place for place in warned(recid) if place.startswith("relations")]


@pytest.mark.parametrize(
    ("recid", "others"), [(12220, (12200, 12201, 12202, 12203)), (12100, (12021,)), (31013, (18302,)), (7135, (6036,))]
)
def test_records_derived_from_others_say_so(recid: int, others: tuple[int, ...]) -> None:
    found = related(recid)
    assert [found[f"{PORTAL}/{other}"] for other in others] == ["isderivedfrom"] * len(others)


def test_a_relation_of_no_known_type_is_vague_and_told() -> None:
    assert related(of("isCousinOf")) == {f"{PORTAL}/18352": "references"}
    assert (
        warned(of("isCousinOf"))["relations[0].type"]
        == "'isCousinOf' is no relation that is known: taken as References"
    )


# --- titles ---


@pytest.mark.parametrize("profile", ["ccmm1", "ccmm2"])
def test_a_text_that_leads_on_to_a_record_is_not_its_title(profile: str) -> None:
    relation = of("isChildOf", description="This dataset was derived from:")
    (resource,) = metadata(relation, profile)["related_resources"]
    assert resource["title"] == f"{PORTAL}/18352"
    (resource,) = metadata(relation, profile, known=lambda _: KnownRecord("Its own title", None, None))[
        "related_resources"
    ]
    assert resource["title"] == "Its own title"
    assert f'derived from: <a href="{PORTAL}/18352">Its own title</a>' in told(
        relation, profile, known=lambda _: KnownRecord("Its own title", None, None)
    )


@pytest.mark.parametrize("recid", [31013, 329, 84001])
def test_no_title_of_a_real_record_leads_on(recid: int) -> None:
    titles = [resource["title"] for resource in metadata(recid, "ccmm2")["related_resources"]]
    assert titles
    assert not [title for title in titles if title.endswith(":") or title.startswith(("This ", "Go to", "Link to"))]


def test_titles_and_kinds_come_from_the_folder_of_metadata_then_from_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "8.json").write_text(
        json.dumps({"recid": "8", "title": "Of the folder", "type": {"primary": "Software"}})
    )
    (tmp_path / "9.json").write_text("no json")
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text("recid,title,type_primary,type_secondary\n8,Other,,\n9,Of the catalogue,Dataset,Collision\n")
    known = KnownRecords(tmp_path, catalogue)
    assert known.find(8) == KnownRecord("Of the folder", "Software", None)
    assert known.find(9) == KnownRecord("Of the catalogue", "Dataset", "Collision")
    assert known.find(10) is None
    record = {"use_with": {"links": [{"recid": "8"}, {"recid": "9"}, {"recid": "10"}]}}
    resources = metadata(record, "ccmm2", known=known.find)["related_resources"]
    assert [each["title"] for each in resources] == ["Of the folder", "Of the catalogue", f"{PORTAL}/10"]
    assert f'<a href="{PORTAL}/9">Of the catalogue</a>' in told(record, known=known.find)


# --- documentation ---


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ({"url": "/docs/cms-guide-docker", "description": "Running CMS code"}, "isdocumentedby"),
        ({"url": "/record/80503", "description": "The DELPHI Event Display Manual"}, "isdocumentedby"),
        ({"url": "https://github.com/x/y", "description": "GitHub"}, "references"),
        ({"url": "/visualise/events/opera/1", "description": "Visualise event 1"}, "references"),
        ({"url": "https://opendata.atlas.cern", "description": "ATLAS Open Data Website"}, "references"),
        ({"recid": "402", "description": "LHCb VM image"}, "references"),
    ],
)
def test_only_documentation_documents(link: dict[str, str], expected: str) -> None:
    assert list(related({"usage": {"links": [link]}}).values()) == [expected]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (KnownRecord("A title", "Documentation", "Guide"), "isdocumentedby"),
        (KnownRecord("A title", "Supplementaries", "Manual"), "isdocumentedby"),
        (KnownRecord("User guide dataset", "Dataset", "Derived"), "references"),
        (KnownRecord("The tutorial", "Software", "Tool"), "references"),
    ],
)
def test_what_is_known_of_a_record_goes_before_what_is_said_of_it(known: KnownRecord, expected: str) -> None:
    link = {"usage": {"links": [{"recid": "8", "description": "Instructions"}]}}
    assert list(related(link, known=lambda _: known).values()) == [expected]


def test_real_records_are_documented_by_manuals_and_refer_to_displays_and_software() -> None:
    assert related(81007)[f"{PORTAL}/80502"] == "isdocumentedby"
    assert related(10103)["https://opendata.cern.ch/visualise/events/opera/11113019758"] == "references"
    assert related(11405)["https://github.com/AliceO2Group/O2OpenAccess"] == "references"


@pytest.mark.parametrize(
    ("address", "absolute"),
    [
        ("docs/x", "https://opendata.cern.ch/docs/x"),
        ("../docs/x", "https://opendata.cern.ch/docs/x"),
        ("opendata.cern.ch/record/8", f"{PORTAL}/8"),
        ("http://opendata.cern.ch/record/8/", f"{PORTAL}/8"),
        ("www.cern.ch/x", "https://www.cern.ch/x"),
    ],
)
def test_the_address_of_a_link_is_made_absolute(address: str, absolute: str) -> None:
    assert list(related({"usage": {"links": [{"url": address}]}})) == [absolute]


@pytest.mark.parametrize("address", ["n/a", "none", "see below", "http://"])
def test_what_is_no_address_is_left_out_with_a_warning(address: str) -> None:
    record = {"usage": {"links": [{"url": address}]}}
    assert related(record) == {}
    assert warned(record) == {"usage.links[0].url": "left out: expected an address on the web"}


# --- each target once ---


@pytest.mark.parametrize("profile", PROFILES)
def test_a_target_stands_once_under_the_most_telling_relation(profile: str) -> None:
    record = {
        "abstract": {"links": [{"recid": "8"}]},
        "use_with": {"links": [{"url": "http://opendata.cern.ch/record/8/"}, {"url": "https://doi.org/10.7483/A.B"}]},
        "relations": [{"type": "isPartOf", "recid": "8", "doi": "10.7483/A.B"}],
    }
    found = {identifier: kind.lower() for identifier, kind in related(record, profile).items()}
    assert found == {f"{PORTAL}/8": "ispartof", "10.7483/A.B": "ispartof"}


def test_real_records_that_name_a_record_twice_have_it_once() -> None:
    assert related(12100)[f"{PORTAL}/12101"] == "references"
    assert related(12101)[f"{PORTAL}/12021"] == "references"
    assert related(12101)[f"{PORTAL}/12100"] == "issourceof"
    assert [related(12210)[f"{PORTAL}/{other}"] for other in (12200, 12201, 12220)] == [
        "issourceof",
        "references",
        "issourceof",
    ]


@pytest.mark.parametrize("link", [{"recid": "7"}, {"url": "/record/7"}, {"url": "https://doi.org/10.7483/OWN.X"}])
def test_a_record_is_not_related_to_itself(link: dict[str, str]) -> None:
    result = mapped({"doi": "10.7483/OWN.X", "note": {"links": [link]}})
    (entry,) = result.record["metadata"]["related_identifiers"]
    assert (entry["identifier"], entry["relation_type"]["id"]) == ("10.7483/OWN.X", "isidenticalto")
    (row,) = [row for row in result.mapping["paths"] if row["path"].startswith("note.links[].")]
    assert row["to"] == ["metadata.additional_descriptions[other]"]


@pytest.mark.parametrize(
    "address", ["https://doi.org/10.5281/zenodo.15791091", "http://dx.doi.org/10.5281/ZENODO.15791091"]
)
def test_a_doi_written_as_an_address_is_a_doi(address: str) -> None:
    (entry,) = metadata({"usage": {"links": [{"url": address}]}})["related_identifiers"]
    assert (entry["identifier"].lower(), entry["scheme"]) == ("10.5281/zenodo.15791091", "doi")
    assert related(93929)["10.5281/zenodo.15791091"] == "references"


# --- what a reader is told ---


def test_a_reader_is_told_of_relations_in_words() -> None:
    assert "isChildOf" not in told(12220)
    assert "isParentOf" not in told(81507)
    assert (
        f'<li>Has part: <a href="{PORTAL}/81000">DELPHI collision data rawd90</a> (RAW data of ALL events; 1990 data)'
        in (told(81507))
    )
    assert "QCD300to600_RunI_8TeV was derived from: <a href=" in told(12220)
    assert f'software tool are available in <a href="{PORTAL}/12200">CERN Open Data record 12200</a>' in told(12210)
    assert f'<li>Environment: <a href="{PORTAL}/252">CERN Open Data record 252</a></li>' in told(12210)
    assert f'tau appearance dataset: <a href="{PORTAL}/10000">' in told(10103)
