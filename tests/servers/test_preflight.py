"""What a preflight finds at a repository before anything moves."""

import asyncio
import dataclasses
import socket

import pytest
from yarl import URL

from ferry.errors import TransientError
from ferry.mapping.profiles import find_profile
from ferry.repository.client import Repository
from ferry.repository.rate_limit import Limit
from ferry.steps.body_sizes import check_body_sizes
from ferry.steps.preflight_checks import Check, check_disk, check_limits, check_repository
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import act, requests
from servers.raw_api import Api
from workflow.conftest import flow as flow  # noqa: PLC0414 - a fixture is found by its name here
from workflow.test_chain import MANUAL

LIMITS = [Limit(500, 60.0), Limit(5000, 3600.0)]


def look(sandbox, *, profile="rdm-plain", model=None, community=None, workflow=None, limits=LIMITS, **options):
    """Return the findings by name."""
    categories = options.pop("categories", ["higgs"])

    async def ask(repository):
        return await check_repository(
            repository=repository,
            profile=find_profile(profile) if isinstance(profile, str) else profile,
            categories=categories,
            model=model,
            community=community,
            workflow=workflow,
            limits=limits,
        )

    return {check.name: check for check in act(sandbox, ask, model=model, **options)}


def not_ok(found):
    return {name: check.told for name, check in found.items() if check.is_ok is False}


def test_a_repository_that_has_all_is_found_ready_and_only_read(sandbox):
    found = look(sandbox)
    assert not_ok(found) == {}
    assert {"reachable", "token", "model", "licenses", "resourcetypes", "parts", "limits"} <= set(found)
    assert found["limits"].told.endswith("the repository tells of 500 at a time")
    assert {request["method"] for request in requests(sandbox)} == {"GET"}


def test_a_token_that_is_refused_is_told_with_what_to_do_and_not_shown(sandbox):
    told = not_ok(look(sandbox, token="wrong-token-value"))
    assert "export NRP_TOKEN" in told["token"]
    assert "wrong-token-value" not in str(told)


def test_a_model_or_community_that_is_not_there_is_told(sandbox):
    found = not_ok(look(sandbox, model="particles", community="delphi"))
    assert "correct repository.model" in found["model"]
    assert found["community"].startswith("not there: delphi")
    made = {"slug": "delphi", "metadata": {"title": "DELPHI"}, "access": {}}
    assert Api(sandbox.url, sandbox.token).call("POST", "/api/communities", json=made).status_code == 201
    assert not_ok(look(sandbox, community="delphi")) == {}


def test_what_does_not_answer_just_now_is_unknown_and_not_refused(sandbox, monkeypatch):
    async def busy(*_arguments):
        raise TransientError("the repository failed (503)")

    for method in ("count_own", "read_community", "look_up"):
        monkeypatch.setattr(Repository, method, busy)
    found = look(sandbox, community="delphi")
    assert not_ok(found) == {}
    assert {found[name].is_ok for name in ("token", "community", "licenses")} == {None}


def test_ids_that_a_vocabulary_lacks_are_named(sandbox, monkeypatch):
    monkeypatch.setattr(
        "ferry.steps.preflight_checks.vocabulary_ids", lambda *_: {"licenses": ["cc0-1.0", "none-1.0", "none-2.0"]}
    )
    assert not_ok(look(sandbox))["licenses"].startswith("not there: none-1.0, none-2.0;")


def test_a_repository_that_takes_no_parts_takes_files_whole(tmp_path):
    sandbox = launcher.start(tmp_path / "repository", settings=Settings(multipart=False))
    try:
        found = look(sandbox)
        assert not_ok(found) == {}
        assert "they go whole" in found["parts"].told
    finally:
        sandbox.stop()


def test_limits_are_compared_with_what_the_repository_tells():
    assert check_limits(LIMITS, told=None).is_ok
    assert check_limits(LIMITS, told=500).is_ok
    assert not check_limits(LIMITS, told=100).is_ok
    assert not check_limits([], told=500).is_ok
    assert check_limits([], told=None).is_ok


def test_little_free_disk_is_told_also_for_a_folder_that_is_still_to_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr("ferry.steps.preflight_checks.FEW_BYTES", 0)
    assert check_disk(tmp_path / "data" / "7").is_ok
    monkeypatch.setattr("ferry.steps.preflight_checks.FEW_BYTES", 1 << 62)
    assert "make room" in check_disk(tmp_path / "data").told


def test_a_line_says_at_its_beginning_whether_it_is_well():
    assert Check("token", True, "accepted").line().split() == ["ok", "token", "accepted"]
    assert Check("token", False, "refused").line().startswith("NOT  token")
    assert Check("token", None, "no answer").line().split(maxsplit=2) == ["unknown", "token", "no answer"]


# --- a real NRP repository ---


def look_at_nrp(nrp, **changes):
    wanted = {"profile": nrp.base, "model": nrp.model, "community": nrp.community, "token": nrp.token} | changes
    return look(nrp, **wanted)


