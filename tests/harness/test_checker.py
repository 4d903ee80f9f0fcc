"""The independent checker itself: it finds whatever is wrong in a repository, and imports nothing but Python's own."""

import ast
import copy
import hashlib
import io
import json
import random
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from generated_records import put_below

from harness import checker
from harness.checker import IDENTIFIER, PREFIX, Wanted, check
from harness.records import MAX_FILES, write_records


class Held:
    """What a repository holds, put together from the source without any ferry; a test changes something in it."""

    def __init__(self, wanted: Wanted) -> None:
        self.records: list[dict[str, Any]] = []
        self.files: dict[str, dict[str, bytes]] = {}
        self.pending: dict[str, str] = {}
        for path in sorted(wanted.metadata.glob("*.json")):
            source = json.loads(path.read_bytes())
            recid = source["recid"]
            files = {entry["uri"].removeprefix(PREFIX): b"" for entry in source["files"]}
            contents = {name: (wanted.source / name).read_bytes() for name in files}
            sizes = [f"{len(files)} file{'s' * (len(files) > 1)}", f"{sum(map(len, contents.values()))} bytes"]
            self.records.append(
                {
                    "id": f"id-{recid}",
                    "metadata": {
                        "title": source["title"],
                        "description": source["abstract"]["description"],
                        "identifiers": [{"identifier": IDENTIFIER + recid, "scheme": "url"}],
                        "publication_date": "2024",
                        **({"sizes": sizes} if files else {}),
                    },
                    "access": {"record": "public", "files": "public"},
                    "is_published": wanted.published,
                    "is_draft": not wanted.published,
                }
            )
            self.files[f"id-{recid}"] = _uploads(recid, source, contents) if files else {}

    def own_records(self):
        return iter(self.records)

    def get(self, path: str) -> bytes:
        record, _, key = path.removeprefix("/api/records/").replace("/draft/", "/", 1).partition("/files")
        files = self.files[record]
        if key:
            return files[unquote(key.strip("/").removesuffix("/content"))]
        entries = [
            {
                "key": name,
                "status": "pending" if self.pending.get(record) == name else "completed",
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
            }
            for name, content in files.items()
        ]
        return json.dumps({"enabled": bool(files), "entries": entries}).encode()

    def some(self, *, bundled: bool = False) -> dict[str, Any]:
        """Return a record with loose files, or with a bundle."""
        for record in self.records:
            files = self.files[record["id"]]
            if files and any(name.endswith("_bundle.zip") for name in files) is bundled:
                return record
        raise AssertionError("of forty records there is one")

    def a_file(self, record: dict[str, Any]) -> str:
        """Return the key of one of its own files that is not empty."""
        return next(key for key, content in self.files[record["id"]].items() if content and ".json" not in key)


def _uploads(recid: str, source: dict, contents: dict[str, bytes]) -> dict[str, bytes]:
    names = {path: path if "/same" in path else path.rpartition("/")[2].replace("%", "%25") for path in contents}
    bundle = f"{recid}_bundle.zip" if len(contents) > MAX_FILES else None
    uploads, rows = {}, []
    for path, content in contents.items():
        row = {"key": names[path], "size_bytes": len(content), "adler32": f"{zlib.adler32(content):08x}"}
        rows.append({**row, "bundle": bundle, "member": bundle and names[path]})
    if bundle:
        packed = io.BytesIO()
        lines = ["key\tsize_bytes\tadler32\tcrc32"]
        with zipfile.ZipFile(packed, "w") as stream:
            for path, content in contents.items():
                stream.writestr(names[path], content)
                lines.append(f"{names[path]}\t{len(content)}\t{zlib.adler32(content):08x}\t{zlib.crc32(content):08x}")
            stream.writestr("MANIFEST", "\n".join(lines) + "\n")
        uploads[bundle] = packed.getvalue()
    else:
        uploads |= {names[path]: content for path, content in contents.items()}
    own = {f"{recid}.json": json.dumps(source).encode()}
    return uploads | own | {f"{recid}_manifest.json": json.dumps({"files": rows}).encode()}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checker")
    write_records(folder, random.Random(3), put_below(folder / "source"))
    return Wanted(metadata=folder / "metadata", source=folder / "source", access="public", published=False)


@pytest.fixture(scope="module")
def right(wanted):
    return Held(wanted)


@pytest.fixture
def held(right):
    return copy.deepcopy(right)


def test_it_imports_nothing_but_pythons_own():
    tree = ast.parse(Path(checker.__file__).read_bytes())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_what_is_right_is_right(wanted, held):
    verdict = check(wanted, held)
    assert verdict.problems == []
    assert len(verdict.found) == 40


def _double(held, record):
    held.records.append({**record, "id": "other"})


def _lose(held, record):
    held.records.remove(record)


def _foreign(held, record):
    held.records.append({**record, "id": "other", "metadata": {"title": "Of nobody"}})


def _other_title(held, record):
    record["metadata"]["title"] += "."


def _other_description(held, record):
    record["metadata"]["description"] = held.records[0]["metadata"]["description"] + "x"


def _other_field(held, record):
    record["metadata"]["publication_date"] = "2025"


def _restricted(held, record):
    record["access"]["files"] = "restricted"


def _published(held, record):
    record["is_published"] = True


def _wrong_byte(held, record):
    files, key = held.files[record["id"]], held.a_file(record)
    files[key] = files[key][:-1] + bytes([files[key][-1] ^ 1])


def _lost_file(held, record):
    del held.files[record["id"]][held.a_file(record)]


def _foreign_file(held, record):
    held.files[record["id"]]["foreign.al"] = b"foreign"


def _pending_file(held, record):
    held.pending[record["id"]] = held.a_file(record)


def _no_manifest(held, record):
    files = held.files[record["id"]]
    del files[next(key for key in files if key.endswith("_manifest.json"))]


def _own_json_of_another(held, record):
    held.files[record["id"]][f"{record['id'].removeprefix('id-')}.json"] = b"{}"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_double, "2 records in the repository"),
        (_lose, "0 records in the repository"),
        (_foreign, "of no wanted record"),
        (_other_title, "title"),
        (_other_description, "description"),
        (_other_field, "publication_date: not as in the other records"),
        (_restricted, "access"),
        (_published, "published"),
        (_wrong_byte, "of wrong bytes"),
        (_lost_file, "missing"),
        (_foreign_file, "foreign.al: foreign"),
        (_pending_file, "pending"),
        (_no_manifest, "no manifest"),
        (_own_json_of_another, "is not the record of the source"),
    ],
)
def test_what_is_wrong_is_told(wanted, held, change, told):
    change(held, held.some())
    problems = check(wanted, held).problems
    assert any(told in problem for problem in problems), problems


@pytest.mark.parametrize(("member", "told"), [(0, "missing"), (-1, "MANIFEST")])
def test_a_bundle_that_lacks_a_member_is_told(wanted, held, member, told):
    record = held.some(bundled=True)
    files = held.files[record["id"]]
    key = next(key for key in files if key.endswith("_bundle.zip"))
    with zipfile.ZipFile(io.BytesIO(files[key])) as bundle:
        members = [(info.filename, bundle.read(info)) for info in bundle.infolist()]
    del members[member]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as stream:
        for name, content in members:
            stream.writestr(name, content)
    files[key] = packed.getvalue()
    assert any(told in problem for problem in check(wanted, held).problems)
