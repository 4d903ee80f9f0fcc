"""Who made it: persons, organisations and collaborations."""

from typing import Any

import pytest
from mapped_records import metadata

from ferry.mapping.names import collaboration_name, read_name
from ferry.mapping.people import PORTAL_NAME
from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions

ORCID = "0000-0002-1825-0097"  # the example of orcid.org


def mapped(*, profile: str = "rdm-plain", options: MappingOptions | None = None, **fields: Any) -> Transformed:
    record = {
        "recid": "7",
        "title": "A title",
        "type": {"primary": "Dataset", "secondary": ["Derived"]},
        "experiment": ["CMS"],
        "date_published": "2014",
        "license": {"attribution": "CC0-1.0"},
        **fields,
    }
    source = {"recid": 7, "origin": "metadata/7.json", "record": record, "files": []}
    return transform_record(source=source, profile=profile, options=options or MappingOptions())


@pytest.mark.parametrize(
    ("name", "family", "given"),
    [
        ("Lovelace, Ada", "Lovelace", "Ada"),
        ("de la Cruz, B.", "de la Cruz", "B."),
        ("S.L. Cartwright", "Cartwright", "S.L."),
        ("F.Foster", "Foster", "F."),
    ],
)
def test_a_name_with_a_comma_or_with_initials_first_is_a_person(name: str, family: str, given: str) -> None:
    assert read_name(name).who == {"type": "personal", "family_name": family, "given_name": given}


@pytest.mark.parametrize("name", ["KHARKOV", "CMS Open data group", "TBILISI-IHEPI"])
def test_a_name_that_is_no_persons_is_an_organisation(name: str) -> None:
    assert read_name(name).who == {"type": "organizational", "name": name}


@pytest.mark.parametrize("name", ["DELPHI", "DELPHI collaboration", "DELPHI Collaboration", "The DELPHI collaboration"])
def test_a_collaboration_has_one_spelling(name: str) -> None:
    assert collaboration_name(name) == "DELPHI Collaboration"


def test_whoever_has_an_orcid_is_a_person_even_without_a_comma() -> None:
    (creator,) = mapped(authors=[{"name": "Ada Augusta Lovelace", "orcid": ORCID}]).record["metadata"]["creators"]
    assert creator["person_or_org"] == {
        "type": "personal",
        "family_name": "Lovelace",
        "given_name": "Ada Augusta",
        "identifiers": [{"identifier": ORCID, "scheme": "orcid"}],
    }


def test_an_author_that_is_a_text_is_a_name() -> None:
    result = mapped(authors=["Smith, J", "Doe, K"])
    names = [creator["person_or_org"]["family_name"] for creator in result.record["metadata"]["creators"]]
    assert (names, result.warnings, result.mapping["leaves"]["unknown"]) == (["Smith", "Doe"], (), 0)


def test_an_author_without_a_name_is_left_out_alone_and_with_a_warning() -> None:
    nameless = {"affiliation": "CERN", "email": "x@x.org", "orcid": ""}
    named = {"name": "Doe, K", "affiliation": "CERN", "email": "k@x.org", "affiliations": ["a", "b"]}
    result = mapped(authors=[named, nameless, 5, {"name": {"last": "Smith"}, "email": "s@x.org"}])
    assert [creator["person_or_org"]["family_name"] for creator in result.record["metadata"]["creators"]] == ["Doe"]
    of_authors = [row for row in result.mapping["paths"] if row["path"].startswith("authors")]
    why = "an author without a name"
    counted = {(row["path"], row["status"], row.get("reason")): row["count"] for row in of_authors}
    assert counted == {
        ("authors[]", "dropped", why): 1,
        ("authors[].affiliation", "dropped", why): 1,
        ("authors[].affiliation", "mapped", None): 1,
        ("authors[].affiliations[]", "unknown", None): 2,
        ("authors[].email", "dropped", why): 2,
        ("authors[].email", "unknown", None): 1,
        ("authors[].name", "mapped", None): 1,
        ("authors[].name.last", "dropped", "expected text, found an object"): 1,
        ("authors[].orcid", "dropped", "empty"): 1,
    }
    assert [warning["path"] for warning in result.warnings] == [
        "authors[1]",
        "authors[2]",
        "authors[3].name",
        "authors[3]",
    ]


