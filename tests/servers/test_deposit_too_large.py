"""A body that is larger than the repository takes in one request (413): the file goes in parts that fit."""

import random
from itertools import repeat

import pytest

from ferry.deposit.settings import DepositSettings
from ferry.errors import PermanentError
from ferry.flags import RunFlags
from ferry.repository.files import Announcement
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import act, deposit, requests

PART = 1000
FLOOR = 100
WHOLE_FIRST = DepositSettings(
    settle_s=2, multipart_from_bytes=10**9, part_bytes=PART, least_part_bytes=FLOOR, parallel_parts=3
)
BIG = {"big.root": random.Random(7).randbytes(2 * PART + 1)}
SMALL = {"small.txt": b"small"}


@pytest.fixture
def taking(tmp_path):
    started = []

    def start(most_bytes, **settings):
        started.append(
            launcher.start(tmp_path / "repository", settings=Settings(max_file_bytes=most_bytes, **settings))
        )
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.stop()


def asked(sandbox, start=0):
    """What was asked about files, in order: method and the path behind draft/files."""
    found = [
        (each["method"], each["path"].split("?")[0].partition("/draft/files")) for each in requests(sandbox, start)
    ]
    return [f"{method} {path[2]}".strip() for method, path in found if path[1] and method != "GET"]


def bytes_held(sandbox, record_id):
    async def read(repository):
        return {file.key: file for file in await repository.list_files(await repository.read_draft(record_id))}

    return act(sandbox, read)


def test_a_file_that_is_refused_whole_goes_in_parts_and_is_announced_anew_once(taking, tmp_path):
    sandbox = taking(PART + 500)
    done = deposit(sandbox, tmp_path, contents={**BIG, **SMALL}, settings=WHOLE_FIRST)
    puts = [f"PUT /big.root/content/{number}" for number in (1, 2, 3)]
    small = ["PUT /small.txt/content", "POST /small.txt/commit"]
    assert sorted(asked(sandbox)) == sorted(
        ["POST", "PUT /big.root/content", *small, "DELETE /big.root", "POST", *puts, "POST /big.root/commit"]
    )
    assert done.measured["retries"] == 0
    held = bytes_held(sandbox, done.receipt["record_id"])
    assert {entry["key"]: entry["md5"] for entry in done.receipt["files"]} == {key: f.md5 for key, f in held.items()}


def test_the_next_file_of_the_run_is_not_tried_whole_again(taking, tmp_path):
    sandbox = taking(PART + 500)
    flags = RunFlags("run", tmp_path / "flags")
    deposit(sandbox, tmp_path, contents=BIG, settings=WHOLE_FIRST, flags=flags)
    before = len(requests(sandbox))
    # shorter than what was refused, longer than what is known to be taken
    next_file = {"next.root": random.Random(8).randbytes(PART + 1), "fits.root": bytes(PART)}
    deposit(sandbox, tmp_path / "next", contents={**BIG, **next_file}, settings=WHOLE_FIRST, flags=flags)
    assert "PUT /next.root/content" not in asked(sandbox, before)
    assert "PUT /next.root/content/2" in asked(sandbox, before)
    assert "PUT /fits.root/content" in asked(sandbox, before)


def test_parts_that_are_refused_too_are_made_shorter_until_they_fit(taking, tmp_path):
    sandbox = taking(300)
    done = deposit(sandbox, tmp_path, contents=BIG, settings=WHOLE_FIRST)
    held = bytes_held(sandbox, done.receipt["record_id"])
    assert held["big.root"].md5 == done.receipt["files"][0]["md5"]
    parts = [path for path in asked(sandbox) if path.startswith("PUT /big.root/content/")]
    assert parts.count("PUT /big.root/content/9") == 1  # 2001 bytes in parts of 250
    assert "PUT /big.root/content/10" not in parts


def test_a_file_shorter_than_a_part_goes_in_shorter_parts(taking, tmp_path):
    sandbox = taking(500)
    deposit(sandbox, tmp_path, contents={"a.root": bytes(PART - 100)}, settings=WHOLE_FIRST)
    assert {"PUT /a.root/content/1", "PUT /a.root/content/2"} <= set(asked(sandbox))


def test_parts_are_made_no_shorter_than_the_floor_and_the_limit_is_named(taking, tmp_path):
    sandbox = taking(FLOOR - 1)
    with pytest.raises(PermanentError, match=rf"\(413\).*refuses a body of {FLOOR} bytes.*at least {FLOOR} bytes"):
        deposit(sandbox, tmp_path, contents=BIG, settings=WHOLE_FIRST)
    assert not any("commit" in path for path in asked(sandbox))


@pytest.mark.parametrize(
    ("parts_taken", "multipart_from_bytes", "advice"),
    [(False, 10**9, "takes no files in parts"), (True, None, "upload.multipart_from_bytes")],
)
def test_where_no_parts_are_to_be_had_the_refusal_is_told_at_once(
    taking, tmp_path, parts_taken, multipart_from_bytes, advice
):
    sandbox = taking(PART, multipart=parts_taken)
    settings = DepositSettings(settle_s=2, multipart_from_bytes=multipart_from_bytes, part_bytes=PART)
    with pytest.raises(PermanentError, match=rf"big\.root: larger than .*\(413\).*{advice}"):
        deposit(sandbox, tmp_path, contents=BIG, settings=settings)
    assert asked(sandbox).count("PUT /big.root/content") == 1


def test_a_file_that_would_need_too_many_parts_is_refused_with_the_numbers(taking, tmp_path, monkeypatch):
    monkeypatch.setattr("ferry.deposit.transfer_choice.MOST_PARTS", 2)
    sandbox = taking(PART)
    with pytest.raises(PermanentError, match=r"big\.root: a file of 2001 bytes goes in at most 2 parts, of 1001 bytes"):
        deposit(sandbox, tmp_path, contents=BIG, settings=WHOLE_FIRST)


def test_parts_sent_before_that_are_too_large_now_are_not_gone_on_with(taking, tmp_path):
    sandbox = taking(10**6)
    in_parts = DepositSettings(
        settle_s=2, multipart_from_bytes=PART, part_bytes=PART, least_part_bytes=FLOOR, parallel_parts=1
    )

    def interrupt(repository):
        send_part, sent = repository.send_part, []

        async def send(*arguments):
            if sent:
                raise PermanentError("killed")
            sent.append(arguments)
            await send_part(*arguments)

        repository.send_part = send

    with pytest.raises(PermanentError, match="killed"):
        deposit(sandbox, tmp_path, contents=BIG, settings=in_parts, spoil=interrupt)
    flags = RunFlags("run", tmp_path / "flags")
    flags.set("part-limit", "500")
    before = len(requests(sandbox))
    deposit(sandbox, tmp_path, contents=BIG, settings=in_parts, flags=flags)
    assert [path for path in asked(sandbox, before) if "content" in path] == [
        f"PUT /big.root/content/{number}" for number in range(1, 6)
    ]


def test_what_is_left_of_a_refused_body_is_not_sent(taking, tmp_path):
    sandbox = taking(10**6)
    chunk, count = bytes(1 << 20), 64
    given = []

    async def send(repository):
        draft = await repository.create({"metadata": {}, "files": {"enabled": True}}, workflow=None)
        (entry,) = await repository.init_files(draft, [Announcement(key="big.root", size_bytes=count << 20)])

        async def body():
            for piece in repeat(chunk, count):
                given.append(len(piece))
                yield piece

        await repository.send_content(entry, body, count << 20)

    with pytest.raises(PermanentError, match=r"\(413\)"):
        act(sandbox, send)
    assert sum(given) <= 16 << 20
