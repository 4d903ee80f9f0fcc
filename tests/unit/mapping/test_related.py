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
        (of("isRelatedTo", description="This is a newer version of"), "isnewversionof"),
        (of("isRelatedTo", description="New version with fixes of:"), "isnewversionof"),
        (of("isRelatedTo", description="To be used with the latest release of CMSSW"), "references"),
        (of("isRelatedTo", description="The data can be read with the updated version of the tool:"), "references"),
        (of("isRelatedTo", description="The tool was used with the source dataset"), "references"),
        (of("isRelatedTo", description="Analysis based on this dataset"), "issourceof"),
        (of("isParentOf", description="A subset of this dataset for education"), "issourceof"),
        (of("isParentOf", description="Dataset derived from"), "issourceof"),
        (of("isParentOf", description="This dataset was used to derive:"), "issourceof"),
        (of("isChildOf", description="Filtered from"), "isderivedfrom"),
        (of("isChildOf", description="Slimmed version of"), "isderivedfrom"),
        (of("isChildOf", description="The original AOD dataset"), "isderivedfrom"),
        (of("isChildOf", description="AOD from which this NanoAOD is made"), "isderivedfrom"),
        (of("isChildOf", title="This dataset was derived from:"), "isderivedfrom"),
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


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("isParentOf", "Dimuon events extracted from the Mu primary dataset"),
        ("isChildOf", "Reduced sample produced from the 2011 data"),
        ("isChildOf", "Parts of the CMS detector"),
    ],
)
def test_the_words_of_the_other_records_title_are_about_that_record(kind: str, title: str) -> None:
    for options in ({}, {"known": lambda _: KnownRecord(title, "Dataset", None)}):
        relation = of(kind) if options else of(kind, title=title)
        assert related(relation, files=1, **options) == {f"{PORTAL}/18352": "references"}
        assert "neither description nor title tells" in warned(relation, files=1, **options)["relations[0].type"]


@pytest.mark.parametrize(
    ("kind", "description"),
    [
        ("isChildOf", "Dataset derived from this one"),
        ("isParentOf", "This dataset was derived from:"),
        ("isChildOf", "This dataset was not derived from"),
    ],
)
def test_words_that_say_what_the_type_cannot_mean_decide_nothing(kind: str, description: str) -> None:
    relation = of(kind, description=description)
    assert related(relation, files=1) == {f"{PORTAL}/18352": "references"}
    assert list(warned(relation, files=1)) == ["relations[0].type"]


def test_a_parent_whose_children_are_called_derived_is_their_source_with_files_or_without() -> None:
    assert related(of("isParentOf", description="Derived datasets")) == {f"{PORTAL}/18352": "issourceof"}


def test_a_target_of_two_telling_relations_has_one_of_them_with_a_warning() -> None:
    derived, part = of("isChildOf", description="derived from:"), of("isPartOf")
    both = {"relations": derived["relations"] + part["relations"]}
    assert related(both) == {f"{PORTAL}/18352": "ispartof"}
    assert warned(both) == {
        "relations": f"{PORTAL}/18352 is said to be IsDerivedFrom and IsPartOf of this record: taken as IsPartOf"
    }


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


@pytest.mark.parametrize("title", ["This dataset was derived from:", "See:", "here"])
def test_a_title_that_leads_on_is_none(title: str) -> None:
    relation = of("isChildOf", title=title)
    (resource,) = metadata(relation, "ccmm2")["related_resources"]
    assert resource["title"] == f"{PORTAL}/18352"
    assert f"{title.removesuffix(':')}" in told(relation, "ccmm2")
    (row,) = [row for row in mapped(relation, "ccmm2").mapping["paths"] if row["path"] == "relations[].title"]
    assert row["to"] == ["metadata.additional_descriptions[other]"]