def test_an_orcid_of_a_collaboration_is_left_out_with_a_warning() -> None:
    result = mapped(authors=[{"name": "CMS collaboration", "orcid": ORCID}])
    (creator,) = result.record["metadata"]["creators"]
    assert creator["person_or_org"] == {"type": "organizational", "name": "CMS Collaboration"}
    assert [warning["path"] for warning in result.warnings] == ["authors[0].orcid"]


def test_an_orcid_with_a_wrong_check_digit_is_left_out_with_a_warning() -> None:
    result = mapped(authors=[{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0098"}])
    assert "identifiers" not in result.record["metadata"]["creators"][0]["person_or_org"]
    assert [warning["path"] for warning in result.warnings] == ["authors[0].orcid"]


def test_the_collaboration_of_named_authors_is_a_contributor() -> None:
    metadata = mapped(authors=[{"name": "Lovelace, Ada"}], collaboration={"name": "CMS"}).record["metadata"]
    assert [creator["person_or_org"]["type"] for creator in metadata["creators"]] == ["personal"]
    (contributor,) = metadata["contributors"]
    assert contributor["person_or_org"]["name"] == "CMS Collaboration"
    assert contributor["role"] == {"id": "researchgroup"}


def test_without_a_publisher_it_is_the_portal_and_the_mapping_says_so() -> None:
    result = mapped()
    assert result.record["metadata"]["publisher"] == PORTAL_NAME
    assert "metadata.publisher" in [added["to"] for added in result.mapping["added"]]


def test_with_a_publisher_of_the_copy_the_portal_becomes_its_distributor() -> None:
    metadata = mapped(publisher=PORTAL_NAME, options=MappingOptions(publisher="Physics Repository")).record["metadata"]
    assert metadata["publisher"] == "Physics Repository"
    assert [(who["person_or_org"]["name"], who["role"]["id"]) for who in metadata["contributors"]] == [
        (PORTAL_NAME, "distributor")
    ]


def who(name: str, **fields: Any) -> Any:
    (creator,) = mapped(authors=[{"name": name, **fields}]).record["metadata"]["creators"]
    return creator["person_or_org"]


@pytest.mark.parametrize(
    ("name", "family", "given"),
    [
        (" Christoph Pahl ", "Pahl", "Christoph"),
        ("Jan van der Berg", "van der Berg", "Jan"),
        ("J. Allison", "Allison", "J."),
        ("Press, William", "Press", "William"),
        ("O.Higgins, C", "O.Higgins", "C"),
        ("Christoph Pahl, ", "Pahl", "Christoph"),
        ("Olsson J.", "Olsson", "J."),
        ("John Smith Jr.", "Smith Jr.", "John"),
        ("Smith, John, Jr.", "Smith, Jr.", "John"),
        ("David d'Enterria", "d'Enterria", "David"),
        (r"Abell{\'a}n Beteta, Carlos", "Abellán Beteta", "Carlos"),
        (r"Garc\'ia Pardi\~nas, Juli\'an", "García Pardiñas", "Julián"),
        (r"Lefran{\c{c}}ois, Jacques", "Lefrançois", "Jacques"),
        (r"Vo\ss, Christian", "Voß", "Christian"),
    ],
)
def test_a_person_is_one_however_the_name_is_written(name: str, family: str, given: str) -> None:
    assert who(name) == {"type": "personal", "family_name": family, "given_name": given}


@pytest.mark.parametrize(
    "name",
    [
        "University of California, Berkeley",
        "CERN, Geneva",
        "CERN",
        "KHARKOV",
        "CMS Open data group",
        "QuarkNet",
        "LAPP, Annecy",
        "Ecole Polytechnique, Palaiseau",
        "Scuola Normale Superiore, Pisa",
        "Universidad de Oviedo",
        "École Polytechnique",
        "Politecnico di Torino",
        "Uniwersytet Jagielloński",
        "TU Wien",
        "LHCb Masterclass",
    ],
)
def test_an_organisation_is_one_with_a_comma_or_without(name: str) -> None:
    assert who(name) == {"type": "organizational", "name": name}


@pytest.mark.parametrize(
    "name",
    [
        "APC, Paris",
        "SMITH, John",
        "John SMITH",
        "Bethke, Siegfried, MPI",
        "A. Geiser, I. Dutta",
        "Kluth S., Pahl C.",
        "Geiser, A.; Dutta, I.",
        "Smith, J. [editor]",
        "Tom McCauley (CERN)",
    ],
)
def test_a_name_whose_parts_cannot_be_told_stays_whole_with_a_warning(name: str) -> None:
    result = mapped(authors=[{"name": name}])
    (creator,) = result.record["metadata"]["creators"]
    assert creator["person_or_org"] == {"type": "organizational", "name": name}
    ((place, message),) = ((each["path"], each["message"]) for each in result.warnings)
    assert place == "authors[0].name"
    assert repr(name) in message
    assert "taken whole" in message


def test_an_orcid_makes_a_person_of_what_may_be_one_and_none_of_an_organisation() -> None:
    assert who("John SMITH", orcid=ORCID)["family_name"] == "SMITH"
    person = who("Bethke, Siegfried, MPI", orcid=ORCID)
    assert (person["type"], person["family_name"]) == ("personal", "Bethke, Siegfried, MPI")
    result = mapped(authors=[{"name": "University of California, Berkeley", "orcid": ORCID}])
    (creator,) = result.record["metadata"]["creators"]
    assert creator["person_or_org"] == {"type": "organizational", "name": "University of California, Berkeley"}
    assert [each["path"] for each in result.warnings] == ["authors[0].orcid"]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"name": "CMS", "group": "CMS collaboration"}, ["CMS Collaboration"]),
        ({"name": "lhcb collaboration"}, ["LHCb Collaboration"]),
        ({"name": "IPPOG"}, ["IPPOG"]),
        ({"name": "CERN"}, ["CERN"]),
    ],
)
def test_a_collaboration_stands_once_and_is_made_of_experiments_only(said: dict[str, str], names: list[str]) -> None:
    found = mapped(collaboration=said).record["metadata"]
    everybody = found["creators"] + found.get("contributors", [])
    assert [each["person_or_org"]["name"] for each in everybody] == names


