"""The token comes from where only its owner can read it, and goes with no job of a batch system."""

import json

import pytest

from ferry.errors import ConfigError
from ferry.repository.tokens import read_token, refuse_token_in_environment

URL = "https://repository.example.org"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("from-file\n", encoding="ascii")
    path.chmod(0o600)
    return path


def test_the_environment_goes_first_then_the_file_it_names_then_nrp_cmd(token_file, tmp_path):
    known = tmp_path / "nrp.json"
    known.write_text(json.dumps({"repositories": [{"url": URL, "token": "from-nrp"}]}), encoding="utf-8")
    known.chmod(0o600)
    environment = {"NRP_TOKEN": "direct", "NRP_TOKEN_FILE": str(token_file), "NRP_CMD_CONFIG_PATH": str(known)}
    for expected in ("direct", "from-file", "from-nrp"):
        assert read_token(url=URL, environment=environment) == expected
        environment.pop(next(iter(environment)))


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("t", 0o644, "chmod 600"),
        ("", 0o600, "one token"),
        ("two words", 0o600, "one token"),
        ("t\xe9", 0o600, "a token"),
    ],
)
def test_a_file_that_others_can_read_or_that_holds_no_token_is_refused_and_not_quoted(token_file, text, mode, told):
    token_file.write_text(text, encoding="latin-1")
    token_file.chmod(mode)
    with pytest.raises(ConfigError, match=told) as refused:
        read_token(url=URL, environment={"NRP_TOKEN_FILE": str(token_file)})
    assert "words" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere: expected a token"):
        read_token(url=URL, environment={"NRP_TOKEN_FILE": str(tmp_path / "nowhere")})


def test_a_token_in_the_environment_of_a_batch_system_is_refused_and_not_quoted():
    with pytest.raises(ConfigError, match="NRP_TOKEN_FILE") as refused:
        refuse_token_in_environment({"NRP_TOKEN": "secret"})
    assert "secret" not in str(refused.value)
    refuse_token_in_environment({"NRP_TOKEN": "", "NRP_TOKEN_FILE": "/home/me/token"})
