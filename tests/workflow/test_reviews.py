"""A run, a decision, another run: each tells of every record what its reviewers have said."""

import json

import pytest
from generated_records import put_below, redirect, write_records

from sandbox import launcher
from servers.raw_api import Api
from workflow.test_chain import assert_ok

ACCEPTED, DECLINED, LEFT = 7001, 7002, 7003
RECIDS = (ACCEPTED, DECLINED, LEFT)


@pytest.fixture
def repository(tmp_path):
    started = launcher.start(tmp_path / "repository")
    yield started
    started.stop()


@pytest.fixture
def curator(repository):
    """Give the one who decides for the community delphi."""
    api = Api(repository.url, repository.other_token)
    given = {"slug": "delphi", "metadata": {"title": "DELPHI"}, "access": {"review_policy": "closed"}}
    assert api.call("POST", "/api/communities", json=given).status_code == 201
    return api


@pytest.fixture
def submitted(flow, repository, curator):
    """Give a flow that has submitted three records to the community."""
    flow.folder /= "run"
    flow.folder.mkdir()
    write_records(flow.folder / "metadata", {recid: [100] for recid in RECIDS}, put=put_below(flow.folder / "far"))
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "repository": {"url": repository.url, "finish": "review", "community": "delphi"},
    }
    flow.environment = {"NRP_TOKEN": repository.token}
    flow.want(*RECIDS)
    done = flow.run()
    assert_ok(done)
    assert "ferry: 3 of those ok are in review: somebody has still to decide; each run asks again" in done.stderr
    return flow


def states(flow):
    return dict(flow.stats()["state"])


def decide(flow, curator, recid, action, words=None):
    request = flow.receipt(recid, "published")["request"]["id"]
    said = {"payload": {"content": words}} if words else {}
    assert curator.call("POST", f"/api/requests/{request}/actions/{action}", json=said).status_code == 200


def jobs_since(flow, count):
    return set(flow.jobs()[count:])


def check_decisions(flow, curator, recids):
    """Have one of three submitted records accepted, one declined, one left; run, correct, run, decide, run."""
    accepted, declined, left = recids
    assert states(flow) == dict.fromkeys(recids, "in_review")
    decide(flow, curator, accepted, "accept")
    decide(flow, curator, declined, "decline", "Name the detector.")
    before = len(flow.jobs())
    done = flow.run()
    assert done.returncode != 0
    assert jobs_since(flow, before) >= {(recid, "publish_record") for recid in recids}
    assert not {step for _, step in jobs_since(flow, before)} - {"publish_record", "record_stats"}
    stats = flow.stats()
    assert states(flow) == {accepted: "published", declined: "declined", left: "in_review"}
    assert dict(stats["status"]) == {accepted: "ok", declined: "failed", left: "ok"}
    assert dict(stats["published"]) == {accepted: True, declined: False, left: False}
    assert "declined by delphi, who say: Name the detector.; correct the record" in stats.loc[declined, "error"]
    assert flow.receipt(accepted, "published")["state"] == "published"
    assert "ferry: 1 of those ok are in review" in done.stderr
    assert f"  {left}  {stats.loc[left, 'review_url']}" in done.stderr

    (flow.folder / "metadata" / "corrections").mkdir(exist_ok=True)
    correction = flow.folder / "metadata" / "corrections" / f"{declined}.yaml"
    correction.write_text("title: With the detector DELPHI\n", encoding="utf-8")
    before = len(flow.jobs())
    assert_ok(flow.run())
    assert states(flow) == {accepted: "published", declined: "in_review", left: "in_review"}
    assert accepted not in {recid for recid, _ in jobs_since(flow, before)}
    assert (left, "publish_record") in jobs_since(flow, before)

    for recid in (declined, left):
        decide(flow, curator, recid, "accept")
    assert_ok(flow.run())
    assert states(flow) == dict.fromkeys(recids, "published")
    again = flow.run()
    assert "Nothing to be done" in again.stdout + again.stderr


def test_one_further_run_tells_what_was_accepted_declined_and_left_and_what_is_corrected_is_in_review_again(
    submitted, curator
):
    check_decisions(submitted, curator, RECIDS)


def test_each_run_asks_again_as_long_as_nobody_has_decided_and_sends_nothing(submitted, repository):
    def asked():
        lines = (repository.directory / "requests.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    for _ in range(2):
        before, jobs = len(asked()), len(submitted.jobs())
        assert_ok(submitted.run())
        assert jobs_since(submitted, jobs) == {(r, s) for r in RECIDS for s in ("publish_record", "record_stats")}
        assert {line["method"] for line in asked()[before:]} == {"GET"}
    assert "output: results/7003/published.json" in submitted.run("--dry-run").stdout
    assert submitted.receipt(LEFT, "published")["state"] == "in_review"
