"""A repository may say anything: our own token, signs that a terminal obeys. Nothing of it is shown."""

import itertools
import json
import re

import pytest
from generated_records import put_below, redirect, write_records

from sandbox import launcher
from sandbox.settings import Settings
from servers.fault_proxy import fault_proxy
from servers.faults import Fault

RECIDS = range(700, 724)
REFUSALS = (400, 404, 409, 413, 418, 422, 429, 500, 502, 503)
CLEAR_SCREEN = "\x1b[2J\x1b[H\x9b1m\u202e\u2028"


def in_a_header(answer, text):
    answer.headers |= {"X-Echo": text, "ETag": f'"{text}"', "Location": f"/api/records?access={text}"}


def beside_what_is_asked(answer, text):
    document = json.loads(answer.body or b"{}")
    if isinstance(document, dict):
        answer.json = document | {"echo": {"authorization": [text]}, text: text}


def in_each_link(answer, text):
    answer.body = re.sub(rb'("self_html": *"[^"]*)"', rb"\1?t=" + text.encode() + b'"', answer.body)


def in_errors(answer, text):
    document = json.loads(answer.body or b"{}")
    if isinstance(document, dict):
        answer.json = document | {"errors": [{"field": f"metadata.{text}", "messages": [text]}]}


def refusing(status, body):
    def change(answer, text):
        answer.status = status
        answer.headers |= {"Content-Type": "application/json", "Retry-After": "0"}
        answer.body = body(text).encode()

    return change


def bodies():
    yield lambda text: text
    yield lambda text: json.dumps({"status": 400, "message": f"no right: {text}"})
    yield lambda text: json.dumps({"message": "no", "errors": [{"field": text, "messages": [text]}]})
    yield lambda text: f"<html><title>{text}</title>\n{text}\r\n</html>"
    yield lambda text: json.dumps(f"{text}{CLEAR_SCREEN}4 ok, 0 failed\n")
    for before in (160, 270, 560, 1970):  # cut in the middle of the token, wherever answers are cut
        yield lambda text, before=before: json.dumps({"message": "x" * before + text + "x" * 2000})
    yield lambda text: f"{CLEAR_SCREEN}{text}\n24 ok, 0 failed, 0 skipped\n"


@pytest.fixture
def echoing(flow):
    """Give a flow of small records, the proxy before its repository, and the token."""
    sandbox = launcher.start(flow.folder / "repository", settings=Settings(rate_limits=()))
    flow.folder /= "run"
    flow.folder.mkdir()
    sizes = {recid: [900, 20] for recid in RECIDS}
    write_records(flow.folder / "metadata", sizes, put=put_below(flow.folder.parent / "far"))
    flow.want(*RECIDS)
    flow.environment = {"NRP_TOKEN": sandbox.token}
    with fault_proxy(sandbox.url) as proxy:
        flow.config = {
            "source": {"redirects": redirect(flow.folder.parent / "far")},
            "repository": {"url": proxy.url, "finish": "publish"},
            "upload": {"attempts": 1},
            "breaker": {"failed": 0, "give_up_after_s": 0},
        }
        yield flow, proxy, sandbox.token
    sandbox.stop()


def echo(proxy, token, changes, **which):
    """Let each answer of these requests be changed by the next of the changes; return the faults that count them."""
    turn = itertools.cycle(changes)

    def change(answer):
        next(turn)(answer, f"Bearer {token}")

    return proxy.add(Fault("echo", times=None, change=change, **which))


def shown(flow, done):
    """Give the name and content of all that the run has left and told."""
    yield "terminal", done.stdout + done.stderr
    for path in sorted(flow.folder.rglob("*")):
        if path.is_file() and path.name != "flow.yaml":
            yield str(path.relative_to(flow.folder)), path.read_bytes().decode("utf-8", "replace")


def assert_nothing_shown(flow, done, token):
    for name, text in shown(flow, done):
        assert token[:9] not in text, f"the token, or its beginning, is in {name}"
        assert token[-9:] not in text, f"the token, or its end, is in {name}"
        if name == "terminal" or name.endswith((".log", ".csv", ".txt")):
            assert not re.search("[\x1b\x9b\u202e\u2028]", text), f"{name} has signs that a terminal obeys"


def test_a_token_that_comes_back_with_good_answers_is_shown_nowhere(echoing):
    flow, proxy, token = echoing
    fault = echo(proxy, token, [in_a_header, beside_what_is_asked, in_each_link], path="/api/(records|user)")
    done = flow.run("--quiet", "rules")
    assert done.returncode == 0, done.stderr
    assert fault.fired >= 300
    assert_nothing_shown(flow, done, token)


def test_a_token_that_comes_back_with_refusals_is_shown_nowhere(echoing):
    flow, proxy, token = echoing
    changes = [refusing(status, body) for status in REFUSALS for body in bodies()]
    good = [lambda answer, text: None] * 2
    changes = [each for change in changes for each in [*good, change]] + [in_errors]
    echo(proxy, token, changes, path="/api/records")
    for _ in range(3):
        done = flow.run("--quiet", "rules", "--keep-going")
        assert done.returncode != 0
        assert_nothing_shown(flow, done, token)
        assert "[secret]" in (flow.folder / "results" / "failures.csv").read_text(encoding="utf-8")
    refused = [each for each in proxy.log if each.status in REFUSALS and each.upstream_status not in REFUSALS]
    assert len(refused) >= 60
