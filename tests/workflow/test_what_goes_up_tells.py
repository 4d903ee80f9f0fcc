"""What the manifest beside the files of a record says to those who have nothing else of it."""

import hashlib
import json
import os
from urllib.parse import unquote_to_bytes

from own_records import OWN, own_record

from workflow.conftest import Flow
from workflow.test_chain import assert_ok

NAMES = (b"README.txt", b"a\xff.txt", b"d e/x.txt", b"readme.txt", b"what?.txt")


def test_the_manifest_says_by_what_each_file_was_verified_and_what_it_was_called(flow: Flow) -> None:
    flow.config = {
        **OWN,
        "source": {"data_root": "own", "allow_unverified": True},
        "repository": {"finish": "draft"},
        "package": {"max_files": 2},
    }
    flow.want(7)
    flow.write_metadata(7, own_record())
    folder = flow.folder / "own" / "7"
    (folder / "d e").mkdir(parents=True)
    for name in NAMES:
        (folder / os.fsdecode(name)).write_bytes(name)
    stated = hashlib.sha256(b"d e/x.txt").hexdigest()
    (folder / "SHA256SUMS").write_text(f"{stated}  d e/x.txt\n", encoding="ascii")
    assert_ok(flow.run())

    manifest = json.loads((flow.folder / "data" / "7" / "attachments" / "7_manifest.json").read_bytes())
    files = {file["key"]: file for file in manifest["files"]}
    assert {"a%FF.txt", "d e/x.txt", "what%3F.txt"} < files.keys()
    called = {key: unquote_to_bytes(file.get("original_name", key)) for key, file in files.items()}
    assert sorted(called.values()) == sorted(NAMES)
    assert {key: hashlib.md5(name).hexdigest() for key, name in called.items()} == {
        key: file["md5"] for key, file in files.items()
    }
    assert "original_name" not in files["d e/x.txt"]
    assert files["d e/x.txt"]["verified"] == "sha256"
    assert {file["verified"] for key, file in files.items() if key != "d e/x.txt"} == {"none"}
    received = {file["key"]: file.get("original_name") for file in flow.receipt(7, "download")["files"]}
    assert received == {key: file.get("original_name") for key, file in files.items()}
