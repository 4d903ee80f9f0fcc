"""What a record says of its licence is kept in whatever shape it says it, and never taken for the portal's own."""

from typing import Any

import pytest
from mapped_records import metadata, warned

from ferry.errors import MetadataError
from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions


def mapped(said: object, profile: str = "rdm-plain") -> Transformed:
    record = {"recid": "7", "title": "A title", "type": {"primary": "Dataset"}, "experiment": ["CMS"], "license": said}
    source = {"recid": 7, "origin": "metadata/7.json", "record": record, "files": []}
    return transform_record(source=source, profile=profile, options=MappingOptions())


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ("GPL-3.0-only", ["gpl-3.0-only"]),
        (["MIT"], ["mit"]),
        ([{"attribution": "GPL-3.0-only"}], ["gpl-3.0-only"]),
        ({"attribution": ["GPL-3.0-only", "MIT", "mit"]}, ["gpl-3.0-only", "mit"]),
        ({"attribution": "cc0-1.0"}, ["cc0-1.0"]),
        ({"attribution": "CC0"}, ["cc0-1.0"]),
        ("https://creativecommons.org/publicdomain/zero/1.0/", ["cc0-1.0"]),
        ("CC BY 4.0", ["cc-by-4.0"]),
        ("MIT License", ["mit"]),
    ],
)
def test_a_licence_is_read_in_each_shape_and_letter_case(said: object, ids: list[str]) -> None:
    result = mapped(said)
    assert result.record["metadata"]["rights"] == [{"id": name} for name in ids]
    assert result.mapping["leaves"]["unknown"] == 0
    assert not any(entry["to"] == "metadata.rights[]" for entry in result.mapping["added"])
    assert "https://spdx.org/licenses/MIT.html" in str(mapped("mit", "ccmm1").record["metadata"]["rights"])


@pytest.mark.parametrize(
    ("said", "place", "found"),
    [
        ({"id": "CC-BY-4.0", "url": "https://x.org"}, "license", "an object (id, url)"),
        ([{"attribution": None, "url": "https://x.org"}], "license[0]", "an object (attribution, url)"),
        ({"attribution": {"id": "MIT"}}, "license.attribution", "an object"),
        ({"attribution": [["MIT"]]}, "license.attribution[0]", "a list"),
        (4, "license", "4"),
        ("x" * 2001, "license", "2001 characters that are no name"),
    ],
)
def test_a_licence_that_cannot_be_read_is_refused_and_never_taken_for_cc0(said: object, place: str, found: str) -> None:
    with pytest.raises(MetadataError) as refused:
        mapped(said)
    assert str(refused.value).startswith(f"{place}: expected an SPDX identifier")
    assert f", found {found};" in str(refused.value)


@pytest.mark.parametrize("nothing", [None, "", {}, [], {"attribution": ""}, [{}], {"attribution": [None]}])
def test_only_a_record_that_says_nothing_of_its_licence_has_that_of_the_portal(nothing: object) -> None:
    assert mapped(nothing).record["metadata"]["rights"] == [{"id": "cc0-1.0"}]


@pytest.mark.parametrize("said", ["none", "Other", "proprietary", "N/A", {"attribution": "none"}])
def test_words_that_name_no_licence_give_no_rights_and_not_those_of_the_portal(said: object) -> None:
    result = mapped(said)
    assert "rights" not in result.record["metadata"]
    (message,) = (each["message"] for each in result.warnings if each["path"].startswith("license"))
    assert "names no licence: no rights given" in message
    assert result.mapping["leaves"]["unknown"] == 0


def test_a_licence_that_is_not_known_is_a_title_and_no_address_is_made_up() -> None:
    result = mapped("My-Licence-1.0")
    assert result.record["metadata"]["rights"] == [{"title": {"en": "My-Licence-1.0"}}]
    assert "no identifier of SPDX" in result.warnings[0]["message"]


def test_creative_commons_have_their_names_in_each_vocabulary() -> None:
    assert mapped("CC-BY-4.0", "ccmm1").record["metadata"]["rights"] == [{"id": "4-BY"}]
    assert mapped("CC-BY-4.0", "ccmm2").record["metadata"]["rights"] == [{"id": "cc-by-4.0"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"publisher": ["Helsinki"]},
        {"publisher": {"name": "X"}},
        {"publisher": "CERN Open Data Portal, mirror of X"},
        {"publisher": "CERN Open Database Ltd"},
        {"type": {"primary": "Dataset of others"}},
    ],
)
def test_no_rights_are_given_to_what_is_not_certainly_data_of_the_portal(fields: dict[str, Any]) -> None:
    assert "rights" not in metadata({"license": None, **fields})
    assert "no rights given" in warned({"license": None, **fields})["license"]
