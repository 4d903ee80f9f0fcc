"""Fault 23: the repository asks to slow down, in one of several ways, and every worker of the run waits."""

import asyncio
import time
from dataclasses import replace

import pytest

from ferry.repository.rate_limit import RateLimiter
from servers.deposit_faults.cargo import Cargo, Carried
from servers.faults import Fault, http_date, refusal

ASKED_S = 3.0
RESET_S = 8.0


def answer_headers(way):
    """Return the headers by which the repository says how long to wait, and how long after a refusal that is."""
    now = time.monotonic()
    match way:
        case "seconds":
            return {"Retry-After": f"{ASKED_S:g}"}, lambda refused_s: refused_s + ASKED_S
        case "date":
            asked = {"Retry-After": http_date(ASKED_S), "Date": http_date(0)}
            return asked, lambda refused_s: refused_s + ASKED_S - 1.1  # dates tell whole seconds
        case "limits only":  # a moment, that a slow repository comes near to before it refuses
            reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time() + RESET_S + 1))}
            return reset, lambda refused_s: now + RESET_S
    raise AssertionError(way)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("way", ["seconds", "date", "limits only"])
def test_every_worker_waits_as_long_as_one_of_them_was_asked_to(line, tmp_path, way, status):
    cargos = [Cargo({f"f{number}": bytes(1000) for number in range(6)}, recid=recid) for recid in (1, 2)]
    headers, quiet_until = answer_headers(way)
    busy = line.proxy.add(
        Fault("busy", method="PUT", path="/content$", nth=4, **{**refusal(status, "slow down"), "headers": headers})
    )
    workers = [replace(line.carrier, rate_limiter=RateLimiter(path=tmp_path / "pace", limits=[])) for _ in cargos]

    async def run():
        return await asyncio.gather(
            *(worker.carry_in_loop(cargo) for worker, cargo in zip(workers, cargos, strict=True))
        )

    carried = asyncio.run(run())
    assert busy.fired == 1
    (refused,) = [each for each in line.proxy.log if each.fault == "busy"]
    quiet_s = quiet_until(refused.ended_s)
    assert line.sent(refused.path.removesuffix("content") + "commit")[0].started_s > quiet_s
    slack_s = 0.3  # what was on its way when the answer came
    assert refused.ended_s + slack_s < quiet_s
    assert [each.path for each in line.proxy.log if refused.ended_s + slack_s < each.started_s < quiet_s] == []
    for cargo, done in zip(cargos, carried, strict=True):
        line.truth.assert_holds(cargo, done)


def test_a_refusal_that_does_not_say_how_long_is_waited_out_too(line, tmp_path, monkeypatch):
    monkeypatch.setattr("ferry.repository.http.UNTOLD_WAIT_S", 2.0)
    cargo = Cargo()
    rate_limiter = RateLimiter(path=tmp_path / "pace", limits=[])
    patient = replace(line, carrier=replace(line.carrier, rate_limiter=rate_limiter))
    busy = Fault("busy", method="PUT", path=r"large\.al/content$", **refusal(429, "500 per 1 minute"))
    assert isinstance(patient.attempt(cargo, busy), Carried)
    (refused,) = [each for each in line.proxy.log if each.fault == "busy"]
    assert not [each for each in line.proxy.log if refused.ended_s + 0.3 < each.started_s < refused.ended_s + 1.9]
    line.settle(cargo)


@pytest.mark.smoke
def test_after_refusals_files_are_sent_again_and_nothing_is_deleted_or_announced_anew(line, tmp_path):
    """Fault 54."""
    cargo = Cargo({f"f{number:02}": bytes([number]) * 300_000 for number in range(12)})
    patient = replace(line, carrier=replace(line.carrier, rate_limiter=RateLimiter(path=tmp_path / "p", limits=[])))
    refused = {**refusal(429, "500 per 1 minute"), "headers": {"Retry-After": "1"}}
    busy = Fault("busy", method="PUT", path="/content$", times=12, **refused)
    assert isinstance(patient.attempt(cargo, busy), Carried)
    asked = [(each.method, each.path.rsplit("/", 1)[-1]) for each in line.proxy.log]
    assert busy.fired == 12
    assert [each for each in asked if each[0] == "DELETE"] == []
    assert asked.count(("POST", "files")) == 1
    assert asked.count(("PUT", "content")) == 24
    assert asked.count(("POST", "commit")) == 12
    line.settle(cargo)
