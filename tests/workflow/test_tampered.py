"""Receipts that somebody has changed between two runs: nothing of another record is sent, and nothing wrong is "ok"."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from generated_records import put_below, redirect, write_records

from workflow.conftest import Flow
from workflow.test_chain import assert_ok
from workflow.test_changed_between_runs import mend

KINDS = ("source", "download", "record", "mapping", "package", "upload", "published", "proof", "stats")
OTHER = 7000
"""A record that nobody touches, whose receipts get into the places of others."""


def truncate(path: Path, _other: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace_by_text(path: Path, _other: Path) -> None:
    path.write_text("<html>not found</html>")


def replace_by_other(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def replace_by_other_renumbered(path: Path, other: Path) -> None:
    document, recid = json.loads(other.read_bytes()), int(path.parent.name)
    for place in (document, document.get("metadata", {})):
        if "recid" in place:
            place["recid"] = recid
    path.write_text(json.dumps(document))


def change_a_digit(path: Path, _other: Path) -> None:
    """Change a byte in the middle of the text, so that it still is what its schema asks for, if that can be."""
    data = bytearray(path.read_bytes())
    digits = [at for at, byte in enumerate(data) if chr(byte) in "12345678" and at > len(data) // 3]
    data[digits[0]] += 1
    path.write_bytes(data)


def delete(path: Path, _other: Path) -> None:
    path.unlink()


WAYS = (truncate, replace_by_text, replace_by_other, replace_by_other_renumbered, change_a_digit, delete)
ON_TWO_BRANCHES = product(("download", "package"), ("record", "mapping"))
"""Receipts of one record of which none is made from the other."""
CASES: dict[int, tuple[tuple[str, ...], Callable[[Path, Path], None]]] = dict(
    enumerate((*product(product(KINDS), WAYS), *product(ON_TWO_BRANCHES, (replace_by_other,))), start=OTHER + 1)
)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Give a folder that has published a record for each case, each of other files and another title."""
    flow = Flow(folder=tmp_path_factory.mktemp("published"))
    sizes = {recid: [20 + recid - OTHER] for recid in (OTHER, *CASES)}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "repository": {"finish": "publish", "requests_per_minute": None, "requests_per_hour": None},
        "package": {"attachments": []},
    }
    flow.want(*sizes)
    assert_ok(flow.run())
    assert set(flow.stats()["status"]) == {"ok"}
    return flow


@pytest.fixture
def tampered(published, tmp_path):
    """Give a copy of the folder in which each record has a receipt that is not right."""
    shutil.copytree(published.folder, tmp_path, dirs_exist_ok=True)
    flow = Flow(folder=tmp_path, config=published.config)
    assert "Nothing to be done" in flow.run().stderr
    flow.before = held(flow)
    for recid, (kinds, tamper) in CASES.items():
        results = tmp_path / "results"
        for kind in kinds:
            tamper(results / str(recid) / f"{kind}.json", results / str(OTHER) / f"{kind}.json")
    return flow


def held(flow: Flow) -> dict[str, list[tuple]]:
    """Return what the repository holds by the address of the source: id, title and the MD5 of each file as it lies."""
    store = flow.folder / "data" / "sandbox" / "repository"
    found: dict[str, list[tuple]] = {}
    for path in sorted((store / "records").glob("*.json")):
        record = json.loads(path.read_bytes())
        for side in ("draft", "published"):
            if state := record[side]:
                (address,) = (each["identifier"] for each in state["metadata"]["identifiers"])
                entries = [json.loads(entry.read_bytes()) for entry in (store / "buckets" / state["bucket"]).glob("*")]
                files = sorted((entry["key"], md5_of(store, entry)) for entry in entries)
                found.setdefault(address, []).append((side, record["id"], state["metadata"]["title"], files))
    return found


def md5_of(store: Path, entry: dict) -> str | None:
    content = store / "blobs" / str(entry.get("file_id"))
    return hashlib.md5(content.read_bytes()).hexdigest() if content.exists() else None


def test_each_receipt_that_is_changed_in_any_way_fails_its_record_or_is_made_anew_and_the_next_run_is_through(tampered):
    first = tampered.run()
    assert held(tampered) == tampered.before, "what is wrong was not believed"
    stats = tampered.stats()
    failed = set(stats.index[stats["status"] != "ok"])
    assert (first.returncode != 0) == bool(failed), first.stderr
    assert OTHER not in failed
    assert stats.loc[sorted(failed), "error"].str.contains("run again").all()
    assert_ok(tampered.run())
    assert set(tampered.stats()["status"]) == {"ok"}
    assert held(tampered) == tampered.before
    assert "Nothing to be done" in tampered.run().stderr
    assert_ok(tampered.run("check"))


def test_the_check_names_each_receipt_that_does_not_fit_and_its_one_command_mends_them_all(tampered):
    found = tampered.run("check")
    assert found.returncode != 0
    named = (tampered.folder / "results" / "check.csv").read_text(encoding="utf-8")
    missed = [
        (recid, kind, tamper.__name__)
        for recid, (kinds, tamper) in CASES.items()
        for kind in kinds
        if f"results/{recid}/{kind}.json" not in named and (kind, tamper) not in NOTHING_LACKING
    ]
    assert missed == []
    assert f"results/{OTHER}/" not in named
    assert_ok(mend(tampered, found))
    assert_ok(tampered.run("check"))
    assert held(tampered) == tampered.before


NOTHING_LACKING = {("published", delete), ("stats", delete), ("stats", change_a_digit)}
"""A record without its last receipt is one that a plain run goes on with; nothing goes by the numbers of its stats."""
