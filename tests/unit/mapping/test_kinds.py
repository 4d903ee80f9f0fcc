"""The kind of a record: its resource type, and the rights that follow from it where the record names none."""

from typing import Any

import pytest
from mapped_records import mapped, metadata, warned

from ferry.mapping.profiles import PROFILES

MANUAL = "publication-softwaredocumentation"
ALL = ("rdm-plain", "rdm", "ccmm1", "ccmm2")


def typed(primary: str, *secondary: str, **fields: Any) -> dict[str, Any]:
    return {"type": {"primary": primary, "secondary": list(secondary)}, **fields}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (26265, ("publication-technicalnote", "publication-technicalnote", "c_18gh", "publication-technicalnote")),
        (2618, (MANUAL, MANUAL, "c_71bd", MANUAL)),
        (3113, ("software", "software", "c_5ce6", "software")),
        (24755, ("software", "software", "c_5ce6", "software")),
        (56, ("publication-report", "publication-report", "c_93fc", "publication-report")),
        (81007, ("dataset", "dataset", "W2XT-7017", "w2xt-7017")),
        (93910, ("dataset", "dataset", "c_ddb1", "dataset")),
        (15004, ("dataset", "dataset", "W2XT-7017", "w2xt-7017")),
        (typed("dataset", "simulated"), ("dataset", "dataset", "W2XT-7017", "w2xt-7017")),
        (typed("Documentation", "Webinar"), ("video", "video", "c_12ce", "video")),
        (typed("Documentation", "Video"), ("video", "video", "c_12ce", "video")),
        (typed("Documentation", "Lectures"), ("lesson", "lesson", "c_e059", "lesson")),
        (typed("Documentation", "Guide", distribution={"formats": ["mp4"]}), ("video", "video", "c_12ce", "video")),
        (
            typed("Documentation", "Guide", distribution={"formats": ["mp4", "pdf"]}),
            ("publication-other", "publication-other", "c_18cf", "c_18cf"),
        ),
    ],
)  # fmt: skip
def test_each_kind_has_its_resource_type(record: Any, expected: tuple[str, ...]) -> None:
    assert tuple(metadata(record, profile)["resource_type"]["id"] for profile in ALL) == expected


@pytest.mark.parametrize("recid", [26265, 2618, 3113, 81007, 15004])
def test_a_certain_kind_is_taken_in_silence(recid: int) -> None:
    assert not {place for place in warned(recid, "ccmm2") if place in ("type", "title")}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("record", [93910, typed("Dataset", "Collision", "Simulated")])
def test_measured_and_simulated_at_once_is_told(record: Any, profile: str) -> None:
    assert "Simulated" in warned(record, profile)["type"]
    assert "Collision" in warned(record, profile)["type"]


@pytest.mark.parametrize("record", [typed("Environment", "Wind"), typed("Supplementaries", "Odd"), typed("Gossip")])
def test_a_kind_that_has_no_place_is_told(record: dict[str, Any]) -> None:
    assert metadata(record)["resource_type"] == {"id": "other"}
    assert warned(record)["type"].startswith("no resource type for ")


def test_a_kind_that_only_the_title_tells_is_taken_with_a_warning() -> None:
    record = typed("Documentation", "Activities", title="A seminar video about the Higgs boson")
    assert metadata(record)["resource_type"] == {"id": "video"}
    assert "by its title" in warned(record)["title"]
    assert metadata(40)["resource_type"] == {"id": "lesson"}


# --- rights ---


def rights_of(record: Any, profile: str = "rdm-plain", **options: Any) -> Any:
    result = mapped(record, profile, **options)
    said = [entry["reason"] for entry in result.mapping["added"] if entry["to"] == "metadata.rights[]"]
    assert said == [each["message"] for each in result.warnings if each["path"] == "license"]
    return result.record["metadata"].get("rights"), *said


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("recid", [1201, 3113, 2618, 259, 410, 451, 14202, 71])
def test_software_environments_and_documentation_without_a_licence_get_no_rights(recid: int, profile: str) -> None:
    rights, said = rights_of(recid, profile)
    assert rights is None
    assert "without a licence: no rights given" in said


def test_data_of_the_portal_have_its_waiver_and_that_is_told() -> None:
    rights, said = rights_of(382)
    assert (rights, said) == (
        [{"id": "cc0-1.0"}],
        "Dataset/Derived without a licence: CC0-1.0 given (transform.default_rights)",
    )


@pytest.mark.parametrize("publisher", ["University of Nebraska", "International Particle Physics Outreach Group"])
def test_what_others_published_gets_no_rights_of_the_portal(publisher: str) -> None:
    rights, said = rights_of({"license": None, "publisher": publisher})
    assert rights is None
    assert publisher in said
    assert rights_of(212)[0] is None


@pytest.mark.parametrize("publisher", [None, "", "CERN Open Data Portal", "cern open data portal ", "CERN Open Data"])
def test_the_portal_is_the_portal_however_it_is_written(publisher: str | None) -> None:
    assert rights_of({"license": None, "publisher": publisher})[0] == [{"id": "cc0-1.0"}]


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ({"Software": "GPL-3.0-only"}, [{"id": "gpl-3.0-only"}]),
        ({"Software/Analysis": "MIT", "Software": "GPL-3.0-only"}, [{"id": "mit"}]),
        ({"Software/Analysis": None, "Software": "GPL-3.0-only"}, None),
        ({"Software": "LicenseRef-own"}, [{"title": {"en": "LicenseRef-own"}}]),
    ],
)
def test_the_configuration_says_what_a_kind_without_a_licence_has(rights: dict[str, str], expected: Any) -> None:
    assert rights_of(1201, default_rights=rights)[0] == expected
    assert rights_of(212, default_rights=rights)[0] is None


def test_a_licence_that_is_named_needs_no_word() -> None:
    assert rights_of(12360) == ([{"id": "gpl-3.0-only"}],)
