"""Values longer than the target takes: left out or cut with an account of it, never a refusal of the whole record."""

from typing import Any

import pytest

from ferry.errors import MetadataError
from ferry.mapping.clean import MAX_LINE
from ferry.mapping.profiles import PROFILES
from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions

GROWS = "\ufb03" * 1990  # cleaned, each is the three letters "ffi"


def mapped(profile: str, **fields: Any) -> Transformed:
    record = {"recid": "7", "title": "A title", "type": {"primary": "Dataset"}, "experiment": ["DELPHI"], **fields}
    source = {"recid": 7, "origin": "metadata/7.json", "record": record, "files": []}
    return transform_record(source=source, profile=profile, options=MappingOptions())


@pytest.mark.parametrize("profile", PROFILES)
def test_a_long_title_of_a_link_is_cut_for_the_related_resource_and_whole_in_the_descriptions(profile: str) -> None:
    link = {"url": "https://x.org/", "description": "d" * 1500, "title": "t" * 1500}
    result = mapped(profile, usage={"links": [link]})
    metadata = result.record["metadata"]
    whole = f"{'d' * 1500}: {'t' * 1500}"
    assert any(whole in entry["description"] for entry in metadata["additional_descriptions"])
    cut = [warning for warning in result.warnings if warning["path"] == "usage.links[0]"]
    if PROFILES[profile].related_resources:
        (resource,) = metadata["related_resources"]
        assert resource["title"] == f"{whole[: MAX_LINE - 1]}…"
        assert "found 3002: cut" in cut[0]["message"]
    else:
        assert cut == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_text_that_grows_when_it_is_cleaned_is_measured_as_it_is_sent(profile: str) -> None:
    result = mapped(profile, title_additional=GROWS, keywords=[GROWS], experiment=["DELPHI", GROWS])
    assert "ffiffi" not in str(result.record)
    left_out = {warning["path"]: warning["message"] for warning in result.warnings}
    for place in ("title_additional", "keywords[0]", "experiment[1]"):
        assert left_out[place] == f"left out: expected at most {MAX_LINE} characters, found 5970"


@pytest.mark.parametrize(("title", "found"), [("t" * 2001, 2001), (GROWS, 5970)])
def test_a_title_that_is_too_long_is_refused_as_such_and_not_as_missing(title: str, found: int) -> None:
    with pytest.raises(MetadataError, match=f"^title: expected at most {MAX_LINE} characters, found {found}; "):
        mapped("rdm-plain", title=title)
