"""Fault 28: a file in parts of which one is refused, lost, held up, or said to be there and is not."""

from dataclasses import replace

import pytest

from ferry.errors import TransientError
from servers.deposit_faults.cargo import Cargo, Carried
from servers.fault_proxy import fault_proxy
from servers.faults import Fault, refusal

PART = 5 * 1024 * 1024
PARTS = 3
CONTENTS = {"large.al": bytes(range(256)) * (PART // 256) * 2 + b"the end", "small.txt": b"small"}
FOURTH_OF_A_PART = PART // 4


@pytest.fixture
def parts_line(line):
    """A way on which large.al goes in three parts."""
    settings = replace(line.carrier.settings, multipart_from_bytes=PART, part_bytes=PART, parallel_parts=2)
    return replace(line, carrier=replace(line.carrier, settings=settings, stall_s=3.0))


def part(number):
    """Return which requests send this part."""
    return {"method": "PUT", "path": rf"large\.al/content/{number}$"}


def sent_parts(line):
    """Return the numbers of the parts as they were sent."""
    return sorted(int(each.path.rsplit("/", 1)[1]) for each in line.sent("large.al/content/"))


@pytest.mark.parametrize(
    "trouble",
    [
        refusal(503, "busy"),
        refusal(500, "failed"),
        {**refusal(429, "500 per 1 minute"), "headers": {"Retry-After": "0"}},
        {"reset": True},
        {"cut_upload_at": FOURTH_OF_A_PART},
        {"drop_answer": True},
        refusal(403, "Request has expired"),
    ],
    ids=["503", "500", "429", "reset", "cut", "answer lost", "expired"],
)
def test_a_part_that_fails_is_sent_again_and_no_other(parts_line, trouble):
    cargo = Cargo(CONTENTS)
    once = Fault("once", **part(2), **trouble)
    assert isinstance(parts_line.attempt(cargo, once), Carried)
    assert once.fired == 1
    assert sent_parts(parts_line) == [1, 2, 2, 3]
    parts_line.settle(cargo)


@pytest.mark.smoke
def test_a_part_changed_on_the_way_is_found_out_and_the_file_sent_again(parts_line):
    cargo = Cargo(CONTENTS)
    assert isinstance(parts_line.attempt(cargo, Fault("flip", **part(1), flip_upload_at=7)), Carried)
    assert sent_parts(parts_line) == [1, 1, 2, 2, 3, 3]
    parts_line.settle(cargo)


def test_a_part_that_is_answered_for_before_it_has_arrived_is_not_taken_for_sent(parts_line):
    """The repository would complete such a file with a hole of zeros."""
    cargo = Cargo(CONTENTS)
    assert isinstance(parts_line.attempt(cargo, Fault("too early", **part(2), status=200)), Carried)
    assert sent_parts(parts_line) == [1, 2, 2, 3]
    parts_line.settle(cargo)


def test_a_file_of_which_a_part_never_arrives_is_not_committed_and_goes_on_with_that_part(parts_line):
    cargo = Cargo(CONTENTS)
    outcome = parts_line.attempt(cargo, Fault("never", **part(3), **refusal(503, "busy"), times=None))
    assert isinstance(outcome, TransientError)
    assert parts_line.sent("large.al/commit") == []
    before = len(sent_parts(parts_line))
    parts_line.settle(cargo)
    assert len(sent_parts(parts_line)) == before + 1


def test_where_the_storage_refuses_every_part_files_go_whole(parts_line):
    cargo = Cargo(CONTENTS)
    refused = Fault("refused", method="PUT", path=r"/content/\d+$", **refusal(405, "Method Not Allowed"), times=None)
    assert isinstance(parts_line.attempt(cargo, refused), Carried)
    assert refused.fired <= parts_line.carrier.settings.parallel_parts
    assert len([each for each in parts_line.sent("large.al/content") if each.path.endswith("/content")]) == 1
    parts_line.carrier = replace(
        parts_line.carrier, settings=replace(parts_line.carrier.settings, multipart_from_bytes=None)
    )
    parts_line.settle(cargo)


def test_the_token_goes_to_no_other_host_with_the_parts(parts_line):
    cargo = Cargo(CONTENTS)
    with fault_proxy(parts_line.proxy.target) as storage:

        def lead_elsewhere(answer):
            ours, theirs = parts_line.proxy.url.encode(), storage.url.encode()
            for number in range(1, PARTS + 1):
                place = b"/draft/files/large.al/content/%d" % number
                answer.body = b"".join(
                    piece.replace(ours, theirs) if piece.split(b'"')[0].endswith(place) else piece
                    for piece in _split_before(answer.body, ours)
                )

        elsewhere = Fault("elsewhere", path="/draft/files", change=lead_elsewhere, times=None)
        outcome = parts_line.attempt(cargo, elsewhere)
        asked = list(storage.log)
    assert isinstance(outcome, TransientError)  # nobody is let in there without a token
    assert asked
    assert not any("authorization" in each.headers for each in asked)
    assert parts_line.sent("large.al/commit") == []
    parts_line.settle(cargo)


def _split_before(text, mark):
    """Cut a text before each mark."""
    first, *rest = text.split(mark)
    return [first, *(mark + piece for piece in rest)]
