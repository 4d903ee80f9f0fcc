"""What the mapping says of the files of a record is what becomes of them."""

import json
from pathlib import Path
from typing import Any, Literal

from ferry.mapping.amounts import INDEX
from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions
from ferry.source_record import read_source


def mapped(tmp_path: Path, *, index_files: Literal["expand", "keep"] = "expand", **fields: Any) -> Transformed:
    record = {"recid": "7", "title": "A title", "type": {"primary": "Dataset"}, "experiment": ["CMS"], **fields}
    path = tmp_path / "7.json"
    path.write_text(json.dumps(record))
    listed = json.dumps([{"uri": "root://x//a", "size": 1}, {"uri": "root://x//b", "size": 2}]).encode()
    source = read_source(recid=7, metadata_path=path, read_index=lambda _uri: listed, index_files=index_files)
    return transform_record(source=source, profile="rdm-plain", options=MappingOptions())


def account(result: Transformed, path: str) -> list[tuple[str, int, Any]]:
    rows = [row for row in result.mapping["paths"] if row["path"] == path]
    return [(row["status"], row["count"], row.get("to") or row["reason"]) for row in rows]


def test_an_index_that_was_expanded_is_no_deposited_file_and_one_that_was_kept_is(tmp_path: Path) -> None:
    files = [
        {"uri": "root://x//i.json", "type": "index.json", "size": 9},
        {"uri": "root://x//i.txt", "type": "index.txt", "size": 8},
        {"uri": "root://x//c", "size": 3},
    ]
    expanded = mapped(tmp_path, files=files)
    assert account(expanded, "files[].uri") == [("mapped", 1, ["files[].key"]), ("dropped", 2, INDEX)]
    assert account(expanded, "files[].size") == [("mapped", 1, ["files[].size"]), ("dropped", 2, INDEX)]
    assert account(expanded, "files[].type") == [("dropped", 2, INDEX)]
    kept = mapped(tmp_path, files=files, index_files="keep")
    assert account(kept, "files[].uri") == [("mapped", 3, ["files[].key"])]
    assert expanded.mapping["leaves"]["total"] == kept.mapping["leaves"]["total"]
