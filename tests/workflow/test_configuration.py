"""What a configuration means is one thing: what could be read in two ways, or goes astray, stops the run."""

import subprocess
import sys

import pytest

from workflow.conftest import ROOT
from workflow.test_chain import MANUAL, assert_ok

pytestmark = pytest.mark.smoke


def refused(flow, text):
    """Run with this file as the configuration; return what was told. Nothing may have been begun."""
    flow.want(MANUAL)
    mine = flow.folder / "mine.yaml"
    mine.write_text(text, encoding="utf-8")
    flow.config = {}
    done = flow.run("--configfile", str(mine))
    assert done.returncode != 0
    assert not any((flow.folder / name).exists() for name in ("results", "logs", "data"))
    return done.stderr


def test_a_key_that_stands_twice_is_refused_with_both_lines(flow):
    told = refused(
        flow, "transform:\n  access: restricted\npackage: {max_files: 5}\ntransform:\n  profile: rdm-plain\n"
    )
    assert "mine.yaml, line 4: transform stands in line 1 already" in told


def test_a_key_that_stands_twice_below_another_is_refused(flow):
    told = refused(flow, 'repository:\n  url: https://repository.example.org\n  finish: draft\n  "url": sandbox\n')
    assert "mine.yaml, line 4: repository.url stands in line 2 already" in told


def test_bulk_refuses_a_key_that_stands_twice(flow):
    flow.want(MANUAL)
    (flow.folder / "mine.yaml").write_text("records: {recids: [1]}\nrecords: {recids: [2]}\n", encoding="utf-8")
    command = [sys.executable, ROOT / "scripts" / "bulk.py", "--cores", "1", "--configfile", "mine.yaml"]
    done = subprocess.run(command, cwd=flow.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "mine.yaml, line 2: records stands in line 1 already" in done.stderr


def test_a_value_that_stands_elsewhere_is_refused_before_anybody_walks_through_it(flow):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    told = refused(flow, "\n".join(lines))
    assert "mine.yaml, line 2: expected each value where it belongs, found the alias *a0" in told


@pytest.mark.parametrize(
    ("key", "address", "told"),
    [
        ("repository: {url", "repository.example.org", "did you mean https://repository.example.org?"),
        ("repository: {url", "htps://repository.example.org", "found the scheme 'htps'"),
        ("repository: {url", "http://repository.example.org", "expected https://"),
        ("repository: {url", "http://10.1.2.3:5000", "expected https://"),
        ("metadata: {portal", "http://opendata.cern.ch", "expected https://"),
        ("source: {redirects: {'root://eospublic.cern.ch/'", "file://~/files", "expected the whole path"),
        ("metadata: {portal", "opendata.cern.ch", "did you mean https://opendata.cern.ch?"),
    ],
)
def test_an_address_is_refused_with_what_is_wrong_about_it(flow, key, address, told):
    line = refused(flow, f'{key}: "{address}"' + "}" * key.count("{") + "\n")
    assert told in line
    assert "@" not in line


@pytest.mark.slow
def test_a_slash_at_the_end_of_an_address_is_no_other_repository(flow):
    flow.want(MANUAL)
    receipt = flow.folder / "results" / str(MANUAL) / "upload.json"
    receipt.parent.mkdir(parents=True)
    receipt.write_text('{"repository": "http://127.0.0.1:9/"}', encoding="utf-8")
    for url in ("http://127.0.0.1:9/", "http://127.0.0.1:9"):
        flow.config = {"repository": {"url": url}}
        flow.environment = {"NRP_TOKEN": "x"}
        assert "use another folder for another repository" not in flow.run(f"results/{MANUAL}/stats.json").stderr


def test_a_token_with_a_line_break_is_refused_before_anything_is_asked(flow):
    flow.want(MANUAL)
    flow.config = {"repository": {"url": "http://127.0.0.1:9"}}
    flow.environment = {"NRP_TOKEN": "abc\ndef"}
    done = flow.run()
    assert done.returncode != 0
    assert "NRP_TOKEN: expected one token, found one with a blank or a line break" in done.stderr
    assert "abc" not in done.stderr


def test_a_tilde_is_the_home_folder(flow):
    flow.want(MANUAL)
    home = flow.folder / "home"
    home.mkdir()
    (flow.folder / "metadata").rename(home / "records")
    flow.environment = {"HOME": str(home)}
    flow.config = {"metadata": {"dir": "~/records"}, "records": {"list": "~/mine.csv"}}
    (flow.folder / "records.csv").rename(home / "mine.csv")
    done = flow.run("--dry-run", "--quiet")
    assert_ok(done)
    assert f"{home}/records/{MANUAL}.json" in flow.run("--dry-run").stdout
    assert not (flow.folder / "~").exists()


def test_recids_may_be_given_on_the_command_line(flow):
    flow.want(MANUAL)
    (flow.folder / "records.csv").unlink()
    done = flow.run("--dry-run", "--config", f"records={{recids: [{MANUAL}], largest_first: false}}")
    assert_ok(done)
    assert f"results/{MANUAL}/upload.json" in done.stdout


def test_what_is_given_on_the_command_line_is_still_checked(flow):
    flow.want(MANUAL)
    done = flow.run("--dry-run", "--config", "records={recids: [many]}")
    assert done.returncode != 0
    assert "records.recids[0]: 'many' is not of type 'integer'" in done.stdout + done.stderr
