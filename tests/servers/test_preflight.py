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
from ferry.steps.preflight_checks import Check, check_configured_ids, check_disk, check_limits, check_repository
from ferry.steps.preflight_files import check_files
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import act, document, requests
from servers.raw_api import Api
from workflow.conftest import flow as flow  # noqa: PLC0414 - a fixture is found by its name here
from workflow.test_chain import MANUAL, assert_ok

LIMITS = [Limit(500, 60.0), Limit(5000, 3600.0)]


def look(sandbox, *, profile="rdm-plain", model=None, community=None, workflow=None, limits=LIMITS, **options):
    """Return the findings by name."""
    categories = options.pop("categories", ["higgs"])
    date_descriptions = options.pop("date_descriptions", None)

    async def ask(repository):
        return await check_repository(
            repository=repository,
            profile=find_profile(profile) if isinstance(profile, str) else profile,
            categories=categories,
            date_descriptions=date_descriptions,
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


def test_a_profile_without_categories_and_experiments_has_no_id_of_the_configuration_looked_up(sandbox):
    async def ask(repository):
        return await check_configured_ids(
            repository=repository, profile=find_profile("rdm-plain"), categories=["nosuchcat"]
        )

    assert act(sandbox, ask) == []
    assert not [request for request in requests(sandbox) if "/vocabularies/" in request["path"]]


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


def look_at_files(server, *, takes_records_without_files=None, **package):
    async def ask(repository):
        package_settings = {"empty_records": "fail", "empty_files": "loose"} | package
        return await check_files(
            repository=repository,
            takes_records_without_files=takes_records_without_files,
            package={"max_upload_bytes": 10**10, "max_record_bytes": None} | package_settings,
        )

    return {check.name: check for check in act(server, ask)}


def test_what_a_repository_does_not_tell_of_files_is_unknown_until_it_is_configured_or_seen(tmp_path):
    sandbox = launcher.start(tmp_path / "repository", settings=Settings(index_lag_s=0))
    try:
        found = look_at_files(sandbox)
        assert {name: check.is_ok for name, check in found.items()} == {
            "without files": None, "empty files": None, "limits of files": None,
        }  # fmt: skip
        assert (
            "package.max_upload_bytes: 10000000000, package.max_record_bytes: no limit" in found["limits of files"].told
        )
        told = look_at_files(sandbox, takes_records_without_files=False, empty_records="skip", empty_files="bundle")
        assert "are not taken (package.empty_records: skip)" in told["without files"].told
        assert told["empty files"].is_ok
        api = Api(sandbox.url, sandbox.token)
        draft = api.call("POST", "/api/records", json=document(files_enabled=False)).json()
        assert api.call("POST", f"/api/records/{draft['id']}/draft/actions/publish").status_code == 202
        assert look_at_files(sandbox)["without files"].told == "records without files were taken: 1 are public"
    finally:
        sandbox.stop()


# --- a real NRP repository ---


@pytest.fixture
def into_nrp(flow, nrp):
    """Give a flow whose every name is right, and the lines of its preflight that say NOT."""
    flow.environment = {"NRP_TOKEN": nrp.token}
    flow.config = {
        "transform": {"profile": nrp.base},
        "repository": {"url": nrp.url, "model": nrp.model, "community": nrp.community},
    }
    flow.want(MANUAL)
    return flow


def refused_lines(done):
    lines = (done.stdout + done.stderr).splitlines()
    return sorted({" ".join(line.split()) for line in lines if line.strip().startswith("NOT")})


@pytest.mark.nrp
def test_a_preflight_where_all_is_right_refuses_nothing(into_nrp, nrp):
    done = into_nrp.run("preflight")
    assert_ok(done)
    assert refused_lines(done) == []
    assert {"particle_category", "experiments", "subjects", "workflow"} <= set(done.stdout.split())


@pytest.mark.nrp
@pytest.mark.parametrize(
    ("token", "repository", "categories", "told"),
    [
        ("garbage", {}, {}, "NOT token refused: it is wrong or has expired"),
        (None, {"model": "particle"}, {}, "NOT model particle: not there, but particles;"),
        (None, {"community": "delphy"}, {}, "NOT community not there: delphy;"),
        (None, {"workflow": "individual"}, {}, "NOT workflow individual: the community delphi takes only community;"),
        (None, {}, {"Higgs": "nixgs"}, "NOT particle_category not there: nixgs; correct transform.categories"),
    ],
)
def test_a_preflight_refuses_each_by_name(into_nrp, nrp, token, repository, categories, told):
    into_nrp.config["repository"] |= repository
    into_nrp.config["transform"]["categories"] = categories
    into_nrp.environment = {"NRP_TOKEN": token or nrp.token}
    done = into_nrp.run("preflight")
    assert done.returncode != 0
    (line,) = refused_lines(done)
    assert line.startswith(told)


@pytest.mark.nrp
@pytest.mark.parametrize(
    ("token", "repository", "told"),
    [
        ("garbage", {}, "NOT token refused: it is wrong or has expired"),
        (None, {"workflow": "individual"}, "NOT workflow individual: the community delphi takes only community;"),
    ],
)
def test_a_run_is_refused_with_the_same_line_before_its_first_record(into_nrp, nrp, token, repository, told):
    into_nrp.config["repository"] |= repository
    into_nrp.environment = {"NRP_TOKEN": token or nrp.token}
    refused = into_nrp.run("--quiet", "all")
    assert refused.returncode != 0
    (line,) = refused_lines(refused)
    assert line.startswith(told)
    assert not (into_nrp.folder / "logs" / str(MANUAL)).exists()


def look_at_nrp(nrp, **changes):
    return look(nrp, **{"profile": nrp.base, "model": nrp.model, "token": nrp.token} | changes)


@pytest.mark.nrp
def test_a_workflow_without_a_community_is_not_told_by_the_repository(nrp):
    found = look_at_nrp(nrp, workflow=nrp.review_workflow)
    assert not_ok(found) == {}
    assert found["workflow"].is_ok is None


@pytest.mark.nrp
def test_a_community_that_takes_no_records_of_the_user_is_refused(nrp):
    found = not_ok(look_at_nrp(nrp, community=nrp.community, token=nrp.other_token))
    assert list(found) == ["community"]
    assert "takes no records of the token's user" in found["community"]


@pytest.mark.nrp
@pytest.mark.parametrize(
    ("said", "is_ok", "told"),
    [
        (
            None,
            True,
            "descriptions: none; the repository takes a text: to send them, set transform.date_descriptions: text",
        ),
        ("text", True, "descriptions: a text, as the repository takes them"),
        ("languages", False, "but the repository takes a text; set transform.date_descriptions: text"),
    ],
)
def test_what_descriptions_of_dates_are_is_told_by_the_schema_of_the_model(nrp, said, is_ok, told):
    if nrp.base != "ccmm1":
        pytest.skip("only CCMM 1 changed it")
    found = look_at_nrp(nrp, date_descriptions=said)["dates"]
    assert (found.is_ok, told in found.told) == (is_ok, True), found.told


@pytest.mark.nrp
def test_a_run_whose_descriptions_of_dates_would_be_refused_is_refused_before_its_first_record(into_nrp, nrp):
    into_nrp.config["transform"]["date_descriptions"] = "languages"
    refused = into_nrp.run("--quiet", "all")
    assert refused.returncode != 0
    (line,) = refused_lines(refused)
    assert line.startswith("NOT dates descriptions: texts by language, but the repository takes a text;")
    assert not (into_nrp.folder / "logs" / str(MANUAL)).exists()


@pytest.mark.parametrize(
    ("kind", "said", "is_ok"),
    [("string", "text", True), ("object", "languages", True), ("object", "text", False), ("string", None, True)],
)
def test_descriptions_of_dates_are_compared_with_what_the_schema_of_a_model_says(
    sandbox, monkeypatch, kind, said, is_ok
):
    dates = {"items": {"properties": {"description": {"type": kind}}}}

    async def schema(_repository):
        return {"properties": {"metadata": {"properties": {"dates": dates}}}}

    monkeypatch.setattr(Repository, "read_schema", schema)
    assert look(sandbox, profile="ccmm1", date_descriptions=said)["dates"].is_ok is is_ok


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
