"""The configuration is checked as a whole before anything starts."""

import copy
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ferry.config import check_config, normalise_config, same_address
from ferry.errors import ConfigError
from ferry.steps.preflight_checks import check_disk
from ferry.strict_yaml import read_config_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def _with(config, section, **changes):
    changed = copy.deepcopy(config)
    changed[section].update(changes)
    return changed


def test_the_default_configuration_is_valid(config):
    check_config(config)


def test_a_misspelt_key_is_refused_with_the_key_that_was_meant(config):
    with pytest.raises(ConfigError, match=r"package: unknown key 'max_fles'; did you mean 'max_files'\?"):
        check_config(_with(config, "package", max_fles=3))


def test_a_folder_whose_address_is_escaped_is_refused_with_what_was_meant(config, tmp_path):
    (tmp_path / "my data").mkdir()
    (tmp_path / "50%25").mkdir()
    for place in (f"file://{tmp_path}/my data/", f"file://{tmp_path}/50%25/", f"file://localhost{tmp_path}/none%20/"):
        check_config(_with(config, "source", redirects={"root://x/": place}))
    for scheme in ("file://", "file:", "file://localhost"):
        place, meant = (f"{scheme}{tmp_path}/my{space}data/" for space in ("%20", " "))
        with pytest.raises(ConfigError, match=re.escape(f"found none at {place}; did you mean {meant}?")):
            check_config(_with(config, "source", redirects={"root://x/": place}))


def test_every_problem_is_told_at_once(config):
    broken = _with(_with(config, "download", attempts="many"), "package", max_files=500)
    with pytest.raises(ConfigError) as refused:
        check_config(broken)
    assert "download.attempts" in str(refused.value)
    assert "package.max_files" in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://host", "https://token@host", "host", ""])
def test_an_address_that_is_no_repository_is_refused(config, url):
    with pytest.raises(ConfigError, match=r"repository\.url"):
        check_config(_with(config, "repository", url=url))


@pytest.mark.parametrize("url", ["https://SECRET@host.org", "SECRET@host.org", "https://me:SECRET@host", ["x@SECRET"]])
def test_a_token_in_the_address_is_refused_and_not_told(config, url):
    for refused in (_with(config, "repository", url=url), {**config, "repository": url}):
        with pytest.raises(ConfigError, match=r"repository(\.url)?: expected an address without") as told:
            check_config(refused)
        assert "SECRET" not in str(told.value)


def test_a_token_has_no_place_in_the_configuration(config):
    with pytest.raises(ConfigError, match="unknown key 'token'"):
        check_config(_with(config, "repository", token="secret"))


def test_certificates_may_be_ignored_on_loopback_only(config):
    check_config(_with(config, "repository", url="https://127.0.0.1:5000", verify_tls=False))
    with pytest.raises(ConfigError, match="verify_tls"):
        check_config(_with(config, "repository", url="https://repository.example.org", verify_tls=False))


def test_a_breaker_that_can_never_trip_is_refused_and_none_at_all_is_not(config):
    check_config(_with(config, "breaker", failed=0))
    with pytest.raises(ConfigError, match=r"breaker\.failed: expected at most breaker\.of_last"):
        check_config(_with(config, "breaker", of_last=5, failed=6))


@pytest.mark.parametrize("given", [{"community": "delphi"}, {"workflow": "reviewed"}])
def test_a_review_needs_a_community_or_a_workflow_that_wants_one(config, given):
    here = {"url": "https://repository.example.org", "finish": "review"}
    check_config(_with(config, "repository", **here, **given))
    with pytest.raises(ConfigError, match=r"repository\.finish: review needs somebody who reviews"):
        check_config(_with(config, "repository", **here))


def test_a_recid_that_no_receipt_can_hold_is_refused(config):
    check_config(_with(config, "records", recids=[2**63 - 1]))
    with pytest.raises(ConfigError, match=r"records\.recids\[0\]: 9223372036854775808 is greater"):
        check_config(_with(config, "records", recids=[2**63]))