@pytest.mark.nrp
def test_an_nrp_repository_that_has_all_is_found_ready(nrp):
    found = look_at_nrp(nrp)
    assert not_ok(found) == {}
    assert {"particle_category", "experiments", "subjects", "descriptiontypes", "titletypes"} <= set(found)
    assert found["workflow"].told == f"the community's own ({nrp.community_workflow})"
    assert not_ok(look_at_nrp(nrp, workflow=nrp.community_workflow)) == {}
    alone = look_at_nrp(nrp, community=None, workflow=nrp.review_workflow)
    assert not_ok(alone) == {}
    assert alone["workflow"].is_ok is None


@pytest.mark.nrp
def test_a_wrong_token_is_refused_though_the_list_of_the_model_answers_to_any(nrp):
    assert not_ok(look_at_nrp(nrp, token="garbage"))["token"].startswith("refused: it is wrong or has expired")


@pytest.mark.nrp
@pytest.mark.parametrize(
    ("token", "repository", "told"),
    [
        ("garbage", {"community": "delphi"}, "NOT token refused: it is wrong or has expired"),
        (
            None,
            {"community": "delphi", "workflow": "individual"},
            "NOT workflow individual: the community delphi takes",
        ),
    ],
)
def test_a_run_is_refused_before_its_first_record(nrp, flow, token, repository, told):
    flow.environment = {"NRP_TOKEN": token or nrp.token}
    flow.config = {
        "transform": {"profile": nrp.base},
        "repository": {"url": nrp.url, "model": nrp.model, **repository},
    }
    flow.want(MANUAL)
    refused = flow.run("--quiet", "all")
    assert refused.returncode != 0
    lines = [" ".join(line.split()) for line in refused.stderr.splitlines() if line.startswith("NOT")]
    assert len(lines) == 1
    assert lines[0].startswith(told)
    assert not (flow.folder / "logs" / str(MANUAL)).exists()


@pytest.mark.nrp
@pytest.mark.parametrize(
    ("changes", "name", "told"),
    [
        ({"model": "particle"}, "model", "particle: not there, but particles"),
        ({"community": "delphy"}, "community", "not there: delphy"),
        ({"workflow": "individual"}, "workflow", "individual: the community delphi takes only community"),
        ({"categories": ["higgs", "nixgs"]}, "particle_category", "not there: nixgs; correct transform.categories"),
    ],
)
def test_each_name_that_an_nrp_repository_does_not_have_is_refused_alone_and_by_name(nrp, changes, name, told):
    found = not_ok(look_at_nrp(nrp, **changes))
    assert list(found) == [name]
    assert found[name].startswith(told)


@pytest.mark.nrp
def test_a_community_that_takes_no_records_of_the_user_is_refused(nrp):
    found = not_ok(look_at_nrp(nrp, token=nrp.other_token))
    assert list(found) == ["community"]
    assert "takes no records of the token's user" in found["community"]


@pytest.mark.nrp
def test_ids_of_experiments_and_subjects_that_are_not_there_are_refused(nrp):
    profile = find_profile(nrp.base)
    particles = dataclasses.replace(profile.particles, experiment_ids={"ALEPH": "ALEPH"})
    found = not_ok(look_at_nrp(nrp, profile=dataclasses.replace(profile, subject="99999", particles=particles)))
    assert {name: told.partition(";")[0] for name, told in found.items()} == {
        "experiments": "not there: ALEPH",
        "subjects": "not there: 99999",
    }


@pytest.mark.parametrize(
    ("answers", "parts", "is_ok", "told"),
    [
        ({10**9: True}, True, True, "takes 1 GB in one request"),
        (
            {10**9: False, 10**8: True},
            True,
            True,
            "does not take 1 GB in one request; takes 100 MB in one request; files above go in parts",
        ),
        (
            {10**9: False, 10**8: False},
            False,
            True,
            "does not take 1 GB, 100 MB in one request; smaller parts are tried, then the file fails; "
            "and files in parts it does not offer",
        ),
        ({10**9: None}, True, None, "not told; a file that is too large for one request goes in parts"),
    ],
)
def test_how_large_a_request_may_be_is_asked_from_the_largest_on(answers, parts, is_ok, told):
    class Repository:
        takes_parts = parts

        async def takes_body(self, size_bytes):
            return answers[size_bytes]

    settings = {"multipart_from_bytes": 10**9, "part_bytes": 10**8}
    found = asyncio.run(check_body_sizes(repository=Repository(), settings=settings))
    assert (found.name, found.is_ok, found.told) == ("request size", is_ok, told)


def test_a_proxy_that_wants_all_of_a_body_before_it_answers_is_not_waited_for(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as silent:

        async def ask(repository):
            repository._records_url = URL(f"http://127.0.0.1:{silent.getsockname()[1]}/api/records")
            return await repository.takes_body(10**9, wait_s=0.2)

        assert act(sandbox, ask) is None
