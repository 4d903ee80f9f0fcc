"""Faults 32 and 33: lines that break, stand still or are very slow."""

import time
from dataclasses import replace

import pytest

from servers.deposit_faults.cargo import STALL_S, Cargo, Carried
from servers.faults import Fault

CONTENT = {"method": "PUT", "path": r"large\.al/content$"}


@pytest.mark.parametrize("at", [0, 1, 65_536, 307_199])
def test_content_that_is_cut_off_is_sent_again(line, at):
    cargo = Cargo()
    cut = Fault("cut", **CONTENT, cut_upload_at=at)
    assert isinstance(line.attempt(cargo, cut), Carried)
    assert cut.fired == 1
    line.settle(cargo)


def test_a_line_that_cuts_every_upload_fails_the_record_and_no_other_file(line):
    cargo = Cargo()
    outcome = line.attempt(cargo, Fault("cut", **CONTENT, cut_upload_at=100_000, times=None))
    assert not isinstance(outcome, Carried)
    (record,) = line.truth.held(cargo, expected=1)
    assert set(record.complete) == {"deep/a b.txt", "empty"}
    line.settle(cargo)


def test_a_line_that_stands_still_is_given_up_at_the_stall_limit(line):
    """A real repository keeps the record's rows locked until it has given up the body too, after 10 s here."""
    cargo = Cargo()
    settings = replace(line.carrier.settings, attempts=20)
    patient = replace(line, carrier=replace(line.carrier, settings=settings, stall_s=STALL_S))
    begun = time.monotonic()
    assert isinstance(patient.attempt(cargo, Fault("still", **CONTENT, stall_upload_at=70_000)), Carried)
    assert STALL_S <= time.monotonic() - begun < STALL_S + 30
    line.settle(cargo)


def test_a_slow_line_is_given_the_time_it_takes(line):
    """Three times the stall limit: what moves is not stalled."""
    cargo = Cargo({"large.al": bytes(4_500_000)})
    line.carrier.stall_s = STALL_S
    slow = Fault("slow", **CONTENT, throttle_bytes_s=len(cargo.contents["large.al"]) / (3 * STALL_S))
    assert isinstance(line.attempt(cargo, slow), Carried)
    assert slow.seen == 1
    line.settle(cargo)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_content_that_takes_400_s_to_send_arrives_at_the_first_try(line):
    """A total limit on a request, nrp-cmd's of 300 s, would end it each time; the stall limit is an eighth of it."""
    cargo = Cargo({"large.al": bytes(40_000_000)})
    carrier = replace(line.carrier, stall_s=50.0)
    slow = line.proxy.add(Fault("slow", **CONTENT, throttle_bytes_s=len(cargo.contents["large.al"]) / 400))
    line.truth.assert_holds(cargo, carrier.carry(cargo))
    (sent,) = line.sent("large.al/content")
    assert slow.seen == 1
    assert sent.ended_s - sent.started_s > 395
