"""`snakemake preflight`: a line for each thing that a run needs of the repository, and the exit status."""

import pytest

from workflow.test_chain import MANUAL, assert_ok


@pytest.mark.smoke
def test_a_preflight_tells_what_it_found_moves_nothing_and_fails_if_a_run_could_not_go_through(flow):
    flow.want(MANUAL)
    done = flow.run("preflight")
    assert_ok(done)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "NOT"))]
    assert len(lines) >= 10
    assert all(line.startswith("ok ") for line in lines)
    flow.config = {"repository": {"model": "particles"}}
    refused = flow.run("preflight")
    assert refused.returncode != 0
    told = refused.stdout + refused.stderr
    assert "NOT  model" in told
    assert "correct repository.model" in told
    assert "Traceback" not in told
    assert not (flow.folder / "data" / str(MANUAL)).exists()
    assert not (flow.folder / "results" / "stats.csv").exists()
    assert {request["method"] for request in flow.requests()} == {"GET"}


def test_the_sandbox_takes_as_many_requests_as_the_configuration_says(flow):
    flow.want(MANUAL)
    limits = {"requests_per_minute": 77, "requests_per_hour": None}
    flow.config = {"sandbox": limits, "repository": dict(limits)}
    assert "77 requests in 60 s; the repository tells of 77 at a time" in flow.run("preflight").stdout


def test_a_run_that_could_bring_no_record_is_refused_with_the_same_line_before_the_first(flow):
    flow.want(MANUAL)
    flow.config = {"repository": {"model": "particles"}}
    refused = flow.run("--quiet", "all")
    assert refused.returncode != 0
    told = " ".join(refused.stderr.split())
    assert "not ready, no record was begun: NOT model particles: not there, but records; correct" in told
    assert "Traceback" not in refused.stderr
    assert not (flow.folder / "logs" / str(MANUAL)).exists()
    assert {request["method"] for request in flow.requests()} == {"GET"}


def test_a_category_that_the_repository_does_not_know_is_refused_before_the_first_record(flow):
    flow.want(MANUAL)
    flow.config = {
        "sandbox": {"flavour": "nrp"},
        "repository": {"model": "particles"},
        "transform": {"profile": "ccmm1", "categories": {"Higgs": "nosuchcat"}},
    }
    refused = flow.run("--quiet", "all")
    assert refused.returncode != 0
    told = " ".join(refused.stderr.split())
    assert "no record was begun: NOT particle_category not there: nosuchcat; correct transform.categories" in told
    assert not (flow.folder / "logs" / str(MANUAL)).exists()
    assert {request["method"] for request in flow.requests()} == {"GET"}
    looked_up = {request["path"] for request in flow.requests() if "/vocabularies/" in request["path"]}
    assert looked_up == {"/api/vocabularies/particle_category/nosuchcat", "/api/vocabularies/experiments/DELPHI"}
