"""What the mapping says of the files of a record is what becomes of them."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from ferry.mapping.amounts import INDEX
from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions
from ferry.source.record import read_source
from ferry.steps.transform_record import mapping_options

LISTED = json.dumps([{"uri": "root://x//a", "size": 1}, {"uri": "root://x//b", "size": 2}]).encode()


def mapped(
    tmp_path: Path, *, index_files: Literal["expand", "keep"] = "expand", own_json: bool = True, **fields: Any
) -> Transformed:
    record = {"recid": "7", "title": "A title", "type": {"primary": "Dataset"}, "experiment": ["CMS"], **fields}
    path = tmp_path / "7.json"
    path.write_text(json.dumps(record))
    source = read_source(recid=7, metadata_path=path, read_index=lambda _uri: LISTED, index_files=index_files)
    return transform_record(source=source, profile="rdm-plain", options=MappingOptions(own_json=own_json))


def account(result: Transformed, path: str) -> list[tuple[str, int, Any]]:
    rows = [row for row in result.mapping["paths"] if row["path"] == path]
    return [(row["status"], row["count"], row.get("to") or row["reason"]) for row in rows]


def test_an_index_that_was_expanded_is_no_deposited_file_and_one_that_was_kept_is(tmp_path: Path) -> None:
    files = [
        {"uri": "root://x//i.json", "type": "index.json", "size": len(LISTED)},
        {"uri": "root://x//i.txt", "type": "index.txt", "size": len(LISTED)},
        {"uri": "root://x//c", "size": 3},
    ]
    expanded = mapped(tmp_path, files=files)
    assert account(expanded, "files[].uri") == [("mapped", 1, ["files[].key"]), ("dropped", 2, INDEX)]
    assert account(expanded, "files[].size") == [("mapped", 1, ["files[].size"]), ("dropped", 2, INDEX)]
    assert account(expanded, "files[].type") == [("dropped", 2, INDEX)]
    kept = mapped(tmp_path, files=files, index_files="keep")
    assert account(kept, "files[].uri") == [("mapped", 3, ["files[].key"])]
    assert expanded.mapping["leaves"]["total"] == kept.mapping["leaves"]["total"]


def test_a_checksum_that_proves_nothing_is_not_said_to_be_mapped_and_the_warning_tells_what_was_found(
    tmp_path: Path,
) -> None:
    checksums = ["adler32:e272e1b0", f"blake3:{'a' * 64}", "e272e1b0", ""]
    files = [{"uri": f"root://x//{number}", "checksum": said} for number, said in enumerate(checksums)]
    result = mapped(tmp_path, files=files)
    why = "expected a checksum (algorithm:hex, of adler32, md5, sha1, sha256, sha512)"
    assert account(result, "files[].checksum") == [
        ("mapped", 1, ["files[].metadata.checksum"]),
        ("dropped", 1, "empty"),
        ("dropped", 2, why),
    ]
    warnings = [warning for warning in result.warnings if warning["path"].startswith("files")]
    assert warnings == [
        {"path": "files[1].checksum", "message": f"left out: {why}, found 'blake3:{'a' * 64}'", "places": 2}
    ]


@pytest.mark.parametrize(("has_files", "own_json"), [(True, True), (False, True), (True, False)])
def test_a_value_is_said_to_be_in_the_json_of_the_record_only_where_that_goes_up(
    tmp_path: Path, has_files: bool, own_json: bool
) -> None:
    files = [{"uri": "root://x//c", "size": 3, "odd": 1}] if has_files else []
    steps = [{"configuration_files": [{"process": "RECO"}], "more": 1}]
    fields = {
        "files": files,
        "categories": {"source": "who"},
        "methodology": {"steps": steps},
        "topic": {"source": "x"},
    }
    result = mapped(tmp_path, own_json=own_json, **fields)
    reasons = [row["reason"] for row in result.mapping["paths"] if ": " in row.get("reason", "")]
    where = (
        "in the record's own JSON" if has_files and own_json else "on the portal only, no JSON of the record goes up"
    )
    assert len(reasons) == 4 + has_files
    assert {reason.partition(": ")[2] for reason in reasons} == {where}


@pytest.mark.parametrize(
    ("attachments", "own_json"), [([], False), (["manifest"], False), (["manifest", "source"], True)]
)
def test_whether_the_json_of_the_record_goes_up_is_in_the_configuration(attachments: list[str], own_json: bool) -> None:
    config = yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text(encoding="utf-8"))
    package = {**config["package"], "attachments": attachments}
    options = mapping_options(transform=config["transform"], package=package, metadata=config["metadata"])
    assert options.own_json is own_json
