"""Small files that would cost hours or all memory: each is refused in seconds, and the message says what lifts that."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from answering_portal import Answer, portal
from ferry.errors import FerryError
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.mapping.work import MappingOptions
from ferry.source.known_records import KnownRecords
from ferry.source.record import read_source
from ferry.steps.read_record import read_to_receipt
from ferry.steps.transform_record import transform_to_receipts

ROOT = Path(__file__).resolve().parents[3]
TITLE = {"recid": "7", "title": "A title", "type": {"primary": "Dataset"}, "experiment": ["DELPHI"]}
DEEP = "<div>" * 39_000
READABLE = {"redirects": {}, "allow": {"hosts": [], "folders": ["/"]}}


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Hold that what is inside takes no more of the processor."""
    before = time.process_time()
    yield
    assert time.process_time() - before < seconds


def written(folder: Path, fields: dict[str, Any] | bytes) -> Path:
    path = folder / "metadata" / "7.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(fields if isinstance(fields, bytes) else json.dumps({**TITLE, **fields}).encode())
    return path


def carry(folder: Path, fields: dict[str, Any] | bytes, *, correction: str | None = None, **limits: int) -> Any:
    """Take a record through its first two steps; return the target record."""
    path, most = written(folder, fields), Limits(**limits)
    corrections_path = folder / "7.yaml"
    if correction is not None:
        corrections_path.write_text(correction)
    source_path, record_path, mapping_path = (folder / f"{name}.json" for name in ("source", "record", "mapping"))
    read_to_receipt(
        recid=7, metadata_path=path, portal="", source=READABLE, stall_s=5, sandbox_dir=folder,
        receipt_path=source_path, limits=most,
    )  # fmt: skip
    transform_to_receipts(
        recid=7,
        source_path=source_path,
        corrections_path=corrections_path if correction is not None else None,
        profile="rdm-plain",
        options=MappingOptions(known=KnownRecords(path.parent, folder / "none.csv").find),
        record_path=record_path,
        mapping_path=mapping_path,
        limits=most,
    )
    return json.loads(record_path.read_bytes())


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def listed(count: int) -> list[dict[str, Any]]:
    return [{"uri": f"root://h//d/{number}", "size": 1} for number in range(count)]


