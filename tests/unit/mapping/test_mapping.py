"""Records of the portal become records of each target: nothing lost, nothing that the repository would refuse."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ferry.errors import ConfigError, MetadataError
from ferry.identity import source_identifier
from ferry.mapping.coverage import coverage_of
from ferry.mapping.profiles import PROFILES
from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions
from ferry.receipts import read_receipt, write_receipt
from ferry.schemas import problems
from ferry.source.record import bare_record, read_source
from ferry.steps.transform_record import mapping_options, transform_to_receipts
from real_metadata import real_metadata

RECORDS = Path(__file__).parents[2] / "fixtures" / "records"
RECIDS = sorted(int(path.stem) for path in RECORDS.glob("*.json"))


def source_of(recid: int) -> dict[str, Any]:
    return read_source(recid=recid, metadata_path=RECORDS / f"{recid}.json", index_files="keep")


def small(**fields: Any) -> dict[str, Any]:
    """A source with the least that a record must have, and these fields; None takes one away."""
    record = {
        "recid": "7",
        "title": "A title",
        "type": {"primary": "Dataset", "secondary": ["Derived"]},
        "experiment": ["CMS"],
        "publisher": "CERN Open Data Portal",
        "date_published": "2014",
    }
    record = {name: value for name, value in {**record, **fields}.items() if value is not None}
    return {"recid": 7, "origin": "metadata/7.json", "record": record, "files": []}


def transformed(source: dict[str, Any], profile: str = "rdm-plain", **options: Any) -> Transformed:
    return transform_record(source=source, profile=profile, options=MappingOptions(**options))


def metadata(source: dict[str, Any], profile: str = "rdm-plain", **options: Any) -> dict[str, Any]:
    return transformed(source, profile, **options).record["metadata"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("recid", RECIDS)
def test_each_record_is_valid_in_each_profile_and_every_value_is_accounted_for(recid: int, profile: str) -> None:
    source = source_of(recid)
    before = copy.deepcopy(source)
    result = transformed(source, profile)
    assert source == before
    assert problems(result.record, f"target/{profile}") == []
    assert problems(result.record, "receipts/record") == []
    assert problems(result.mapping, "receipts/mapping") == []
    leaves = result.mapping["leaves"]
    assert leaves["unknown"] == 0
    assert leaves["total"] == leaves["mapped"] + leaves["dropped"] == sum(r["count"] for r in result.mapping["paths"])
    assert source_identifier(recid) in result.record["metadata"]["identifiers"]
    assert result.record["files"]["enabled"] is bool(source["files"])
    assert transformed(source, profile) == result


@pytest.mark.parametrize("profile", PROFILES)
def test_records_of_all_experiments_and_kinds_are_valid_and_no_value_is_unknown(profile: str) -> None:
    for record in real_metadata():
        source = {"recid": int(record["recid"]), "origin": "metadata", "record": record, "files": []}
        result = transformed(source, profile)
        assert problems(result.record, f"target/{profile}") == []
        unknown = [row["path"] for row in result.mapping["paths"] if row["status"] == "unknown"]
        assert (record["recid"], unknown) == (record["recid"], [])


def test_targets_named_in_the_mapping_are_in_the_record() -> None:
    for recid in RECIDS:
        for profile in PROFILES:
            result = transformed(source_of(recid), profile)
            for row in result.mapping["paths"]:
                for target in row.get("to", []):
                    top = target.removeprefix("metadata.").partition(".")[0].partition("[")[0]
                    assert top in (*result.record["metadata"], "files"), (recid, profile, row)


def test_a_thousand_authors_are_a_thousand_creators() -> None:
    record = bare_record(json.loads((RECORDS / "80050.json").read_text()), recid=80050, origin="80050.json")
    authors = [{"name": f"Family{number}, G", "affiliation": "A; B; A"} for number in range(1048)]
    found = metadata({"recid": 80050, "origin": "x", "record": {**record, "authors": authors}, "files": []})
    assert len(found["creators"]) == 1048
    assert found["creators"][0]["affiliations"] == [{"name": "A"}, {"name": "B"}]


def test_latex_in_an_affiliation_is_left_as_it_is() -> None:
    found = json.dumps(metadata(source_of(80050)))
    assert "Av. Elias Garcia, 14-$1^{o}$, PT-1000" in found


@pytest.mark.parametrize(
    ("title", "abstract", "text", "expected"),
    [
        ("DELPHI simulation data xs_a_e188_st98_1l_a1", "ecms=188.6 , CERN", "181-210 GeV", (188.6, 188.6)),
        ("DELPHI simulation data xs_a_e188_st98_1l_a1", "ECMS = 188.6, CERN", "181-210 GeV", (188.6, 188.6)),
        ("DELPHI simulation data lo_b_e091_r96_1l_e1", "no energy", "89-94 GeV", (91, 91)),
        ("DELPHI simulation data lo_b_r96_1l_e1", "no energy", "89-94 GeV", (89, 94)),
        ("DELPHI simulation data lo_b_e300_r96_1l_e1", "outside", "89-94 GeV", (89, 94)),
        ("DELPHI simulation data lo_b_r96_1l_e1", "ecms=91.2 and ecms=91.3", "89-94 GeV", (89, 94)),
        ("DELPHI simulation data lo_b_r96_1l_e1", "no energy", None, None),
        ("DELPHI simulation data lo_b_e000_r96_1l_e1", "ecms=0", "0 GeV", None),
        ("DELPHI simulation data lo_b_r96_1l_e1", "ecms=00", None, None),
        ("DELPHI simulation data lo_b_e091_r96_1l_e1", "ecms=00.0", "89-94 GeV", (91, 91)),
        ("DELPHI simulation data lo_b_r96_1l_e1", "ecms=00, ecms=91.2", "89-94 GeV", (91.2, 91.2)),
    ],
)
def test_energy_is_the_sharpest_that_is_known_and_never_zero(
    title: str, abstract: str, text: str | None, expected: tuple[float, float] | None
) -> None:
    collision = {"type": "e+e-"} | ({"energy": text} if text else {})
    source = small(
        experiment=["DELPHI"],
        title=title,
        abstract={"description": abstract},
        collision_information=collision,
        type={"primary": "Dataset", "secondary": ["Simulated"]},
    )
    found = metadata(source, "ccmm2")["collision_information"]
    assert found["type"] == "e+e-"
    assert (found.get("energy_min"), found.get("energy_max")) == (expected or (None, None))


def test_an_energy_of_a_title_is_marked_as_rounded_and_one_of_the_abstract_is_not() -> None:
    rounded = metadata(source_of(81592), "ccmm2")
    exact = metadata(source_of(83243), "ccmm2")
    assert "about 130 GeV (rounded in the title)" in json.dumps(rounded["additional_descriptions"])
    assert "Energy in the centre of mass: 191.6 GeV" in json.dumps(exact["additional_descriptions"])


def test_the_first_generation_has_whole_energies_that_hold_the_true_one() -> None:
    found = metadata(source_of(83243), "rdm")["collision_information"]
    assert (found["energy_min"], found["energy_max"]) == (191, 192)
    assert isinstance(found["energy_min"], int)


def test_an_unknown_category_stays_a_keyword_and_is_told_once() -> None:
    result = transformed(source_of(81592), "rdm")
    assert "category" not in result.record["metadata"]
    assert {"subject": "EEGG"} in result.record["metadata"]["subjects"]
    assert any(notice["path"] == "categories.primary" for notice in result.notices)
    assert not any(warning["path"].startswith("categories") for warning in result.warnings)
    assert metadata(source_of(83243), "rdm")["category"] == {"id": "higgs"}


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        (["1999"], "1999"),
        (["2000", "1999", "1998"], "1998/2000"),
        (["2000", "1998"], "1998"),
        (["1998", "someday"], "1998"),
        (["1999-02-30"], None),
    ],
)
def test_dates_of_creation_are_one_date_or_an_interval(years: list[str], expected: str | None) -> None:
    dates = metadata(small(date_created=years)).get("dates", [])
    assert next((entry["date"] for entry in dates if entry["type"]["id"] == "created"), None) == expected


TWO = [("1998", "Begin of data taking or production"), ("2000", "End of data taking or production")]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("rdm-plain", [("1998/2000", None)]),
        ("ccmm2", [("1998/2000", None)]),
        ("rdm", TWO),
        ("ccmm1", [("1998", None), ("2000", None)]),
    ],
)
def test_several_years_of_creation_are_two_dates_where_an_interval_is_refused(
    profile: str, expected: list[tuple[str, str | None]]
) -> None:
    source = source_of(80508)
    assert source["record"]["date_created"] == ["1998", "1999", "2000"]
    result = transformed(source, profile)
    kind = PROFILES[profile].dates["created"]
    dates = [entry for entry in result.record["metadata"]["dates"] if entry["type"]["id"] == kind]
    assert [(entry["date"], entry.get("description")) for entry in dates] == expected
    row = next(row for row in result.mapping["paths"] if row["path"] == "date_created[]")
    assert (row["status"], row["count"], row["to"]) == ("mapped", 3, ["metadata.dates[created]"])
    assert not [warning for warning in result.warnings if warning["path"].startswith("date_created")]


def test_words_about_dates_are_a_description_of_the_record_where_dates_have_none() -> None:
    source = small(date_created=["1998", "1999"], prepublication={"date": "1999", "place": "Geneva"})
    result = transformed(source, "ccmm1")
    assert all("description" not in entry for entry in result.record["metadata"]["dates"])
    told = " ".join(each["description"] for each in result.record["metadata"]["additional_descriptions"])
    for words in (
        "Published on the CERN Open Data portal: 2014",
        "Begin of data taking or production: 1998",
        "End of data taking or production: 1999",
        "Prepublication, Geneva: 1999",
    ):
        assert words in told
    row = next(row for row in result.mapping["paths"] if row["path"] == "prepublication.place")
    assert row["to"] == ["metadata.additional_descriptions[other]"]


@pytest.mark.parametrize("date", [None, "May 1998"])
def test_an_earlier_publication_without_a_usable_date_is_told_among_the_texts(date: str | None) -> None:
    said = {"date": date, "publisher": "CERN", "report_number": "CERN-1"}
    result = transformed(small(prepublication={name: value for name, value in said.items() if value}), "ccmm2")
    assert "Prepublication: CERN, CERN-1" in str(result.record["metadata"]["additional_descriptions"])
    assert result.mapping["leaves"]["unknown"] == 0


def test_a_form_of_dates_that_the_target_does_not_take_is_the_configurations() -> None:
    with pytest.raises(ConfigError, match=r"^transform.date_descriptions: .* the target rdm takes"):
        transformed(small(), "rdm", date_descriptions="languages")


def test_the_registry_of_a_container_image_is_told() -> None:
    images = [{"name": "cmssw:10", "registry": "gitlab-registry.cern.ch"}]
    result = transformed(small(system_details={"container_images": images}), "rdm-plain")
    assert "cmssw:10; in the registry gitlab-registry.cern.ch" in str(result.record["metadata"])
    (row,) = (row for row in result.mapping["paths"] if row["path"].endswith(".registry"))
    assert row["status"] == "mapped"


@pytest.mark.parametrize(("form", "issued"), [("text", "Published on"), ("languages", {"en": "Published on"})])
def test_words_about_dates_are_in_the_form_that_the_repository_takes(form: Any, issued: Any) -> None:
    source = small(date_created=["1998", "1999"], prepublication={"date": "1999", "place": "Geneva"})
    result = transformed(source, "ccmm1", date_descriptions=form)
    assert "Dates" not in str(result.record["metadata"].get("additional_descriptions"))
    said = [entry["description"] for entry in result.record["metadata"]["dates"]]
    words = said if form == "text" else [each["en"] for each in said]
    assert words == [
        "Published on the CERN Open Data portal",
        "Prepublication, Geneva",
        "Begin of data taking or production",
        "End of data taking or production",
    ]
    assert isinstance(said[0], type(issued))
    row = next(row for row in result.mapping["paths"] if row["path"] == "prepublication.place")
    assert row["to"] == ["metadata.dates[issued].description"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("years", "expected"),
    [
        (["1998", "2000"], [["1998"], ["2000"]]),
        (["2004", "1998", "1999"], [["1998", "1999"], ["2004"]]),
        (["1998-05", "1999"], [["1998-05"], ["1999"]]),
    ],
)
def test_only_years_that_follow_each_other_are_a_time_without_a_gap(
    years: list[str], expected: list[list[str]], profile: str
) -> None:
    result = transformed(small(date_created=years), profile)
    kind = PROFILES[profile].dates["created"]
    dates = [entry["date"] for entry in result.record["metadata"]["dates"] if entry["type"]["id"] == kind]
    assert dates == (
        ["/".join(each) for each in expected]
        if PROFILES[profile].date_intervals
        else [date for each in expected for date in each]
    )
    assert not [warning for warning in result.warnings if warning["path"].startswith("date_created")]


def test_a_month_of_the_last_year_does_not_make_the_time_of_creation_shorter() -> None:
    dates = metadata(small(date_created=["1998", "1998-05"]))["dates"]
    assert [entry["date"] for entry in dates if entry["type"]["id"] == "created"] == ["1998"]


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_repository_refuses_of_dates_its_schema_refuses(profile: str) -> None:
    taken = transformed(small(), profile).record
    refused = copy.deepcopy(taken)
    refused["metadata"]["publication_date"] = "1998/2000"
    assert problems(refused, f"target/{profile}") != []
    refused = copy.deepcopy(taken)
    refused["metadata"]["dates"][0]["date"] = "1998/2000"
    is_refused = bool(problems(refused, f"target/{profile}"))
    assert is_refused == (profile in ("rdm", "ccmm1"))


def test_html_is_made_safe_and_links_are_absolute() -> None:
    text = '<p onclick="x()">See <a href="/record/80502">this</a><script>alert(1)</script> for 1 < 2</p>'
    found = metadata(small(abstract={"description": text}, usage={"links": [{"url": "/docs/x", "description": "D"}]}))
    assert found["description"] == ('<p>See <a href="https://opendata.cern.ch/record/80502">this</a> for 1 &lt; 2</p>')
    assert {
        "identifier": "https://opendata.cern.ch/docs/x",
        "scheme": "url",
        "relation_type": {"id": "isdocumentedby"},
    } in found["related_identifiers"]


def test_a_table_is_in_the_form_that_a_second_cleaning_leaves_alone() -> None:
    text = "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>"
    once = metadata(small(abstract={"description": text}))["description"]
    assert metadata(small(abstract={"description": once}))["description"] == once


@pytest.mark.parametrize(
    ("doi", "profile", "where"),
    [
        ("related", "rdm-plain", "related_identifiers"),
        ("related", "ccmm1", "related_resources"),
        ("identifier", "rdm-plain", "identifiers"),
    ],
)
def test_the_doi_of_the_original_goes_where_the_configuration_says(doi: str, profile: str, where: str) -> None:
    found = metadata(small(doi="https://doi.org/10.7483/OPENDATA.X.1"), profile, doi=doi)
    assert "10.7483/OPENDATA.X.1" in json.dumps(found[where])
    assert "10.7483" not in json.dumps({name: value for name, value in found.items() if name != where})


def test_related_resources_have_a_title_and_ccmm_has_no_related_identifiers() -> None:
    found = metadata(small(relations=[{"recid": "8", "type": "isPartOf"}]), "ccmm2")
    assert "related_identifiers" not in found
    assert found["related_resources"] == [
        {
            "title": "https://opendata.cern.ch/record/8",
            "identifiers": [{"identifier": "https://opendata.cern.ch/record/8", "scheme": "url"}],
            "relation_type": {"id": "ispartof"},
        }
    ]


def test_a_relation_that_only_has_a_title_is_kept_in_the_notes() -> None:
    found = metadata(source_of(7135) if 7135 in RECIDS else small())
    assert "related_identifiers" in found
    noted = metadata(small(relations=[{"title": "/HT/Run2011A-v1/RAW", "type": "isChildOf"}]))
    assert "Derived from: /HT/Run2011A-v1/RAW" in json.dumps(noted["additional_descriptions"])


def test_a_record_without_licence_has_that_of_the_portal_and_says_so() -> None:
    result = transformed(small())
    assert result.record["metadata"]["rights"] == [{"id": "cc0-1.0"}]
    assert any(entry["to"] == "metadata.rights[]" for entry in result.mapping["added"])


def test_a_licence_that_the_vocabulary_lacks_goes_as_title_and_link() -> None:
    found = metadata(small(license={"attribution": "GPL-3.0-only"}), "ccmm1")
    assert found["rights"] == [{"title": {"en": "GPL-3.0-only"}, "link": "https://spdx.org/licenses/GPL-3.0-only.html"}]


def test_a_value_that_no_rule_knows_is_unknown_and_counted() -> None:
    result = transformed(small(brand_new={"a": [1, 2]}, abstract={"description": "Text", "odd": "x"}))
    unknown = {row["path"]: row["count"] for row in result.mapping["paths"] if row["status"] == "unknown"}
    assert unknown == {"abstract.odd": 1, "brand_new.a[]": 2}
    assert result.mapping["leaves"]["unknown"] == 3
    coverage = coverage_of([result.mapping])
    (row,) = coverage.experiments()
    assert (row["experiment"], row["records"], row["unknown_paths"]) == ("CMS", 1, "brand_new.a[], abstract.odd")
    assert row["values"] == result.mapping["leaves"]["total"]
    paths = {row["path"]: row for row in coverage.paths()}
    assert (paths["brand_new.a[]"]["unknown"], paths["title"]["to"]) == (2, "metadata.title")


@pytest.mark.parametrize("empty", ["", None, [], {}])
def test_an_empty_count_is_accounted_for_once(empty: object) -> None:
    result = transformed(small(distribution={"number_files": empty}))
    rows = [row for row in result.mapping["paths"] if row["path"] == "distribution.number_files"]
    assert rows == [{"path": "distribution.number_files", "count": 1, "status": "dropped", "reason": "empty"}]


@pytest.mark.parametrize("field", ["title", "type"])
def test_a_record_without_what_the_target_requires_is_refused_by_name(field: str) -> None:
    with pytest.raises(MetadataError, match=f"^{field}: expected"):
        transformed(small(**{field: None}))


def test_a_record_that_names_nobody_is_refused() -> None:
    with pytest.raises(MetadataError, match=r"^authors: expected"):
        transformed(small(experiment=None, publisher=None))


def test_the_rules_of_an_experiment_named_in_two_spellings_are_applied_once() -> None:
    result = transformed(small(experiment=["CMS", "cms"], cms_confdb_id="x"))
    counts = {row["path"]: row["count"] for row in result.mapping["paths"]}
    assert (counts["cms_confdb_id"], counts["experiment[]"], result.mapping["leaves"]["total"]) == (1, 2, 9)


def test_an_unknown_profile_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="rdm-plain"):
        transformed(small(), "dublin-core")


def test_the_step_writes_both_receipts_with_the_correction_applied(tmp_path: Path) -> None:
    write_receipt(tmp_path / "source.json", "source", small(doi="10.7483/X", keywords=["old"]))
    corrections = tmp_path / "7.yaml"
    corrections.write_text("title: Corrected\ndoi: null\nprepublication: {date: 2014-06-20}\n")
    paths = {"record_path": tmp_path / "record.json", "mapping_path": tmp_path / "mapping.json"}
    counts = transform_to_receipts(
        recid=7,
        source_path=tmp_path / "source.json",
        corrections_path=corrections,
        profile="rdm-plain",
        options=MappingOptions(),
        **paths,
    )
    record = read_receipt(paths["record_path"], "record", recid=7)
    mapping = read_receipt(paths["mapping_path"], "mapping", recid=7)
    assert record["metadata"]["title"] == "Corrected"
    assert "10.7483" not in json.dumps(record)
    assert mapping["corrected"] == [
        {"path": "doi", "before": "10.7483/X", "after": None},
        {"path": "prepublication.date", "before": None, "after": "2014-06-20"},
        {"path": "title", "before": "A title", "after": "Corrected"},
    ]
    assert counts["values_mapped"] == mapping["leaves"]["mapped"] > 0
    assert counts["values_unknown"] == 0


def test_a_record_that_fails_leaves_no_receipt_and_names_itself(tmp_path: Path) -> None:
    write_receipt(tmp_path / "source.json", "source", small(title=None))
    with pytest.raises(MetadataError, match=r"^record 7: title"):
        transform_to_receipts(
            recid=7,
            source_path=tmp_path / "source.json",
            corrections_path=None,
            profile="rdm-plain",
            options=MappingOptions(),
            record_path=tmp_path / "record.json",
            mapping_path=tmp_path / "mapping.json",
        )
    assert not list(tmp_path.glob("[rm]*.json"))


def files_of(*keys: str) -> list[dict[str, Any]]:
    return [{"key": key, "uri": f"root://x//{key}", "size_bytes": 1, "checksum": None, "online": True} for key in keys]


@pytest.mark.parametrize(
    ("keys", "attachments", "formats"),
    [
        ((), ["source", "manifest"], ["root"]),
        (("a", "b"), [], ["root"]),
        (("a", "b"), ["manifest"], ["json", "root"]),
        (("a", "b", "c"), ["source"], ["json", "root", "zip"]),
        (("a", "b.log"), [], ["root", "zip"]),
    ],
)
def test_the_formats_are_those_of_what_goes_up(keys: Any, attachments: list[str], formats: list[str]) -> None:
    config = yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text(encoding="utf-8"))
    package = {**config["package"], "max_files": 2, "patterns": ["*.log"], "attachments": attachments}
    options = mapping_options(transform=config["transform"], package=package, metadata=config["metadata"])
    source = {**small(distribution={"formats": ["ROOT"]}), "files": files_of(*keys)}
    record = transform_record(source=source, profile="rdm-plain", options=options).record
    assert record["metadata"]["formats"] == formats
