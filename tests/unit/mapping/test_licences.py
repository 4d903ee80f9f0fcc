"""What a record says of its licence is kept in whatever shape it says it, and never taken for the portal's own."""

import pytest

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
