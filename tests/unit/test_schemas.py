"""What is wrong with a document is told in full, in lines that a message can bear."""

import time

import pytest

from ferry import schemas
from ferry.schemas import MAX_VALUE, problems

RECORD = {"access": {"record": "public", "files": "public"}, "files": {"enabled": False}}


def lines_of(**metadata: object) -> dict[str, str]:
    found = problems({**RECORD, "metadata": metadata}, "target/rdm-plain")
    return dict(line.split(": ", 1) for line in found if not line.endswith("is a required property"))


@pytest.mark.parametrize(
    ("metadata", "place", "reason"),
    [
        ({"title": "t" * 5000}, "metadata.title", "t...' is too long"),
        ({"subjects": ["s" * 5000]}, "metadata.subjects[0]", "s...' is not of type 'object'"),
        ({"languages": [{"id": "l" * 5000}]}, "metadata.languages[0].id", "l...' is not one of ['eng']"),
        ({"subjects": [{"subject": "word"}] * 900}, "metadata.subjects", "...] has non-unique elements"),
        ({"publisher": ["name"] * 900}, "metadata.publisher", "...] is not of type 'string'"),
    ],
)
def test_a_long_value_is_cut_and_what_is_wrong_with_it_is_not(metadata: object, place: str, reason: str) -> None:
    line = lines_of(**metadata)[place]
    assert line.endswith(reason)
    assert len(line) <= MAX_VALUE + 40


def test_a_short_value_and_the_hint_for_a_long_key_are_whole() -> None:
    assert "metadata.title: '' is too short" in problems({**RECORD, "metadata": {"title": ""}}, "target/rdm-plain")
    (line,) = [line for line in problems({**RECORD, "k" * 5000: 1}, "target/rdm-plain") if "unknown key" in line]
    assert "...'; expected one of metadata, access, files" in line


def test_the_time_to_explain_grows_with_the_record_and_not_with_its_square() -> None:
    links = [{"identifier": f"https://x.org/{number}", "scheme": "url"} for number in range(10_000)]
    start = time.process_time()
    assert "metadata.identifiers" not in lines_of(identifiers=links)
    assert time.process_time() - start < 20  # 1 s; each with each took minutes
    assert lines_of(identifiers=[*links, links[0]])["metadata.identifiers"].endswith("has non-unique elements")


def test_order_of_keys_makes_no_other_item_and_true_is_not_one() -> None:
    one, other = {"identifier": "https://x.org", "scheme": "url"}, {"scheme": "url", "identifier": "https://x.org"}
    assert "non-unique" in lines_of(identifiers=[one, other])["metadata.identifiers"]
    assert "metadata.identifiers" not in lines_of(identifiers=[1, True, [True], [1]])


def test_what_is_refused_without_an_explanation_is_refused_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "load_schema", lambda _name: {})
    (line,) = problems([], "target/rdm-plain")
    assert line == "(the whole document): data must be object"