def test_a_folder_of_metadata_that_is_not_there_is_refused_unless_it_is_the_default(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_config(config)
    with pytest.raises(ConfigError, match=r"metadata\.dir: expected a folder, found none at metdata"):
        check_config(_with(config, "metadata", dir="metdata"))
    (tmp_path / "metdata").mkdir()
    check_config(_with(config, "metadata", dir="metdata"))


def test_what_preflight_advises_on_a_full_disk_is_taken(config, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=5))
    told = check_disk(tmp_path / "data").told
    section, key, value = re.search(r"(package)\.(\w+): (\w+)", told).groups()
    check_config(_with(config, section, **{key: value}))


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("download", "parallel_files", 16.0, "download.parallel_files: expected an integer, found 16.0; write 16"),
        ("upload", "attempts", 5.0, "upload.attempts: expected an integer, found 5.0"),
        ("upload", "bytes_per_s", 1e6, "upload.bytes_per_s: expected an integer, found 1000000.0; write 1000000"),
        ("records", "recids", [5, 80505.0], "records.recids[1]: expected an integer, found 80505.0"),
        ("catalogue", "priorities", {"Collision": 2.0}, "catalogue.priorities.Collision: expected an integer"),
        ("progress", "every_s", float("inf"), "progress.every_s: expected a number, found inf"),
        ("progress", "every_s", float("nan"), "progress.every_s: expected a number, found nan"),
    ],
)
def test_a_float_where_jobs_need_an_integer_is_refused(config, section, key, value, told):
    with pytest.raises(ConfigError) as refused:
        check_config(_with(config, section, **{key: value}))
    assert told in str(refused.value)


def test_a_part_of_a_second_is_a_number_of_seconds(config):
    check_config(_with(config, "progress", every_s=0.1))


@pytest.mark.parametrize("given", ["012", "0x10", "1_0", "0b11", "1:30"])
def test_a_number_given_as_text_is_one_that_people_write(config, given):
    given = _with(config, "records", recids=[given])
    normalise_config(given)
    with pytest.raises(ConfigError, match=r"records\.recids\[0\]: .* is not of type 'integer'"):
        check_config(given)


@pytest.mark.parametrize("number", ["012", "0x10", "1_0", "0b11", "1:30"])
def test_a_number_of_a_file_that_could_be_another_one_is_refused(tmp_path, number):
    path = tmp_path / "mine.yaml"
    path.write_text(f"package:\n  max_files: {number}\nrecords: {{recids: [7, {number}]}}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_config_file(path)
    assert "mine.yaml, line 2: package.max_files: expected a number as people write it" in str(refused.value)
    assert "mine.yaml, line 3: records.recids[1]: expected a number as people write it" in str(refused.value)


def test_a_file_of_the_configuration_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml: expected a file of the config.*, found: No such file") as refused:
        read_config_file(tmp_path / "no.yaml")
    assert "Errno" not in str(refused.value)


def test_a_home_folder_is_named_by_its_sign_also_where_links_may_lead(config, monkeypatch):
    monkeypatch.setenv("HOME", "/home/of-somebody")
    given = _with(config, "source", allow={"hosts": [], "folders": ["~/data", "/data", 7]})
    normalise_config(given)
    assert given["source"]["allow"]["folders"] == ["/home/of-somebody/data", "/data", 7]


def test_the_home_of_nobody_is_no_folder(config):
    given = _with(config, "metadata", dir="~nobody-of-that-name/records")
    normalise_config(given)
    with pytest.raises(ConfigError, match=r"metadata\.dir: expected a folder, found none at ~nobody-of-that-name/"):
        check_config(given)


@pytest.mark.parametrize("url", ["https://me:SECRET@host.org/", "https://SECRET@HOST.org:443", "https://h\\@SECRET"])
def test_a_token_in_an_address_is_still_there_to_be_refused_when_addresses_have_one_form(config, url):
    given = _with(config, "repository", url=url)
    normalise_config(given)
    with pytest.raises(ConfigError, match=r"repository\.url: expected an address without a name or token"):
        check_config(given)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://H.Example.org:443/", "https://h.example.org"),
        ("https://h.example.org:8443/a/#top", "https://h.example.org:8443/a"),
        ("http://[::1]:80/", "http://[::1]"),
        ("sandbox", "sandbox"),
    ],
)
def test_an_address_has_one_form(url, same):
    assert same_address(url) == same
