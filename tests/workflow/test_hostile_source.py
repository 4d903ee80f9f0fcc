"""A whole run from a server that leads to the operator's own files: its record fails, nothing of them is anywhere."""

import zlib

from hostile_xrootd import hostile_xrootd

import small_records
from workflow.conftest import Flow

SECRET = b"SECRET: the operator's own, and nobody else's"


def test_a_record_whose_server_leads_to_a_file_of_this_machine_fails_and_nothing_of_it_goes_anywhere(tmp_path):
    private = tmp_path / "home" / "private"
    private.parent.mkdir()
    private.write_bytes(SECRET)
    flow = Flow(folder=tmp_path / "run")
    flow.folder.mkdir()
    contents = {}
    good = small_records.with_small_files(
        small_records.load(80502), lambda path, data: contents.update({f"/{path}": data})
    )
    bad = small_records.load(81642)
    record = bad.get("metadata", bad)
    record["files"] = [
        {
            "uri": "root://eospublic.cern.ch//eos/private",
            "size": len(SECRET),
            "checksum": f"adler32:{zlib.adler32(SECRET):08x}",
        }
    ]

    def answer(path):
        return contents.get(path, f"file://localhost{private}")

    with hostile_xrootd(answer) as server:
        flow.config = {"source": {"redirects": {small_records.SOURCE_PREFIX: server.url("")}}}
        flow.write_metadata(80502, good)
        flow.write_metadata(81642, bad)
        flow.want(80502, 81642)
        done = flow.run()
    assert done.returncode != 0
    stats = flow.stats()
    assert dict(stats["status"]) == {80502: "ok", 81642: "failed"}
    told = stats.loc[81642, "error"]
    assert "record 81642: private: " in told
    assert f"leads to file://localhost{private}" in told
    assert "source.allow.folders" in told
    written = [path for path in flow.folder.rglob("*") if path.is_file()]
    assert not any(SECRET[:6] in path.read_bytes() for path in written)
    assert SECRET[:6].decode() not in done.stdout + done.stderr
