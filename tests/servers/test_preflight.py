"""What a preflight finds at a repository before anything moves."""

from ferry.mapping.profiles import find_profile
from ferry.pace import Limit
from ferry.preflight import Check, check_disk, check_limits, check_repository
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import act, requests
from servers.raw_api import Api

LIMITS = [Limit(500, 60.0), Limit(5000, 3600.0)]


def look(sandbox, *, profile="rdm-plain", model=None, community=None, limits=LIMITS, **options):
    """Return the findings by name."""

    async def ask(repository):
        return await check_repository(
            repository=repository,
            profile=find_profile(profile),
            model=model,
            community=community,
            limits=limits,
        )

    return {check.name: check for check in act(sandbox, ask, model=model, **options)}


def not_ok(found):
    return {name: check.told for name, check in found.items() if not check.is_ok}


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


def test_ids_that_a_vocabulary_lacks_are_named(sandbox, monkeypatch):
    monkeypatch.setattr("ferry.preflight.vocabulary_ids", lambda _: {"licenses": ["cc0-1.0", "none-1.0", "none-2.0"]})
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
    monkeypatch.setattr("ferry.preflight.FEW_BYTES", 0)
    assert check_disk(tmp_path / "data" / "7").is_ok
    monkeypatch.setattr("ferry.preflight.FEW_BYTES", 1 << 62)
    assert "make room" in check_disk(tmp_path / "data").told


def test_a_line_says_at_its_beginning_whether_it_is_well():
    assert Check("token", True, "accepted").line().split() == ["ok", "token", "accepted"]
    assert Check("token", False, "refused").line().startswith("NOT  token")
