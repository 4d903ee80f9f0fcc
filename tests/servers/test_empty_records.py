"""Records without files and files without a byte in a repository that takes neither: one run to the end."""

import secrets

import pytest
from generated_records import put_below, redirect, write_records

from sandbox import launcher
from sandbox.settings import Settings
from workflow.conftest import flow as flow  # noqa: PLC0414 - a fixture is found by its name here
from workflow.test_chain import assert_ok


def new_recids():
    """Return the recids of a record with files, of one without, and of one with an empty file, of no earlier test."""
    first = 9_400_000 + secrets.randbelow(99_990)
    return first, first + 1, first + 2


@pytest.fixture(params=["sandbox", pytest.param("nrp", marks=pytest.mark.nrp)])
def refusing(request, flow, tmp_path):
    """Give a flow into a repository that takes neither."""
    flow.folder /= "run"
    flow.folder.mkdir()
    full, bare, hollow = flow.recids = new_recids()
    sizes = {full: [100, 50], bare: [], hollow: [0, 40]}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder / "far"))
    flow.config = {"source": {"redirects": redirect(flow.folder / "far")}}
    if request.param == "nrp":
        nrp = request.getfixturevalue("nrp_with")(metadata_only=False, empty_files=False)
        flow.config["transform"] = {"profile": nrp.base}
        flow.config["repository"] = {"url": nrp.url, "model": nrp.model, "finish": "publish"}
        flow.environment = {"NRP_TOKEN": nrp.token}
        yield flow
        return
    settings = Settings(metadata_only=False, empty_files=False)
    repository = launcher.start(tmp_path / "repository", settings=settings)
    flow.config["repository"] = {"url": repository.url, "finish": "publish"}
    flow.environment = {"NRP_TOKEN": repository.token}
    yield flow
    repository.stop()


@pytest.mark.slow
def test_they_are_told_by_the_plan_fail_with_the_way_out_and_go_up_once_it_is_taken(refusing):
    full, bare, hollow = refusing.recids
    refusing.want(full, bare, hollow)
    planned = refusing.run("plan")
    assert_ok(planned)
    unknown = "which not every repository takes: ask, and set"
    assert f"without files    1 record, {unknown} repository.takes_records_without_files" in planned.stdout
    assert f"empty files      in 1 record, {unknown} package.empty_files to bundle" in planned.stdout
    assert refusing.run().returncode != 0
    stats = refusing.stats()
    assert dict(stats["status"]) == {full: "ok", bare: "failed", hollow: "failed"}
    assert "set package.empty_records" in stats["error"][bare]
    assert "set package.empty_files to bundle" in stats["error"][hollow]
    refusing.config["package"] = {"empty_records": "metadata_file", "empty_files": "bundle"}
    assert_ok(refusing.run())
    stats = refusing.stats()
    assert set(stats["status"]) == {"ok"}
    assert stats["published"].all()
    assert dict(stats["bundle_count"]) == {full: 0, bare: 0, hollow: 1}
    assert [file["key"] for file in refusing.receipt(bare, "upload")["files"]] == [f"{bare}.json"]


def test_a_record_without_files_is_told_by_the_plan_where_none_is_known_to_be_taken(refusing):
    _, bare, _ = refusing.recids
    refusing.config["repository"]["takes_records_without_files"] = False
    refusing.want(bare)
    planned = refusing.run("plan")
    assert "cannot succeed" in planned.stdout
    assert f"  {bare}  record {bare} has no files, and this repository takes no record without files" in planned.stdout


@pytest.mark.slow
def test_a_record_without_files_is_skipped_with_the_reason_and_a_second_run_has_nothing_to_do(refusing):
    full, bare, _ = refusing.recids
    refusing.config["package"] = {"empty_records": "skip"}
    refusing.want(full, bare)
    done = refusing.run()
    assert_ok(done)
    assert "1 ok, 0 failed, 0 to go, of 2 records; 1 skipped" in done.stdout + done.stderr
    row = refusing.stats().loc[bare]
    assert (row["status"], row["step"], row["published"]) == ("skipped", "upload_record", False)
    assert "this repository takes no record without files; skipped" in row["error"]
    again = refusing.run()
    assert_ok(again)
    assert "Nothing to be done" in again.stdout + again.stderr