@pytest.mark.parametrize("label", ["More information", "Read more", "Details", "[1]", "Further reading"])
def test_a_label_that_names_nothing_is_no_title(label: str) -> None:
    (resource,) = metadata({"usage": {"links": [{"url": "https://x.org/a", "description": label}]}}, "ccmm2")[
        "related_resources"
    ]
    assert resource["title"] == "https://x.org/a"


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
        ({"url": "/visualise/events/cms", "description": "Guide to the event display tool"}, "references"),
        ({"recid": "12", "description": "Dataset used in the tutorial"}, "references"),
        ({"recid": "99", "description": "Find more about the dataset here"}, "references"),
        ({"url": "https://x.org/visits", "description": "Book a virtual visit"}, "references"),
        ({"url": "https://docs.google.com/spreadsheets/d/1", "description": "Spreadsheet"}, "references"),
        ({"url": "https://x.org/docs/data.root", "description": "data"}, "references"),
        ({"url": "/docs/cms-releases-open-data", "description": "News"}, "references"),
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
        (KnownRecord("The authors", "Documentation", "Authors"), "references"),
        (KnownRecord("The policy", "Documentation", "Policy"), "references"),
    ],
)
def test_what_is_known_of_a_record_goes_before_what_is_said_of_it(known: KnownRecord, expected: str) -> None:
    link = {"usage": {"links": [{"recid": "8", "description": "Instructions"}]}}
    assert list(related(link, known=lambda _: known).values()) == [expected]


def test_source_code_documents_nothing_wherever_it_lies() -> None:
    link = {"url": "https://github.com/x/y/tree/master/docs"}
    assert related({"source_code_repository": link}) == {link["url"]: "references"}


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://x.org/a", "https://x.org/a/"),
        ("https://X.org/a", "https://x.org/a"),
        ("/record/9", "/record/9#manual"),
        ("/record/9", "https://opendata.cern.ch/record/9?ln=en"),
        ("/record/9", "http://opendata.web.cern.ch/api/records/9"),
        ("/record/9", "https://www.opendata.cern.ch/record/09"),
        ("10.1000/abc", "https://doi.org/10.1000%2Fabc/"),
    ],
)
def test_an_address_is_one_target_however_it_is_written(one: str, other: str) -> None:
    record = {"usage": {"links": [{"url": one}]}, "note": {"links": [{"url": other, "description": "The manual"}]}}
    for urls in (record, {"usage": record["note"], "note": record["usage"]}):
        assert list(related(urls).values()) == ["isdocumentedby"]
    assert "#manual" in told(record) or "#manual" not in other


@pytest.mark.parametrize(
    "link",
    [
        {"recid": "7"},
        {"url": "/record/7"},
        {"url": "/record/7#x"},
        {"url": "/record/7/files/a.json"},
        {"url": "http://opendata.web.cern.ch/record/7"},
        {"url": "https://doi.org/10.7483/OWN.X"},
    ],
)
def test_a_record_is_not_related_to_itself(link: dict[str, str]) -> None:
    result = mapped({"doi": "10.7483/OWN.X", "note": {"links": [link]}})
    (entry,) = result.record["metadata"]["related_identifiers"]
    assert (entry["identifier"], entry["relation_type"]["id"]) == ("10.7483/OWN.X", "isidenticalto")
    (row,) = [row for row in result.mapping["paths"] if row["path"].startswith("note.links[].")]
    assert row["to"] == ["metadata.additional_descriptions[other]"]


def test_a_record_that_lists_its_own_authors_is_not_related_to_itself() -> None:
    assert related({"collaboration": {"name": "CMS", "recid": "7"}}) == {}


def test_a_relation_with_the_records_own_doi_keeps_the_number_of_the_other() -> None:
    relation = of("isPartOf", doi="10.7483/own.x")
    found = related({"doi": "10.7483/OWN.X", **relation})
    assert found == {"10.7483/OWN.X": "isidenticalto", f"{PORTAL}/18352": "ispartof"}
    assert "that of this record" in warned({"doi": "10.7483/OWN.X", **relation})["relations[0].doi"]
    assert mapped({"doi": "10.7483/OWN.X", **relation}).mapping["leaves"]["unknown"] == 0
    assert "to itself" in warned({"relations": [{"type": "isPartOf", "recid": "7"}]})["relations[0]"]


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


def test_words_that_lead_on_have_one_colon_and_lead_nowhere_with_a_warning() -> None:
    text = told(of("isChildOf", description="<p>This dataset was <b>derived</b> from:</p>"))
    assert f'from:</p> <a href="{PORTAL}/18352">' in text
    nowhere = {"relations": [{"type": "isChildOf", "recid": "", "description": "This dataset was derived from:"}]}
    assert "<li>This dataset was derived from:</li>" in told(nowhere)
    assert "names no record" in warned(nowhere)["relations[0]"]
