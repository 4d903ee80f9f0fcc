"""A record of which only some files go up says so wherever it is read: it is never taken for the whole."""

import json

from generated_records import put_below, redirect, write_records

from workflow.test_chain import assert_ok


def test_a_part_of_a_record_is_told_in_the_repository_in_stats_manifest_and_proof_and_all_of_it_later(
    flow,
):
    write_records(flow.folder / "metadata", {7001: [10, 20, 30], 7002: [5]}, put=put_below(flow.folder / "far"))
    flow.want(7001, 7002)
    flow.config = {
        "source": {
            "redirects": redirect(flow.folder / "far"),
            "files": {"names": ["f0000[01].al"], "regexp": None, "ranges": []}
        },
        "repository": {"finish": "publish"},
    }  # fmt: skip
    assert_ok(flow.run("plan"))
    done = flow.run()
    assert_ok(done)
    assert "ferry: 1 of those ok hold only the files that source.files chooses, as they say themselves" in done.stderr
    assert "  7001  1 file left out" in done.stderr
    said = "This copy holds 2 of the 3 files of the original record."
    assert said in flow.receipt(7001, "record")["metadata"]["description"]
    assert "This copy" not in flow.receipt(7002, "record")["metadata"]["description"]
    left_out = {"files": 1, "size_bytes": 30, "chosen": "names f0000[01].al"}
    assert flow.receipt(7001, "source")["left_out"] == left_out
    assert flow.receipt(7001, "proof")["left_out"] == left_out
    assert "left_out" not in flow.receipt(7002, "proof")
    manifest = json.loads((flow.folder / "data/7001/attachments/7001_manifest.json").read_bytes())
    assert (manifest["left_out"], len(manifest["files"])) == (left_out, 2)
    stats = flow.stats()
    assert stats["left_out_count"].to_dict() == {7001: 1, 7002: 0}
    assert stats["file_count"].to_dict() == {7001: 2, 7002: 1}
    assert "1 of them with the chosen files only" in (flow.folder / "results" / "overview.html").read_text()
    assert "Nothing to be done" in flow.run().stderr
    flow.config["source"]["files"]["names"] = []
    flow.config["repository"]["when_published"] = "new_version"
    assert_ok(flow.run())
    assert flow.stats()["left_out_count"].to_dict() == {7001: 0, 7002: 0}
    assert said not in flow.receipt(7001, "record")["metadata"]["description"]
    assert len(flow.receipt(7001, "download")["files"]) == 3