def test_names_that_no_comma_parts_are_told_and_initials_are_not() -> None:
    result = mapped(authors=["Christoph Pahl", "J. Allison", {"name": "Ada Lovelace", "orcid": ORCID}])
    assert [each["path"] for each in result.warnings] == ["authors[0]"]
    assert "'Pahl, Christoph'" in result.warnings[0]["message"]


@pytest.mark.parametrize("name", ["IPPOG", "International Particle Physics Outreach Group"])
def test_no_collaboration_is_made_of_a_group(name: str) -> None:
    (creator,) = mapped(collaboration={"group": name}).record["metadata"]["creators"]
    assert creator["person_or_org"]["name"] == name


def test_the_authors_of_real_lists_are_persons_with_the_letters_of_their_names() -> None:
    for recid, count in ((456, 620), (26051, 127)):
        creators = metadata(recid)["creators"]
        people = [each["person_or_org"] for each in creators if each["person_or_org"]["type"] == "personal"]
        assert len(people) == count
        assert not [each for each in people if "\\" in str(each)]


def test_what_others_published_without_an_author_is_theirs_and_not_the_experiments() -> None:
    (creator,) = mapped(publisher="A university").record["metadata"]["creators"]
    assert creator["person_or_org"] == {"type": "organizational", "name": "A university"}
    (creator,) = mapped(publisher=PORTAL_NAME).record["metadata"]["creators"]
    assert creator["person_or_org"]["name"] == "CMS Collaboration"
