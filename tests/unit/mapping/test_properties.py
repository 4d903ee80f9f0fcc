"""Whatever a record holds: a valid result, or a MetadataError that names a path, and the same each time."""

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ferry.errors import MetadataError
from ferry.mapping.leaves import count_leaves
from ferry.mapping.profiles import PROFILES
from ferry.mapping.rules import RULES
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions
from ferry.schemas import problems

RECORDS = sorted((Path(__file__).parents[2] / "fixtures" / "records").glob("*.json"))
_PATHS = re.compile(r"^[^:]{1,400}(: | )")

texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "2014", "1999-02-30", "0000", "e+e-", "0 GeV", "9-8TeV", "ecms=91.2", "Last, First", ", ", "a" * 3000,
            "<b>x", "&lt;script&gt;", "<table><tr>", "/record/1", "http://", "https://[", "//x", "10.7483/A.B",
            "0000-0001-9769-7163", "isChildOf", "Dataset", "Simulated", "DELPHI", "CMS", "\ud800", "\x00", "\u202e",
        ]
    ),
)  # fmt: skip
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def _at(path: str, value: Any) -> Any:
    """Return an object that has the value at the path."""
    for name in reversed(path.split(".")):
        value = {name.removesuffix("[]"): [value] if name.endswith("[]") else value}
    return value


def _merged(left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        return {**left, **{name: _merged(left[name], item) if name in left else item for name, item in right.items()}}
    return right


members = ("name", "affiliation", "orcid", "url", "recid", "title", "description", "type", "doi", "energy", "primary")
filled = st.one_of(values, st.dictionaries(st.sampled_from(members), values, max_size=5))


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """A real record, or the least one, with wild values at some of the paths of the table."""
    record: Any = {"recid": "7", "title": "A title", "type": {"primary": "Dataset"}, "experiment": ["CMS", "LHCb"]}
    if draw(st.booleans()):
        document = json.loads(draw(st.sampled_from(RECORDS)).read_text(encoding="utf-8"))
        record = document if "title" in document else document["metadata"]
    for path in draw(st.lists(st.sampled_from([rule.source for rule in RULES]), max_size=6)):
        record = _merged(record, _at(path, draw(filled)))
    if draw(st.booleans()):
        record = {**record, **draw(st.dictionaries(texts, values, max_size=2))}
    for name in draw(st.lists(st.sampled_from(["title", "type", "publisher", "experiment", "date_published"]))):
        record.pop(name, None)
    return record


files = st.lists(
    st.fixed_dictionaries({"key": st.just("a"), "size_bytes": st.one_of(st.none(), st.integers(0, 2**50))}), max_size=3
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(record=records(), files=files, profile=st.sampled_from(sorted(PROFILES)))
@example(record={"title": "\ud800\ud800\ud800", "type": {}}, files=[], profile="rdm")
@example(record={"title": "A title", "type": {"primary": "a\ud800"}, "experiment": ["CMS"]}, files=[], profile="rdm")
def test_any_record_is_mapped_to_a_valid_one_or_refused_by_name(
    record: dict[str, Any], files: list[dict[str, Any]], profile: str
) -> None:
    source = {"recid": 7, "origin": "x", "record": record, "files": files}
    try:
        first = transform_record(source=source, profile=profile, options=MappingOptions())
    except MetadataError as error:
        message = str(error)
        assert _PATHS.match(message), message
        message.encode()
        return
    assert problems(first.record, f"target/{profile}") == []
    assert problems({**first.mapping}, "receipts/mapping") == []
    json.dumps([first.record, first.mapping], allow_nan=False, ensure_ascii=False).encode()
    leaves = first.mapping["leaves"]
    counted, empty = count_leaves(record)
    assert leaves["total"] == counted.total() + empty.total() == sum(row["count"] for row in first.mapping["paths"])
    assert transform_record(source=source, profile=profile, options=MappingOptions()) == first