BEYOND = {
    "record_bytes": ({"note": {"description": "x" * 16_000_000}}, r"7\.json: expected at most 16000000 bytes"),
    "files": ({"files": listed(100_001)}, r"7\.json: files: expected at most 100000 files, found more"),
    "values": ({"x": [0] * 500_000}, r"7\.json: x: expected at most 500000 values, found more"),
    "levels": ({"x": nested(33)}, r"7\.json: x\[0\].*: expected at most 32 levels, found more"),
    "place_characters": ({"x": {"k" * 500: {"a": 1}}}, r"7\.json: x: expected at most 500 characters of names"),
    "text_characters": (
        {"abstract": {"description": "x" * 200_001}},
        r"7\.json: abstract\.description: expected at most 200000 characters, found 200001",
    ),
    "open_elements": (
        {"abstract": {"description": "<div>" * 101}},
        r"7\.json: abstract\.description: expected at most 100 elements of HTML in one another, found 101",
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_far_beyond_all_real_records_is_refused_with_its_place_and_what_lifts_that(
    tmp_path: Path, name: str
) -> None:
    fields, message = BEYOND[name]
    with within(5), pytest.raises(FerryError, match=rf"{message}.*; if that is right, raise metadata\.limits\.{name}$"):
        carry(tmp_path, fields)


@pytest.mark.slow
@pytest.mark.parametrize("name", BEYOND)
def test_a_limit_that_is_raised_lets_the_record_through(tmp_path: Path, name: str) -> None:
    carry(tmp_path, BEYOND[name][0], **{name: getattr(DEFAULT_LIMITS, name) * 2, "text_characters": 20_000_000})


def test_the_limits_are_those_of_the_configuration() -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert Limits(**config["metadata"]["limits"]) == DEFAULT_LIMITS


def aliases(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


HOSTILE_CORRECTIONS = {
    "aliases of aliases": (aliases(7), r"7\.yaml: line 2: expected each value where it belongs, found the alias \*a0"),
    "one alias": ("note: &n {description: x}\nusage: *n", r"7\.yaml: line 2: .* found the alias \*n; write out"),
    "a merged key": ("a: &n {b: x}\nc: {<<: *n}", r"7\.yaml: line 2: .* found the alias \*n"),
    "an endless number": (f"a: {'9' * 5000}", r"7\.yaml: expected YAML, found none"),
    "deep lists": ("a: " + "[" * 50_000, r"7\.yaml: expected YAML of some levels, found more than can be read"),
    "deep elements": (
        f"abstract: {{description: '{DEEP}'}}",
        r"7\.yaml: abstract\.description: expected at most 100 el",
    ),
    "a long text": (f"abstract: {{description: {'x' * 200_001}}}", r"7\.yaml: abstract\.description: expected at most"),
}


@pytest.mark.parametrize("name", HOSTILE_CORRECTIONS)
def test_a_correction_that_would_cost_more_than_it_says_is_refused(tmp_path: Path, name: str) -> None:
    text, message = HOSTILE_CORRECTIONS[name]
    with within(5), pytest.raises(FerryError, match=message):
        carry(tmp_path, {}, correction=text)


def twins(count: int) -> list[dict[str, Any]]:
    """Return indices that stand in the record both as JSON and as text, what the record holds of none."""
    names = [f"root://h//d/i{number}" for number in range(count)]
    return [{"uri": f"{name}.{end}", "type": f"index.{end}", "size": 2} for end in ("txt", "json") for name in names]


def test_indices_that_stand_twice_take_no_square_of_time(tmp_path: Path) -> None:
    path = written(tmp_path, {"files": twins(20_000)})
    with within(5):
        assert read_source(recid=7, metadata_path=path, read_index=lambda _address: b"[]")["files"] == []


LONG = 150_000
COSTLY = {
    "elements in one another": {"abstract": {"description": DEEP}},
    "one word of many letters": {"abstract": {"description": f"<p>{'a' * LONG}</p>"}},
    "a key of many letters above many lists": {"k" * 100_000: [[] for _ in range(100_000)]},
    "lists below a key of many letters": {"x": [{"k" * 490: [[1], [2]]} for _ in range(12_000)]},
    "licences": {"license": {"attribution": [f"L{number}" for number in range(30_000)]}},
    "a large cell that spans rows": {
        "abstract": {"description": f"<table><tr><td rowspan=500>{'x' * LONG}</td>{'<tr>' * 499}</table>"}
    },
    "a title of elements in one another": {"relations": [{"recid": "8", "type": "isChildOf"}]},
    "half-open elements": {"abstract": {"description": "<a " * (LONG // 3)}},
    "spaces": {"abstract": {"description": f"<p>{' ' * LONG}x"}},
    "elements that are never closed": {"abstract": {"description": "<b title=1><i></b>" * 9_000}},
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_small_record_is_carried_or_refused_in_seconds(tmp_path: Path, name: str) -> None:
    written(tmp_path, {}).with_name("8.json").write_text(json.dumps({**TITLE, "recid": "8", "title": DEEP * 2}))
    with within(4):
        try:
            carry(tmp_path, COSTLY[name])
        except FerryError as error:
            assert "metadata.limits." in str(error)  # noqa: PT017 - both are right


@pytest.mark.parametrize("kind", ["index.json", "index.txt"])
def test_an_index_without_end_is_refused(tmp_path: Path, kind: str) -> None:
    index = tmp_path / "i"
    index.write_bytes(b"root://h//x\n" * 1_400_000)
    path = written(tmp_path, {"files": [{"uri": f"file://{index}", "type": kind}]})
    with within(5), pytest.raises(FerryError, match=r"/i: expected at most 16000000 bytes .*limits\.record_bytes$"):
        read_to_receipt(
            recid=7, metadata_path=path, portal="", source=READABLE, stall_s=5, sandbox_dir=tmp_path,
            receipt_path=tmp_path / "source.json",
        )  # fmt: skip


def test_many_indices_of_many_files_are_refused_by_their_sum(tmp_path: Path) -> None:
    index = tmp_path / "i"
    index.write_bytes(b"".join(b"root://h//%d\n" % number for number in range(30_000)))
    files = [{"uri": f"file://{index}{number}", "type": "index.txt"} for number in range(4)]
    for number in range(4):
        (tmp_path / f"i{number}").symlink_to(index)
    path = written(tmp_path, {"files": files})
    with within(10), pytest.raises(FerryError, match=r"files: expected at most 100000 files, found more"):
        read_to_receipt(
            recid=7, metadata_path=path, portal="", source=READABLE, stall_s=5, sandbox_dir=tmp_path,
            receipt_path=tmp_path / "source.json",
        )  # fmt: skip


def test_a_portal_that_answers_more_than_a_record_may_hold_is_refused(tmp_path: Path) -> None:
    body = json.dumps({**TITLE, "note": {"description": "<div>" * 101}}).encode()
    with (
        portal(Answer(body=body)) as server,
        pytest.raises(FerryError, match=r"note\.description: .*limits\.open_elements$"),
    ):
        read_to_receipt(
            recid=7, metadata_path=None, portal=server.url, source=READABLE, stall_s=5, sandbox_dir=tmp_path,
            receipt_path=tmp_path / "source.json",
        )  # fmt: skip
