"""Large files go up in parts: each by itself, none twice, and whole where the repository takes no parts."""

import random
from dataclasses import replace

import pytest

from ferry.deposit.settings import DepositSettings
from ferry.errors import IntegrityError, PermanentError, TransientError
from ferry.flags import PARTS_REFUSED, RunFlags
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import deposit, requests
from servers.fault_proxy import fault_proxy
from servers.faults import Fault

PART = 1000
IN_PARTS = DepositSettings(settle_s=2, multipart_from_bytes=PART, part_bytes=PART, parallel_parts=3)
BIG = {"big.root": random.Random(7).randbytes(9 * PART + 1), "small.txt": b"small"}
PARTS = 10


def parts_sent(sandbox):
    paths = [request["path"] for request in requests(sandbox) if request["method"] == "PUT"]
    return sorted(int(path.rsplit("/", 1)[1]) for path in paths if "/big.root/content/" in path)


def test_a_large_file_goes_in_parts_and_a_small_one_whole(sandbox, tmp_path):
    done = deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS)
    assert parts_sent(sandbox) == list(range(1, PARTS + 1))
    assert done.measured["bytes_moved"] == sum(map(len, BIG.values()))
    assert deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS).measured["bytes_moved"] == 0


def stopping_after(count, error):
    def spoil(repository):
        send_part = repository.send_part
        sent = []

        async def send(*arguments):
            if len(sent) >= count:
                raise error
            sent.append(arguments)  # beforehand: others are in flight meanwhile
            await send_part(*arguments)

        repository.send_part = send

    return spoil


def test_what_was_interrupted_goes_on_with_the_parts_that_are_missing(sandbox, tmp_path):
    one_by_one = DepositSettings(settle_s=2, multipart_from_bytes=PART, part_bytes=PART, parallel_parts=1)
    with pytest.raises(PermanentError, match="killed"):
        deposit(sandbox, tmp_path, contents=BIG, settings=one_by_one, spoil=stopping_after(9, PermanentError("killed")))
    done = deposit(sandbox, tmp_path, contents=BIG, settings=one_by_one)
    assert parts_sent(sandbox) == list(range(1, PARTS + 1))
    assert done.measured["bytes_moved"] == 1


def test_parts_of_other_bytes_are_not_built_upon(sandbox, tmp_path):
    with pytest.raises(PermanentError, match="killed"):
        deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS, spoil=stopping_after(4, PermanentError("killed")))
    changed = {**BIG, "big.root": BIG["big.root"][::-1]}
    deposit(sandbox, tmp_path, contents=changed, settings=IN_PARTS)
    assert len(parts_sent(sandbox)) == 4 + PARTS


def test_a_part_that_fails_is_sent_again_and_no_other(sandbox, tmp_path):
    def spoil(repository):
        send_part = repository.send_part
        failed = []

        async def send(file, part, open_body, size_bytes):
            if part.number == 4 and len(failed) < 2:
                failed.append(part)
                raise TransientError("503")
            await send_part(file, part, open_body, size_bytes)

        repository.send_part = send

    done = deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS, spoil=spoil)
    assert parts_sent(sandbox) == list(range(1, PARTS + 1))
    assert done.measured["retries"] == 2


def test_a_part_that_the_storage_refuses_for_a_slow_line_is_sent_again_and_no_other(sandbox, tmp_path):
    slow = b"<Error><Code>RequestTimeout</Code><Message>Your socket connection was idle.</Message></Error>"
    with fault_proxy(sandbox.url) as proxy:
        headers = {"Content-Type": "application/xml"}
        proxy.add(Fault("slow", method="PUT", path="/content/4", status=400, headers=headers, body=slow))
        flags = RunFlags("run", tmp_path / "flags")
        deposit(replace(sandbox, url=proxy.url), tmp_path, contents=BIG, settings=IN_PARTS, flags=flags)
    assert sorted(parts_sent(sandbox)) == list(range(1, PARTS + 1))
    assert flags.get(PARTS_REFUSED) is None


def test_a_file_with_a_part_that_was_never_sent_is_not_committed(sandbox, tmp_path):
    def spoil(repository):
        send_part = repository.send_part

        async def send(file, part, open_body, size_bytes):
            if part.number == 4:
                raise TransientError("timed out")
            await send_part(file, part, open_body, size_bytes)

        repository.send_part = send

    with pytest.raises(TransientError, match="timed out"):
        deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS, spoil=spoil)
    assert not any("big.root/commit" in request["path"] for request in requests(sandbox))


def test_a_part_said_to_be_there_that_is_not_is_found_out_and_the_file_sent_again(sandbox, tmp_path):
    def spoil(repository):
        send_part = repository.send_part
        lost = []

        async def send(file, part, open_body, size_bytes):
            if part.number == 4 and not lost:
                lost.append(part)
                async for _ in open_body():
                    pass
                return
            await send_part(file, part, open_body, size_bytes)

        repository.send_part = send

    deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS, spoil=spoil)
    assert len(parts_sent(sandbox)) == 2 * PARTS - 1


def test_changed_bytes_are_not_committed_in_parts_either(sandbox, tmp_path):
    changed = {**BIG, "big.root": BIG["big.root"][:-1] + b"!"}
    with pytest.raises(IntegrityError, match=r"big\.root: changed since it was packed"):
        deposit(sandbox, tmp_path, contents=BIG, read=changed, settings=IN_PARTS)
    assert not any("big.root/commit" in request["path"] for request in requests(sandbox))


@pytest.mark.parametrize("refused_at", ["announcement", "part"])
def test_where_parts_are_refused_files_go_whole_and_the_run_remembers(tmp_path, refused_at):
    sandbox = launcher.start(tmp_path / "repository", settings=Settings(multipart=refused_at == "part"))
    flags = RunFlags("run", tmp_path / "flags")

    def spoil(repository):
        repository.takes_parts = True  # whatever the repository says of itself
        if refused_at == "part":
            from ferry.repository.errors import PartsRefusedError

            async def refuse(*_):
                raise PartsRefusedError("405 Method Not Allowed")

            repository.send_part = refuse

    try:
        done = deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS, spoil=spoil, flags=flags)
    finally:
        sandbox.stop()
    assert done.measured["bytes_moved"] == sum(map(len, BIG.values()))
    assert parts_sent(sandbox) == []
    assert flags.get(PARTS_REFUSED)


def test_a_checksum_that_comes_late_is_waited_for(tmp_path):
    sandbox = launcher.start(tmp_path / "repository", settings=Settings(checksum_lag_s=0.3))
    try:
        assert deposit(sandbox, tmp_path, contents=BIG, settings=IN_PARTS).receipt["files"][0]["key"] == "big.root"
    finally:
        sandbox.stop()


def test_a_checksum_that_never_comes_proves_nothing(tmp_path):
    sandbox = launcher.start(tmp_path / "repository", settings=Settings(checksum_lag_s=100))
    settings = DepositSettings(settle_s=2, multipart_from_bytes=PART, part_bytes=PART, checksum_wait_s=3)
    try:
        with pytest.raises(TransientError, match=r"expected the repository.s checksum"):
            deposit(sandbox, tmp_path, contents=BIG, settings=settings)
    finally:
        sandbox.stop()
